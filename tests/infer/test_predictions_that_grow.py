"""Runs of predictions whose list of tasks, output limits or models change."""

import asyncio
import json
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest

from seedstep import RunError, RunMismatchError, predict, self_instruct
from seedstep.infer.predict import InstanceAnswer
from seedstep.runs import Run
from seedstep.stages import BOOTSTRAP, PREDICT
from seedstep.stages.predict import begin_system
from support.command_line import environment, seedstep
from support.forking import ended_by, forked
from support.growing import text_of, times_asked
from support.predicting import asked_of, asked_word, predicted, texts, word_model, write_word_tasks
from support.scripted_server import Fault, ScriptedServer
from support.step_server import chat, slowly

NAME = "openai:scripted"
COPY = "baseline:copy-input"


@pytest.fixture
def model() -> Iterator[ScriptedServer]:
    with ScriptedServer(word_model()) as server:
        yield server


def rows(path: Path, columns: str = "*") -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path / "run.db")) as database:
        query = f"SELECT {columns} FROM predictions ORDER BY system, place"
        return database.execute(query).fetchall()


def change(tasks: str, task: int, **fields: Any) -> None:
    """Change a task file."""
    path = Path(tasks) / "tasks" / f"task{task:03}_capitals.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def write_plain(folder: Path, *words: str) -> str:
    """A task for each word, whose instances have the ids 0 and 1."""
    tasks = [
        {
            "id": f"t{word}",
            "definition": "Copy.",
            "positive_examples": [{"input": "any", "output": "shown"}],
            "instances": [{"id": f"{n}", "input": f"{word}{n}", "output": "x"} for n in range(2)],
        }
        for word in words
    ]
    path = folder / "plain.jsonl"
    path.write_text("".join(json.dumps(task) + "\n" for task in tasks))
    return str(path)


def test_a_bootstrap_that_goes_on_is_a_list_that_grows(tmp_path: Path) -> None:
    def reply(number: int, body: dict[str, Any]) -> Fault | None:
        said = "" if "prompt" in body else body["messages"][-1]["content"]
        return chat(f"answer {len(said) % 9}") if said else None

    grown, out = tmp_path / "grown", tmp_path / "run"
    answers: list[list[Any]] = []
    with ScriptedServer(reply) as server:
        for wanted in (3, 6):
            asked: dict[str, Any] = {"base_url": server.url, "prompt_style": "completion"}
            self_instruct(grown, model=NAME, **asked, tasks=wanted).close()
            with predict(
                out,
                tasks=str(grown),
                model=NAME,
                base_url=server.url,
                encoding={"positive": 0},
                limit_instances=1,
            ) as run:
                answers.append(list(run.predictions(NAME)))
                assert len(answers[-1]) == wanted
                references = run.records.references()
            assert set(times_asked(server.bodies).values()) == {1}
    assert answers[1][:3] == answers[0]
    with Run.read(BOOTSTRAP, grown) as made:
        outputs = [task.instances[0].outputs for task in made.tasks()]
    assert [each.outputs for each in references.values()] == outputs
    done = seedstep("evaluate", out)
    assert done.code == 0, done.err


