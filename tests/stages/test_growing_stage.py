"""A stage that grows tasks is known by its record alone: read, exported, reviewed and foreseen."""

import json
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from seedstep import agreement
from seedstep.data import Instance, Task, TaskChoice, TaskList, load_tasks
from seedstep.errors import InputError, RunError, RunMismatchError
from seedstep.inputs import load_source
from seedstep.inputs.labels import questions_of, read_labels
from seedstep.llm import Budget, Engine, Failure, Message, Preview, Request, Sampling, Spent
from seedstep.llm.records import tokens_of
from seedstep.llm.settings import AskedModel, AskingSettings, sampling_setting
from seedstep.recipes import foresee_work
from seedstep.recipes.jobs import require_models
from seedstep.recipes.stage_calls import work_on
from seedstep.recipes.tasks import finish
from seedstep.runs import (
    STAGES,
    Run,
    Stage,
    StageWork,
    TaskRecords,
    add_stage,
    digest,
    has_rows,
    read_entries,
)
from seedstep.runs.database import Database
from seedstep.runs.made_tasks import read_run_tasks
from seedstep.settings import Count, part, setting
from seedstep.stages import TUNE
from seedstep.stages.tune import cost_of
from seedstep.tune import make_source
from support.command_line import seedstep
from support.scripted_server import Fault, ScriptedServer
from support.step_server import chat
from support.viewing import viewing

SAMPLING = {"answer": Sampling(max_tokens=20)}


@dataclass(frozen=True, slots=True)
class AnswerSettings(AskingSettings):
    """The settings of a stage that gives each definition an instance."""

    SAMPLING: ClassVar[Mapping[str, Sampling]] = SAMPLING

    tasks: str = setting("", "The tasks.")
    model: AskedModel = part(AskedModel)
    prompt_style: str = setting("chat", "The style of prompts.")
    limit: Count | None = setting(None, "Number of tasks.")
    budget: Budget = part(Budget)
    sampling: dict[str, Any] = sampling_setting(SAMPLING, "{answer: {temperature: 0.7}}")


@dataclass(frozen=True, slots=True)
class AnsweredTask:
    """The answer to a definition."""

    answer: str = ""
    failure: str = ""


AnswerRun = Run[AnswerSettings, TaskList, TaskRecords[AnsweredTask]]


def load(settings: AnswerSettings) -> TaskList:
    """The tasks of the settings."""
    return load_tasks(Path(settings.tasks), limit=0)


def request(task: Task) -> Request:
    """What is asked about a task."""
    return Request("answer", (Message("user", task.definition),), SAMPLING["answer"])


def work(run: AnswerRun) -> StageWork:
    """How tasks are answered."""

    async def answered(
        tasks: tuple[Task, ...], engine: Engine, spent: Spent
    ) -> AsyncGenerator[AnsweredTask]:
        for task in tasks:
            said = await engine.ask(request(task))
            if isinstance(said, Failure):
                yield AnsweredTask(failure=said.reason)
            else:
                yield AnsweredTask(said.text)

    def estimate(tasks: Sequence[Task]) -> Preview:
        spent = Spent()
        for task in tasks:
            spent.add("answer", tokens_of(request(task)), 5)
        return Preview(tuple(map(request, tasks[:1])), {"answer": len(tasks)}, spent.tokens)

    return StageWork(answered, lambda record: "", estimate, notes=("each is asked once",))


def grown(database: Database) -> Iterator[Task]:
    """The tasks with their answers."""
    for entry in read_entries(database, AnsweredTask):
        if not entry.result.failure:
            instance = Instance("", (entry.result.answer,), f"{entry.task}-0")
            yield Task(entry.task, entry.definition, (instance,))


def labels(database: Database, question: str) -> dict[tuple[str, str], str]:
    """Whether an answer is short, or begins with a capital."""
    found = {}
    for entry in read_entries(database, AnsweredTask):
        fits = question == "short" or entry.result.answer.istitle()
        found[entry.task, question] = "yes" if fits else "no"
    return found


