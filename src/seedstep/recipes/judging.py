"""Answers judged by a model, as one call: predictions in, a run of verdicts out.

Self-Instruct, section 4.4; Step-by-Step Instruction Tuning, section 5.4 and appendix E.

Example::

    with judge("runs/judge", sources=("a.jsonl",), tasks="mine.jsonl", model="openai:m") as run:
        print(ratings(run.judged()))
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

from seedstep.data import Task
from seedstep.evaluate.judge import Judged, judge_answers
from seedstep.llm import Engine, Spent
from seedstep.recipes.tasks import TaskProgress, TaskWatch, work_on_tasks
from seedstep.store import JudgeRun

__all__ = ["judge", "judge_async"]


def judge(
    out: str | Path, *, watch: TaskWatch | None = None, same_model: bool = False, **settings: Any
) -> JudgeRun:
    """Make a run, or go on with one, and return it opened for reading.

    `settings` are those of `seedstep.evaluate.judge_settings.JudgeSettings`.

    Raises:
        SeedstepError: with what is wrong and what to do.
    """
    asyncio.run(judge_async(Path(out), settings, watch, same_model=same_model))
    return JudgeRun.read(Path(out))


async def judge_async(
    out: Path,
    asked: Mapping[str, Any],
    watch: TaskWatch | None = None,
    *,
    same_model: bool = False,
) -> TaskProgress:
    """As `judge`, inside a running event loop; returns how far it came."""
    with JudgeRun.start(out, asked, same_model=same_model) as run:
        answers = run.answers()

        def stage(tasks: tuple[Task, ...], engine: Engine, spent: Spent) -> AsyncGenerator[Judged]:
            return judge_answers(run.settings, tasks, answers, engine)

        return await work_on_tasks(run, stage, _missing, watch)


def _missing(judged: Judged) -> str:
    missing = sum(not one.label for one in judged.verdicts)
    return f"{missing} of {len(judged.verdicts)} verdicts missing" if missing else ""
