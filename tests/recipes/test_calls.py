"""What functions that run stages are given: one thing or several, in the forms it is had in."""

import asyncio
import inspect
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seedstep import InputError, Task, evaluate_systems, filter_file, judge, recipes
from seedstep.evaluate.judge import JudgeSettings
from seedstep.infer.settings import PredictSettings
from seedstep.recipes.evaluation import chosen_verdicts, verdict_rows
from support.answer_files import right, write_predictions, write_tasks
from support.judging import by_length
from support.scripted_server import ScriptedServer

pytestmark = pytest.mark.usefixtures("empty_directory")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    with ScriptedServer(by_length) as started:
        monkeypatch.setenv("OPENAI_BASE_URL", started.url)
        yield started


class TestSeveralTextsOrOne:
    @pytest.mark.parametrize(
        "given", [lambda paths: paths[0], lambda paths: str(paths[0]), iter, list, tuple]
    )
    def test_of_what_is_judged(self, given: Callable[..., Any], server: ScriptedServer) -> None:
        tasks = write_tasks(Path("tasks.jsonl"), tasks=1)
        answers = write_predictions(Path("base.jsonl"), right(1))
        asked: dict[str, Any] = {"tasks": tasks, "model": "openai:scripted"}
        with judge("run", sources=given([answers]), names="base", **asked) as run:
            assert run.config["sources"] == ["base.jsonl"]
            assert run.config["names"] == ["base"]
            rows = verdict_rows(run)
            assert chosen_verdicts(rows, systems="base") == rows
            sent = server.requests
        judge("run", sources=given([answers]), names=["base"], **asked).close()
        assert server.requests == sent

    def test_of_the_systems_that_are_scored(self) -> None:
        tasks = write_tasks(Path("tasks.jsonl"), tasks=1)
        answers = write_predictions(Path("base.jsonl"), right(1))
        for names in ("base", iter(["base"])):
            (system,) = evaluate_systems(answers, names, tasks=tasks)
            assert system.name == "base"
        with pytest.raises(InputError, match="no system 'bas'"):
            evaluate_systems(answers, "bas", tasks=tasks)

    def test_of_what_ends_an_answer(self) -> None:
        assert PredictSettings.of(model="local", encoding="steps", stop="###").stop == ("###",)
        assert PredictSettings.of(model="local", encoding="steps", stop=None).stop is None

    @pytest.mark.parametrize("given", [3, {"a": "b"}, [3]])
    def test_what_is_no_text_is_refused(self, given: Any) -> None:
        with pytest.raises(InputError, match="setting 'names"):
            JudgeSettings.of(names=given)


IN_THREADS = ("calibrate", "evaluate_systems", "filter_file", "merge_runs")
"""Functions that may wait for a server or long, whose asynchronous twins work in a thread."""


class TestTwins:
    @pytest.mark.parametrize("name", IN_THREADS)
    def test_are_awaited_and_told_as_such(self, name: str) -> None:
        function, twin = getattr(recipes, name), getattr(recipes, f"{name}_async")
        assert inspect.iscoroutinefunction(twin)
        assert inspect.signature(twin) == inspect.signature(function)
        assert pickle.loads(pickle.dumps(twin)) is twin
        assert str(twin.__doc__).startswith(f"As `{name}`, awaited in a running event loop.")
        raises = str(function.__doc__).partition("Raises:")[2]
        assert raises
        assert str(twin.__doc__).partition("Raises:")[2] == raises

    def test_the_loop_goes_on_meanwhile(self) -> None:
        """A filter that takes long, watched from the loop that it leaves alone."""
        main, read, beats = threading.main_thread(), [], 0

        def tasks() -> Iterator[Task]:
            read.append(threading.current_thread())
            yield Task("a", "Sing.", ())

        def slow(stage: str, done: int, total: int) -> None:
            assert threading.current_thread() is not main
            time.sleep(0.1)

        async def cell() -> Any:
            nonlocal beats
            work = asyncio.ensure_future(recipes.filter_file_async(tasks(), watch=slow))
            while not work.done():
                beats += 1
                await asyncio.sleep(0.01)
            return await work

        report = asyncio.run(cell())
        assert report == filter_file([Task("a", "Sing.", ())])
        assert read == [main]
        assert beats > 5

    def test_an_error_is_the_same(self) -> None:
        with pytest.raises(InputError, match="no such file"):
            asyncio.run(recipes.evaluate_systems_async("missing"))
