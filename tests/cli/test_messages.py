"""What users are told when something does not work, or when nothing comes of it."""

import csv
import json
from pathlib import Path

import pytest

from seedstep.data import load_tasks
from support.answer_files import right, write_lines, write_predictions, write_tasks
from support.command_line import chat_reply, error_reply, seedstep
from support.scripted_server import ScriptedServer
from support.step_server import REFUSAL, STEPS, chat, numbered
from support.task_files import read_task

pytestmark = pytest.mark.usefixtures("empty_directory")

MODEL = ("--model", "openai:scripted")
TASKS = [
    {"id": "boat/one", "definition": "Write a title for the report about boat 1."},
    {"id": "boat_two", "definition": "Write a title for the report about boat 2."},
]


class TestFieldsOfAFile:
    @pytest.mark.parametrize("name", ["data.jsonl", "data.csv"])
    def test_a_field_that_no_row_has_is_told_with_those_there(self, name: str) -> None:
        text = '{"id": 1, "instruktion": "Name a bird."}\n'
        Path(name).write_text("id,instruktion\n1,Name a bird.\n" if "csv" in name else text)
        out = f"out{Path(name).suffix}"
        error = seedstep("novelty", name, "--out", out).error
        assert "there is no" in error
        assert "'instruction'" in error
        assert "did you mean 'instruktion'" in error or "known are id, instruktion" in error
        assert not Path(out).exists()

    def test_rows_without_any_text_are_counted(self) -> None:
        Path("data.jsonl").write_text('{"instruction": ""}\n{"instruction": 3}\n{"x": 3}\n')
        error = seedstep("novelty", "data.jsonl", "--out", "out.jsonl").error
        assert "no row has a text in 'instruction' (empty 1, not_text 1, missing_field 1)" in error
        assert not Path("out.jsonl").exists()

    def test_a_csv_is_read_and_kept_rows_stay_as_they_are(self) -> None:
        rows = b'\xef\xbb\xbfid,instruction\r\n1,"Sort a list,\nor two."\r\n\r\n'
        rows += b'2,"Name ""a"" bird."\r\n3,Sort a list or two.\r\n4\r\n5,"Tell a joke"'
        Path("data.csv").write_bytes(rows)
        done = seedstep("novelty", "data.csv", "--out", "out.csv")
        assert done.code == 0
        assert "row 4: Sort a list or two." in done.out
        assert "1 rejected: missing_field" in done.out
        kept = rows.replace(b"3,Sort a list or two.\r\n4\r\n", b"").replace(b"\r\n\r\n", b"\r\n")
        assert Path("out.csv").read_bytes() == kept + b"\n"

    @pytest.mark.parametrize(
        ("name", "sign"), [("data.csv", ","), ("data.tsv", "\t"), ("data.csv", ";")]
    )
    def test_an_annotated_csv_has_all_rows(self, name: str, sign: str) -> None:
        texts = ["Sort a list, or two.", "Sort a list, or two!", "Name a bird."]
        with Path(name).open("w", newline="") as file:
            rows = [["text", "more"], *([text, "1, 2"] for text in texts)]
            csv.writer(file, delimiter=sign).writerows(rows)
        out = f"out{Path(name).suffix}"
        assert seedstep("novelty", name, "--out", out, "--field", "text", "--annotate").code == 0
        with Path(out).open(newline="") as file:
            found = list(csv.DictReader(file, delimiter=sign))
        assert [row["text"] for row in found] == texts
        assert [row["novelty_kept"] for row in found] == ["True", "False", "True"]
        assert found[1]["novelty_nearest"] == "row 2"

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"text\n\xff\n", "not UTF-8. Save the file as UTF-8, as `iconv -f CP1252 -t UTF-8"),
            (b"text\na\rb\n", "can't be read as CSV"),
        ],
    )
    def test_a_csv_that_is_none_is_an_error(self, content: bytes, said: str) -> None:
        Path("data.csv").write_bytes(content)
        error = seedstep("novelty", "data.csv", "--out", "out.csv", "--field", "text").error
        assert f"data.csv: {said}" in error
        assert not Path("out.csv").exists()