class TestTheListGrows:
    @pytest.mark.parametrize("more", [{"limit_instances": 4}, {"limit_tasks": 3}])
    def test_only_what_is_new_is_asked(
        self, more: dict[str, int], model: ScriptedServer, tmp_path: Path
    ) -> None:
        tasks = write_word_tasks(tmp_path / "ni")
        few = {"limit_tasks": 2, "limit_instances": 3}
        predict(tmp_path / "run", **asked_of(model, tasks, **few)).close()
        predict(tmp_path / "run", name=COPY, model=COPY).close()
        first = {row[7]: row for row in rows(tmp_path / "run") if row[0] == NAME}
        for system in (asked_of(model, tasks), {"model": COPY}):
            predict(tmp_path / "run", **{**system, **more}).close()
        assert max(times_asked(model.bodies).values()) == 1
        grown = {row[7]: row for row in rows(tmp_path / "run") if row[0] == NAME}
        assert len(grown) == len(model.bodies) > len(first)
        for instance, row in first.items():
            assert grown[instance][2:] == row[2:], "all but its place, the time as well"
        alone = {**few, **more}
        predict(tmp_path / "alone", **asked_of(model, tasks, **alone)).close()
        predict(tmp_path / "alone", model=COPY).close()
        for name in (NAME, COPY):
            assert predicted(tmp_path / "run", name) == predicted(tmp_path / "alone", name)

    def test_what_is_said(self, model: ScriptedServer, tmp_path: Path) -> None:
        tasks = write_word_tasks(tmp_path / "ni")
        predict(tmp_path / "run", **asked_of(model, tasks, limit_instances=3)).close()
        done = seedstep("predict", "--out", tmp_path / "run", "--limit-instances", 4)
        assert done.code == 0, done.err
        assert "to do: 3 of 12 instances, 3 requests at the most" in done.words
        assert "12 of 12 instances predicted" in done.words
        again = seedstep("predict", "--out", tmp_path / "run")
        assert "to do" not in again.words

    def test_systems_that_were_not_asked_again_stay_readable(
        self, model: ScriptedServer, tmp_path: Path
    ) -> None:
        tasks = write_word_tasks(tmp_path / "ni")
        predict(tmp_path / "run", **asked_of(model, tasks, limit_instances=2)).close()
        first = predicted(tmp_path / "run")
        predict(tmp_path / "run", model=COPY, limit_instances=4).close()
        assert predicted(tmp_path / "run") == first
        status = seedstep("status", tmp_path / "run").words
        assert f"{NAME}: 6 of 12 instances predicted" in status
        assert f"{COPY}: 12 of 12 instances predicted" in status

    def test_kept_scores_are_of_the_list_of_then(
        self, model: ScriptedServer, tmp_path: Path
    ) -> None:
        tasks = write_word_tasks(tmp_path / "ni")
        predict(tmp_path / "run", **asked_of(model, tasks, limit_instances=2)).close()
        seedstep("evaluate", tmp_path / "run")
        assert "ROUGE-L" in seedstep("status", tmp_path / "run").words
        predict(tmp_path / "run", model=COPY, limit_instances=4).close()
        assert "ROUGE-L" not in seedstep("status", tmp_path / "run").words

    def test_tasks_in_memory_grow(self, tmp_path: Path) -> None:
        tasks = [
            {"id": f"t{n}", "definition": "Copy.", "instances": [{"input": f"{n}", "output": "x"}]}
            for n in range(3)
        ]
        predict(tmp_path / "run", model=COPY, tasks=tasks[:2]).close()
        predict(tmp_path / "run", model=COPY, tasks=tasks[::-1]).close()
        assert texts(tmp_path / "run", COPY) == ["2", "1", "0"]

    def test_ids_that_a_later_task_has_too(self, tmp_path: Path) -> None:
        path = write_plain(tmp_path, "a", "b")
        predict(tmp_path / "run", model=COPY, tasks=path, limit_tasks=1).close()
        first = rows(tmp_path / "run")
        predict(tmp_path / "run", model=COPY, limit_tasks=2).close()
        assert rows(tmp_path / "run")[:2] == first, "the time, too"
        assert texts(tmp_path / "run", COPY) == ["a0", "a1", "b0", "b1"]

    def test_ids_with_slashes_are_told_apart(self, tmp_path: Path) -> None:
        instance = {"output": "x"}
        tasks = [
            {
                "id": task,
                "definition": "Copy.",
                "instances": [{**instance, "id": name, "input": name}],
            }
            for task, name in (("a", "b/c"), ("a/b", "c"), ("a\\", "b"))
        ]
        predict(tmp_path / "run", model=COPY, tasks=tasks).close()
        first = rows(tmp_path / "run", "text, at")
        predict(tmp_path / "run", model=COPY, tasks=tasks[::-1]).close()
        assert rows(tmp_path / "run", "text, at") == first[::-1]

    def test_killed_while_it_grows(self, tmp_path: Path) -> None:
        tasks = write_word_tasks(tmp_path / "ni", 4, 6)
        with ScriptedServer(slowly(word_model(), 0.05)) as server:
            predict(tmp_path / "run", **asked_of(server, tasks, limit_instances=2)).close()
            flags = ("--out", tmp_path / "run", "--limit-instances", 6, "--in-flight", 2)
            command = forked("predict", *flags)
            for more in (1, 5):
                ended_by(SIGKILL, command, lambda: server.requests, server.requests + more)
            done = subprocess.run(command, env=environment(), capture_output=True, check=False)
            assert done.returncode == 0, done.stderr.decode()
            twice = sum(count - 1 for count in times_asked(server.bodies).values())
            assert twice <= 2 * 3  # what a kill found in flight, or not yet on the disk
            predict(tmp_path / "alone", **asked_of(server, tasks)).close()
        assert predicted(tmp_path / "run") == predicted(tmp_path / "alone")


