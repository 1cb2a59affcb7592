"""Sections about systems: the scores of their predictions, comparisons, and a judge's verdicts.

Self-Instruct, Table 3; Step-by-Step Instruction Tuning, Table 2 and Figure 3. Systems are paired
as by `seedstep compare`: each with the one that is named, or the first with each of the others.

Example::

    results_sections(systems, evaluated_systems)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from types import MappingProxyType
from typing import Literal

from seedstep.data import Instance, Task, instances_of
from seedstep.evaluate import InstanceResult, Metric, Scores, category_metric
from seedstep.evaluate.agreement import OUTCOMES, missing_verdicts, preferences, ratings
from seedstep.evaluate.compare import compare_systems
from seedstep.evaluate.intervals import McNemar, Value, shown
from seedstep.evaluate.judge import Judged
from seedstep.evaluate.scores import remarks_beside
from seedstep.evaluate.systems import (
    Comparison,
    Difference,
    EvaluatedSystem,
    Pairing,
    about_shown,
    group_table,
    overall_table,
)
from seedstep.evaluate.tables import verdict_table
from seedstep.inputs import SystemPredictions
from seedstep.report.bars import bar_chart, difference_chart, interval_chart, share_chart
from seedstep.report.records import (
    Certainty,
    Chart,
    Field,
    Headline,
    Paragraph,
    ReportBlock,
    Section,
    Specimen,
    Specimens,
    Table,
)
from seedstep.steps import render

__all__ = [
    "CERTAIN",
    "TaskChange",
    "certainty_of",
    "results_sections",
    "task_changes",
    "verdicts_section",
]

SHOWN_TASKS = 5
SHOWN_INSTANCES = 2

NOTHING = "(none)"

AnswerTexts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TaskChange:
    """The mean scores of two systems on a task, by the metric of its category.

    `instances` has the ids of its instances, those with the largest difference in favour of the
    better system first.
    """

    task: str
    category: str
    metric: Metric
    first: float
    second: float
    instances: tuple[str, ...]

    @property
    def difference(self) -> float:
        """The first system's score less the second's, in points."""
        return self.first - self.second


def task_changes(first: Scores, second: Scores) -> list[TaskChange]:
    """Return the tasks on which both systems were scored, the most improved first."""
    others = {result.instance: result for result in second.results}
    by_task: dict[str, list[tuple[InstanceResult, InstanceResult]]] = {}
    for result in first.results:
        if other := others.get(result.instance):
            by_task.setdefault(result.task, []).append((result, other))
    changes = [_change(task, pairs, first.metrics) for task, pairs in by_task.items()]
    return sorted(changes, key=lambda change: (-change.difference, change.task))


def _change(
    task: str, pairs: list[tuple[InstanceResult, InstanceResult]], metrics: Sequence[Metric]
) -> TaskChange:
    category = pairs[0][0].category
    metric = category_metric(category, metrics)
    marks = [(result.marks[metric.name], other.marks[metric.name]) for result, other in pairs]
    first, second = (100 * fmean(side) for side in zip(*marks, strict=True))
    sign = 1 if first >= second else -1
    gains = {
        result.instance: sign * (mark - other)
        for (result, _), (mark, other) in zip(pairs, marks, strict=True)
    }
    instances = tuple(sorted(gains, key=lambda instance: -gains[instance]))
    return TaskChange(task, category, metric, first, second, instances)


def results_sections(
    systems: Sequence[SystemPredictions],
    evaluated: Sequence[EvaluatedSystem],
    against: Sequence[str] = (),
) -> list[Section]:
    """Return the scores of all systems, then each comparison with the tasks that differ most.

    `evaluated` has the scores of the `systems`, in their order. `against` has the names of those
    with which the others are compared.

    Raises:
        InputError: there is no such system, or two have no instance in common.
    """
    head, rows = overall_table(evaluated)
    caption = f"Scores, {about_shown(rows)}"
    blocks = [Table(caption, head, rows), *_by_category(evaluated), *_absent(evaluated)]
    blocks += _paragraphs(remarks_beside({each.name: each.remarks for each in evaluated}))
    if len(evaluated) == 1 and set(against) <= {evaluated[0].name}:
        return [Section("Scores", tuple(blocks), headlines=(_scored(evaluated[0]),))]
    pairings = compare_systems(evaluated, against)
    figure = _differences(pairings)
    places = {found.name: place for place, found in enumerate(evaluated)}
    answers = tuple(
        _answer(pairing, [systems[places[name]] for name in (pairing.first, pairing.second)])
        for pairing in pairings
    )
    sections = [Section("Scores", tuple(blocks), "", answers, figure)]
    for number, pairing in enumerate(pairings, start=1):
        first, second = places[pairing.first], places[pairing.second]
        changes = task_changes(evaluated[first].scores, evaluated[second].scores)
        texts = {
            pairing.first: _texts(systems[first]),
            pairing.second: _texts(systems[second]),
        }
        changed = _changed(changes, systems[first].tasks, texts)
        blocks = [*_compared(pairing, number), *changed]
        sections.append(Section(f"{pairing.first} against {pairing.second}", tuple(blocks)))
    return sections


def _scored(system: EvaluatedSystem) -> Headline:
    first = system.scores.metrics[0]
    value = shown(system.overall.of(first.name))
    found = (
        f"{first.title} {value} on {system.overall.instances:,} instances of "
        f"{system.overall.tasks:,} tasks. With a second system the report compares them."
    )
    return Headline(f"How well does {system.name} answer?", found)


CERTAIN: Mapping[Certainty, str] = MappingProxyType(
    {
        "better": "Yes, as far as these tasks tell",
        "worse": "No, it does worse",
        "unsure": "Not sure",
        "none": "",
    }
)


def _answer(pairing: Pairing, systems: Sequence[SystemPredictions]) -> Headline:
    """Say what a comparison found, and how sure that is."""
    overall, *others = pairing.comparison.differences
    certainty = certainty_of(overall.difference)
    more = "".join(f"; {it.metric.title} {shown(it.difference, sign='+')}" for it in others)
    found = (
        f"{CERTAIN[certainty]}: {overall.metric.title} {overall.first:.1f} against "
        f"{overall.second:.1f}, {shown(overall.difference, sign='+')} points{more}."
    )
    if overall.difference.low is None:
        found += f" There is no interval ({overall.difference.reason or 'too few tasks'})."
    elif certainty == "unsure":
        found += f" The interval over {overall.tasks:,} tasks includes zero."
    remarks = "".join(f" Note: {remark}." for remark in pairing.remarks)
    asked = f"Does {pairing.first} do better than {pairing.second}?"
    compares = frozenset((system.source.resolve(), system.name) for system in systems)
    return Headline(asked, f"{found}{remarks}", certainty, compares)


def certainty_of(difference: Value) -> Certainty:
    """Return how sure a difference is, by its interval."""
    if difference.low is None or difference.high is None:
        return "unsure"
    return "better" if difference.low > 0 else "worse" if difference.high < 0 else "unsure"


def _differences(pairings: Sequence[Pairing]) -> Chart:
    """Return the figure of all comparisons."""
    metric = pairings[0].comparison.differences[0].metric
    common, labels = _labels(pairings)
    found = {
        label: pairing.comparison.differences[0].difference
        for label, pairing in zip(labels, pairings, strict=True)
    }
    unit = f"difference in {metric.title}, points, with 95% intervals over tasks"
    return interval_chart("answer", f"Difference{common} in {metric.title}", found, unit)


def _labels(pairings: Sequence[Pairing]) -> tuple[str, list[str]]:
    """Return what pairings have in common, as words after "difference", and a label for each."""
    first, second = pairings[0].first, pairings[0].second
    if all(pairing.second == second for pairing in pairings):
        return f" from {second}", [pairing.first for pairing in pairings]
    if all(pairing.first == first for pairing in pairings):
        return f" of {first}", [f"against {pairing.second}" for pairing in pairings]
    return "", [f"{pairing.first} against {pairing.second}" for pairing in pairings]


def _by_category(evaluated: Sequence[EvaluatedSystem]) -> list[ReportBlock]:
    found = group_table(evaluated)
    if not found:
        return []
    return [Table(f"Scores by category, {about_shown(found.rows)}", *found, names=2)]


def _paragraphs(remarks: Sequence[str]) -> list[ReportBlock]:
    return [Paragraph(f"{remark}.") for remark in remarks]


def _absent(evaluated: Sequence[EvaluatedSystem]) -> list[ReportBlock]:
    return [
        Paragraph(
            f"{system.name}: {system.overall.missing:,} predictions are missing and "
            f"{system.overall.failed:,} failed; they count as empty."
        )
        for system in evaluated
        if system.overall.missing or system.overall.failed
    ]


def _compared(pairing: Pairing, number: int) -> list[ReportBlock]:
    found = pairing.comparison
    overall, *others = found.differences
    more = "".join(f", in {it.metric.title} {shown(it.difference, sign='+')}" for it in others)
    text = (
        f"On {overall.instances:,} instances of {overall.tasks:,} tasks the difference in "
        f"{overall.metric.title} is {shown(overall.difference, sign='+')} points{more}. By "
        f"{overall.metric.title} {pairing.first} wins {overall.wins:,} instances, "
        f"loses {overall.losses:,}, and ties {overall.ties:,}."
    )
    title = f"{pairing.first} and {pairing.second}, by category"
    systems = (pairing.first, pairing.second)
    return [
        Paragraph(text),
        *_paragraphs(pairing.remarks),
        *([Paragraph(_mcnemar(found.mcnemar))] if found.mcnemar else []),
        difference_chart(f"comparison-{number}", title, _rows(found), systems),
    ]


def _mcnemar(test: McNemar) -> str:
    return (
        f"Matched exactly by one system only: {test.first_only:,} and {test.second_only:,}. "
        f"McNemar's test ({test.method}) gives p = {test.p_value:.2g}; it assumes independent "
        "instances, so p is too small if instances of a task are alike."
    )


def _rows(found: Comparison) -> dict[str, Difference]:
    categories = {name: difference for name, difference in found.categories.items() if name}
    first, *others = found.differences
    named = {f"all, {difference.metric.title}": difference for difference in others}
    return {"all": first, **named, **categories}


def _texts(system: SystemPredictions) -> AnswerTexts:
    """Return a system's answers by instance id."""
    return {prediction.instance: prediction.text for prediction in system.predictions}


