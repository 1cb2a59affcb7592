"""The configuration of a judge: whose answers are judged, and how.

Example::

    JudgeSettings(model="openai:my-judge", sources=("predictions.jsonl",), tasks="mine.jsonl")
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from seedstep.llm import Sampling
from seedstep.llm.settings import Asking, Count, explained, make_settings_of

__all__ = ["JudgeSettings", "make_judge_settings"]

SAMPLING: Mapping[str, Sampling] = MappingProxyType(
    # Ours. The second time needs a temperature: without one, the same would be said again.
    {"verdict": Sampling(max_tokens=1024), "again": Sampling(max_tokens=1024, temperature=0.7)}
)


@dataclass(frozen=True, slots=True)
class JudgeSettings(Asking):
    """How answers are judged; always as a conversation."""

    SAMPLING: ClassVar[Mapping[str, Sampling]] = SAMPLING

    sources: tuple[str, ...] = field(
        default=(), metadata=explained("Runs of `seedstep predict`, and files of predictions.")
    )
    names: tuple[str, ...] = field(
        default=(), metadata=explained("Which predictions of the runs. Default: all.")
    )
    tasks: str | None = field(
        default=None,
        metadata=explained("The tasks that were predicted. Needed for files; runs have their own."),
    )
    split: str | None = field(
        default=None, metadata=explained("Split of a directory, such as test.")
    )
    track: str = field(
        default="default", metadata=explained("Directory of the split: default, xlingual.")
    )
    limit_instances: Count | None = field(
        default=None, metadata=explained("Judge the first so many instances of each task.")
    )
    limit: Count | None = field(
        default=None, metadata=explained("Number of instances, the first ones. Default: all.")
    )
    mode: Literal["rating", "pairwise"] = field(
        default="rating",
        metadata=explained(
            "rating: each answer on Self-Instruct's levels A to D, beside the reference. "
            "pairwise: the first system against each of the others, in both orders."
        ),
    )
    sampling: dict[str, Any] = field(
        default_factory=dict,
        metadata=explained(
            "Sampling parameters by request (verdict, again), where they shall differ from "
            "seedstep's own: {verdict: {temperature: 0.5}}."
        ),
    )


def make_judge_settings(values: Mapping[str, Any], source: str) -> JudgeSettings:
    """Settings from named values, all others as they are by default.

    Raises:
        InputError: a name is not known or a value does not fit; `source` says where it stands.
    """
    return make_settings_of(JudgeSettings, values, source)