class TestInstancesChange:
    def test_only_changed_ones_are_asked_and_they_come_back(
        self, model: ScriptedServer, tmp_path: Path
    ) -> None:
        tasks = write_word_tasks(tmp_path / "ni", 2, 3)
        predict(tmp_path / "run", **asked_of(model, tasks)).close()
        first = rows(tmp_path / "run")
        kept = (tmp_path / "ni/tasks/task001_capitals.json").read_bytes()
        change(tasks, 1, Definition=["Shout the word."])
        done = seedstep("predict", "--out", tmp_path / "run")
        assert "3 instances (task1-word1x0, task1-word1x1, task1-word1x2) changed" in done.words
        new = model.bodies[6:]
        assert [asked_word(body) for body in new] == ["word1x0", "word1x1", "word1x2"]
        assert all("Shout the word." in text_of(body) for body in new)
        assert rows(tmp_path / "run")[:3] == first[:3]
        (tmp_path / "ni/tasks/task001_capitals.json").write_bytes(kept)
        back = seedstep("predict", "--out", tmp_path / "run")
        assert "back as before" in back.words
        assert len(model.bodies) == 9
        assert rows(tmp_path / "run") == first

    def test_removed_ones_are_set_aside_and_come_back(
        self, model: ScriptedServer, tmp_path: Path
    ) -> None:
        tasks = write_word_tasks(tmp_path / "ni", 2, 3)
        predict(tmp_path / "run", **asked_of(model, tasks)).close()
        first = rows(tmp_path / "run")
        fewer = seedstep("predict", "--out", tmp_path / "run", "--limit-instances", 1)
        assert "4 instances (task000_capitals/task0-word0x1, " in fewer.words
        assert "results are set aside" in fewer.words
        assert texts(tmp_path / "run") == ["WORD0X0", "WORD1X0"]
        predict(tmp_path / "run", **asked_of(model, tasks, limit_instances=3)).close()
        assert len(model.bodies) == 6
        assert rows(tmp_path / "run") == first

    def test_another_order(self, model: ScriptedServer, tmp_path: Path) -> None:
        lines = [
            {
                "id": f"t{n}",
                "definition": "Say it.",
                "instances": [{"input": f"w{n}", "output": "W"}],
            }
            for n in range(4)
        ]
        path = tmp_path / "tasks.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        predict(tmp_path / "run", **asked_of(model, str(path))).close()
        path.write_text("".join(json.dumps(line) + "\n" for line in reversed(lines)))
        with pytest.raises(RunError, match="Go on with `seedstep predict"):
            predicted(tmp_path / "run")
        predict(tmp_path / "run", **asked_of(model, str(path))).close()
        assert len(model.bodies) == 4
        assert [each.task for each in predicted(tmp_path / "run")] == ["t3", "t2", "t1", "t0"]
        assert [text[:2] for text in texts(tmp_path / "run")] == ["W3", "W2", "W1", "W0"]

    def test_other_tasks_at_another_place_are_refused(
        self, model: ScriptedServer, tmp_path: Path
    ) -> None:
        tasks = write_word_tasks(tmp_path / "ni", 1, 2)
        predict(tmp_path / "run", **asked_of(model, tasks)).close()
        first, config = rows(tmp_path / "run"), (tmp_path / "run/run.yaml").read_bytes()
        other = tmp_path / "other.jsonl"
        other.write_text(
            json.dumps({"definition": "Other.", "instances": [{"input": "a", "output": "b"}]})
        )
        with pytest.raises(RunMismatchError, match="tasks: "):
            predict(tmp_path / "run", **asked_of(model, str(other)))
        assert (rows(tmp_path / "run"), (tmp_path / "run/run.yaml").read_bytes()) == (first, config)

    def test_killed_in_between_and_changed_back(
        self, model: ScriptedServer, tmp_path: Path
    ) -> None:
        tasks = write_word_tasks(tmp_path / "ni", 2, 3)
        predict(tmp_path / "run", **asked_of(model, tasks, limit_instances=2)).close()
        config = (tmp_path / "run/run.yaml").read_bytes()
        first = predicted(tmp_path / "run")
        predict(tmp_path / "run", model=COPY, limit_instances=3).close()
        (tmp_path / "run/run.yaml").write_bytes(config)
        with pytest.raises(RunError, match="was stopped while it took over another list"):
            predicted(tmp_path / "run")
        predict(tmp_path / "run", model=COPY).close()
        assert predicted(tmp_path / "run") == first