def _changed(
    changes: Sequence[TaskChange], tasks: Sequence[Task], answers: Mapping[str, AnswerTexts]
) -> list[ReportBlock]:
    instances = {name: (task, instance) for name, task, instance in instances_of(tasks)}
    better = [change for change in changes if change.difference > 0][:SHOWN_TASKS]
    worse = [change for change in reversed(changes) if change.difference < 0][:SHOWN_TASKS]
    return [
        Specimens(
            f"{what} ({len(chosen)} of {len(changes):,} tasks)",
            tuple(_task(change, instances, answers) for change in chosen),
        )
        for what, chosen in (("Most improved", better), ("Least improved", worse))
        if chosen
    ]


def _task(
    change: TaskChange,
    instances: Mapping[str, tuple[Task, Instance]],
    answers: Mapping[str, AnswerTexts],
) -> Specimen:
    task, _ = instances[change.instances[0]]
    fields = [Field("definition", task.definition)]
    if task.steps:
        fields.append(Field("step-by-step instruction", render(task.steps)))
    for key in change.instances[:SHOWN_INSTANCES]:
        _, instance = instances[key]
        fields.append(Field("input", instance.input or NOTHING, half=True))
        fields.append(Field("reference", "\n".join(instance.outputs), half=True))
        for name, texts in answers.items():
            text = texts.get(key, "") or NOTHING
            fields.append(Field(f"answer of {name}", text, half=True))
    title = f"{task.id}: {change.metric.title} {change.first:.1f} and {change.second:.1f}"
    return Specimen(title, tuple(fields))