ANSWER: Stage[AnswerSettings, TaskList, TaskRecords[AnsweredTask]] = Stage(
    name="answer",
    settings=AnswerSettings,
    load=load,
    records=lambda run: TaskRecords(run, AnsweredTask),
    made=has_rows("results"),
    contents=lambda inputs: {task.id: digest([task]) for task in inputs.tasks},
    places=("tasks",),
    changeable=("limit",),
    asks_model=True,
    tasks=grown,
    labels=labels,
    questions=("short", "capital"),
    work=work,
    lists=(("results", "Answered"),),
)
ASKED = {"tasks": "asked.jsonl", "model": "openai:m"}


def reply(number: int, body: dict[str, Any]) -> Fault:
    return chat("Yes" if number else "no")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of the stage, with two tasks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(STAGES, "entries", dict(STAGES.entries))
    add_stage(ANSWER)
    tasks = [
        json.dumps({"id": name, "definition": f"Say {name}.", "instances": []}) + "\n"
        for name in ("one", "two", "three")
    ]
    Path("asked.jsonl").write_text("".join(tasks[:2]))
    Path("more.jsonl").write_text("".join(tasks))
    with ScriptedServer(reply) as server:
        asked = {**ASKED, "base_url": server.url, "in_flight": 1}
        progress = finish(work_on(ANSWER, tmp_path / "run", asked))
    assert (progress.done, progress.notes) == (2, ["each is asked once"])
    return Path("run")


def outputs(tasks: Sequence[Task]) -> dict[str, str]:
    return {task.id: task.instances[0].output for task in tasks}


WRITTEN = {"one": "no", "two": "Yes"}


def test_its_tasks_are_read_wherever_a_run_may_be_named(made: Path) -> None:
    assert outputs(read_run_tasks(made) or ()) == WRITTEN
    assert outputs(TaskChoice(path=str(made)).load()) == WRITTEN
    assert outputs(load_source(make_source(str(made))).tasks) == WRITTEN


def test_they_are_exported(made: Path) -> None:
    done = seedstep("export", made, "--format", "alpaca", "--out", "data")
    assert "2 records" in done.out, done.err
    assert '"output":"Yes"' in Path("data/train.jsonl").read_text()
    refused = seedstep("export", made, "--format", "hub", "--license", "mit", "--out", "hub")
    assert "`seedstep answer` writes no card" in refused.error
    carded = replace(ANSWER, card=lambda run, tasks, rows, licence, left: f"{len(rows)} {licence}")
    STAGES.entries["answer"] = replace(STAGES.entries["answer"], home=carded)
    assert seedstep("export", made, "--format", "hub", "--license", "mit", "--out", "hub").code == 0
    assert Path("hub/README.md").read_text() == "2 mit"


def test_they_are_reviewed(made: Path) -> None:
    done = seedstep("review", "new", "reviewed", "--run", made, "--seed", 1)
    assert done.code == 0, done.err
    status = seedstep("status", "reviewed")
    assert "0 of 2" in status.out, status.err


def test_its_list_is_viewed(made: Path) -> None:
    with viewing(made) as view:
        assert "Answered" in view.get("0/").text
        page = view.get("0/results").text
        assert "Say one." in page
        assert "<h1>Answered</h1>" in page
        assert ('<th scope="col">Answer</th>' in page, "Steps" in page) == (True, False)
        assert '<td><span class="clip" dir="auto">Yes</span></td>' in page
        assert view.get("0/predictions").status_code == 404


def test_a_list_that_can_not_be_shown_is_refused(made: Path) -> None:
    own = replace(ANSWER, name="own", lists=(("results", "Answered"), ("answers", "Answers")))
    with pytest.raises(InputError, match=r"stage 'own': .*no list 'answers'.*results, tasks"):
        add_stage(own)
    assert "own" not in STAGES


def test_only_a_stage_that_says_how_asks_again_for_what_failed(made: Path) -> None:
    for failed in (None, made):
        with pytest.raises(InputError, match=r"`seedstep answer` can't ask again.* `unanswered`\."):
            foresee_work(ANSWER, failed, ASKED, failed="again")
    with pytest.raises(InputError, match="no `contents` and `unanswered`"):
        Run.start(replace(ANSWER, contents=None), made, {}, failed="again")
    again = replace(ANSWER, unanswered=lambda record: () if record.answer == "Yes" else ("key",))
    with Run.start(again, made, {}, failed="again") as run:
        assert run.changes.failed == ("one",)
        assert [task.id for _, task in run.records.left()] == ["one"]