class TestLimitsChange:
    def test_answers_are_asked_anew(self, model: ScriptedServer, tmp_path: Path) -> None:
        tasks = write_word_tasks(tmp_path / "ni", 1, 3)
        predict(tmp_path / "run", **asked_of(model, tasks)).close()
        done = seedstep("predict", "--out", tmp_path / "run", "--max-new-tokens", 64)
        assert "3 instances (" in done.words
        assert "asked in another way before: done again" in done.words
        assert "3 requests at the most" in done.words
        assert [body["max_tokens"] for body in model.bodies] == [128] * 3 + [64] * 3
        seedstep("predict", "--out", tmp_path / "run", "--max-new-tokens", 128)
        assert len(model.bodies) == 6

    def test_other_encodings_are_other_systems(self, model: ScriptedServer, tmp_path: Path) -> None:
        tasks = write_word_tasks(tmp_path / "ni", 1, 1)
        predict(tmp_path / "run", **asked_of(model, tasks)).close()
        with pytest.raises(RunMismatchError, match="encoding"):
            predict(tmp_path / "run", **asked_of(model, tasks, encoding="definition"))


def test_a_system_is_of_one_model_also_where_all_it_predicted_is_set_aside(tmp_path: Path) -> None:
    out = tmp_path / "run"
    predict(out, name="s", model=COPY, tasks=write_plain(tmp_path, "a")).close()
    write_plain(tmp_path, "b")
    with pytest.raises(RunMismatchError, match=r"model: .*copy-input.*--name"):
        predict(out, name="s", model="baseline:copy-demonstration")
    predict(out, name="other", model="baseline:copy-demonstration").close()
    predict(out, name="s").close()
    assert texts(out, "s") == ["b0", "b1"]
    write_plain(tmp_path, "a")
    predict(out, name="s").close()
    assert texts(out, "s") == ["a0", "a1"]


