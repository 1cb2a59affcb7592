"""Every stage is in the table, and all that looks at runs works on each of them by it."""

import json
import re
import shutil
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from seedstep import distill
from seedstep.data import Task, TaskList, load_tasks
from seedstep.errors import InputError, RunError, RunMismatchError
from seedstep.runs import Blocks, Entry, Line, Run, Stage, TaskRecords, has_rows, labelled, line
from seedstep.runs.reviews import Review
from seedstep.runs.tasks import entry_line, lister, spending_line
from seedstep.settings import setting
from seedstep.stages import STAGES, STEPS, add_stage, open_run
from support.command_line import seedstep
from support.reviewing import label_all
from support.scripted_server import Fault, ScriptedServer
from support.step_server import chat
from support.task_files import write_task

FIXTURES = Path(__file__).parents[1] / "fixtures" / "v0.1.0"

RUNS = {
    "bootstrap": "bootstrap",
    "distill": "distilled",
    "steps": "steps",
    "examples": "examples",
    "predict": "predict",
    "judge": "judge",
    "review": "reviewed",
    "tune": "tuned",
}
"""A run of each stage, which version 0.1.0 made, but for the review and what is distilled."""

SAID = {
    "bootstrap": "3 of 3 tasks",
    "distill": "outputs written anew",
    "steps": "def. words",
    "examples": "tasks with examples",
    "predict": "instances predicted",
    "judge": "missing ones left out",
    "review": "items adjudicated",
    "tune": "steps taken",
}
"""What only the status of this stage says."""

LISTED = {
    "bootstrap": "g0.2",
    "distill": "g0.3",
    "steps": "task001_boat",
    "examples": "task001_boat",
    "predict": "",
    "judge": "",
    "review": "",
    "tune": "6",
}

FIELDS = {
    "bootstrap": {"id", "task", "instruction", "input", "output", "is_classification"},
    "distill": {"id", "task", "instruction", "input", "output", "before", "is_classification"},
    "steps": {"task", "category", "definition", "steps", "text", "failure"},
    "examples": {"task", "definition", "examples", "drawn", "ranked", "failure"},
    "predict": {"system", "task", "instance", "text", "failed"},
    "judge": {"task", "instance", "verdicts", "failure"},
    "review": {"rater", "item", "action", "answers"},
    "tune": {"step", "loss", "held_out_loss"},
}
"""Fields of the rows of `Run.to_records`."""

SECTIONS = {
    "bootstrap": "What was made",
    "distill": "Outputs written anew",
    "steps": "What was written",
    "examples": "Generated examples",
    "predict": "Scores",
    "judge": "Ratings",
    "review": "How far people agree",
    "tune": "Losses",
}

CHANGED: dict[str, dict[str, Any]] = {
    "bootstrap": {"seed": 99},
    "distill": {"seed": 99},
    "steps": {"seed": 99},
    "examples": {"seed": 99},
    "predict": {"tasks": "boats"},
    "judge": {"seed": 99},
    "review": {"seed": 99},
    "tune": {"seed": 99},
}
"""A setting of each stage under which a run may not go on."""


ASKS_NOTHING = ("review", "tune")


def _rewrite(number: int, body: dict[str, Any]) -> Fault:
    """A better output, and a refusal of what the second task asks."""
    return chat(f"better {number}" if number != 1 else "I'm sorry, but I can't help with that.")


