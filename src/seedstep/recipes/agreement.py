"""How far judges and people agree on the same answers (Self-Instruct, appendix B.2).

Example::

    found = agreement([Path("runs/judge"), Path("people.jsonl")])
    found.pairs[0].agreement.kappa
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from seedstep.errors import InputError
from seedstep.evaluate.agreement import (
    OUTCOMES,
    RatingAgreement,
    comparison_agreement,
    fleiss_kappa,
    rating_agreement,
)
from seedstep.evaluate.intervals import Value
from seedstep.store import Labels, read_labels

__all__ = ["Agreement", "PairAgreement", "agreement"]


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Two raters, by their names, and how far they agree on the items that both rated."""

    first: str
    second: str
    agreement: RatingAgreement


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far raters agree, two by two, and all of them on the `items` that all rated."""

    raters: tuple[Labels, ...]
    pairs: tuple[PairAgreement, ...]
    items: int
    fleiss: Value


def agreement(paths: Sequence[Path]) -> Agreement:
    """The agreement of the raters in judge's runs and files of labels.

    Raises:
        InputError: there is only one, labels can't be read or are of two kinds, or two raters
            have no item in common.
        RunError: a directory is no judge's run.
    """
    if len(paths) < 2:
        raise InputError("there is only one rater", "name two or more runs or files")
    raters = tuple(map(read_labels, paths))
    kinds = {label in OUTCOMES for rater in raters for label in rater.labels.values()}
    if len(kinds) > 1:
        raise InputError("ratings and comparisons can't agree", "name raters of one kind")
    measure = comparison_agreement if True in kinds else rating_agreement
    shared = [item for item in raters[0].labels if all(item in one.labels for one in raters)]
    return Agreement(
        raters,
        tuple(_pair(one, other, measure) for one, other in combinations(raters, 2)),
        len(shared),
        fleiss_kappa([[one.labels[item] for one in raters] for item in shared]),
    )


def _pair(
    one: Labels, other: Labels, measure: Callable[[Sequence[str], Sequence[str]], RatingAgreement]
) -> PairAgreement:
    items = [item for item in one.labels if item in other.labels]
    if not items:
        what = f"{one.name} and {other.name} rated nothing in common"
        raise InputError(what, "check that ids and names of systems are the same in both")
    found = measure([one.labels[item] for item in items], [other.labels[item] for item in items])
    return PairAgreement(one.name, other.name, found)
