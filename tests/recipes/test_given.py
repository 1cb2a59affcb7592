"""Paths, runs and tasks in memory: each goes wherever the others do."""

import asyncio
import inspect
import json
import os
import pickle
import re
import shutil
import threading
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import seedstep
from seedstep import Example, InputError, Instance, RunMismatchError, Task
from seedstep.data import PathOrTasks, StrPath, task_record
from seedstep.encode import StepsKind
from seedstep.recipes import NoveltyFilter, Semantic
from support.growing import SIGNS, text_of
from support.predicting import answered
from support.scripted_server import Fault, ScriptedServer
from support.signatures import inside, parameters

WHOLE = Task(
    "shout",
    "Write the word in capitals.",
    (Instance("sun", ("SUN", "Sun!"), "a"), Instance("moon", ("MOON",), "b")),
    is_classification=True,
    name="capitals",
    category="Case",
    positive_examples=(Example("tea", "TEA", "All letters."),),
    negative_examples=(Example("tea", "tea"),),
    steps=("Read the word.", "Write it in capitals."),
    unrefined_steps=("Write it.",),
)
OTHER = Task("echo", "Repeat the word.", (Instance("sun", ("sun",), "c"),))
TASKS = (WHOLE, OTHER)
COPY = "baseline:copy-input"
METHOD = NoveltyFilter(semantic=Semantic("minilm"))


def reply(number: int, body: dict[str, Any]) -> Fault | None:
    """The server's own reply to a bootstrap, and a numbered list to all else."""
    of_bootstrap = tuple(sign for signs in SIGNS.values() for sign in signs)
    is_own = text_of(body).startswith(of_bootstrap)
    return None if is_own else answered(body, "1. Read the word.\n2. Write it in capitals.")