@pytest.fixture(autouse=True)
def _made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the runs, whose paths are relative, as the current directory."""
    shutil.copytree(FIXTURES, tmp_path / "made")
    monkeypatch.chdir(tmp_path / "made")
    flags = ("--form", "steps", "--run", "steps", "--seed", 1)
    assert seedstep("review", "new", "reviewed", *flags).code == 0
    with Review.open(Path("reviewed"), write=True) as review:
        said = {item: {"correct": "no", "complete": "yes"} for item in list(review.items)[:1]}
        label_all(review, {"me": said})
    with ScriptedServer(_rewrite) as server:
        model = {"model": "openai:better", "base_url": server.url, "in_flight": 1}
        distill("distilled", source="bootstrap", **model).close()  # type: ignore[arg-type]


def test_no_stage_is_missing_here() -> None:
    for expected in (RUNS, SAID, LISTED, SECTIONS, CHANGED):
        assert set(expected) == set(STAGES)


@pytest.mark.parametrize("stage", RUNS)
class TestEveryStage:
    def test_it_is_known_by_its_run(self, stage: str) -> None:
        with open_run(RUNS[stage]) as run:
            assert run.stage is STAGES[stage]
            assert type(run) is Run

    def test_status(self, stage: str) -> None:
        done = seedstep("status", RUNS[stage])
        assert done.code == 0, done.err
        assert SAID[stage] in done.words
        assert [name for name, said in SAID.items() if said in done.words] == [stage]

    def test_show(self, stage: str) -> None:
        done = seedstep("show", RUNS[stage])
        assert done.code == 0, done.err
        name = LISTED[stage] or _first_instance(done.out)
        assert re.search(rf"(^|\s){re.escape(name)}\s", done.out, re.MULTILINE)
        shown = seedstep("show", RUNS[stage], name)
        assert shown.code == 0, shown.err
        assert shown.out.split()[0] in (name, "step")
        assert "no-such-name" in seedstep("show", RUNS[stage], "no-such-name").error

    def test_rows(self, stage: str) -> None:
        with open_run(RUNS[stage]) as run:
            rows = run.to_records()
        assert json.loads(json.dumps(rows)) == rows
        assert FIELDS[stage] <= rows[0].keys()
        assert len({tuple(row) for row in rows}) == 1, "all rows have the same fields"

    def test_data_set(self, stage: str) -> None:
        with open_run(RUNS[stage]) as run:
            data, rows = run.to_dataset(), run.to_records()
        assert data.num_rows == len(rows)
        assert set(data.column_names) == rows[0].keys()
        assert data[0] == rows[0]

    def test_what_was_rejected(self, stage: str) -> None:
        done = seedstep("show", RUNS[stage], "--rejected")
        assert done.code == 0, done.err
        assert done.out != seedstep("show", RUNS[stage]).out

    def test_requests(self, stage: str) -> None:
        with open_run(RUNS[stage]) as run:
            _, count = run.requests(limit=1)
            keys = [line.key for line in run.requests(limit=1000)[0]]
            assert (count > 0) == (stage not in ASKS_NOTHING)
            assert len(keys) == count
        done = seedstep("requests", RUNS[stage], "--limit", 1000)
        assert done.code == 0, done.err
        assert all(key[:8] in done.out for key in keys)
        if stage in ASKS_NOTHING:
            assert "asks no model" in seedstep("requests", RUNS[stage], "--export", "r.jsonl").error
        else:
            assert "request for" in seedstep("requests", RUNS[stage], keys[0]).out

    @pytest.mark.usefixtures("quick_figures")
    def test_report(self, stage: str) -> None:
        done = seedstep("report", RUNS[stage], "--out", "page")
        assert done.code == 0, done.err
        page = Path("page/index.html").read_text(encoding="utf-8")
        assert f"{stage}: {RUNS[stage]}" in page
        assert f"{SECTIONS[stage]}</h" in page

    def test_it_goes_on_as_it_was(self, stage: str) -> None:
        entry = STAGES[stage]
        path = Path(RUNS[stage])
        before = (path / entry.config).read_bytes()
        with Run.start(entry, path, {}) as run:
            assert seedstep("status", path).code == 0
            assert run.is_running()
        assert (path / entry.config).read_bytes() == before

    def test_other_settings_are_refused(self, stage: str) -> None:
        entry = STAGES[stage]
        path = Path(RUNS[stage])
        before = (path / entry.config).read_bytes()
        with pytest.raises(RunMismatchError, match=next(iter(CHANGED[stage]))):
            Run.start(entry, path, CHANGED[stage])
        assert (path / entry.config).read_bytes() == before


def _first_instance(out: str) -> str:
    """The first name in a list, which may stand below the name of a system."""
    return next(line.split()[0] for line in out.splitlines() if "─" not in line)


def test_a_typed_run_is_of_its_stage() -> None:
    with pytest.raises(RunError, match="is a run of `seedstep judge`"):
        open_run("judge", STEPS)


def test_a_run_of_a_stage_that_is_not_known_says_so(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.yaml").write_text("stage: distil\n")
    assert "`seedstep distil`, which this seedstep does not know" in (
        seedstep("status", tmp_path / "run").error
    )


class TestWhatWasMadeElsewhere:
    """Imported instructions are made, though nothing was asked for them."""

    def test_other_tasks_are_refused_after_an_import(self, tmp_path: Path) -> None:
        for number, name in enumerate(("ours", "theirs")):
            record = {"Definition": [f"Sort it {number}."], "Instances": []}
            write_task(tmp_path / name / "tasks" / f"task{number}.json", record)
        Path("steps.jsonl").write_text(json.dumps({"task": "task0", "steps": ["Sort."]}))
        run = tmp_path / "run"
        done = seedstep(
            "steps", "import", "steps.jsonl", "--tasks", tmp_path / "ours", "--out", run
        )
        assert done.code == 0, done.err
        with pytest.raises(RunMismatchError, match="tasks"):
            Run.start(STEPS, run, {"tasks": str(tmp_path / "theirs")})


@dataclass(frozen=True, slots=True)
class CountSettings:
    """The settings of a stage that counts words."""

    tasks: str = setting("", "The tasks.")
    letters: int = setting(1, "Letters that a word has at least.")


@dataclass(frozen=True, slots=True)
class CountedWords:
    """How many words a definition has."""

    words: int
    failure: str = ""


def count_words(settings: CountSettings, task: Task) -> CountedWords:
    """Count the words of a definition."""
    words = sum(len(word) >= settings.letters for word in task.definition.split())
    return CountedWords(words) if words else CountedWords(0, "no words")


def load(settings: CountSettings) -> TaskList:
    """The tasks of the settings."""
    return load_tasks(Path(settings.tasks), limit=0)


CountRun = Run[CountSettings, TaskList, TaskRecords[CountedWords]]


def status(run: CountRun) -> Blocks:
    """How many definitions have words, why others have none, and what was spent."""
    failures = Counter(entry.result.failure for entry in run.entries())
    yield line(f"{failures.pop('', 0):,} tasks done")
    for reason, count in failures.items():
        yield line(f"failed: {reason} {count:,}", "warning")
    yield spending_line(run)


def told(entry: Entry[CountedWords]) -> Line:
    """A task, and why it has no words."""
    return entry_line(entry.task, entry.result.failure)


def shown(run: CountRun, name: str) -> Blocks:
    """The record of a task."""
    yield labelled("words", str(run.records.entry(name).result.words))


COUNT: Stage[CountSettings, TaskList, TaskRecords[CountedWords]] = Stage(
    name="count",
    settings=CountSettings,
    load=load,
    records=lambda run: TaskRecords(run, CountedWords),
    made=has_rows("results"),
    status=status,
    listed=lister(told),
    rejected=lister(told, failed=True),
    shown=shown,
)


def test_each_stage_has_its_name_and_its_file_of_settings() -> None:
    assert {name: STAGES[name].name for name in STAGES} == {name: name for name in STAGES}
    assert {name: STAGES[name].config for name in STAGES} == STAGES.configs
    assert "bootstrap, distill" in repr(STAGES)


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of a stage from outside the package."""
    monkeypatch.setattr(STAGES, "entries", dict(STAGES.entries))
    add_stage(COUNT)
    lines = [{"id": "short", "definition": "It is"}, {"id": "long", "definition": "Sort them."}]
    Path("counting.jsonl").write_text(
        "".join(
            json.dumps({**line, "instances": [{"input": "", "output": "x"}]}) + "\n"
            for line in lines
        )
    )
    path = tmp_path / "counted"
    with Run.start(COUNT, path, {"tasks": "counting.jsonl", "letters": 3}) as run:
        found = run.inputs().tasks
        results = [(n, task, count_words(run.settings, task)) for n, task in enumerate(found)]
        run.records.write_now(results)
    return path


