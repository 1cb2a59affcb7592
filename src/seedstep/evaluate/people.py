"""Evaluate people's labels: agreement of raters, the value that counts for an item, tallies.

The tallies are those of Self-Instruct's Table 2 and Figure 6 (sections 3.3, 4.4), and those of
Step-by-Step Instruction Tuning: Figures 2, 4 and 5, the split in four (section 3.3), and wins,
losses and ties (section 5.4). Fleiss's kappa is over the items that were given to all raters and
that all of them labelled (section 3.3 there).

Example::

    labels = StandingLabels.of(form, items, rows, raters, owner="(owner)")
    labels.agreement("correct").fleiss
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Self

from seedstep.data.reviews import Form, FormQuestion, LabelRow, ReviewItem, meant, standing_labels
from seedstep.evaluate.agreement import OUTCOMES, RatingAgreement, fleiss_kappa, label_agreement
from seedstep.evaluate.intervals import Value, mean_over_tasks

__all__ = [
    "PairOfRaters",
    "QuestionAgreement",
    "StandingLabels",
    "Tally",
    "TwoByTwoCounts",
    "scale_of",
    "split_in_four",
    "tally",
    "value_name",
]

NO_ITEMS = Value(None, None, None, "no items")


@dataclass(frozen=True, slots=True)
class PairOfRaters:
    """Two raters, and their agreement on the items that both labelled."""

    first: str
    second: str
    agreement: RatingAgreement


@dataclass(frozen=True, slots=True)
class QuestionAgreement:
    """The agreement of each pair of raters on a question, and of all on the `items` they share."""

    question: str
    pairs: tuple[PairOfRaters, ...]
    items: int
    fleiss: Value


@dataclass(frozen=True, slots=True)
class StandingLabels:
    """The labels of a review that count.

    `answers` are by rater, item and question; an answer about a pair of systems says whether the
    first wins, loses or ties. `settled` has the value of each item and question that counts: the
    owner's decision, or what more than half of the item's raters said.
    """

    form: Form
    items: Mapping[str, ReviewItem]
    answers: Mapping[str, Mapping[str, Mapping[str, str]]]
    settled: Mapping[str, Mapping[str, str]]
    adjudicated: frozenset[str]

    @classmethod
    def of(
        cls,
        form: Form,
        items: Mapping[str, ReviewItem],
        rows: Iterable[LabelRow],
        raters: Sequence[str],
        owner: str,
    ) -> Self:
        """Return the labels that count, from all rows of a review."""
        answers: dict[str, dict[str, dict[str, str]]] = {name: {} for name in (*raters, owner)}
        compared = {question.name for question in form.questions if question.compares}
        for (rater, item), row in standing_labels(rows).items():
            if row.action == "label" and rater in answers and item in items:
                answers[rater][item] = {
                    name: meant(answer, row.shown) if name in compared else answer
                    for name, answer in row.answers.items()
                }
        decided = answers.pop(owner)
        settled = {item: _settled(form, item, answers, decided.get(item)) for item in items}
        return cls(form, items, answers, settled, frozenset(decided))

    def values(self, question: str) -> dict[str, dict[str, str]]:
        """Return the answers to a question, by rater and item."""
        return {
            rater: {item: found[question] for item, found in own.items() if question in found}
            for rater, own in self.answers.items()
        }

    def decided(self, question: str) -> dict[str, str]:
        """Return the value that counts for each item, for items that have one."""
        return {item: found[question] for item, found in self.settled.items() if question in found}

    def accepted(self) -> dict[str, bool]:
        """Return whether each item is accepted, for items whose deciding questions are settled."""
        deciding = [question.name for question in self.form.questions if question.accepted]
        return {
            item: bool(self.form.accepts(found))
            for item, found in self.settled.items()
            if deciding and all(name in found for name in deciding)
        }

    def disagreement(self, item: str) -> float:
        """Return the share of pairs of raters who disagree, on the question with the most."""
        most = 0.0
        for question in self.form.questions:
            said = [
                own[item][question.name]
                for own in self.answers.values()
                if question.name in own.get(item, {})
            ]
            pairs = list(combinations(said, 2))
            if question.choices and pairs:
                most = max(most, sum(mine != theirs for mine, theirs in pairs) / len(pairs))
        return most

    def agreement(self, question: str, seed: int = 0) -> QuestionAgreement:
        """Return the agreement of raters on a question."""
        values = self.values(question)
        levels, acceptable = scale_of(self._question(question))
        pairs = []
        for first, second in combinations(values, 2):
            both = [item for item in values[first] if item in values[second]]
            mine, theirs = ([values[rater][item] for item in both] for rater in (first, second))
            found = label_agreement(mine, theirs, levels, acceptable, seed)
            pairs.append(PairOfRaters(first, second, found))
        everybody = self.agreement_of_all(question, seed)
        return replace(everybody, pairs=tuple(pairs))

    def agreement_of_all(self, question: str, seed: int = 0) -> QuestionAgreement:
        """Return the agreement of all raters together on a question."""
        values = self.values(question)
        shared = [
            item
            for item, shown in self.items.items()
            if shown.shared and all(item in own for own in values.values())
        ]
        ratings = [[own[item] for own in values.values()] for item in shared]
        kappa = fleiss_kappa(ratings, seed) if shared else NO_ITEMS
        return QuestionAgreement(question, (), len(shared), kappa)

    def _question(self, name: str) -> FormQuestion:
        return next(question for question in self.form.questions if question.name == name)


def _settled(
    form: Form,
    item: str,
    answers: Mapping[str, Mapping[str, Mapping[str, str]]],
    decided: Mapping[str, str] | None,
) -> dict[str, str]:
    if decided is not None:
        return dict(decided)
    found: dict[str, str] = {}
    for question in form.questions:
        said = [
            own[item][question.name]
            for own in answers.values()
            if question.name in own.get(item, {})
        ]
        if question.choices and said:
            value, count = Counter(said).most_common(1)[0]
            if 2 * count > len(said):
                found[question.name] = value
    return found


def scale_of(question: FormQuestion) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the levels of a question in their order, and those that are acceptable."""
    is_ordered = question.kind == "scale" or question.values == ("A", "B", "C", "D")
    levels = question.values if is_ordered else ()
    acceptable = question.accepted if 1 < len(question.accepted) < len(question.values) else ()
    return levels, acceptable


