"""Sections about a review: the papers' tables and figures of people's labels.

Self-Instruct: Table 2, Figure 6, Tables 10 and 11, agreement (appendix B.2). Step-by-Step
Instruction Tuning: Figures 2, 4 and 5, the split in four, Fleiss's kappa (section 3.3), and wins,
losses and ties (section 5.4).

Example::

    people_sections(labels)
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from seedstep.data.reviews import FormQuestion, ReviewItem
from seedstep.evaluate.agreement import OUTCOMES
from seedstep.evaluate.intervals import Value, shown
from seedstep.evaluate.people import StandingLabels, split_in_four, tally, value_name
from seedstep.evaluate.systems import about_shown
from seedstep.report.bars import share_chart
from seedstep.report.records import (
    Field,
    Paragraph,
    ReportBlock,
    Section,
    Specimen,
    Specimens,
    Table,
)

__all__ = ["people_sections"]

PAPER_DATA = MappingProxyType({"instruction": "92", "input": "79", "output": "58", "all": "54"})
"""Self-Instruct, Table 2: percent of 200 samples."""

PAPER_SPLIT = ("87.9", "2.8", "0.5", "8.8")
"""Step-by-Step Instruction Tuning, section 3.3, over all tasks, in percent."""

PAPER_OUTCOMES = ("17.6", "12.6", "69.8")
"""Step-by-Step Instruction Tuning, section 5.4: wins, losses, ties of 357 instances, in percent."""

PAPER_FLEISS = MappingProxyType({"correct": "0.78", "complete": "0.73", "better": "0.72"})
"""Fleiss's kappa in sections 3.3 and 5.4 of Step-by-Step Instruction Tuning."""

PAPER_RATING = ("", "0.58", "0.75", "0.81")
"""Self-Instruct, appendix B.2: Cohen's kappa, on acceptable or not, and Spearman's correlation."""

EXAMPLES = 5
MOST_RATERS = 6
"""With more raters, only the agreement of all is computed: that of each pair takes too long."""

MOST_CATEGORIES = 60


def people_sections(labels: StandingLabels) -> list[Section]:
    """Return all sections about a review; none if no label counts yet."""
    if not any(labels.settled.values()):
        missing = "nobody labelled an item yet; `seedstep review serve` lets people do so"
        return [Section("What people said", (), missing)]
    blocks = tuple(_BY_SUBJECT.get(labels.form.name, _questions)(labels))
    found = [Section(labels.form.title, (*blocks, *_undecided(labels)))]
    if by_category := tuple(_categories(labels)):
        found.append(Section("By category", by_category))
    found.append(Section("How far people agree", tuple(_agreement(labels))))
    if specimens := tuple(_specimens(labels)):
        found.append(Section("Some of the items", specimens))
    return found


def _undecided(labels: StandingLabels) -> Iterator[ReportBlock]:
    wanted = [
        question.name
        for question in labels.form.questions
        if question.choices and not question.optional
    ]
    open_items = sum(
        any(name not in found for name in wanted)
        and any(item in own for own in labels.answers.values())
        for item, found in labels.settled.items()
    )
    if open_items:
        yield Paragraph(
            f"Of {open_items:,} labelled items no more than half of the raters said the same; "
            "they are left out until the owner decides them."
        )


def _groups(labels: StandingLabels) -> dict[str, list[str]]:
    """Return the items of each group; if there are several groups, first those of all items."""
    groups: dict[str, list[str]] = {}
    for item, shown_item in labels.items.items():
        groups.setdefault(shown_item.group or "all", []).append(item)
    return groups if len(groups) == 1 else {"all": list(labels.items), **groups}


def _only(values: Mapping[str, str], items: Sequence[str]) -> dict[str, str]:
    return {item: values[item] for item in items if item in values}


def _data(labels: StandingLabels) -> Iterator[ReportBlock]:
    """Table 2 of Self-Instruct."""
    accepted = {item: "yes" if good else "no" for item, good in labels.accepted().items()}
    rows = []
    for question in labels.form.questions:
        found = tally(labels.decided(question.name), labels.items, ("yes", "no"))
        cells = (f"{found.counts['yes']:,} of {found.total:,}", shown(found.shares["yes"]))
        rows.append((question.text, *cells, PAPER_DATA.get(question.name, "")))
    every = tally(accepted, labels.items, ("yes", "no"))
    cells = (f"{every.counts['yes']:,} of {every.total:,}", shown(every.shares["yes"]))
    rows.append(("All fields are valid", *cells, PAPER_DATA["all"]))
    caption = f"Data quality (Table 2 of Self-Instruct), {about_shown(rows)}"
    yield Table(caption, ("", "yes", "%", "the paper, %"), tuple(rows))


