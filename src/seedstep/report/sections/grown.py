"""Sections about the data of a bootstrap (Self-Instruct, section 3), and about generated examples.

Each function returns a section made from plain records, or None if there is nothing to show.

Example::

    size_section(counts(run.tasks()))
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType

from seedstep.bootstrap import Candidate, RejectedInstance
from seedstep.data import Task
from seedstep.evaluate.intervals import mean_of_tasks, shown
from seedstep.novelty import Overlap
from seedstep.report.bars import bar_chart, histogram_chart
from seedstep.report.parsing import VerbNoun, ring_chart, top_verbs
from seedstep.report.records import (
    Field,
    Headline,
    Paragraph,
    ReportBlock,
    Section,
    Specimen,
    Specimens,
    Table,
    number,
)
from seedstep.report.statistics import (
    Histogram,
    LabelCounts,
    NearestText,
    PoolCounts,
    WordLengths,
    closest,
    score_histogram,
    thinned,
    words_histogram,
)
from seedstep.runs import BootstrapRun, BootstrapStatus, Entry, ExamplesRun
from seedstep.runs.blocks import most_frequent_first
from seedstep.stages.grown import COVERAGE, coverage_rows, left_out
from seedstep.steps import ExampleSet, examples_statistics
from seedstep.text import counted

__all__ = [
    "PAPER_COUNTS",
    "PAPER_STRUCTURED",
    "diversity",
    "examples",
    "examples_section",
    "labels_section",
    "lengths_section",
    "novelty_section",
    "overlap_section",
    "rejections_section",
    "size_section",
    "structure_section",
    "tasks_section",
]

PAPER_COUNTS = PoolCounts(52_445, 11_584, 82_439, 35_878, 15.9, 12.7, 18.9)
"""The paper's own numbers, of data that GPT-3 wrote (Table 1)."""

PAPER_STRUCTURED = 26_559 / 52_445
"""The share of instructions with a verb and an object (section 3.2)."""

SHOWN_TASKS = 10

NOTHING = "(none)"

COUNTED: Mapping[str, str] = MappingProxyType(
    {
        "instructions": "instructions",
        "classification": "of them classification",
        "instances": "instances",
        "empty_inputs": "of them with an empty input",
        "instruction_words": "mean words of an instruction",
        "input_words": "mean words of an input that is not empty",
        "output_words": "mean words of an output",
    }
)


def size_section(
    found: PoolCounts,
    this: str = "this run",
    asked: str = "What was grown from the seeds?",
    *,
    classified: bool = True,
) -> Section:
    """Return the sizes of the data beside the paper's own (Table 1).

    Data that is not `classified` does not say which tasks are classification tasks.
    """
    rows = tuple(
        (name, number(getattr(found, key)), number(getattr(PAPER_COUNTS, key)))
        for key, name in COUNTED.items()
        if classified or key != "classification"
    )
    caption = "Sizes and mean lengths (Self-Instruct, Table 1)"
    labels = f" {found.classification:,} of them classification," if classified else ""
    sentence = (
        f"{found.instructions:,} tasks,{labels} with {found.instances:,} instances; an "
        f"instruction has {number(found.instruction_words)} words on average."
    )
    finding = Headline(asked, sentence)
    table = Table(caption, ("", this, "GPT-3, in the paper"), rows)
    title = "What was made" if this == "this run" else "Sizes"
    return Section(title, (table,), headlines=(finding,))


def lengths_section(found: WordLengths) -> Section | None:
    """Return the lengths of instructions, inputs and outputs (Figure 5)."""
    named = {
        "Instructions": found.instructions,
        "Inputs that are not empty": found.inputs,
        "Outputs": found.outputs,
    }
    panels = {name: words_histogram(values) for name, values in named.items() if values}
    if not panels:
        return None
    chart = histogram_chart("lengths", "Lengths in words", panels, "words", "texts")
    return Section("Lengths", (chart,))


def structure_section(pairs: Counter[VerbNoun], instructions: int) -> Section:
    """Return the most common verbs with their objects (Figure 3), in so many instructions."""
    verbs = top_verbs(pairs)
    with_both, shown = pairs.total(), sum(n for verb in verbs for _, n in verb.nouns)
    share = with_both / max(instructions, 1)
    text = (
        f"{with_both:,} of {instructions:,} instructions ({share:.0%}) have a verb with an "
        f"object; {PAPER_STRUCTURED:.0%} of the paper's had, by another parser. "
        f"The pairs named below are {shown / max(instructions, 1):.0%} of all instructions."
    )
    blocks: tuple[ReportBlock, ...] = (Paragraph(text),)
    if verbs:
        blocks += (ring_chart("structure", "The most common verbs and their objects", verbs),)
    return Section("What the instructions ask for", blocks)


PARTS = 4
"""Into how many parts the tasks are divided to show how their distances change."""