def value_name(question: FormQuestion, value: str, systems: Sequence[str] = ()) -> str:
    """Return an answer in words; for a pair of systems, which of them is better."""
    if question.compares and value in OUTCOMES:
        if len(systems) > 1 and value != "tie":
            return f"{systems[0] if value == 'win' else systems[1]} is better"
        return {"win": "the first is better", "lose": "the second is better"}.get(value, "same")
    return next((choice.label for choice in question.choices if choice.value == value), value)


@dataclass(frozen=True, slots=True)
class Tally:
    """The shares of values among `total` items, in percent with intervals over tasks."""

    counts: Mapping[str, int]
    total: int
    shares: Mapping[str, Value]


def tally(
    values: Mapping[str, str],
    items: Mapping[str, ReviewItem],
    known: Sequence[str],
    seed: int = 0,
) -> Tally:
    """Return the shares of the `known` values among the values of some items."""
    tasks = [items[item].task for item in values]
    given = list(values.values())
    shares = {
        label: mean_over_tasks([100.0 * (value == label) for value in given], tasks, seed=seed)
        if given
        else NO_ITEMS
        for label in known
    }
    return Tally({label: given.count(label) for label in known}, len(given), shares)


@dataclass(frozen=True, slots=True)
class TwoByTwoCounts:
    """Counts of items by two yes-or-no questions: both yes, only the first, the second, neither."""

    both: int
    first: int
    second: int
    neither: int

    @property
    def total(self) -> int:
        """The number of items."""
        return self.both + self.first + self.second + self.neither

    def percent(self) -> tuple[float, float, float, float]:
        """Return the four shares in percent; zeros if there are no items."""
        whole = self.total or 1
        parts = (self.both, self.first, self.second, self.neither)
        return tuple(100 * part / whole for part in parts)  # type: ignore[return-value]


def split_in_four(first: Mapping[str, str], second: Mapping[str, str]) -> TwoByTwoCounts:
    """Count the items that have an answer to both questions."""
    found = Counter(
        (first[item] == "yes", second[item] == "yes") for item in first if item in second
    )
    return TwoByTwoCounts(
        found[True, True], found[True, False], found[False, True], found[False, False]
    )
