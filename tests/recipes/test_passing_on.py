"""What one stage made goes on to the next: runs, and the tasks that they return."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import seedstep
from seedstep import (
    BudgetReached,
    InputError,
    Instance,
    Run,
    RunError,
    Task,
    TaskChoice,
    TaskList,
)
from seedstep.data import evaluation_items
from seedstep.encode import TaskEncoder
from seedstep.runs import TaskRecords
from seedstep.runs.places import GIVEN, keep_given
from seedstep.stages import TUNE
from support.growing import SIGNS, text_of
from support.predicting import answered
from support.scripted_server import Fault, ScriptedServer

TASKS = (
    Task(
        "shout", "Write the word in capitals.", (Instance("sun", ("SUN",), "a"),), category="Case"
    ),
    Task("echo", "Repeat the word.", (Instance("sun", ("sun",), "c"),)),
)
COPY = "baseline:copy-input"


def reply(number: int, body: dict[str, Any]) -> Fault | None:
    """The server's own reply to a bootstrap, and a numbered list to all else."""
    of_bootstrap = tuple(sign for signs in SIGNS.values() for sign in signs)
    is_own = text_of(body).startswith(of_bootstrap)
    return None if is_own else answered(body, "1. Read the word.\n2. Write it in capitals.")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A run of each stage that works on tasks, by the name of its stage."""
    out = tmp_path_factory.mktemp("runs")
    with ScriptedServer(reply) as server:
        asked: dict[str, Any] = {"model": "openai:scripted", "base_url": server.url}
        made: dict[str, Any] = {
            "bootstrap": seedstep.self_instruct(out / "grown", tasks=2, **asked),
            "steps": seedstep.write_instructions(out / "steps", tasks=TASKS, **asked),
            "distill": seedstep.distill(out / "distilled", source=TASKS, **asked),
            "predict": seedstep.predict(out / "answers", tasks=TASKS, model=COPY),
        }
        made["examples"] = seedstep.make_examples(
            out / "examples", steps=made["steps"], count=2, **asked
        )
        made["judge"] = seedstep.judge(out / "judged", sources=[made["predict"]], **asked)
    yield made
    for run in made.values():
        run.close()


STAGES = ("bootstrap", "steps", "distill", "predict", "examples", "judge")
WITH_INSTANCES = ("bootstrap", "distill", "predict", "judge")


class TestTasksOfRuns:
    @pytest.mark.parametrize("stage", STAGES)
    def test_they_are_a_sequence_of_tasks_with_rows(self, stage: str, runs: dict[str, Any]) -> None:
        found = runs[stage].tasks()
        assert isinstance(found, TaskList)
        assert list(found) == list(found.tasks) == [found[place] for place in range(len(found))]
        assert len(found) == 2
        assert all(isinstance(task, Task) for task in found)
        assert found[:1] == found.tasks[:1]
        assert seedstep.load_tasks(found.to_records()).tasks == found.tasks

    @pytest.mark.parametrize("stage", WITH_INSTANCES)
    def test_they_are_predicted_and_scored(
        self, stage: str, runs: dict[str, Any], tmp_path: Path
    ) -> None:
        found = runs[stage].tasks()
        with seedstep.predict(tmp_path / "run", model=COPY, tasks=found) as run:
            assert run.tasks().tasks == found.tasks
            (system,) = seedstep.evaluate_systems(run, tasks=run.tasks()).systems
        assert system.overall.instances == sum(len(task.instances) for task in found)

    @pytest.mark.parametrize("stage", STAGES)
    def test_they_are_loaded_again_as_they_are(self, stage: str, runs: dict[str, Any]) -> None:
        found = runs[stage].tasks()
        assert seedstep.load_tasks(found) == TaskList(found.tasks)

    def test_those_of_distill_have_the_outputs_that_were_written(
        self, runs: dict[str, Any]
    ) -> None:
        made = [entry.result.instances for entry in runs["distill"].entries()]
        assert [task.instances for task in runs["distill"].tasks()] == made
        assert made[0][0].output.startswith("1. Read the word.")
        assert [task.id for task in runs["distill"].records.listed()] == ["shout", "echo"]

    def test_those_that_were_read_are_a_sequence_too(self, tmp_path: Path) -> None:
        path = tmp_path / "tasks.jsonl"
        path.write_text(json.dumps({"definition": "Sing."}) + "\n{}\n")
        found = seedstep.load_tasks(path, skip_bad=True)
        assert [task.definition for task in found] == ["Sing."]
        assert len(found.problems) == 1
        assert found.to_records()[0]["definition"] == "Sing."


class TestRunsAsTasks:
    """A run of a stage that makes tasks goes wherever a path of tasks goes."""

    @pytest.mark.parametrize("stage", ["bootstrap", "distill"])
    def test_their_tasks_are_loaded(self, stage: str, runs: dict[str, Any]) -> None:
        run = runs[stage]
        for source in (run, run.path, str(run.path)):
            assert seedstep.load_tasks(source) == run.tasks()
            assert TaskChoice(str(source) if source is run.path else source).load() == run.tasks()
        assert len(seedstep.load_tasks(run, limit=0)[0].instances) == 0
        assert TaskChoice(run, limit_tasks=1).load().tasks == run.tasks()[:1]
        with pytest.raises(InputError, match="a run has no splits"):
            seedstep.load_tasks(run, "test")

    @pytest.mark.parametrize("stage", ["steps", "predict", "judge", "examples"])
    def test_one_that_makes_no_tasks_is_refused(self, stage: str, runs: dict[str, Any]) -> None:
        with pytest.raises(InputError, match=f"is a run of `seedstep {stage}`: it has "):
            seedstep.load_tasks(runs[stage])

    def test_they_are_seeds_and_sets_that_new_tasks_are_compared_with(
        self, runs: dict[str, Any], tmp_path: Path
    ) -> None:
        grown = runs["bootstrap"]
        with ScriptedServer(reply) as server:
            asked: dict[str, Any] = {"model": "openai:scripted", "base_url": server.url}
            with seedstep.self_instruct(
                tmp_path / "run", tasks=1, seeds=grown, decontaminate=grown, **asked
            ) as run:
                assert [task.definition for task in run.inputs()] == [
                    task.definition for task in grown.tasks()
                ]
                assert not {task.id for task in run.inputs()} & {task.id for task in grown.tasks()}
                assert {row[1] for row in run.records.rejected()} >= {"contaminated"}

    def test_seeds_have_no_ids_of_new_tasks_in_memory_either(
        self, runs: dict[str, Any], tmp_path: Path
    ) -> None:
        made = [*runs["bootstrap"].tasks()]
        seeds = [*made, replace(made[0], id="mine", definition="Say what you think of it.")]
        with ScriptedServer(reply) as server:
            asked: dict[str, Any] = {"model": "openai:scripted", "base_url": server.url}

            def grown(out: Path, seeds: Any = None) -> list[str]:
                given = {"seeds": seeds} if seeds else {}
                with seedstep.self_instruct(out, tasks=1, **given, **asked) as run:
                    return [task.id for task in run.inputs()]

            wanted = [*(f"seed_{task.id}" for task in made), "mine"]
            assert grown(tmp_path / "run", seeds) == wanted
            assert grown(tmp_path / "run", seeds) == wanted
            (file,) = (tmp_path / "run" / GIVEN).iterdir()
            content = file.read_bytes().replace(b'"id":"seed_', b'"id":"')  # as it was once
            file = keep_given(tmp_path / "earlier", content, ".jsonl")
            as_given = [task.id for task in seeds]
            assert grown(tmp_path / "earlier", str(file)) == as_given
            assert grown(tmp_path / "earlier", seeds) == grown(tmp_path / "earlier") == as_given

    def test_a_file_is_filtered_by_them(self, runs: dict[str, Any], tmp_path: Path) -> None:
        grown, path = runs["bootstrap"], tmp_path / "data.jsonl"
        rows = [{"instruction": grown.tasks()[0].definition}, {"instruction": "Sing."}]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        for against in (grown, [grown], grown.tasks(), [grown.tasks()]):
            report = seedstep.filter_file(path, tmp_path / "novel.jsonl", against=against)
            assert report.rejected == {"contaminated": 1}

    def test_their_texts_are_those_of_an_evaluation_set(self, runs: dict[str, Any]) -> None:
        grown = runs["bootstrap"]
        texts = [text for _, text in evaluation_items(grown, inputs=False)]
        assert texts == [task.definition for task in grown.tasks()]


class TestHowTheWorkEnded:
    @pytest.mark.parametrize("stage", ["bootstrap", "steps", "distill", "predict", "judge"])
    def test_a_budget_that_is_spent_is_told_with_the_notes(
        self, stage: str, runs: dict[str, Any], tmp_path: Path
    ) -> None:
        work: dict[str, Any] = {
            "bootstrap": (seedstep.self_instruct, {"tasks": 2}),
            "steps": (seedstep.write_instructions, {"tasks": TASKS}),
            "distill": (seedstep.distill, {"source": TASKS}),
            "predict": (seedstep.predict, {"tasks": TASKS}),
            "judge": (seedstep.judge, {"sources": [runs["predict"]]}),
        }
        call, settings = work[stage]
        with ScriptedServer(reply) as server:
            asked = {"model": "openai:scripted", "base_url": server.url, "in_flight": 1}
            with call(tmp_path, **settings, **asked, max_requests=1) as run:
                assert isinstance(run.stopped, BudgetReached)
                assert run.stopped.setting == "max_requests"
            with call(tmp_path, **settings, **asked, max_requests=1000) as run:
                assert run.stopped is None
            with seedstep.open_run(tmp_path) as run:
                assert run.stopped is None
                assert run.notes == ()

    def test_notes_name_keywords(self, tmp_path: Path) -> None:
        asked: dict[str, Any] = {"model": COPY, "tasks": TASKS}
        with seedstep.predict(tmp_path / "run", **asked) as run:
            assert run.notes == ()
        task = {"Definition": ["Sing."], "Instances": [{"id": "a", "input": "", "output": ["la"]}]}
        (tmp_path / "set" / "tasks").mkdir(parents=True)
        (tmp_path / "set" / "tasks" / "task1_sing.json").write_text(json.dumps(task))
        (tmp_path / "set" / "splits" / "default").mkdir(parents=True)
        (tmp_path / "set" / "splits" / "default" / "test_tasks.txt").write_text("task1_sing\n")
        asked["tasks"] = tmp_path / "set"
        with seedstep.predict(tmp_path / "official", split="test", **asked) as run:
            assert any("limit_instances=N takes another number" in note for note in run.notes)


class TestWhatIsNotThere:
    """Runs say of which stage they are, and what to call in place of what they have not."""

    @pytest.mark.parametrize(
        ("stage", "call", "told"),
        [
            ("predict", lambda run: run.status(), "has no counts of this kind"),
            ("bootstrap", lambda run: run.entries(), "has no record of each task"),
            ("steps", lambda run: run.predictions("local"), "has no predictions"),
        ],
    )
    def test_a_run_of_another_stage_says_which_it_is(
        self, stage: str, call: Callable[[Any], object], told: str, runs: dict[str, Any]
    ) -> None:
        with pytest.raises(RunError, match=f"is a run of `seedstep {stage}`, which {told}") as said:
            call(runs[stage])
        assert "to_records()" in said.value.remedy

    def test_a_tuning_has_no_tasks(self, tmp_path: Path) -> None:
        (tmp_path / "tune.yaml").write_text("data: [seeds]\n")
        run: Any = Run.read(TUNE, tmp_path)
        with run, pytest.raises(RunError, match="run of `seedstep tune`, which has no tasks"):
            run.tasks()

    @pytest.mark.parametrize(
        "call",
        [
            lambda run: run.tasks(),
            lambda run: run.status(),
            lambda run: run.to_records(),
            lambda run: run.requests(),
            lambda run: run.spent(),
        ],
        ids=["tasks", "status", "records", "requests", "spent"],
    )
    def test_a_closed_run_says_that_it_is_closed(
        self, call: Callable[[Any], object], runs: dict[str, Any]
    ) -> None:
        with seedstep.open_run(runs["bootstrap"]) as run:
            pass
        with pytest.raises(RunError, match="grown is closed") as said:
            call(run)
        assert "open_run(run)" in said.value.remedy
        assert "closed" in run._repr_html_()

    def test_a_metric_that_was_not_asked_for_is_told_with_those_that_were(
        self, runs: dict[str, Any]
    ) -> None:
        (system,) = seedstep.evaluate_systems(runs["predict"]).systems
        with pytest.raises(InputError, match=r"no metric 'bleu'.*rouge_l"):
            system.overall.of("bleu")

    def test_a_run_is_exported_by_its_directory(self, runs: dict[str, Any], tmp_path: Path) -> None:
        run = runs["bootstrap"]
        wanted = seedstep.export(run, "alpaca", tmp_path / "run")
        for number, source in enumerate((run.path, str(run.path))):
            assert seedstep.export(source, "alpaca", tmp_path / str(number)) == wanted
            made = [tmp_path / name / "train.jsonl" for name in ("run", str(number))]
            assert made[0].read_bytes() == made[1].read_bytes()
        with pytest.raises(InputError, match="run of `seedstep steps`, which has no instances"):
            seedstep.export(runs["steps"].path, "alpaca", tmp_path / "steps")
        with pytest.raises(RunError, match="is not a run"):
            seedstep.export(tmp_path / "nowhere", "alpaca", tmp_path / "none")


RAISED: dict[str, tuple[Any, tuple[str, ...]]] = {
    **{
        function.__name__: (function, ("UnreachableError", "DeniedError", "NotRecordedError"))
        for function in (
            seedstep.self_instruct,
            seedstep.write_instructions,
            seedstep.make_examples,
            seedstep.distill,
            seedstep.predict,
            seedstep.judge,
        )
    },
    "merge_runs": (seedstep.merge_runs, ("ModelError", "MissingExtraError")),
    "evaluate_systems": (seedstep.evaluate_systems, ("MissingExtraError",)),
    "open_run": (seedstep.open_run, ("InputError", "RunError")),
    "tasks": (Run.tasks, ("InputError", "RunError")),
    "to_records": (Run.to_records, ("InputError", "RunError")),
    "listed": (TaskRecords.listed, ("InputError",)),
    "verdict_rows": (seedstep.verdict_rows, ("RunError", "StoreError")),
    "encode_task": (seedstep.encode_task, ("InputError",)),
    "TaskEncoder": (TaskEncoder.__init__, ("InputError",)),
    "check": (seedstep.NoveltyFilter.check, ("InputError",)),
}
"""What the docstrings of functions say that they raise, beside other errors."""


@pytest.mark.parametrize("name", RAISED)
def test_a_docstring_names_all_errors(name: str) -> None:
    function, named = RAISED[name]
    _, _, raises = str(function.__doc__).partition("Raises:\n")
    assert all(each in raises for each in named)
