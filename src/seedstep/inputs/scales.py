"""The scales of labels, and whether the labels of several raters can be compared.

Example::

    >>> scale_of_words("answers to tone", ["yes", "no", "yes"]).name
    'answers of yes and no'
    >>> scale_of_words("answers to tone", ["formal", "plain"]).labels
    ('formal', 'plain')
"""

from collections.abc import Iterable, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedstep.errors import InputError
from seedstep.evaluate.agreement import ACCEPTABLE, LEVELS, OUTCOMES

__all__ = [
    "LABELS_IN_FILES",
    "LabelScale",
    "answers_to",
    "common_scale",
    "known_scale",
    "scale_in_file",
    "scale_of_words",
]


@dataclass(frozen=True, slots=True)
class LabelScale:
    """A set of labels that can be compared: all, in order if `is_ordered`; and the acceptable ones.

    `acceptable` is empty if labels can't be divided into acceptable and not. With `is_stated`, a
    form says what the labels are; else they are guessed from those that a rater gave.
    """

    name: str
    labels: tuple[str, ...]
    is_ordered: bool = False
    acceptable: tuple[str, ...] = ()
    is_stated: bool = False


SCALES = (
    LabelScale("ratings", tuple(LEVELS), is_ordered=True, acceptable=tuple(ACCEPTABLE)),
    LabelScale("comparisons", OUTCOMES),
    LabelScale("answers of yes and no", ("yes", "no")),
)
"""The scales of labels in files; all labels of a file are of the same scale."""

LABELS_IN_FILES = {label.lower(): label for scale in SCALES for label in scale.labels}
"""The labels that a file may have, by what is written there in lower case."""


def answers_to(question: str) -> str:
    """Return the name of the scale of a question that has labels of its own."""
    return f"answers to {question}"


def known_scale(labels: Iterable[str]) -> LabelScale | None:
    """Return the scale that has exactly these labels, if it is one of those of files."""
    given = set(labels)
    return next((scale for scale in SCALES if set(scale.labels) == given), None)


def scale_in_file(path: Path, labels: Iterable[str]) -> LabelScale:
    """Return the scale of all labels of a file.

    Raises:
        InputError: the labels are of several scales.
    """
    given = set(labels)
    fitting = [scale for scale in SCALES if given & set(scale.labels)]
    if len(fitting) > 1:
        kinds = " and ".join("levels" if scale is SCALES[0] else scale.name for scale in fitting)
        what = f"{path}: both {kinds}".replace("comparisons", "wins, losses or ties")
        raise InputError(what, "keep labels of one kind in a file of their own")
    return fitting[0] if fitting else SCALES[0]


def scale_of_words(name: str, labels: Iterable[str]) -> LabelScale:
    """Return the scale of labels that are all that is known of it.

    Words that are not all of a scale of files have one of their own, of this name, without order.
    """
    given = set(labels)
    fitting = (scale for scale in SCALES if given <= set(scale.labels))
    return next(fitting, LabelScale(name, tuple(sorted(given))))


def common_scale(scales: Iterable[LabelScale], given: Iterable[tuple[str, str]]) -> LabelScale:
    """Return the scale on which labels of several raters are, from those of each.

    `given` has the labels, each after the name of its rater. The order of the raters does not
    matter: a scale that a form states comes before one that is guessed from labels, one with all
    labels before others, a larger one before a smaller one. If the names of the scales differ, one
    has to have all labels; if not, the first has to, unless it was guessed and only says that
    labels differ.

    Raises:
        InputError: there is no such scale, or a rater gave labels that are not on it.
    """
    pairs = list(given)
    labels = {label for _, label in pairs}
    found: dict[str, LabelScale] = {}
    for scale in sorted(scales, key=lambda scale: _precedence(scale, labels), reverse=True):
        found.setdefault(scale.name, scale)
    if fitting := next((scale for scale in found.values() if labels <= set(scale.labels)), None):
        return fitting
    first, *others = found.values()
    if others:
        kinds = " and ".join(sorted(found, reverse=True))
        raise InputError(f"{kinds} can't be compared", "name raters of one kind")
    if first.is_stated or first.is_ordered or first.acceptable:
        raise _not_on(first, pairs)
    return first


def _precedence(scale: LabelScale, labels: Set[str]) -> tuple[Any, ...]:
    """Return what to sort scales by; those that differ in anything never have the same."""
    has_all = labels <= set(scale.labels)
    says = (scale.is_ordered, len(scale.acceptable), scale.labels, scale.acceptable)
    return (scale.is_stated, has_all, len(scale.labels), *says)


def _not_on(scale: LabelScale, given: Iterable[tuple[str, str]]) -> InputError:
    """Return the error for labels that are not on a scale, with the rater who gave them first."""
    foreign = [(rater, label) for rater, label in given if label not in scale.labels]
    (first, _), *_ = foreign
    said = ", ".join(sorted({f"'{label}'" for rater, label in foreign if rater == first}))
    what = f"{first} gave {said}, and the {scale.name} are {', '.join(scale.labels)}"
    return InputError(what, "compare raters who had the same choices")
