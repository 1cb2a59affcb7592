"""Seeds and tasks in other languages: what is kept, counted, asked for, said and exported."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from seedstep import Task
from seedstep.bootstrap import BootstrapSettings, check_seeds, tell_script
from seedstep.bootstrap.prompting import make_prompts
from seedstep.bootstrap.sifting import instruction_fault
from seedstep.data import load_tasks, seed_tasks
from seedstep.errors import InputError
from seedstep.exports import EXPORT_FORMATS
from seedstep.prompts import CHAT_LANGUAGES, chat_frames
from seedstep.report.statistics import lengths
from seedstep.stages import BOOTSTRAP, open_run
from support.command_line import seed_line, seedstep
from support.foreign import FOREIGN, Foreign, foreign_model, write_foreign_seeds
from support.scripted_server import ScriptedServer

pytestmark = pytest.mark.usefixtures("empty_directory")

TASKS = 20
MODEL = ("--model", "openai:scripted")


@pytest.fixture(params=list(FOREIGN))
def language(request: pytest.FixtureRequest, server: ScriptedServer) -> Foreign:
    """A language, in which the server writes, and its seeds in `seeds.jsonl`."""
    found = FOREIGN[request.param]
    server.script = foreign_model(found)
    write_foreign_seeds(Path("seeds.jsonl"), found)
    return found


def grown(*flags: object) -> str:
    done = seedstep("bootstrap", *MODEL, "--out", "run", "--tasks", TASKS, *flags)
    assert done.code == 0, done.err
    return done.words


class TestAWholeRun:
    def test_nothing_is_dropped_for_its_script(self, language: Foreign) -> None:
        said = grown("--seeds", "seeds.jsonl", "--window", 1)
        written = "Japanese" if language.name == "Japanese" else "Latin letters beyond a to z (ä, ü"
        assert f"The seeds are written in {written}" in said
        assert f"--language {language.name} asks for all texts in that language" in said
        with open_run("run", BOOTSTRAP) as run:
            assert run.settings.tokens == "unicode"
            assert run.status().rejected == {}
            tasks = run.tasks()
        assert [task.definition for task in tasks] == list(language.tasks[:TASKS])
        assert all(task.instances[0].output == language.output for task in tasks)

    def test_exports_and_cards_have_every_text(self, language: Foreign) -> None:
        said = grown("--seeds", "seeds.jsonl", "--window", 1, "--language", language.name)
        assert "--language" not in said
        for name in EXPORT_FORMATS:
            licence = ("--license", "cc0-1.0") if name == "hub" else ()
            done = seedstep("export", "run", "--format", name, "--out", name, *licence)
            assert done.code == 0, done.err
        rows = [json.loads(line) for line in Path("alpaca/train.jsonl").read_text().splitlines()]
        assert [row["instruction"] for row in rows] == list(language.tasks[:TASKS])
        assert {row["output"] for row in rows} == {language.output}
        found = load_tasks(Path("superni")).tasks
        assert [task.definition for task in found] == list(language.tasks[:TASKS])
        file = json.loads(next(Path("superni/tasks").iterdir()).read_text())
        assert file["Input_language"] == file["Instruction_language"] == [language.name]
        card = Path("hub/README.md").read_text()
        assert f"| language | {language.name} |" in card
        assert "| tokens | unicode |" in card

    @pytest.mark.usefixtures("quick_figures")
    def test_the_report_counts_words_by_script(self, language: Foreign) -> None:
        grown("--seeds", "seeds.jsonl", "--window", 1)
        with open_run("run", BOOTSTRAP) as run:
            counted = lengths(run.tasks()).instructions
        assert min(counted) >= 4
        assert max(counted) <= 15
        pytest.importorskip("matplotlib")
        done = seedstep("report", "run", "--out", "report")
        assert done.code == 0, done.err
        page = Path("report/index.html").read_text()
        assert language.tasks[0] in page
        assert "What the instructions ask for" not in page  # verbs and objects are English ones

    def test_the_language_without_being_named_follows_from_the_script(
        self, language: Foreign
    ) -> None:
        grown("--seeds", "seeds.jsonl", "--window", 1)
        assert seedstep("export", "run", "--format", "superni", "--out", "superni").code == 0
        file = json.loads(next(Path("superni/tasks").iterdir()).read_text())
        expected = "Japanese" if language.name == "Japanese" else "unknown"
        assert file["Input_language"] == [expected]

    def test_it_goes_on_with_what_it_began_with(
        self, language: Foreign, server: ScriptedServer
    ) -> None:
        grown("--seeds", "seeds.jsonl", "--window", 1)
        before = server.requests
        grown("--seeds", "seeds.jsonl", "--window", 1, "--tokens", "auto")
        assert server.requests == before
        error = seedstep("bootstrap", "--out", "run", "--tokens", "latin").error
        assert "tokens: 'unicode' there, 'latin' asked" in error


class TestAlongAxes:
    AXES = "topic: 3\nclassification: {yes: 0.2, no: 0.8}\n気分・Ton: [freundlich, 丁寧]\n"

    @pytest.fixture
    def run(self, language: Foreign, server: ScriptedServer) -> str:
        """20 tasks along axes, with what the command said."""
        server.script = foreign_model(language, each=3)
        Path("axes.yaml").write_text(self.AXES)
        flags = ("--seeds", "seeds.jsonl", "--window", 1, "--language", language.name)
        return grown(*flags, "--axes", "axes.yaml")

    def test_nothing_is_dropped_and_shares_are_met(
        self, run: str, language: Foreign, server: ScriptedServer
    ) -> None:
        with open_run("run", BOOTSTRAP) as opened:
            assert opened.status().rejected == opened.status().bad_instances == {}
            tasks = opened.tasks()
            coverage = opened.records.coverage()
        assert [task.definition for task in tasks] == list(language.tasks[:TASKS])
        assert coverage
        topics = [each for each in coverage.values if each.axis == "topic"]
        assert [each.value for each in topics] == list(language.topics)
        assert sum(each.tasks for each in topics) == TASKS
        assert all(each.tasks >= 6 for each in topics)
        for each in topics:
            row = f"topic {each.value} {each.wanted:.0%} {each.tasks / TASKS:.0%} {each.tasks}"
            assert row in run

    def test_it_is_asked_for_in_the_language(
        self, run: str, language: Foreign, server: ScriptedServer
    ) -> None:
        asked = [str(body["messages"][0]["content"]) for body in server.bodies]
        (values,) = [text for text in asked if text.startswith(language.asks)]
        assert values.isascii() is False
        wanted = [text for text in asked if '{"tasks": ' in text]
        assert len(wanted) == 7
        frames = chat_frames(language.name)
        assert frames
        for text in wanted:
            assert text.startswith(frames.generation[:4])
            assert sum(language.line.format(topic) in text for topic in language.topics) == 1
            assert "Every task" not in text

    @pytest.mark.usefixtures("quick_figures")
    def test_exports_and_the_report_have_every_text(self, run: str, language: Foreign) -> None:
        for name in EXPORT_FORMATS:
            licence = ("--license", "cc0-1.0") if name == "hub" else ()
            done = seedstep("export", "run", "--format", name, "--out", name, *licence)
            assert done.code == 0, done.err
        rows = [json.loads(line) for line in Path("alpaca/train.jsonl").read_text().splitlines()]
        assert [row["instruction"] for row in rows] == list(language.tasks[:TASKS])
        for file in Path("superni/tasks").iterdir():
            assert json.loads(file.read_text())["Input_language"] == [language.name]
        pq = pytest.importorskip("pyarrow.parquet")
        cells = [row["cell"] for row in pq.read_table("parquet/train.parquet").to_pylist()]
        assert {cell["topic"] for cell in cells} == set(language.topics)
        assert {cell["気分・Ton"] for cell in cells} == {"freundlich", "丁寧"}
        pytest.importorskip("matplotlib")
        done = seedstep("report", "run", "--out", "report")
        assert done.code == 0, done.err
        page = Path("report/index.html").read_text()
        assert all(f">{topic}</" in page for topic in language.topics)
        assert language.tasks[0] in page


class TestAdvice:
    def test_the_remedy_for_a_foreign_run_with_english_tokens(self, language: Foreign) -> None:
        flags = ("--seeds", "seeds.jsonl", "--tokens", "latin", "--patience", 3, "--tasks", 99)
        done = seedstep("bootstrap", *MODEL, "--out", "run", *flags)
        assert done.code == 1
        assert "--tokens latin sees only a to z of them: leave it out" in done.words
        assert "start a new one with --tokens unicode" in done.words
        assert "More varied seeds" not in done.words

    def test_the_remedy_is_that_of_the_most_common_reason(self, server: ScriptedServer) -> None:
        server.script = foreign_model(
            Foreign("", (), ("Sing a song about the sea tonight.",) * 7, "the sea", "A song.")
        )
        done = seedstep("bootstrap", *MODEL, "--out", "run", "--patience", 3)
        assert done.code == 1
        assert "more varied seeds, --axes, a higher --temperature" in done.words


class TestSeeds:
    def test_good_ones_have_no_problems(self, language: Foreign) -> None:
        done = seedstep("seeds", "check", "seeds.jsonl")
        assert done.code == 0
        assert "problems: 0" in done.out
        unit = "2 characters count as a word" if language.name == "Japanese" else "of any letters"
        assert unit in done.words

    def test_with_tokens_for_english_the_tokens_are_the_remedy(self, language: Foreign) -> None:
        done = seedstep("seeds", "check", "seeds.jsonl", "--tokens", "latin")
        assert done.code == 1
        assert "use --tokens unicode, as the seeds are written in" in done.words
        assert "reword" not in done.words.lower()

    def test_a_short_one_is_told_how_words_are_counted(self) -> None:
        lines = [
            seed_line(instruction=text) for text in ("要約して。", FOREIGN["Japanese"].seeds[0])
        ]
        Path("s.jsonl").write_bytes(b"".join(lines))
        (problem,) = check_seeds(Path("s.jsonl")).problems
        assert problem.message == "too_short (2 words)"
        assert problem.remedy == "write it in 4 words or more; 2 characters count as a word"

    def test_our_own_are_in_english(self) -> None:
        assert tell_script(seed_tasks()).startswith("The seeds are written in Latin letters. They")
        assert BootstrapSettings().for_seeds(seed_tasks()).tokens == "latin"

    @pytest.mark.parametrize(("words", "fault"), [(150, None), (151, "too_long"), (3, "too_short")])
    def test_lengths_are_counted_in_words_of_the_script(
        self, words: int, fault: str | None
    ) -> None:
        found = instruction_fault("訳" * 2 * words, english=False)
        assert (found[0] if found else None) == fault


class TestTopicAndLanguage:
    SHOWN = (Task("a", "Fasse den Text zusammen.", ()),)

    def texts(self, **settings: object) -> list[str]:
        made = BootstrapSettings.of(model="openai:m", **settings)
        prompts = make_prompts(made)
        requests = [
            prompts.generation(self.SHOWN, 0),
            prompts.classification("Sortiere."),
            prompts.instances("Sortiere.", is_classification=False),
            prompts.instances("Sortiere.", is_classification=True),
        ]
        return [request.prompt[0].content for request in requests]  # type: ignore[union-attr]

    def test_a_topic_is_in_the_prompt_and_subjects_need_not_differ(self) -> None:
        text, *others = self.texts(topic="veterinary  practice")
        assert "new tasks about veterinary practice, as different as possible from these" in text
        assert "in subject" not in text
        assert "from one another in what has to be done, and in wording. Mix" in text
        assert others == self.texts()[1:]

    def test_a_language_is_in_the_prompts_for_tasks_and_examples(self) -> None:
        text, question, *examples = self.texts(language="Dutch")
        assert "\n- Every task is written in Dutch.\n\nAnswer with JSON" in text
        assert question == self.texts()[1]
        for prompt in examples:
            rule = "\n- All texts are in Dutch, except where the task asks for another language."
            assert f"{rule}\n\nHere are tasks with examples" in prompt

    @pytest.mark.parametrize("language", CHAT_LANGUAGES)
    def test_the_prompts_are_in_the_language(
        self, language: str, golden: Callable[[str, str], None]
    ) -> None:
        prompts, english = self.texts(language=language), self.texts()
        golden(f"chat_{language.lower()}", "\n\n=====\n\n".join(prompts))
        for prompt, usual in zip(prompts, english, strict=True):
            shown = re.findall("Task: .*", usual)  # what is shown of tasks is the same
            assert re.findall("Task: .*", prompt) == shown
            said, english_said = (
                {*re.findall(r"^[^{\n]{30,}$", text, re.M)} for text in (prompt, usual)
            )
            assert not said & english_said - {*shown}
            assert "{{" not in prompt
            assert re.findall('"[a-z_]+":', prompt.splitlines()[-1]) == re.findall(
                '"[a-z_]+":', usual.splitlines()[-1]
            )

    @pytest.mark.parametrize("language", CHAT_LANGUAGES)
    def test_a_topic_or_an_axis_takes_the_place_of_what_is_at_odds(self, language: str) -> None:
        frames = chat_frames(language)
        assert frames
        text = self.texts(language=language, topic="pots {{count}}")[0]
        assert frames.topic.format(topic="pots {{count}}") in text
        assert frames.subject not in text
        assert frames.length in text
        axes = {"length": ["short"], "difficulty": ["hard"]}
        settings = BootstrapSettings.of(model="openai:m", language=language, axes=axes)
        cell = (("length", "short"), ("difficulty", "hard"))
        request = make_prompts(settings).generation(self.SHOWN, 0, cell)
        text = request.prompt[0].content  # type: ignore[union-attr]
        assert frames.subject in text
        assert not any(part in text for part in (frames.length, frames.difficulty))

    def test_a_run_goes_on_with_the_prompts_of_its_language_only(
        self, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.script = foreign_model(FOREIGN["German"])
        write_foreign_seeds(Path("seeds.jsonl"), FOREIGN["German"])
        grown("--seeds", "seeds.jsonl", "--language", "Deutsch")
        frames = chat_frames("German")
        assert frames
        written = yaml.safe_load(Path("run/run.yaml").read_text())
        assert written["language_fingerprint"] == frames.fingerprint
        other = replace(frames, topic=" über {topic}")
        monkeypatch.setattr("seedstep.stages.bootstrap.chat_frames", lambda _: other)
        assert "language_fingerprint" in seedstep("bootstrap", "--out", "run").error

    def test_a_run_that_began_with_english_prompts_goes_on_and_it_is_told(
        self, server: ScriptedServer
    ) -> None:
        server.script = foreign_model(FOREIGN["German"])
        write_foreign_seeds(Path("seeds.jsonl"), FOREIGN["German"])
        grown("--seeds", "seeds.jsonl", "--language", "German")
        config = Path("run/run.yaml")
        begun = yaml.safe_load(config.read_text())
        before = {name: value for name, value in begun.items() if name != "language_fingerprint"}
        config.write_text(yaml.safe_dump(before))
        done = seedstep("bootstrap", "--out", "run")
        assert done.code == 0
        assert "the prompts are in German now" in done.words
        assert yaml.safe_load(config.read_text()) == begun
        assert "the prompts are in" not in seedstep("bootstrap", "--out", "run").words

    def test_a_language_other_than_english_has_tokens_of_every_script(self) -> None:
        for language, tokens in (("Dutch", "unicode"), ("english", "latin"), (None, "latin")):
            made = BootstrapSettings.of(model="openai:m", language=language)
            assert made.for_seeds(seed_tasks()).tokens == tokens

    @pytest.mark.parametrize("name", ["topic", "language"])
    def test_prompts_without_a_place_for_it_refuse_it(self, name: str) -> None:
        for style in ("completion", "turns"):
            with pytest.raises(InputError, match=f"'{name}': {style} prompts have no place"):
                BootstrapSettings.of(model="openai:m", prompt_style=style, **{name: "x"})
        with pytest.raises(InputError, match="empty"):
            BootstrapSettings.of(model="openai:m", **{name: " "})

    def test_they_are_asked_for_and_written_down(self, server: ScriptedServer) -> None:
        server.script = foreign_model(FOREIGN["German"])
        write_foreign_seeds(Path("seeds.jsonl"), FOREIGN["German"])
        grown("--seeds", "seeds.jsonl", "--topic", "gardening", "--language", "German")
        written = yaml.safe_load(Path("run/run.yaml").read_text())
        assert (written["topic"], written["language"]) == ("gardening", "German")
        asked = [str(body["messages"][0]["content"]) for body in server.bodies]
        assert all("zum Thema gardening" in text for text in asked if '{"tasks": ' in text)

    def test_without_them_the_configuration_is_as_before(self, server: ScriptedServer) -> None:
        assert seedstep("bootstrap", *MODEL, "--out", "run", "--tasks", 1).code == 0
        written = yaml.safe_load(Path("run/run.yaml").read_text())
        assert written["tokens"] == "latin"
        assert not {"topic", "language"} & set(written)
