"""Lists that grow in runs of 0.1.0, and examples that follow their instructions."""

import asyncio
import json
import shutil
import sqlite3
from collections.abc import AsyncGenerator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from seedstep import RunMismatchError, make_examples, stages
from seedstep.data import Task
from seedstep.llm import Endpoint, Engine, MemoryLedger, Preview, Request, Sampling, Spent
from seedstep.recipes.tasks import unfit
from seedstep.runs import Run, StageWork
from support.command_line import seedstep
from support.growing import text_of
from support.growing_lists import (
    MANY,
    Steps,
    begun,
    boats,
    line_of,
    records,
    tasks,
    write,
)
from support.scripted_server import ScriptedServer
from support.step_server import strong_model

FIXTURES = Path(__file__).parents[1] / "fixtures" / "v0.1.0"


@pytest.fixture
def steps(tmp_path: Path) -> Iterator[Steps]:
    with begun(tmp_path) as made:
        yield made


class TestRunsOf010:
    """Their records have no fingerprint: the requests tell what they are of."""

    @pytest.fixture
    def made(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        shutil.copytree(FIXTURES, tmp_path / "made")
        monkeypatch.chdir(tmp_path / "made")
        return tmp_path / "made"

    def grow(self, server: ScriptedServer, *flags: object) -> str:
        moved = ("--base-url", server.url, "--judge-base-url", server.url, "--same-model")
        done = seedstep("steps", "--out", "steps", *moved, *flags)
        assert done.code == 0, done.err
        return done.words

    def test_they_grow(self, made: Path) -> None:
        before = records(made / "steps")
        text = (made / "boats/tasks/task001_boat.json").read_text()
        (made / "boats/tasks/task007_boat.json").write_text(text.replace("boat 1", "boat 7"))
        with ScriptedServer(strong_model) as server:
            self.grow(server)
            assert boats([text_of(body) for body in server.bodies]) == {7}
        after = records(made / "steps")
        assert list(after) == [*before, "task007_boat"]
        assert {name: after[name] for name in before} == before

    def test_a_task_that_changed_is_found(self, made: Path) -> None:
        before = records(made / "steps")
        path = made / "boats/tasks/task001_boat.json"
        task = json.loads(path.read_text())
        task["Positive Examples"][0]["input"] = "The ferry 1 sank."
        path.write_text(json.dumps(task))
        with ScriptedServer(strong_model) as server:
            self.grow(server)
            assert server.bodies
            assert all("The ferry 1 sank." in text_of(body) for body in server.bodies)
        after = records(made / "steps")
        assert list(after) == list(before)
        assert [name for name in before if after[name] != before[name]] == ["task001_boat"]
        with closing(sqlite3.connect(made / "steps/run.db")) as database:
            aside = database.execute("SELECT task, fingerprint FROM results_aside").fetchall()
        assert aside == [("task001_boat", "")]

    @pytest.mark.parametrize("stopped", ["before it compared", "after a part"])
    def test_what_was_not_compared_yet_is_compared_later(self, made: Path, stopped: str) -> None:
        before = records(made / "steps")
        path = made / "boats/tasks/task002_boat.json"
        task = json.loads(path.read_text())
        task["Positive Examples"][0]["input"] = "The ferry 2 sank."
        path.write_text(json.dumps(task))
        for _ in range(2):
            with Run.start(stages.STEPS, Path("steps"), {}) as run:
                assert run.changes.unsure == tuple(before)
                assert run.records.fitting() == set(before)
        with ScriptedServer(strong_model) as server:
            if stopped == "after a part":
                self.grow(server, "--limit", 1)
                assert not server.bodies
            self.grow(server, "--limit", 99)
            assert server.bodies
            assert all("The ferry 2 sank." in text_of(body) for body in server.bodies)
        after = records(made / "steps")
        assert [name for name in before if after[name] != before[name]] == ["task002_boat"]


def test_a_record_does_not_fit_if_another_task_asks_for_the_same_missing_reply() -> None:
    async def stage(tasks: tuple[Task, ...], engine: Engine, _: Spent) -> AsyncGenerator[Any]:
        for place, task in enumerate(tasks):
            yield await engine.ask(Request("test", task.definition, Sampling(8)), (place,))

    async def found() -> tuple[Task, ...]:
        engine = Engine(Endpoint("openai:test", "some-model", ""), MemoryLedger(), 1)
        work = StageWork(stage, lambda result: "", lambda tasks: Preview((), {}, {}))
        return await unfit(work, unsure, engine, Spent())

    unsure = (Task("a", "Name a boat.", ()), Task("b", "Name a boat.", ()))
    assert asyncio.run(found()) == unsure


class TestExamplesFollow:
    def test_only_tasks_with_new_steps_are_asked(self, steps: Steps) -> None:
        served: dict[str, Any] = {"model": "openai:scripted", "base_url": steps.server.url}
        run, out = steps.folder / "run", steps.folder / "examples"
        make_examples(out, steps=run, **served).close()
        first = _examples(out)
        steps.new()
        tasks(steps.folder, MANY)
        steps.write()
        steps.new()
        make_examples(out, steps=run, **served).close()
        grown = _examples(out)
        assert {name: grown[name] for name in first} == first
        assert set(grown) > set(first)
        make_examples(steps.folder / "alone", steps=run, **served).close()
        assert _examples(steps.folder / "alone") == grown

    def test_an_instruction_that_does_not_fit_its_task_is_not_used(self, steps: Steps) -> None:
        write(steps.folder, line_of(20, id="task0"), *map(line_of, range(1, 6)))
        served: dict[str, Any] = {"model": "openai:scripted", "base_url": steps.server.url}
        out = steps.folder / "examples"
        make_examples(out, steps=steps.folder / "run", **served).close()
        assert "task0" not in _examples(out)

    def test_other_steps_are_refused(self, steps: Steps) -> None:
        served: dict[str, Any] = {"model": "openai:scripted", "base_url": steps.server.url}
        make_examples(steps.folder / "examples", steps=steps.folder / "run", **served).close()
        tasks(steps.folder, range(20, 23))
        steps.write(out="other")
        with pytest.raises(RunMismatchError, match="steps"):
            make_examples(steps.folder / "examples", steps=steps.folder / "other", **served)


def _examples(path: Path) -> dict[str, Any]:
    with Run.read(stages.EXAMPLES, path) as run:
        return {entry.task: entry.result for entry in run.entries()}
