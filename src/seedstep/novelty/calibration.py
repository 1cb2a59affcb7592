"""Measure at which cosine two instructions are the same task, by labelled pairs of instructions.

The 300 pairs of instructions in `pairs.jsonl` were written for this project: the same task in
slightly other words (`reworded`), or in quite other ones (`paraphrase`); another task by a single
word (`one_word`), or another one about the same matter (`related`). 200 are English, 52 German, 48
Japanese.

Example::

    >>> pairs = labelled_pairs()
    >>> len(pairs), sum(pair.same for pair in pairs)
    (300, 150)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from seedstep.data import BadLine, Problem, read_jsonl
from seedstep.data.records import Accuracy, placed, raise_first
from seedstep.errors import InputError
from seedstep.text import rouge_l, unicode_tokens

__all__ = [
    "MEANING_THRESHOLD",
    "THRESHOLDS",
    "LabelledPair",
    "ThresholdAccuracy",
    "accuracies",
    "labelled_pairs",
]

MEANING_THRESHOLD = 0.8
"""The cosine from which two instructions ask for the same, by the labelled pairs (`calibrate`)."""

THRESHOLDS = tuple(number / 100 for number in range(50, 100, 5))
"""The thresholds whose precision and recall are told."""


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """Two instructions, and whether they ask for the same.

    `kind` and `language` name groups of pairs, and may be empty.
    """

    first: str
    second: str
    same: bool
    language: str = ""
    kind: str = ""

    @property
    def rouge_l(self) -> float:
        """The ROUGE-L F1 of both."""
        return rouge_l(unicode_tokens(self.first), unicode_tokens(self.second))


@dataclass(frozen=True, slots=True)
class ThresholdAccuracy(Accuracy):
    """Which of the pairs that are the same a threshold finds."""

    threshold: float


def labelled_pairs(path: Path | None = None) -> tuple[LabelledPair, ...]:
    """Return the labelled pairs of a file of JSON lines, by default those of this project.

    Raises:
        InputError: the file can't be read, or a line is no pair.
    """
    if path is None:
        with resources.as_file(resources.files("seedstep.novelty") / "pairs.jsonl") as ours:
            return labelled_pairs(ours)
    pairs: list[LabelledPair] = []
    problems: list[Problem] = []
    for number, line in read_jsonl(path, LabelledPair):
        if isinstance(line, BadLine):
            problems += placed(path, number, [line])
        else:
            pairs.append(line)
    raise_first(problems, "write first, second, and same: true or false")
    if not pairs:
        raise InputError(f"{path} has no pairs", "write first, second, and same in each line")
    return tuple(pairs)


def accuracies(
    pairs: Sequence[LabelledPair], scores: Sequence[float]
) -> tuple[ThresholdAccuracy, ...]:
    """Return what each of `THRESHOLDS` finds among pairs with these cosines."""
    found = list(zip(pairs, scores, strict=True))
    return tuple(
        ThresholdAccuracy(
            threshold=threshold,
            right=sum(pair.same and score >= threshold for pair, score in found),
            wrong=sum(not pair.same and score >= threshold for pair, score in found),
            missed=sum(pair.same and score < threshold for pair, score in found),
        )
        for threshold in THRESHOLDS
    )
