"""The stage that writes a step-by-step instruction for each task (sections 3.1 to 3.3).

The turns of a task follow one another, tasks are worked on side by side, and results are retired
in the order of the tasks. After the last turn the reply is parsed and checked. As long as
something is wrong, one more turn names it, up to `settings.repairs`; the version with the fewest
faults is kept, with its faults. A task that fails is a result too, and stops no other.

Example::

    async for written in write_steps(StepsSettings(model="openai:m"), tasks, engine):
        print(written.task_id, written.steps or written.failure)
"""

from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from seedstep.data import Task
from seedstep.llm import Engine
from seedstep.llm.order import AHEAD, in_order
from seedstep.steps.check import Finding, TaskText, check, repair_request
from seedstep.steps.conversation import TURNS, Conversation, Drafts, make_talk
from seedstep.steps.judge import judge
from seedstep.steps.parse import ParsedSteps
from seedstep.steps.records import FAILURES, Turn, Written
from seedstep.steps.settings import StepsSettings

__all__ = ["write_steps"]


def write_steps(
    settings: StepsSettings,
    tasks: Iterable[Task],
    engine: Engine,
    judge_engine: Engine | None = None,
) -> AsyncGenerator[Written]:
    """Yield what comes of each task, in their order; the first `settings.limit` of them.

    With a `judge_engine`, what was written is also judged.

    Raises:
        ModelError: the model can't be asked, or no longer.
        StoreError: an answer can't be kept.
        BudgetReached: the budget is spent; all tasks before the first incomplete one were yielded.
    """
    items = (
        _write(settings, task, engine, judge_engine, place)
        for place, task in enumerate(islice(tasks, settings.limit))
    )
    return in_order(items, AHEAD * settings.in_flight)


async def _write(
    settings: StepsSettings, task: Task, engine: Engine, judge_engine: Engine | None, place: int
) -> Written:
    talk = make_talk(settings, task, engine, place)
    text = TaskText.of(task)
    last = await talk.write()
    versions: list[_Version] = []
    while not last.failure:
        parsed = talk.read(last)
        versions.append(_Version(len(talk.turns) - 1, parsed, check(parsed, text)))
        if versions[-1].is_good or len(versions) > settings.repairs:
            break
        last = await talk.repair([repair_request(one) for one in versions[-1].findings])
    written = _written(task, talk, versions, last)
    if judge_engine is None or written.failure:
        return written
    sampling = settings.sampling_of("judge")
    return replace(
        written, judgement=await judge(task, written.steps, sampling, judge_engine, place)
    )


@dataclass(frozen=True, slots=True)
class _Version:
    """The reply of turn number `turn`, parsed and checked."""

    turn: int
    parsed: ParsedSteps
    findings: Sequence[Finding]

    @property
    def is_good(self) -> bool:
        return not (self.parsed.reason or self.findings)


def _procedure(parsed: ParsedSteps) -> tuple[str, ...]:
    return () if parsed.reason else parsed.steps


def _written(
    task: Task, talk: Conversation | Drafts, versions: Sequence[_Version], last: Turn
) -> Written:
    """What came of a task: its best version, or why there is none."""
    asked = [turn.name for turn in talk.turns]
    first = talk.turns[0]
    best = _best(versions)
    failure, detail = ("", "") if best else _failure(versions, last)
    return Written(
        task.id,
        tuple(talk.turns),
        left_out=tuple(name for name in TURNS if name not in asked),
        unrefined=() if first.failure else _procedure(talk.read(first)),
        steps=best.parsed.steps if best else (),
        findings=tuple(best.findings) if best else (),
        failure=failure,
        detail=detail,
        chosen=best.turn if best else -1,
        repairs=asked.count("repair"),
    )


def _best(versions: Sequence[_Version]) -> _Version | None:
    """The version with the fewest faults, the latest of equals."""
    procedures = [one for one in versions if not one.parsed.reason]
    return min(reversed(procedures), key=lambda one: len(one.findings), default=None)


def _failure(versions: Sequence[_Version], last: Turn) -> tuple[str, str]:
    """The name of what went wrong, and what it was."""
    if not versions:
        return "request_failed", f"{last.name}: {last.failure}"
    reason = versions[-1].parsed.reason
    return reason, FAILURES[reason]
