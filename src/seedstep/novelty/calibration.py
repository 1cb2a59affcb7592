"""Judge from which cosine two instructions ask for the same, by pairs that people labelled.

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

import msgspec

from seedstep.errors import InputError
from seedstep.text import rouge_l, unicode_tokens

__all__ = [
    "MEANING_THRESHOLD",
    "THRESHOLDS",
    "Accuracy",
    "LabelledPair",
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
    domain: str = ""

    @property
    def rouge_l(self) -> float:
        """The ROUGE-L F1 of both."""
        return rouge_l(unicode_tokens(self.first), unicode_tokens(self.second))


@dataclass(frozen=True, slots=True)
class Accuracy:
    """What a threshold finds among pairs: right and wrong ones, and those that it misses."""

    threshold: float
    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float | None:
        """The share of the found pairs that are the same; None if none is found."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else None

    @property
    def recall(self) -> float | None:
        """The share of the same pairs that are found; None if there are none."""
        return self.right / (self.right + self.missed) if self.right + self.missed else None


def labelled_pairs(path: Path | None = None) -> tuple[LabelledPair, ...]:
    """Return the labelled pairs of a file of JSON lines, by default those of this project.

    Raises:
        InputError: the file can't be read, or a line is no pair.
    """
    try:
        source = path or resources.files("seedstep.novelty") / "pairs.jsonl"
        lines = source.read_bytes().splitlines()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", "check the path") from None
    pairs = []
    for number, line in enumerate(lines, start=1):
        try:
            pairs.append(msgspec.json.decode(line, type=LabelledPair))
        except (msgspec.DecodeError, RecursionError) as error:
            what = f"{path}, line {number}: {error}"
            raise InputError(what, "write first, second, and same: true or false") from None
    if not pairs:
        raise InputError(f"{path} has no pairs", "write first, second, and same in each line")
    return tuple(pairs)


def accuracies(pairs: Sequence[LabelledPair], scores: Sequence[float]) -> tuple[Accuracy, ...]:
    """Return what each of `THRESHOLDS` finds among pairs with these cosines."""
    found = list(zip(pairs, scores, strict=True))
    return tuple(
        Accuracy(
            threshold,
            right=sum(pair.same and score >= threshold for pair, score in found),
            wrong=sum(not pair.same and score >= threshold for pair, score in found),
            missed=sum(pair.same and score < threshold for pair, score in found),
        )
        for threshold in THRESHOLDS
    )