def files(folder: Path) -> list[str]:
    """The files below a folder, but for those that SQLite has while a database is open."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    return [name for name in names if not name.endswith(("-shm", "-wal"))]


def asked(run: seedstep.Run[Any, Any, Any]) -> list[Task]:
    with run:
        return list(run.tasks().tasks)


class TestRecords:
    @pytest.mark.parametrize(
        "given",
        [
            list(TASKS),
            (task for task in TASKS),
            [task_record(task) for task in TASKS],
            [WHOLE, task_record(OTHER)],
        ],
        ids=["tasks", "generator", "records", "both"],
    )
    def test_tasks_in_memory_are_read_as_they_are(self, given: Any) -> None:
        assert seedstep.load_tasks(given).tasks == TASKS

    def test_a_list_in_a_file_is_read_as_in_memory(self, tmp_path: Path) -> None:
        path = tmp_path / "tasks.json"
        path.write_text(json.dumps([task_record(task) for task in TASKS], indent=2))
        assert seedstep.load_tasks(path).tasks == TASKS
        assert seedstep.load_tasks(str(path), limit=1).tasks[0].instances == WHOLE.instances[:1]

    def test_rows_with_one_instance_each_are_tasks_by_their_instruction(self) -> None:
        rows: list[dict[str, Any]] = [
            {"instruction": "Add.", "input": "1 1", "output": "2"},
            {"instruction": "Add.", "input": "1 2", "output": "3"},
            {"instruction": "Name a colour.", "input": None, "output": "Red"},
        ]
        tasks = seedstep.load_tasks(rows).tasks
        assert [(task.definition, len(task.instances)) for task in tasks] == [
            ("Add.", 2),
            ("Name a colour.", 1),
        ]

    def test_a_data_set_is_a_list_of_records(self) -> None:
        datasets = pytest.importorskip("datasets")
        rows = datasets.Dataset.from_list([task_record(task) for task in TASKS])
        assert seedstep.load_tasks(rows).tasks == TASKS

    @pytest.mark.parametrize(
        ("given", "what"),
        [
            ([], "the given tasks: no tasks"),
            ([WHOLE, 3], "the given tasks, line 2: is of type int"),
            ([{"instances": []}], "the given tasks, line 1, field 'definition': empty"),
            ([WHOLE, WHOLE], "the given tasks, line 2, field 'id': the same as in line 1"),
            ([{"definition": b"x"}, {"definition": object()}], "the given tasks, line 2: "),
        ],
        ids=["none", "number", "no-definition", "twice", "object"],
    )
    def test_what_is_no_task_is_told(self, given: Any, what: str) -> None:
        with pytest.raises(InputError) as caught:
            seedstep.load_tasks(given)
        assert caught.value.what.startswith(what)


class TestRuns:
    def test_a_run_keeps_tasks_in_memory_and_goes_on_without_them(self, tmp_path: Path) -> None:
        first = tmp_path / "first"
        assert asked(seedstep.predict(first, model=COPY, tasks=iter(TASKS))) == list(TASKS)
        assert asked(seedstep.predict(first, model=COPY)) == list(TASKS)
        moved = first.rename(tmp_path / "moved")
        assert asked(seedstep.predict(str(moved), name="again", model=COPY)) == list(TASKS)
        assert asked(seedstep.predict(moved, model=COPY, tasks=TASKS)) == list(TASKS)

    def test_other_tasks_are_refused_and_leave_nothing(self, tmp_path: Path) -> None:
        seedstep.predict(tmp_path, model=COPY, tasks=TASKS).close()
        before = files(tmp_path)
        with pytest.raises(RunMismatchError):
            seedstep.predict(tmp_path, model=COPY, tasks=[replace(OTHER, definition="Say it.")])
        assert files(tmp_path) == before

    def test_a_call_that_fails_leaves_no_directory(self, tmp_path: Path) -> None:
        with pytest.raises(InputError):
            seedstep.predict(tmp_path / "run", model="nowhere:x", tasks=TASKS)
        with pytest.raises(InputError, match="no tasks"):
            seedstep.predict(tmp_path / "run", model=COPY, tasks=[])
        assert files(tmp_path) == []

    def test_tasks_that_are_lost_are_given_again(self, tmp_path: Path) -> None:
        seedstep.predict(tmp_path, model=COPY, tasks=TASKS).close()
        shutil.rmtree(tmp_path / "given")
        with pytest.raises(InputError, match="given"):
            seedstep.predict(tmp_path, name="again", model=COPY)
        assert asked(seedstep.predict(tmp_path, model=COPY, tasks=TASKS)) == list(TASKS)

    def test_a_run_is_the_path_of_its_directory(self, tmp_path: Path) -> None:
        with seedstep.predict(tmp_path, model=COPY, tasks=TASKS) as run:
            assert os.fspath(run) == str(tmp_path)
            with seedstep.open_run(run) as again:
                assert again.path == run.path
            for source in (run, str(tmp_path), tmp_path):
                for tasks in (None, TASKS, iter(TASKS)):
                    (system,) = seedstep.evaluate_systems([source], tasks=tasks).systems
                    assert system.overall.instances == 3

    def test_a_file_of_predictions_is_scored_on_tasks_in_memory(self, tmp_path: Path) -> None:
        path = tmp_path / "answers.jsonl"
        path.write_text('{"id": "a", "prediction": "SUN"}\n')
        (system,) = seedstep.evaluate_systems([str(path)], tasks=TASKS).systems
        assert system.overall.of("exact_match").value == pytest.approx(100 / 3)

    def test_stages_take_what_stages_made(self, tmp_path: Path) -> None:
        asked: dict[str, Any] = {"model": "openai:scripted"}
        with ScriptedServer(reply) as server:
            asked["base_url"] = server.url
            seeds = seedstep.seed_tasks()
            grown = seedstep.self_instruct(
                tmp_path / "grown", tasks=2, seeds=seeds, decontaminate=[TASKS, [OTHER]], **asked
            )
            again = seedstep.self_instruct(tmp_path / "same", tasks=2, **asked)
            assert [task.definition for task in grown.tasks()] == [
                task.definition for task in again.tasks()
            ]
            assert grown.config["seeds_fingerprint"]
            steps = seedstep.write_instructions(tmp_path / "steps", tasks=grown, **asked)
            assert [entry.task for entry in steps.entries()] == [task.id for task in grown.tasks()]
            with seedstep.predict(
                tmp_path / "answers", tasks=grown.tasks(), steps=None, **asked
            ) as predicted:
                judged = seedstep.judge(
                    tmp_path / "judged", sources=[predicted], tasks=grown.tasks(), **asked
                )
                assert len(list(judged.entries())) == sum(
                    len(task.instances) for task in grown.tasks()
                )
            for run in (grown, again, steps, judged):
                run.close()

    def test_tuning_takes_tasks_in_memory(self, tmp_path: Path) -> None:
        from seedstep.inputs.tasks import gather
        from seedstep.recipes.stage_calls import kept_inputs
        from seedstep.tune import TuneSettings

        prints = []
        for out in (tmp_path / "one", Path(os.path.relpath(tmp_path / "two"))):
            for data in (TASKS, [TASKS], [{"path": iter(TASKS)}]):
                with kept_inputs(out, {"data": data, "held_out_data": [[OTHER]]}) as settings:
                    gathered = gather(TuneSettings.of(model="local", **settings))
                assert len(gathered.mixture.training) == 3
                prints.append(gathered.fingerprint)
        assert len(set(prints)) == 1
        assert files(tmp_path) == []

    def test_the_novelty_filter_compares_with_tasks_in_memory(self, tmp_path: Path) -> None:
        path, out = tmp_path / "data.jsonl", tmp_path / "novel.jsonl"
        path.write_text('{"instruction": "Repeat the word."}\n{"instruction": "Sing."}\n')
        report = seedstep.filter_file(str(path), str(out), NoveltyFilter(against=(TASKS,)))
        assert report.rejected == {"contaminated": 1}

    def test_the_novelty_filter_takes_keywords_or_a_record(self, tmp_path: Path) -> None:
        path, out = tmp_path / "data.jsonl", tmp_path / "novel.jsonl"
        path.write_text('{"text": "Repeat the word."}\n{"text": "Repeat a word."}\n')
        record = NoveltyFilter("text", against=(TASKS,), against_threshold=1.0)
        for report in (
            seedstep.filter_file(path, out, record, threshold=0.8),
            seedstep.filter_file(
                path, out, field="text", threshold=0.8, against=[TASKS], against_threshold=1.0
            ),
        ):
            assert report.rejected == {"contaminated": 1}
        found = record.changed({"semantic": "minilm", "semantic_threshold": 0.6})
        assert found == replace(record, semantic=Semantic("minilm", 0.6))
        assert found.changed({}) == found
        assert found.changed({"semantic": None}).semantic is None
        with pytest.raises(InputError, match="there is no option 'tresh"):
            seedstep.filter_file(path, out, **{"treshold": 0.8})  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("options", "becomes"),
        [
            ({"semantic_threshold": 0.9}, Semantic("openai:a", 0.9, "http://a", 2)),
            ({"semantic_base_url": "http://b"}, Semantic("openai:a", 0.6, "http://b", 2)),
            ({"semantic": "openai:b"}, Semantic("openai:b", 0.6, "http://a", 2)),
            ({"semantic": "minilm"}, Semantic("minilm", 0.6, None, 2)),
            ({"semantic": Semantic("minilm")}, Semantic("minilm")),
            (
                {"semantic": Semantic("minilm"), "semantic_threshold": 0.9},
                Semantic("minilm", 0.9),
            ),
        ],
    )
    def test_an_option_changes_what_it_names_of_the_comparison_by_meaning(
        self, options: dict[str, Any], becomes: Semantic
    ) -> None:
        how = NoveltyFilter(semantic=Semantic("openai:a", 0.6, "http://a", 2))
        assert how.changed(options) == replace(how, semantic=becomes)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "options", [{"semantic_threshold": 0.9}, {"semantic_base_url": "http://a"}]
    )
    def test_how_to_compare_by_meaning_is_refused_where_nothing_is(
        self, options: dict[str, Any]
    ) -> None:
        for how, more in ((NoveltyFilter(), {}), (METHOD, {"semantic": None})):
            with pytest.raises(InputError, match=r"^--semantic-\S+: nothing is compared"):
                how.changed(options | more)  # type: ignore[arg-type]

    @pytest.mark.parametrize("given", ["str", "path", "paths", "tasks", "records", "lists"])
    def test_the_novelty_filter_compares_with_one_set_or_several(
        self, given: str, tmp_path: Path
    ) -> None:
        path, out = tmp_path / "data.jsonl", tmp_path / "novel.jsonl"
        path.write_text('{"instruction": "Repeat the word."}\n{"instruction": "Sing."}\n')
        tests = tmp_path / "tests.txt"
        tests.write_text("Repeat the word.\nSwim.\n")
        sets: dict[str, Any] = {
            "str": str(tests),
            "path": tests,
            "paths": [tests],
            "tasks": list(TASKS),
            "records": [task_record(task) for task in TASKS],
            "lists": [[WHOLE], [OTHER]],
        }
        for report in (
            seedstep.filter_file(path, out, against=sets[given]),
            seedstep.filter_file(path, out, NoveltyFilter(against=sets[given])),
        ):
            assert report.rejected == {"contaminated": 1}

    @pytest.mark.parametrize(
        ("options", "said"),
        [({"threshold": 0.0}, "--threshold 0.0: is a ROUGE-L F1"), ({"nearest": True}, "annotate")],
    )
    def test_the_novelty_filter_refuses_what_the_command_refuses(
        self, options: dict[str, Any], said: str, tmp_path: Path
    ) -> None:
        path, out = tmp_path / "data.jsonl", tmp_path / "novel.jsonl"
        path.write_text('{"instruction": "Sing."}\n')
        with pytest.raises(InputError, match=said):
            seedstep.filter_file(path, out, **options)
        assert not out.exists()


PATHS = {"out", "path", "paths", "sources", "runs", "reviewed", "steps", "source"}
"""Parameters that name a path or several."""

MANY_TASKS = {"tasks", "seeds", "data", "held_out_data", "decontaminate", "test_sets"}
"""Parameters that name tasks."""

FUNCTIONS = [name for name in seedstep.__all__ if inspect.isfunction(getattr(seedstep, name, None))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_takes_a_path_takes_runs_and_tasks(name: str) -> None:
    for parameter, kind in parameters(getattr(seedstep, name)).items():
        kinds = inside(kind)
        assert Path not in kinds, parameter
        if parameter in PATHS | MANY_TASKS and kind not in (int, StepsKind):
            assert all(part in kinds for part in typing.get_args(StrPath)), parameter
        if parameter in MANY_TASKS and kind is not int:
            assert all(part in kinds for part in typing.get_args(PathOrTasks)), parameter


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_runs_a_stage_has_a_twin(name: str) -> None:
    function = getattr(seedstep, name)
    is_fast = name in ("import_instructions", "take_superni")
    if "settings" in get_type_hints(function) and not name.endswith("_async") and not is_fast:
        twin = getattr(seedstep, f"{name}_async")
        assert inspect.iscoroutinefunction(twin)
        assert not inspect.iscoroutinefunction(function)
        assert (function.__name__, twin.__name__) == (name, f"{name}_async")
        assert pickle.loads(pickle.dumps((function, twin))) == (function, twin)
        assert inspect.signature(twin) == inspect.signature(function)
        assert str(twin.__doc__).startswith(f"As `{name}`, awaited in a running event loop")
        assert f"`{name}" not in str(function.__doc__)
        with pytest.raises(TypeError, match=rf"^{name}\(\) .*'out'"):
            function()


MANY_PATHS = {"runs", "paths", "sources", "experiments"}
"""Parameters of several paths, or of a single one."""


@pytest.mark.parametrize("name", ["agreement", "evaluate_systems", "merge_runs", "write_report"])
def test_what_takes_several_paths_takes_one(name: str, tmp_path: Path) -> None:
    function, missing = getattr(seedstep, name), tmp_path / "missing"
    (several,) = MANY_PATHS & {*inspect.signature(function).parameters} - {"experiments"}
    more = {"out": tmp_path / "out"} if "out" in inspect.signature(function).parameters else {}
    for given in (str(missing), missing, [missing]):
        with pytest.raises(seedstep.SeedstepError) as caught:
            function(**{several: given}, **more)
        assert str(missing) in str(caught.value)


def test_tasks_are_read_in_the_thread_that_calls(tmp_path: Path) -> None:
    """As rows of an open database, for example, can be read nowhere else."""
    threads = []

    def tasks() -> Iterator[Mapping[str, Any]]:
        threads.append(threading.current_thread())
        yield {"definition": "Sort the numbers.", "instances": [{"input": "2 1", "output": "1 2"}]}

    async def cell() -> None:
        with pytest.raises(seedstep.InputError, match="is not of a known kind"):
            seedstep.write_instructions(tmp_path / "run", tasks=tasks(), model="none")

    asyncio.run(cell())
    assert threads == [threading.main_thread()]


@pytest.mark.parametrize("name", sorted({*FUNCTIONS} - {"seed_tasks"}))
def test_what_is_raised_is_told_with_its_classes(name: str) -> None:
    _, _, raises = str(getattr(seedstep, name).__doc__).partition("Raises:\n")
    classes = re.findall(r"^ {8}(\w+): ", raises, re.MULTILINE)
    assert classes
    assert all(issubclass(getattr(seedstep, each), seedstep.SeedstepError) for each in classes)


def test_a_cancelled_tuning_ends_after_its_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = []

    def tuned(path: Path, settings: Any, watch: Any, stop: Callable[[], bool], **_: Any) -> None:
        while not stop():
            pass
        ended.append(path)

    monkeypatch.setattr("seedstep.recipes.tuning.tune_here", tuned)

    async def cell() -> None:
        work = asyncio.ensure_future(seedstep.tune_model_async(tmp_path, data=TASKS))
        await asyncio.sleep(0.05)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(cell())
    assert ended == [tmp_path]