def _steps(labels: StandingLabels) -> Iterator[ReportBlock]:
    """Figure 2 of Step-by-Step Instruction Tuning, and the split in four."""
    first, second = labels.decided("correct"), labels.decided("complete")
    wholes: dict[str, dict[str, int]] = {}
    rows = []
    for group, items in _groups(labels).items():
        for question, values in (("correct", first), ("complete", second)):
            found = tally(_only(values, items), labels.items, ("yes", "no"))
            wholes[f"{group}: {question}"] = dict(found.counts)
            share = shown(found.shares["yes"])
            rows.append((group, question, f"{found.counts['yes']:,} of {found.total:,}", share))
    title = "Correct and complete (Figure 2 of the paper)"
    yield share_chart("people-steps", title, wholes, ("of", "items"))
    head = ("of", "question", "yes", "%")
    yield Table(f"The same, {about_shown(rows)}", head, tuple(rows), names=2)
    split = split_in_four(first, second)
    names = (
        "correct and complete",
        "correct but incomplete",
        "complete but incorrect",
        "incorrect and incomplete",
    )
    counts = (split.both, split.first, split.second, split.neither)
    shares = (f"{share:.1f}" for share in split.percent())
    parts = zip(names, map("{:,}".format, counts), shares, PAPER_SPLIT, strict=True)
    yield Table("Split in four", ("", "items", "%", "the paper, %"), tuple(parts))


def _rating(labels: StandingLabels) -> Iterator[ReportBlock]:
    """Figure 6 of Self-Instruct."""
    (question, *_) = labels.form.questions
    systems = _by_system(labels)
    decided = labels.decided(question.name)
    wholes = {
        system: dict(tally(_only(decided, items), labels.items, question.values).counts)
        for system, items in systems.items()
    }
    title = "Levels of each system (Figure 6 of Self-Instruct)"
    yield share_chart("people-rating", title, wholes, ("system", "answers"))
    good = {item: "yes" if value in question.accepted else "no" for item, value in decided.items()}
    rows = []
    for system, items in systems.items():
        found = tally(_only(good, items), labels.items, ("yes",))
        rows.append(
            (system, f"{found.counts['yes']:,} of {found.total:,}", shown(found.shares["yes"]))
        )
    caption = f"Acceptable answers (A or B), {about_shown(rows)}"
    yield Table(caption, ("system", "acceptable", "%"), tuple(rows))


def _pairs(labels: StandingLabels) -> Iterator[ReportBlock]:
    """Wins, losses and ties."""
    pairs: dict[tuple[str, ...], list[str]] = {}
    for item, shown_item in labels.items.items():
        pairs.setdefault(shown_item.systems, []).append(item)
    decided = labels.decided("better")
    wholes = {}
    rows = []
    for systems, items in pairs.items():
        found = tally(_only(decided, items), labels.items, OUTCOMES)
        name = " against ".join(systems)
        wholes[name] = dict(found.counts)
        for outcome, paper in zip(OUTCOMES, PAPER_OUTCOMES, strict=True):
            count = f"{found.counts[outcome]:,} of {found.total:,}"
            rows.append((name, outcome, count, shown(found.shares[outcome]), paper))
    yield share_chart("people-pairs", "Wins, losses and ties", wholes, ("pair", "instances"))
    head = ("pair", "", "instances", "%", "the paper, %")
    caption = f"Of the first system, {about_shown(rows)}; the paper's are of its own models"
    yield Table(caption, head, tuple(rows), names=2)


def _questions(labels: StandingLabels) -> Iterator[ReportBlock]:
    """Shares of the answers to each question, for any form."""
    for question in labels.form.questions:
        if not question.choices:
            continue
        values = labels.decided(question.name)
        known = OUTCOMES if question.compares else question.values
        names = {value: value_name(question, value) for value in known}
        wholes = {}
        for group, items in _by_system(labels).items():
            found = tally(_only(values, items), labels.items, known)
            wholes[group] = {names[value]: count for value, count in found.counts.items()}
        yield share_chart(f"people-{len(wholes)}", question.text, wholes, ("of", "items"))