class TestAStageFromOutside:
    def test_added_again_it_replaces_the_earlier(self, counted: Path) -> None:
        again = replace(COUNT, noun="text")
        add_stage(again)
        with open_run(counted) as run:
            assert run.stage.noun == "text"

    def test_a_name_of_seedstep_s_own_is_taken(self, counted: Path) -> None:
        with pytest.raises(InputError, match="seedstep has a stage 'steps' already"):
            add_stage(replace(COUNT, name="steps"))

    def test_status(self, counted: Path) -> None:
        lines = seedstep("status", counted).lines
        assert lines == ["1 tasks done", "failed: no words 1", "0 requests, 0 tokens"]

    def test_show(self, counted: Path) -> None:
        assert [line.split() for line in seedstep("show", counted).lines] == [
            ["short", "no", "words"],
            ["long"],
        ]
        assert seedstep("show", counted, "--rejected").lines == ["short  no words"]
        assert "words: 2" in seedstep("show", counted, "long").lines
        assert "has no task 'other'" in seedstep("show", counted, "other").error

    def test_requests(self, counted: Path) -> None:
        assert seedstep("requests", counted).lines == ["no requests"]
        assert "asks no model" in seedstep("requests", counted, "--export", "r.jsonl").error

    def test_report(self, counted: Path) -> None:
        assert seedstep("report", counted, "--out", "page").code == 0
        page = Path("page/index.html").read_text(encoding="utf-8")
        assert "count: counted" in page
        assert "Where it stands" in page
        assert "failed: no words 1" in page

    def test_its_tasks(self, counted: Path) -> None:
        with Run.read(COUNT, counted) as run:
            assert [task.id for task in run.tasks().tasks] == ["short", "long"]

    def test_going_on(self, counted: Path) -> None:
        Run.start(COUNT, counted, {}).close()
        with pytest.raises(RunMismatchError, match="letters"):
            Run.start(COUNT, counted, {"letters": 4})