RATED = (
    "A is valid and satisfying, B acceptable with small faults, C to the point but with grave "
    "ones, and D irrelevant or invalid."
)
PREFERRED = (
    "Each pair is judged in both orders. A tie is where the judge finds no difference, where it "
    "disagrees with itself in the other order, and where the texts are equal, which needs no judge."
)


def verdicts_section(
    mode: Literal["rating", "pairwise"], judged: Sequence[Judged], said: Sequence[str] = ()
) -> Section | None:
    """Return levels by system, or wins, losses and ties by pair, and why verdicts are missing.

    What is `said` of the answers stands below the table.
    """
    if not judged:
        return None
    tasks = len({item.task for item in judged})
    is_rating = mode == "rating"
    text = (
        f"{len(judged):,} instances of {tasks:,} tasks. {RATED if is_rating else PREFERRED} "
        "Missing verdicts are left out of all shares."
    )
    table = verdict_table(mode, judged)
    caption = f"Verdicts, with shares in percent {about_shown(table.rows)}"
    blocks: list[ReportBlock] = [
        Paragraph(text),
        Table(caption, *table),
        *_paragraphs(said),
        _levels(judged) if is_rating else _outcomes(judged),
    ]
    if missing := missing_verdicts(judged):
        head = ("reason", "verdicts")
        blocks.append(bar_chart("missing-verdicts", "Missing verdicts", missing, head))
    return Section("Ratings" if is_rating else "Preferences", tuple(blocks))


def _levels(judged: Sequence[Judged]) -> Chart:
    levels = {system.system: system.levels for system in ratings(judged)}
    return share_chart("levels", "Answers on each level", levels, ("system", "answers"))


def _outcomes(judged: Sequence[Judged]) -> Chart:
    outcomes = {
        f"{pair.first} / {pair.second}": dict(
            zip(OUTCOMES, (pair.wins, pair.losses, pair.ties), strict=True)
        )
        for pair in preferences(judged)
    }
    title = "Wins, losses and ties of the first system"
    return share_chart("outcomes", title, outcomes, ("pair", "instances"))