def test_its_list_may_grow_and_be_elsewhere(made: Path) -> None:
    with Run.start(ANSWER, made, {"tasks": "more.jsonl"}) as run:
        assert run.records.listed()[2].id == "three"
        assert run.records.done() == {"one", "two"}
    Path("others.jsonl").write_text(json.dumps({"id": "x", "definition": "Say x."}) + "\n")
    with pytest.raises(RunMismatchError, match="tasks"):
        Run.start(ANSWER, made, {"tasks": "others.jsonl"})
    bare = replace(ANSWER, contents=None)
    with pytest.raises(RunMismatchError, match="tasks"):
        Run.start(bare, made, {"tasks": "asked.jsonl"})


def test_its_labels_are_compared(made: Path) -> None:
    assert questions_of(made) == ("short", "capital")
    assert read_labels(made).labels == {("one", "short"): "yes", ("two", "short"): "yes"}
    capital = read_labels(made, "capital")
    assert capital.labels == {("one", "capital"): "no", ("two", "capital"): "yes"}
    assert capital.scale.name == "answers of yes and no"
    with pytest.raises(InputError, match="no question 'other'"):
        read_labels(made, "other")


def test_labels_in_words_of_its_own_are_compared(made: Path) -> None:
    def toned(database: Database, question: str) -> dict[tuple[str, str], str]:
        given = {"one": "plain", "two": "formal"}
        return {
            (entry.task, question): given[entry.task]
            for entry in read_entries(database, AnsweredTask)
        }

    other = replace(ANSWER, labels=toned, questions=("tone",))
    STAGES.entries["answer"] = replace(STAGES.entries["answer"], home=other)
    read = read_labels(made)
    assert (read.scale.name, read.scale.labels) == ("answers to tone", ("formal", "plain"))
    (pair,) = agreement([made, made]).pairs
    assert (pair.agreement.raw.value, pair.agreement.spearman.value) == (1, None)
    STAGES.entries["answer"] = replace(STAGES.entries["answer"], home=replace(other, questions=()))
    assert read_labels(made).scale.name == "labels of `seedstep answer`"
    silent = replace(other, labels=None)
    STAGES.entries["answer"] = replace(STAGES.entries["answer"], home=silent)
    with pytest.raises(RunError, match=r"(?i)name one of `seedstep steps`, .*judge.* or .*review"):
        read_labels(made)


def test_what_it_would_ask_is_foreseen(made: Path) -> None:
    before = {path: path.read_bytes() for path in made.iterdir() if path.suffix == ".yaml"}
    foreseen = foresee_work(ANSWER, made, {"tasks": "more.jsonl"})
    assert (foreseen.left, foreseen.view.counts) == (1, {"answer": 1})
    assert "each is asked once" in foreseen.notes
    assert {path: path.read_bytes() for path in before} == before
    assert foresee_work(ANSWER, None, {**ASKED, "tasks": "more.jsonl"}).left == 3


def test_a_stage_without_work_is_not_foreseen(made: Path) -> None:
    with pytest.raises(InputError, match="`seedstep answer` does not work on tasks"):
        foresee_work(replace(ANSWER, work=None), made, {})


def test_a_stage_without_work_makes_no_run(made: Path) -> None:
    with pytest.raises(InputError, match="`seedstep answer` does not work on tasks"):
        finish(work_on(replace(ANSWER, work=None), Path("other"), ASKED))
    assert not Path("other").exists()


def test_a_tuning_on_it_counts_what_it_cost(made: Path) -> None:
    with Run.start(TUNE, Path("tuned"), {"data": [str(made)], "model": "hf:base"}) as run:
        (cost,) = cost_of(run).data
    assert (cost.source, cost.requests) == (str(made), 2)


def test_its_flags_that_name_a_model_are_checked(made: Path) -> None:
    with pytest.raises(InputError):
        require_models("answer", {"model": "no:model"})
    other = replace(ANSWER, model_checks={"model": str})
    STAGES.entries["answer"] = replace(STAGES.entries["answer"], home=other)
    require_models("answer", {"model": "no:model"})
