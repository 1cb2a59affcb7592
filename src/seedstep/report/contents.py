"""The table of the sections of a report, and the functions that make them from runs.

`SECTIONS` has all sections; a part has those that its stage names. To add a section of your own,
pass it with them::

    def emoji(runs: Sequence[Run], context: ReportContext) -> list[Section]:
        found = sum("\N{GRINNING FACE}" in task.definition for task in runs[0].tasks())
        return [Section("Emoji", (Paragraph(f"{found} instructions hold one."),))]

    mine = ReportSection("emoji", "instructions with emoji", emoji, stages=("bootstrap",))
    write_report([Path("runs/first")], Path("report"), sections=[*SECTIONS, mine])
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seedstep.data import Task
from seedstep.evaluate import METRICS, Metric, score
from seedstep.evaluate.compare import evaluated
from seedstep.inputs import SystemPredictions, distinct_names, read_systems
from seedstep.llm.budget import UNPRICED
from seedstep.report.data_files import TellActivity, TestSets, structure_of
from seedstep.report.records import Section, Table
from seedstep.report.sections.grown import (
    diversity,
    examples,
    labels_section,
    lengths_section,
    novelty_section,
    overlap_section,
    rejections_section,
    size_section,
    tasks_section,
)
from seedstep.report.sections.making import (
    distilled,
    losses_section,
    spending_section,
    steps_sections,
    tuning_cost,
)
from seedstep.report.sections.people import people_sections
from seedstep.report.sections.results import results_sections, verdicts_section
from seedstep.report.statistics import (
    counts,
    label_balance,
    lengths,
    nearest,
    nearest_before,
)
from seedstep.runs import BootstrapRun, JudgeRun, Run
from seedstep.stages import TuneRun
from seedstep.stages.grown import GATE_HEAD, gate_rows
from seedstep.stages.judge import empty_answers
from seedstep.stages.review import labels_of_review
from seedstep.text import TOKENIZERS

__all__ = [
    "SECTIONS",
    "ReportContext",
    "ReportSection",
    "spending",
    "with_run",
]

SHOWN_REJECTIONS = 3
"""How many rejections are shown for each reason."""

AnyRun = Run[Any, Any, Any]
Sections = Sequence[Section | None]


@dataclass(frozen=True, slots=True)
class ReportContext:
    """The arguments of all sections besides the runs.

    `against` has the names of the systems with which others are compared. Predictions are scored by
    the `metrics`.
    """

    test_sets: TestSets
    tell: TellActivity
    against: tuple[str, ...] = ()
    metrics: Sequence[Metric] = field(default_factory=lambda: METRICS)


@dataclass(frozen=True, slots=True)
class ReportSection:
    """An entry of the table of sections. Stages refer to it by `name`.

    `make` is called with the run of a part and returns sections about one subject. With `together`,
    the runs of a stage share a part, and `make` is called with all of them. Parts with a lower
    `order` come first. The section is in the parts of the stages that name it, and, after their own
    sections, in the parts of the `stages` that it names.
    """

    name: str
    meaning: str
    make: Callable[[Sequence[AnyRun], ReportContext], Sections]
    together: bool = False
    order: int = 2
    stages: tuple[str, ...] = ()


def spending(run: AnyRun, finished: Sequence[float] = ()) -> Section | None:
    """Return the section on cost and speed; `finished` are the times when tasks were finished."""
    pricing = getattr(run.settings, "pricing", UNPRICED)  # of those that ask a model at a price
    return spending_section(run.answered(), finished, pricing, run.reply_notes(), run.starts())


def _spent(runs: Sequence[AnyRun], context: ReportContext) -> Sections:
    (run,) = runs
    return [spending(run, run.records.finished_at())]


def _results(runs: Sequence[AnyRun], context: ReportContext) -> Sections:
    context.tell("scoring the predictions")
    systems = read_systems([run.path for run in runs])
    scored = [
        evaluated(name, scores, "category", system.left_out(scores), training=system.training)
        for system, name in zip(systems, _called(systems), strict=True)
        for scores in [score(system.predictions, system.references, metrics=context.metrics)]
    ]
    return results_sections(systems, scored, context.against)


def _called(systems: Sequence[SystemPredictions]) -> Sequence[str]:
    """Return a name for each system: its own, with the name of its run if another system has it."""
    counts = Counter(system.name for system in systems)
    names = [
        system.name if counts[system.name] == 1 else with_run(system.name, system.source)
        for system in systems
    ]
    return names if len(set(names)) == len(names) else distinct_names(systems)


def with_run(name: str, run: Path) -> str:
    """Return the name of a system with that of its run."""
    return f"{name} ({run.resolve().name})"


def _verdicts(runs: Sequence[JudgeRun], context: ReportContext) -> Sections:
    (run,) = runs
    judged = [entry.result for entry in run.entries()]
    return [verdicts_section(run.settings.mode, judged, empty_answers(run, judged))]


def _losses(runs: Sequence[TuneRun], context: ReportContext) -> Sections:
    (run,) = runs
    return [losses_section(*run.records.losses())]


def _rejections(runs: Sequence[BootstrapRun], context: ReportContext) -> Sections:
    (run,) = runs
    shown = (
        run.records.rejected_candidates(SHOWN_REJECTIONS),
        run.records.rejected_instances(SHOWN_REJECTIONS),
    )
    rows = tuple(gate_rows(run, run.status()))
    gates = (Table("Gates", GATE_HEAD, rows),) if rows else ()
    return [rejections_section(run.status(), *shown, run.records.reasons(), gates)]


def _structure(runs: Sequence[BootstrapRun], context: ReportContext) -> Sections:
    """Return the section on verbs and objects; none if the run is not in English."""
    (run,) = runs
    if run.settings.tokens != "latin":
        return []
    return [structure_of(run.tasks(), context.tell)]


def _similarities(runs: Sequence[BootstrapRun], context: ReportContext) -> Sections:
    (run,) = runs
    tokenizer = TOKENIZERS[run.settings.tokens]
    texts = [(task.id, task.definition) for task in run.tasks()]
    seeds = run.records.seed_definitions()
    context.tell("comparing the instructions with the seeds and with each other")
    found = novelty_section(nearest(texts, seeds, tokenizer), nearest_before(texts, tokenizer))
    if context.test_sets:
        context.tell("comparing with the test sets")
    overlaps = {
        name: {
            "Seeds": nearest(seeds, items, tokenizer),
            "Tasks of this run": nearest(texts, items, tokenizer),
        }
        for name, items in context.test_sets.items()
    }
    return [found, overlap_section(overlaps)]


def _of_tasks(
    make: Callable[[Any], Section | None],
    counted: Callable[[Sequence[Task]], Any] = lambda tasks: tasks,
) -> Callable[[Sequence[AnyRun], ReportContext], Sections]:
    """Return a function for `ReportSection.make` from one of what is counted in a run's tasks."""
    return lambda runs, context: [make(counted(runs[0].tasks()))]