def diversity(run: BootstrapRun) -> Section | None:
    """Return how far instructions are from the nearest one before, from the first to the last.

    Along axes, the shares that were wanted, and those that came, stand before it.
    """
    found = run.records.coverage()
    blocks: list[ReportBlock] = []
    if found:
        blocks.append(
            Table("Shares of the tasks along the axes", COVERAGE, coverage_rows(found), 2)
        )
        blocks += map(Paragraph, left_out(found))
    distances = run.records.distances()
    if len(distances) < PARTS:
        return None
    ends = [len(distances) * place // PARTS for place in range(PARTS + 1)]
    parts = {"all": distances}
    parts |= {f"{start + 1:,} to {end:,}": distances[start:end] for start, end in pairwise(ends)}
    rows = tuple(
        (name, shown(mean_of_tasks(values, seed=run.settings.seed), 2))
        for name, values in parts.items()
    )
    text = (
        "The distance of an instruction is 1 less its ROUGE-L with the nearest seed or instruction "
        "that was accepted before it. Intervals are 95%, by resampling tasks."
    )
    table = Table("Mean distance to the nearest instruction", ("tasks", "distance"), rows)
    return Section("How diverse the instructions are", (*blocks, Paragraph(text), table))


def rejections_section(
    status: BootstrapStatus,
    candidates: Sequence[tuple[Candidate, Overlap | None]],
    instances: Sequence[tuple[Task, RejectedInstance]],
    meanings: Mapping[str, str],
    gates: Sequence[ReportBlock] = (),
) -> Section:
    """Return counts of accepted and rejected instructions and instances, with examples by reason.

    Each of the rejected `candidates` has the nearest instruction with it, each of the `instances`
    its task. `meanings` has the meaning of each reason. `gates` tell what passed each gate.
    """
    written, read = status.written, status.instances_read
    text = (
        f"Of {written:,} instructions {status.finished:,} became tasks"
        f"{_share(status.finished, written)}. Of {read:,} instances that were read in the replies "
        f"{status.instances:,} were kept{_share(status.instances, read)}."
    )
    blocks: list[ReportBlock] = [Paragraph(text), *gates]
    refused = [(candidate.reason, _candidate(candidate, near)) for candidate, near in candidates]
    blocks += _rejected("instructions", meanings, status.rejected, refused)
    refused = [(bad.reason, _instance(task, bad)) for task, bad in instances]
    blocks += _rejected("instances", meanings, status.bad_instances, refused)
    return Section("Accepted and rejected", tuple(blocks))


def labels_section(found: LabelCounts) -> Section | None:
    """Return how evenly the labels of classification tasks are used."""
    if not found.instances:
        return None
    text = (
        f"{found.tasks:,} classification tasks have {found.instances:,} instances with "
        f"{len(found.common):,} different labels, compared without case and punctuation. "
        f"{found.lopsided:,} of the tasks use one label in all of two or more instances."
    )
    distinct = {counted(n, "label"): count for n, count in found.distinct.items()}
    return Section(
        "Labels of the classification tasks",
        (
            Paragraph(text),
            bar_chart("labels", "The most common labels", found.common, ("label", "instances")),
            bar_chart("labels-of-a-task", "Labels of a task", distinct, ("", "tasks")),
        ),
    )


def tasks_section(tasks: Sequence[Task]) -> Section | None:
    """Return some of the tasks, evenly spread from first to last."""
    if not tasks:
        return None
    items = tuple(map(_task, thinned(tasks, SHOWN_TASKS)))
    return Section(
        "Some of the tasks", (Specimens(f"{len(items)} of {len(tasks):,} tasks", items),)
    )


def _task(task: Task) -> Specimen:
    kind = "classification task" if task.is_classification else "task"
    fields = [Field("instruction", task.definition)]
    for instance in task.instances:
        fields.append(Field("input", instance.input or NOTHING, half=True))
        fields.append(Field("output", instance.output, half=True))
    return Specimen(f"{kind} {task.id}", tuple(fields))


def _rejected(
    what: str,
    meanings: Mapping[str, str],
    counts: Mapping[str, int],
    examples: Sequence[tuple[str, Specimen]],
) -> list[ReportBlock]:
    if not counts:
        return []
    head = ("reason", what)
    blocks: list[ReportBlock] = [bar_chart(f"rejected-{what}", f"Rejected {what}", counts, head)]
    for reason, count in most_frequent_first(counts):
        items = tuple(specimen for name, specimen in examples if name == reason)
        summary = f"{reason}: {meanings.get(reason, '')} ({len(items)} of {count:,})"
        blocks.append(Specimens(summary, items))
    return blocks


def _candidate(candidate: Candidate, near: Overlap | None) -> Specimen:
    fields = [Field("instruction", candidate.task.definition)]
    if near and near.text:
        score = f"{near.measure} {near.score:.2f}"
        fields.append(Field(f"nearest known instruction, {score}", near.text))
    return Specimen(_with_detail(candidate.task.id, candidate.detail), tuple(fields))


def _instance(task: Task, bad: RejectedInstance) -> Specimen:
    return Specimen(
        _with_detail(task.id, bad.detail),
        (
            Field("instruction", task.definition),
            Field("input", bad.instance.input or NOTHING, half=True),
            Field("output", bad.instance.output or NOTHING, half=True),
        ),
    )


def _with_detail(name: str, detail: str) -> str:
    return f"{name}: {detail}" if detail else name


def _share(part: int, whole: int) -> str:
    return f" ({part / whole:.0%})" if whole else ""


SHOWN = 10


def examples(run: ExamplesRun) -> Section | None:
    """Return the section about the generated examples of a run; None without any."""
    return examples_section(run.entries())


def examples_section(entries: Iterable[Entry[ExampleSet]]) -> Section | None:
    """Return how many tasks have generated examples, why others have none, and some examples."""
    entries = tuple(entries)
    if not entries:
        return None
    found = examples_statistics(entry.result for entry in entries)
    text = (
        f"{found.made:,} of {len(entries):,} tasks have generated examples; of {found.ranked:,} "
        "the model ranked the best two."
    )
    blocks: list[ReportBlock] = [Paragraph(text)]
    if failures := found.failures + found.ranking_failures:
        title = "Tasks without examples, or without a ranking"
        blocks.append(bar_chart("example-failures", title, failures, ("reason", "tasks")))
    good = [entry for entry in entries if entry.result.candidates]
    items = tuple(map(_chosen, thinned(good, SHOWN)))
    if items:
        blocks.append(Specimens(f"{len(items)} of {len(good):,} tasks with examples", items))
    return Section("Generated examples", tuple(blocks))


def _chosen(entry: Entry[ExampleSet]) -> Specimen:
    found = entry.result
    fields = [Field("definition", entry.definition)]
    for how, places in (("drawn at random", found.drawn), ("ranked best", found.ranked)):
        for place in places:
            example = found.candidates[place]
            fields.append(Field(f"input, {how}", example.input, half=True))
            fields.append(Field("output", example.output, half=True))
    return Specimen(entry.task, tuple(fields))


NOVELTY_SHOWN = 5
UNIT = "ROUGE-L"
SCALE = "0 shares no word in order, 1 is the same."


def novelty_section(
    seeds: Sequence[NearestText], earlier: Sequence[NearestText], *, grown: bool = True
) -> Section | None:
    """Return the similarity of tasks to the seeds (Figure 4), and to the tasks accepted before.

    Where they were not `grown` here, there are no seeds, and earlier tasks are those in the data.
    """
    if not (seeds if grown else earlier):
        return None
    before = "accepted before" if grown else "before"
    named = {"To the nearest seed": seeds, f"To the nearest task {before}": earlier}
    panels = {name: _histogram(found) for name, found in named.items() if found}
    with_seeds = "all seeds, and with " if grown else ""
    text = f"Each task's instruction is compared with {with_seeds}all tasks {before} it. {SCALE}"
    chart = histogram_chart("novelty", "Similarity of the instructions", panels, UNIT, "tasks")
    blocks: list[ReportBlock] = [Paragraph(text), chart]
    blocks += [_pairs(name, found) for name, found in named.items() if found]
    name, found = next((name, found) for name, found in named.items() if found)
    whom = name[:1].lower() + name[1:]
    title = f"Similarity of the instructions {whom}"
    figure = histogram_chart("novelty", title, {name: panels[name]}, UNIT, "tasks")
    told = (
        f"Half of them have {UNIT} of up to {number(panels[name].median)} {whom}, and the most "
        f"alike {number(max(text.score for text in found))}. {SCALE}"
    )
    answer = Headline("How new are the instructions?", told)
    return Section("How new the instructions are", tuple(blocks), "", (answer,), figure)


def overlap_section(found: Mapping[str, Mapping[str, Sequence[NearestText]]]) -> Section | None:
    """Return the similarity of texts to the nearest instruction of each test set (Figure 8)."""
    blocks: list[ReportBlock] = []
    for place, (test_set, kinds) in enumerate(found.items(), start=1):
        panels = {name: _histogram(near) for name, near in kinds.items() if near}
        if panels:
            title = f"Similarity to the nearest instruction of {test_set}"
            blocks.append(histogram_chart(f"overlap-{place}", title, panels, UNIT, "texts"))
            blocks += [_pairs(f"{name}, {test_set}", near) for name, near in kinds.items() if near]
    return Section("Overlap with test sets", tuple(blocks)) if blocks else None


def _histogram(found: Sequence[NearestText]) -> Histogram:
    return score_histogram([text.score for text in found])


def _pairs(name: str, found: Sequence[NearestText]) -> Specimens:
    shown = closest(found, NOVELTY_SHOWN)
    items = tuple(
        Specimen(
            f"ROUGE-L {pair.score:.2f}",
            (
                Field(*pair.text, half=True),
                Field(*pair.nearest, half=True),
            ),
        )
        for pair in shown
        if pair.nearest
    )
    return Specimens(f"{name}: the {len(items)} closest", items)