def _by_system(labels: StandingLabels) -> dict[str, list[str]]:
    systems: dict[str, list[str]] = {}
    for item, shown_item in labels.items.items():
        systems.setdefault(" / ".join(shown_item.systems) or shown_item.group or "all", []).append(
            item
        )
    return systems


_BY_SUBJECT: Mapping[str, Callable[[StandingLabels], Iterator[ReportBlock]]] = MappingProxyType(
    {"data": _data, "steps": _steps, "rating": _rating, "pairs": _pairs}
)
"""The blocks of the forms that come with seedstep, by the names of the forms."""


def _categories(labels: StandingLabels) -> Iterator[ReportBlock]:
    """Figures 4 and 5 of Step-by-Step Instruction Tuning."""
    if labels.form.name != "steps":
        return
    for place, (group, items) in enumerate(_groups(labels).items(), start=1):
        categories: dict[str, list[str]] = {}
        for item in items:
            if category := labels.items[item].category:
                categories.setdefault(category, []).append(item)
        for question in ("correct", "complete") if len(categories) > 1 else ():
            values = labels.decided(question)
            wholes = {
                category: dict(tally(_only(values, own), labels.items, ("yes", "no")).counts)
                for category, own in sorted(categories.items())[:MOST_CATEGORIES]
            }
            title = f"{question.capitalize()}, {group} (Figures 4 and 5 of the paper)"
            yield share_chart(f"people-{question}-{place}", title, wholes, ("category", "items"))


def _agreement(labels: StandingLabels) -> Iterator[ReportBlock]:
    names = [rater for rater, own in labels.answers.items() if own]
    if len(names) < 2:
        yield Paragraph("One person labelled: there is nobody to agree with.")
        return
    rows = []
    for question in labels.form.questions:
        if not question.choices:
            continue
        found = labels.agreement_of_all(question.name)
        if len(names) <= MOST_RATERS:
            found = labels.agreement(question.name)
        for pair in found.pairs:
            measured = pair.agreement
            if measured.items:
                values = (
                    measured.raw,
                    measured.kappa,
                    measured.kappa_acceptable,
                    measured.spearman,
                )
                cells = (f"{measured.items:,}", *map(_cell, values))
                rows.append((question.name, f"{pair.first} and {pair.second}", *cells))
        fleiss = f"{_cell(found.fleiss)} (Fleiss)"
        rows.append(
            (question.name, "all, on the shared part", f"{found.items:,}", "", fleiss, "", "")
        )
        rows += _paper_rows(question)
    head = ("question", "raters", "items", "raw", "kappa", "kappa, acceptable or not", "Spearman")
    yield Table("Agreement, with 95% intervals over items", head, tuple(rows), names=2)


def _paper_rows(question: FormQuestion) -> list[tuple[str, ...]]:
    if question.name == "rating":
        return [(question.name, "the paper's two raters", "", *PAPER_RATING)]
    if fleiss := PAPER_FLEISS.get(question.name):
        return [(question.name, "the paper's three raters", "", "", f"{fleiss} (Fleiss)", "", "")]
    return []


def _cell(value: Value) -> str:
    return shown(value, 2)


def _specimens(labels: StandingLabels) -> Iterator[ReportBlock]:
    """Tables 10 and 11 of Self-Instruct: some items that are valid, and some that are not."""
    accepted = labels.accepted()
    for wanted, what in ((True, "accepted"), (False, "rejected")):
        items = [item for item, good in accepted.items() if good is wanted]
        if items:
            summary = f"{what} ({min(EXAMPLES, len(items))} of {len(items):,})"
            yield Specimens(summary, tuple(_specimen(labels, item) for item in items[:EXAMPLES]))


def _specimen(labels: StandingLabels, item: str) -> Specimen:
    shown_item: ReviewItem = labels.items[item]
    found = labels.settled[item]
    faults = [
        f"{question.name}: {value_name(question, found[question.name])}"
        for question in labels.form.questions
        if question.accepted and found.get(question.name) not in question.accepted
    ]
    fields = [
        Field(field.label, field.text) for field in shown_item.fields if field.role != "example"
    ]
    fields += [
        Field(system, answer)
        for system, answer in zip(shown_item.systems, shown_item.answers, strict=True)
    ]
    if faults:
        fields.append(Field("what is wrong, as people said", ", ".join(faults)))
    return Specimen(f"{shown_item.task} {shown_item.category}".strip(), tuple(fields))