def _steps(runs: Sequence[AnyRun], context: ReportContext) -> Sections:
    return steps_sections(runs[0].entries())


def _of_run(
    make: Callable[[AnyRun], Section | None],
) -> Callable[[Sequence[AnyRun], ReportContext], Sections]:
    """Return a function for `ReportSection.make` from a function of a run."""
    return lambda runs, context: [make(runs[0])]


def _people(runs: Sequence[AnyRun], context: ReportContext) -> Sections:
    return people_sections(labels_of_review(runs[0].records))


SECTIONS: tuple[ReportSection, ...] = (
    ReportSection("results", "scores of systems, compared", _results, together=True, order=0),
    ReportSection("verdicts", "what a judge said", _verdicts, order=1),
    ReportSection(
        "people", "what people said in a review, and how far they agree", _people, order=1
    ),
    ReportSection("sizes", "tasks and instances in numbers", _of_tasks(size_section, counts)),
    ReportSection(
        "lengths", "words of instructions, inputs, outputs", _of_tasks(lengths_section, lengths)
    ),
    ReportSection("structure", "verbs and objects of instructions", _structure),
    ReportSection("diversity", "shares along axes, nearest distances", _of_run(diversity)),
    ReportSection("novelty", "likeness to seeds, tasks, test sets", _similarities),
    ReportSection("rejections", "what was rejected, and why", _rejections),
    ReportSection(
        "labels", "labels of classification tasks", _of_tasks(labels_section, label_balance)
    ),
    ReportSection("spending", "cost and speed, with finished tasks", _spent),
    ReportSection("asking", "cost and speed of requests alone", _of_run(spending)),
    ReportSection("tasks", "some of the finished tasks", _of_tasks(tasks_section)),
    ReportSection("steps", "step-by-step instructions, counted and shown", _steps),
    ReportSection("examples", "generated examples, counted and shown", _of_run(examples)),
    ReportSection("distilled", "outputs written anew, and before", _of_run(distilled)),
    ReportSection("losses", "how the losses of a tuning fell", _losses),
    ReportSection("tuning-cost", "what a tuning and its data cost", _of_run(tuning_cost)),
)
"""All sections. A part has those that its stage names."""
