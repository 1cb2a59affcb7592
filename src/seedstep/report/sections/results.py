"""What a report says about systems and their predictions.

Self-Instruct, Table 3; Step-by-Step Instruction Tuning, Table 2 and Figure 3. Each system is
compared with the first, which is usually the one before tuning.

Example::

    results_sections(systems, evaluated_systems)
"""

from collections.abc import Mapping, Sequence

from seedstep.data import Instance, Task
from seedstep.evaluate.compare import Comparison, Difference, Pairing, compare
from seedstep.evaluate.measured import Evaluated
from seedstep.report.charts import difference_chart
from seedstep.report.improvement import TaskChange, task_changes
from seedstep.report.records import Block, Field, Paragraph, Section, Specimen, Specimens, Table
from seedstep.report.tables import METRIC_NAMES, group_table, overall_table, shown
from seedstep.steps import render
from seedstep.store import System

__all__ = ["results_sections"]

SHOWN_TASKS = 5
SHOWN_INSTANCES = 2


def results_sections(systems: Sequence[System], evaluated: Sequence[Evaluated]) -> list[Section]:
    """The scores of all, then each comparison with the tasks that changed most."""
    head, rows = overall_table(evaluated)
    caption = "Scores, with 95% intervals over tasks"
    blocks = [Table(caption, head, rows), *_by_category(evaluated), *_absent(evaluated)]
    sections = [Section("Scores", tuple(blocks))]
    texts = {one.name: one for one in systems}
    baseline, *others = evaluated
    for number, one in enumerate(others, start=1):
        pairing = Pairing(
            one.name, baseline.name, compare(one.scores.results, baseline.scores.results)
        )
        changes = task_changes(one.scores, baseline.scores)
        pair = (texts[one.name], texts[baseline.name])
        compared = (*_compared(pairing, number), *_changed(changes, pair))
        sections.append(Section(f"{one.name} against {baseline.name}", compared))
    return sections


def _by_category(evaluated: Sequence[Evaluated]) -> list[Block]:
    found = group_table(evaluated)
    if not found:
        return []
    return [Table("Scores by category, with 95% intervals over tasks", *found, names=2)]


def _absent(evaluated: Sequence[Evaluated]) -> list[Block]:
    return [
        Paragraph(
            f"{one.name}: {one.overall.missing:,} predictions are missing and "
            f"{one.overall.failed:,} failed; they count as empty."
        )
        for one in evaluated
        if one.overall.missing or one.overall.failed
    ]


def _compared(pairing: Pairing, number: int) -> list[Block]:
    found = pairing.comparison
    one = found.overall
    text = (
        f"On {one.instances:,} instances of {one.tasks:,} tasks the difference in ROUGE-L is "
        f"{shown(one.difference, sign='+')} points, in exact match "
        f"{shown(found.exact_match.difference, sign='+')}. By ROUGE-L {pairing.first} wins "
        f"{one.wins:,} instances, loses {one.losses:,}, and ties {one.ties:,}."
    )
    title = f"{pairing.first} and {pairing.second}, by category"
    systems = (pairing.first, pairing.second)
    return [
        Paragraph(text),
        Paragraph(_mcnemar(found)),
        difference_chart(f"comparison-{number}", title, _rows(found), systems),
    ]


def _mcnemar(found: Comparison) -> str:
    test = found.mcnemar
    return (
        f"Exact matches of one only: {test.first_only:,} and {test.second_only:,}; McNemar's test "
        f"({test.method}) gives p = {test.p_value:.2g}, which overstates where instances of a task "
        "resemble each other."
    )


def _rows(found: Comparison) -> dict[str, Difference]:
    categories = {name: one for name, one in found.categories.items() if name}
    return {"all": found.overall, "all, exact match": found.exact_match, **categories}


def _changed(changes: Sequence[TaskChange], pair: tuple[System, System]) -> list[Block]:
    tasks = {task.id: task for task in pair[0].tasks}
    answers = tuple({one.instance: one.text for one in system.predictions} for system in pair)
    better = [one for one in changes if one.difference > 0][:SHOWN_TASKS]
    worse = [one for one in reversed(changes) if one.difference < 0][:SHOWN_TASKS]
    names = (pair[0].name, pair[1].name)
    return [
        Specimens(
            f"{what} ({len(chosen)} of {len(changes):,} tasks)",
            tuple(
                _task(one, tasks[one.task], answers, names) for one in chosen if one.task in tasks
            ),
        )
        for what, chosen in (("Most improved", better), ("Least improved", worse))
        if chosen
    ]


def _task(
    change: TaskChange,
    task: Task,
    answers: tuple[Mapping[str, str], ...],
    names: tuple[str, str],
) -> Specimen:
    fields = [Field("definition", task.definition)]
    if task.steps:
        fields.append(Field("step-by-step instruction", render(task.steps)))
    instances = {one.id: one for one in task.instances}
    for one in change.instances[:SHOWN_INSTANCES]:
        if found := instances.get(one.instance):
            fields += _instance(found, answers, names)
    metric = METRIC_NAMES[change.metric]
    title = f"{task.id}: {metric} {change.first:.1f} and {change.second:.1f}"
    return Specimen(title, tuple(fields))


def _instance(
    one: Instance, answers: tuple[Mapping[str, str], ...], names: tuple[str, str]
) -> list[Field]:
    sides = [
        Field(f"answer of {name}", texts.get(one.id, "") or "(none)", half=True)
        for name, texts in zip(names, answers, strict=True)
    ]
    references = "\n".join(one.outputs)
    return [
        Field("input", one.input or "(none)", half=True),
        Field("reference", references, half=True),
        *sides,
    ]