class TestStagesOfAnExperiment:
    @pytest.mark.parametrize(
        ("stage", "said"),
        [
            ("bootstrap: {taskss: 3}", "stage 'bootstrap': No such option: --taskss"),
            ("bootstrap: {tasks: many}", "Invalid value for '--tasks'"),
            ("steps stats: {arguments: [run], by: task}", "No such option: --by"),
            ("steps statz: {arguments: [run]}", "No such command 'statz'"),
            ("export: {arguments: [run], format: alpacca}", "Invalid value for '--format'"),
            ("export: {arguments: [run]}", "Missing option '--format'"),
        ],
    )
    @pytest.mark.parametrize("flags", [["--list"], []])
    def test_what_a_command_does_not_take_is_told_before_anything_runs(
        self, stage: str, said: str, flags: list[str]
    ) -> None:
        Path("e.yaml").write_text(f"stages:\n  - suite: {{arguments: [made]}}\n  - {stage}\n")
        done = seedstep("run", "e.yaml", "--out", "out", *flags)
        assert said in done.error
        assert not Path("out").exists()


class TestValuesOfFlags:
    """What users read of a value that does not fit has no words of the library that checks it."""

    WRONG = (
        (("run", "demo", "--print", "foo"), "'--print': 'foo' is not one of 'slurm'"),
        (("evaluate", "run", "--by", "x"), "'--by': 'x' is not one of 'category'"),
        (("run", "demo", "--workers", "two"), "'--workers': not a whole number"),
        (("run", "demo", "--workers", "0"), "'--workers': must be 1 or more"),
        (("bootstrap", "--tasks", "1.5"), "'--tasks': not a whole number"),
        (("bootstrap", "--novelty-threshold", "low"), "'--novelty-threshold': not a number"),
        (("steps", "stats", "run", "--by", "x"), "No such option: --by"),
        (("steps", "select", "run", "--out", "o", "--by", "x"), "'--by': 'x' is not one of"),
    )

    @pytest.mark.parametrize(("words", "said"), WRONG)
    def test_of_commands(self, words: tuple[str, ...], said: str) -> None:
        done = seedstep(*words)
        told = " ".join(done.err.replace("│", " ").split())
        assert done.code == 2
        assert said in told
        assert "Value error" not in told
        assert "Input should" not in told

    def test_of_stages_of_an_experiment(self) -> None:
        for stage, said in (
            ("bootstrap: {tasks: many}", "'--tasks': not a whole number"),
            ("export: {arguments: [run], format: x}", "'--format': 'x' is not one of"),
        ):
            Path("e.yaml").write_text(f"stages:\n  - {stage}\n")
            assert said in seedstep("run", "e.yaml", "--list").error


class TestTasksWithADefinitionOnly:
    def test_their_prompt_is_shown(self) -> None:
        write_lines(Path("tasks.jsonl"), TASKS)
        done = seedstep("encode", "--tasks", "tasks.jsonl", "--show", "boat_two")
        assert done.code == 0
        assert "Definition: Write a title for the report about boat 2." in done.out
        assert "boat_two has no instances: it is shown with an empty input" in done.words


