"""What a report says about a bootstrap's data (Self-Instruct, section 3).

Each function makes a section from plain records, or None where there is nothing to say.

Example::

    size_section(counts(run.tasks()))
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from seedstep.bootstrap import REASONS
from seedstep.data import Task
from seedstep.report.charts import bar_chart, histogram_chart, ring_chart
from seedstep.report.numbers import number
from seedstep.report.records import Block, Field, Paragraph, Section, Specimen, Specimens, Table
from seedstep.report.statistics import (
    Counts,
    Labels,
    Lengths,
    thinned,
    words_histogram,
)
from seedstep.report.structure import Structure, top_verbs
from seedstep.store import RejectedInstruction, RejectedPair, Status

__all__ = [
    "PAPER_COUNTS",
    "PAPER_STRUCTURED",
    "labels_section",
    "lengths_section",
    "rejections_section",
    "size_section",
    "structure_section",
    "tasks_section",
]

PAPER_COUNTS = Counts(52_445, 11_584, 82_439, 35_878, 15.9, 12.7, 18.9)
"""Table 1: what GPT-3 wrote."""

PAPER_STRUCTURED = 26_559 / 52_445
"""The share of instructions with a verb and an object (section 3.1)."""

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


def size_section(found: Counts) -> Section:
    """Table 1, beside the paper's own numbers."""
    rows = tuple(
        (name, number(getattr(found, key)), number(getattr(PAPER_COUNTS, key)))
        for key, name in COUNTED.items()
    )
    caption = "Sizes and mean lengths (Self-Instruct, Table 1)"
    return Section(
        "What was made", (Table(caption, ("", "this run", "GPT-3, in the paper"), rows),)
    )


def lengths_section(found: Lengths) -> Section | None:
    """Figure 5: how long instructions, inputs and outputs are."""
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


def structure_section(found: Structure) -> Section:
    """Figure 3: the most common verbs with their objects."""
    verbs = top_verbs(found)
    with_both, shown = found.pairs.total(), sum(n for verb in verbs for _, n in verb.nouns)
    share = with_both / max(found.instructions, 1)
    text = (
        f"{with_both:,} of {found.instructions:,} instructions ({share:.0%}) have a verb with an "
        f"object; {PAPER_STRUCTURED:.0%} of the paper's had, by another parser. "
        f"The pairs named below are {shown / max(found.instructions, 1):.0%} of all instructions."
    )
    blocks: tuple[Block, ...] = (Paragraph(text),)
    if verbs:
        blocks += (ring_chart("structure", "The most common verbs and their objects", verbs),)
    return Section("What the instructions ask for", blocks)


def rejections_section(
    status: Status,
    instructions: Sequence[RejectedInstruction],
    pairs: Sequence[RejectedPair],
) -> Section:
    """What became of instructions and instances, by reason, with examples of each."""
    written = status.finished + sum(status.rejected.values())
    read = status.instances + sum(status.bad_instances.values())
    text = (
        f"Of {written:,} instructions {status.finished:,} became tasks"
        f"{_share(status.finished, written)}. Of {read:,} instances that were read in the replies "
        f"{status.instances:,} were kept{_share(status.instances, read)}."
    )
    blocks: list[Block] = [Paragraph(text)]
    blocks += _rejected(
        "instructions", status.rejected, [(one.reason, _instruction(one)) for one in instructions]
    )
    blocks += _rejected(
        "instances", status.bad_instances, [(one.reason, _pair(one)) for one in pairs]
    )
    return Section("Accepted and rejected", tuple(blocks))


def labels_section(found: Labels) -> Section | None:
    """How evenly the labels of classification tasks are used."""
    if not found.instances:
        return None
    text = (
        f"{found.tasks:,} classification tasks have {found.instances:,} instances with "
        f"{len(found.common):,} different labels, compared without case and punctuation. "
        f"{found.lopsided:,} of the tasks use one label in all of two or more instances."
    )
    distinct = {f"{n} label{'s' * (n > 1)}": count for n, count in found.distinct.items()}
    return Section(
        "Labels of the classification tasks",
        (
            Paragraph(text),
            bar_chart("labels", "The most common labels", found.common, ("label", "instances")),
            bar_chart("labels-of-a-task", "Labels of a task", distinct, ("", "tasks")),
        ),
    )


def tasks_section(tasks: Sequence[Task]) -> Section | None:
    """Some of the tasks, evenly from first to last."""
    if not tasks:
        return None
    items = tuple(map(_task, thinned(tasks, SHOWN_TASKS)))
    return Section(
        "Some of the tasks", (Specimens(f"{len(items)} of {len(tasks):,} tasks", items),)
    )


def _task(task: Task) -> Specimen:
    kind = "classification task" if task.is_classification else "task"
    fields = [Field("instruction", task.definition)]
    for one in task.instances:
        fields.append(Field("input", one.input or NOTHING, half=True))
        fields.append(Field("output", one.output, half=True))
    return Specimen(f"{kind} {task.id}", tuple(fields))


def _rejected(
    what: str, counts: Mapping[str, int], examples: Sequence[tuple[str, Specimen]]
) -> list[Block]:
    if not counts:
        return []
    head = ("reason", what)
    blocks: list[Block] = [bar_chart(f"rejected-{what}", f"Rejected {what}", counts, head)]
    for reason, count in sorted(counts.items(), key=lambda one: (-one[1], one[0])):
        items = tuple(specimen for name, specimen in examples if name == reason)
        summary = f"{reason}: {REASONS.get(reason, '')} ({len(items)} of {count:,})"
        blocks.append(Specimens(summary, items))
    return blocks


def _instruction(one: RejectedInstruction) -> Specimen:
    fields = [Field("instruction", one.instruction)]
    if one.neighbor:
        score = "" if one.score is None else f", ROUGE-L {one.score:.2f}"
        fields.append(Field(f"nearest known instruction{score}", one.neighbor))
    return Specimen(_with_detail(one.id, one.detail), tuple(fields))


def _pair(one: RejectedPair) -> Specimen:
    return Specimen(
        _with_detail(one.task, one.detail),
        (
            Field("instruction", one.instruction),
            Field("input", one.input or NOTHING, half=True),
            Field("output", one.output or NOTHING, half=True),
        ),
    )


def _with_detail(name: str, detail: str) -> str:
    return f"{name}: {detail}" if detail else name


def _share(part: int, whole: int) -> str:
    return f" ({part / whole:.0%})" if whole else ""
