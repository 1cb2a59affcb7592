"""What comes of a task: its conversation, its step-by-step instruction, and what was said of it.

Example::

    Written("task1", turns, (), ("Read it.", "Answer."), steps=("Read it.", "Answer."), chosen=4)
"""

from dataclasses import dataclass
from types import MappingProxyType

from seedstep.data import Example
from seedstep.steps.check import Finding
from seedstep.steps.parse import REASONS

__all__ = ["FAILURES", "RANKING_FAILURES", "ExampleSet", "Judgement", "Turn", "Written"]

FAILURES = MappingProxyType(
    {
        "request_failed": "the model refused a request, or could not answer it",
        **REASONS,
        "no_examples": "no examples, or just one, could be read in the reply",
    }
)
"""Why a task has no step-by-step instruction, or no generated examples."""

RANKING_FAILURES = MappingProxyType(
    {
        "request_failed": FAILURES["request_failed"],
        "unmatched": "the reply does not name two of the examples",
    }
)
"""Why generated examples are not ranked."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One request of a task, with what was said.

    `request` is its key. In a conversation `prompt` is the message that was added to all before.
    `cut`: the reply ended at its length limit. `failure` says why there is no reply.
    """

    name: str
    request: str
    prompt: str
    reply: str = ""
    cut: bool = False
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a model answered to the paper's two questions (section 3.3).

    Both are None, with the `reason`, where it gave no answer. `request` is the key of the last
    request.
    """

    correct: bool | None
    complete: bool | None
    request: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """A task's step-by-step instruction and how it came about.

    `turns` are in the order in which they were asked; `left_out` names those of the paper that
    were not. `unrefined` are the steps of the first reply, empty where it was none. `steps` are
    those of turn number `chosen` (from 0), and `findings` all faults that the checks find in them.
    Without steps, `chosen` is -1 and `failure` is one of `FAILURES`, explained by `detail`.
    `repairs` counts the turns that were asked because of faults.
    """

    task_id: str
    turns: tuple[Turn, ...]
    left_out: tuple[str, ...] = ()
    unrefined: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    failure: str = ""
    detail: str = ""
    chosen: int = -1
    repairs: int = 0
    judgement: Judgement | None = None


@dataclass(frozen=True, slots=True)
class ExampleSet:
    """Generated examples of a task, and two of them chosen in each of two ways (appendix C).

    `drawn` and `ranked` are indices into `candidates`: two at random, and the two that the model
    ranked best, the best first. `failure` is one of `FAILURES`; `ranking_failure` says why
    `ranked` is empty, and is one of `RANKING_FAILURES`.
    """

    task_id: str
    turns: tuple[Turn, ...]
    candidates: tuple[Example, ...] = ()
    drawn: tuple[int, ...] = ()
    ranked: tuple[int, ...] = ()
    failure: str = ""
    detail: str = ""
    ranking_failure: str = ""