class TestWhenNothingComesOfIt:
    def test_of_all_instructions(self, server: ScriptedServer) -> None:
        server.script = lambda number, body: chat(REFUSAL)
        write_lines(Path("tasks.jsonl"), TASKS)
        flags = ("steps", "--tasks", "tasks.jsonl", *MODEL, "--out", "run")
        for done in (seedstep(*flags), seedstep("steps", "--out", "run")):
            assert done.code == 1
            assert "2 of 2 failed (refusal 2)." in done.words
            assert "Done" not in done.out
        error = seedstep("steps", "export", "run", "--format", "superni", "--out", "with").error
        assert "run has no instruction to export. `seedstep show run --rejected` says why" in error
        assert not Path("with").exists()

    def test_of_requests_that_were_refused(self, server: ScriptedServer) -> None:
        server.script = lambda number, body: error_reply(400, "no bread today")
        write_lines(Path("tasks.jsonl"), TASKS)
        done = seedstep("steps", "--tasks", "tasks.jsonl", *MODEL, "--out", "run")
        assert "What the server said: seedstep requests run --failed" in done.words
        assert "no bread today" in seedstep("requests", "run", "--failed").words

    def test_of_some_instructions(self, server: ScriptedServer) -> None:
        server.script = lambda number, body: (
            chat(REFUSAL) if "boat 1" in body["messages"][0]["content"] else chat(numbered(*STEPS))
        )
        write_lines(Path("tasks.jsonl"), TASKS)
        done = seedstep("steps", "--tasks", "tasks.jsonl", *MODEL, "--out", "run")
        assert done.code == 0
        assert "1 of 2 failed (refusal 1). Done in" in done.words

    def test_of_all_verdicts(self, server: ScriptedServer) -> None:
        server.script = lambda number, body: chat_reply("No idea.")
        tasks = write_tasks(Path("tasks.jsonl"), tasks=1)
        answers = write_predictions(Path("a.jsonl"), right(1))
        flags = ("judge", answers, "--tasks", tasks, *MODEL, "--out", "run")
        done = seedstep(*flags)
        assert done.code == 1
        assert "2 of 2 failed" in done.words

    def test_of_all_predictions(self, server: ScriptedServer) -> None:
        server.script = lambda number, body: error_reply(400, "no")
        write_tasks(Path("tasks.jsonl"), tasks=1)
        done = seedstep("predict", "--tasks", "tasks.jsonl", *MODEL, "--out", "run")
        assert done.code == 1
        assert "2 of 2 predictions failed" in done.words


class TestTaskFilesWithInstructions:
    def test_tasks_of_lines_get_files_of_their_own(self, server: ScriptedServer) -> None:
        server.script = lambda number, body: chat(numbered(*STEPS))
        instances = [{"input": "The ferry ran aground.", "output": "Ferry aground"}]
        write_lines(Path("tasks.jsonl"), [{**task, "instances": instances} for task in TASKS])
        flags = ("steps", "--tasks", "tasks.jsonl", *MODEL, "--refine", "none", "--out", "run")
        assert seedstep(*flags).code == 0
        done = seedstep("steps", "export", "run", "--format", "superni", "--out", "with")
        assert done.code == 0
        assert "2 task files in with" in done.out
        assert sorted(path.name for path in Path("with").iterdir()) == [
            "boat_two.json",
            "task00001.json",
        ]
        found = read_task(Path("with/boat_two.json"))
        assert found.steps == STEPS
        assert found.definition == TASKS[1]["definition"]
        assert [(each.input, each.output) for each in found.instances] == [
            ("The ferry ran aground.", "Ferry aground")
        ]
        assert json.loads(Path("with/boat_two.json").read_text())["Step-by-Step Instruction"]
        assert len(load_tasks(Path("with")).tasks) == 2


LONG = "x" * 100_000


@pytest.mark.parametrize(
    "words",
    [
        ("evaluate", "run", "--by", LONG),
        ("status", "run", LONG),
        ("status", f"--{LONG}"),
        (LONG,),
        ("review", LONG),
        ("bootstrap", "--tasks", LONG),
        ("bootstrap", "--model", LONG, "--out", "run"),
    ],
)
def test_a_long_value_of_the_command_line_is_not_repeated_whole(words: tuple[str, ...]) -> None:
    done = seedstep(*words)
    assert done.code in (1, 2)
    assert len(done.err) < 1500
    assert "xxx" in done.err or words[0] == "bootstrap"