def test_another_gguf_file_of_the_same_name_is_another_model(tmp_path: Path) -> None:
    tasks = write_word_tasks(tmp_path / "ni", 1, 2)
    file = tmp_path / "model.gguf"
    found = []
    for content in (b"GGUF", b"GGUF 2", b"GGUF"):
        file.write_bytes(content)
        with Run.start(PREDICT, tmp_path / "run", {"tasks": tasks}) as run:
            system = begin_system(run, "g", {"model": f"gguf:{file}"}, {})
            if run.records.work(system)[0].instances[0][0] == 0:
                asyncio.run(run.records.record(system, [InstanceAnswer(0, content.decode())]))
            found.append(system.changes)
    assert [changes.touched for changes in found] == [(), ("task0-word0x0",), ()]
    assert found[2].restored == ("task0-word0x0",)
    assert texts(tmp_path / "run", "g") == ["GGUF"]


FIXTURES = Path(__file__).parents[1] / "fixtures" / "v0.1.0"


class TestRunsOf010:
    @pytest.fixture
    def made(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        shutil.copytree(FIXTURES, tmp_path / "made")
        monkeypatch.chdir(tmp_path / "made")
        return tmp_path / "made"

    def test_the_list_of_their_settings_is_known(self, made: Path) -> None:
        name = "baseline:copy-demonstration"
        first = predicted(made / "predict", name)
        done = seedstep("predict", "--out", "predict", "--name", name, "--limit-instances", 1)
        assert done.code == 0, done.err
        assert 0 < len(predicted(made / "predict", name)) < len(first)
        done = seedstep("predict", "--out", "predict", "--name", name, "--limit-instances", 99)
        assert done.code == 0, done.err
        assert set(first) <= set(predicted(made / "predict", name))

    @pytest.mark.parametrize("flag", ["--limit-instances", "--limit-tasks", "--max-new-tokens"])
    def test_they_come_back(self, made: Path, flag: str) -> None:
        name = "served"  # its server is gone: nothing can be asked
        first = self.rows()
        back = 128 if flag == "--max-new-tokens" else 99
        seedstep("predict", "--out", "predict", "--name", name, flag, 1)
        assert self.rows() != first
        done = seedstep("predict", "--out", "predict", "--name", name, flag, back)
        assert done.code == 0, done.err
        assert "back as before" in done.words
        assert self.rows() == first

    def test_they_do_not_come_back_to_another_way_of_asking(self, made: Path) -> None:
        flags = ("predict", "--out", "predict", "--name", "served")
        first = self.rows()
        seedstep(*flags, "--limit-instances", 1)
        assert 0 < len(self.rows()) < len(first)
        seedstep(*flags, "--max-new-tokens", 1)
        seedstep(*flags, "--limit-instances", 99)
        assert self.rows() != first
        with closing(sqlite3.connect("predict/run.db")) as database:
            query = "SELECT count(*) FROM predictions WHERE system = 'served' AND at < ?"
            newest = max(at for *_, at in first)
            assert database.execute(query, (newest + 1,)).fetchone() == (0,)
        done = seedstep(*flags, "--max-new-tokens", 128)
        assert done.code == 0, done.err
        assert self.rows() == first

    def test_more_tasks_leave_them_as_they_are(self, made: Path) -> None:
        first = self.rows()
        text = (made / "words/tasks/task001_capitals.json").read_text()
        (made / "words/tasks/task002_capitals.json").write_text(text.replace("word1", "word2"))
        seedstep("predict", "--out", "predict", "--name", "served")
        assert self.rows()[: len(first)] == first

    def rows(self) -> list[tuple[Any, ...]]:
        found = rows(Path("predict"), "system, place, text, failed, at")
        return [row for row in found if row[0] == "served"]

    def test_a_list_that_is_not_known_any_more_is_told(self, made: Path) -> None:
        path = next((made / "words/tasks").glob("*.json"))
        path.write_text(path.read_text().replace("capitals", "letters"))
        error = seedstep("predict", "--out", "predict", "--name", "served").error
        assert "tasks_fingerprint" in error
