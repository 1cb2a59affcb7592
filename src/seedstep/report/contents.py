"""Make the parts of a report: one for each run, with the sections that its stage names.

`SECTIONS` has all sections. To add a section of your own, pass it with them::

    def emoji(runs: Sequence[Run], context: ReportContext) -> list[Section]:
        found = sum("\N{GRINNING FACE}" in task.definition for task in runs[0].tasks())
        return [Section("Emoji", (Paragraph(f"{found} instructions hold one."),))]

    mine = ReportSection("emoji", "instructions with emoji", emoji, stages=("bootstrap",))
    write_report([Path("runs/first")], Path("report"), sections=[*SECTIONS, mine])
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from seedstep.data import StrPath, Task
from seedstep.errors import InputError, unknown_name
from seedstep.evaluate import score
from seedstep.evaluate.compare import evaluated
from seedstep.inputs import SystemPredictions, distinct_names, read_systems
from seedstep.llm.budget import UNPRICED
from seedstep.llm.settings import AskingSettings
from seedstep.report.data_files import TellDone, TestSets, data_part, is_data, structure_of
from seedstep.report.records import Block, Paragraph, ReportPart, Section, Table
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
    NamedText,
    counts,
    label_balance,
    lengths,
    nearest,
    nearest_before,
)
from seedstep.runs import BootstrapRun, JudgeRun, Line, Rows, Run
from seedstep.settings import flatten
from seedstep.stages import PREDICT, TuneRun, open_run, tell_status
from seedstep.stages.grown import GATE_HEAD, gate_rows
from seedstep.stages.judge import empty_answers
from seedstep.stages.review import labels_of_review
from seedstep.text import TOKENIZERS

__all__ = [
    "SECTIONS",
    "ReportContext",
    "ReportSection",
    "parts_of",
    "split_against",
]

SHOWN_REJECTIONS = 3
"""How many rejections are shown for each reason."""

AnyRun = Run[Any, Any, Any]
Sections = Sequence[Section | None]


@dataclass(frozen=True, slots=True)
class ReportContext:
    """The arguments of all sections besides the runs.

    `against` has the names of the systems with which others are compared.
    """

    test_sets: TestSets
    tell: TellDone
    against: tuple[str, ...] = ()


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


def parts_of(
    paths: Sequence[Path], sections: Sequence[ReportSection], context: ReportContext
) -> list[ReportPart]:
    """Return the parts of a report about runs, results first, and about data; systems are compared.

    Raises:
        RunError: a directory is neither a run nor data.
        InputError: predictions can't be compared.
    """
    data = [path for path in paths if is_data(path)]
    with ExitStack() as opened:
        runs = [opened.enter_context(open_run(path)) for path in paths if path not in data]
        for run in runs:
            opened.enter_context(run.snapshot())
        made_of = {run.stage.name: _sections_of(run, sections) for run in runs}
        groups = sorted(_groups(runs, made_of), key=lambda group: _order(made_of, group[0]))
        parts = [_part(group, made_of[group[0].stage.name], context) for group in groups]
    return [*parts, *(data_part(path, context.test_sets, context.tell) for path in data)]


def split_against(
    runs: Sequence[Path], against: Sequence[StrPath]
) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    """Divide the names in `against` into systems of the runs and paths of test sets.

    In version 0.1.0 `against` named test sets.

    Raises:
        RunError: one of `runs` is no run.
        InputError: a name is neither a system nor a path.
    """
    known: list[str] = []
    with_runs: list[str] = []
    for path in runs:
        if is_data(path):
            continue
        with open_run(path) as run:
            if run.stage.name == PREDICT.name:
                known += run.records.names()
                with_runs += [_with_run(name, path) for name in run.records.names()]
    systems: list[str] = []
    test_sets: list[Path] = []
    for name in [os.fspath(given) for given in against]:
        if name in known or name in with_runs:
            systems.append(name)
        elif Path(name).exists():
            test_sets.append(Path(name))
        else:
            error = unknown_name("system", name, known)
            raise InputError(error.what, f"{error.remedy}. A test set is named with --test-set")
    return tuple(systems), tuple(test_sets)


def _sections_of(run: AnyRun, known: Sequence[ReportSection]) -> list[ReportSection]:
    """Return the sections that the run's stage names, then those that name the stage."""
    stage = run.stage
    named = {section.name: section for section in known if section.name in stage.sections}
    more = [
        section for section in known if stage.name in section.stages and section.name not in named
    ]
    return [*(named[name] for name in stage.sections if name in named), *more]


def _order(made_of: Mapping[str, Sequence[ReportSection]], run: AnyRun) -> int:
    return min((section.order for section in made_of[run.stage.name]), default=2)


def _groups(
    runs: Sequence[AnyRun], made_of: Mapping[str, Sequence[ReportSection]]
) -> Iterator[list[AnyRun]]:
    """Yield the runs of each part."""
    shared: dict[str, list[AnyRun]] = {}
    for run in runs:
        if not any(section.together for section in made_of[run.stage.name]):
            yield [run]
        elif run.stage.name in shared:
            shared[run.stage.name].append(run)
        else:
            shared[run.stage.name] = [run]
            yield shared[run.stage.name]


def _part(
    runs: Sequence[AnyRun], sections: Sequence[ReportSection], context: ReportContext
) -> ReportPart:
    found = [made for section in sections for made in section.make(runs, context)]
    if not sections:
        found = [_standing(runs[0]), _spending(runs[0])]
    title = f"{runs[0].stage.name}: {', '.join(run.path.resolve().name for run in runs)}"
    together = any(section.together for section in sections)
    facts = () if together else _facts(runs[0])
    return ReportPart(title, facts, tuple(made for made in found if made))


def _facts(run: AnyRun) -> tuple[tuple[str, str], ...]:
    answers = run.answered()
    times = (("first answer", answers[0].at), ("last answer", answers[-1].at)) if answers else ()
    return (
        *((name, _clock(at)) for name, at in times),
        *_told(run.settings),
    )


def _clock(at: float) -> str:
    """Return a time in words; that of a damaged row may be none."""
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        return "at a time that can't be"


def _told(settings: Any) -> tuple[tuple[str, str], ...]:
    """Return the settings that have a value, by name, without the addresses of servers."""
    private = getattr(settings, "ADDRESSES", AskingSettings.ADDRESSES)
    return tuple(
        (name, ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))
        for name, value in flatten(settings).items()
        if name not in private and value not in (None, "", [], (), {})
    )


def _standing(run: AnyRun) -> Section:
    """Return a section with the output of `seedstep status`, for a stage that names no sections."""
    blocks: list[Block] = []
    for block in tell_status(run):
        if isinstance(block, Rows):
            width = len(block.head) or max((len(row) for row in block.rows), default=0)
            head = block.head or ("",) * width
            rows = tuple((*row, *[""] * (width - len(row))) for row in block.rows)
            blocks.append(Table(block.title, head, rows))
        elif isinstance(block, Line):
            blocks.append(Paragraph("".join(words.text for words in block.parts)))
    return Section("Where it stands", tuple(blocks))


def _spending(run: AnyRun, finished: Sequence[float] = ()) -> Section | None:
    pricing = getattr(run.settings, "pricing", UNPRICED)  # of those that ask a model at a price
    return spending_section(run.answered(), finished, pricing, run.reply_notes(), run.starts())


def _spent(runs: Sequence[AnyRun], context: ReportContext) -> Sections:
    (run,) = runs
    return [_spending(run, run.records.finished_at())]


def _results(runs: Sequence[AnyRun], context: ReportContext) -> Sections:
    context.tell("scoring the predictions")
    systems = read_systems([run.path for run in runs])
    scored = [
        evaluated(name, scores, "category", system.left_out(scores), training=system.training)
        for system, name in zip(systems, _called(systems), strict=True)
        for scores in [score(system.predictions, system.references)]
    ]
    return results_sections(systems, scored, context.against)


def _called(systems: Sequence[SystemPredictions]) -> Sequence[str]:
    """Return a name for each system: its own, with the name of its run if another system has it."""
    counts = Counter(system.name for system in systems)
    names = [
        system.name if counts[system.name] == 1 else _with_run(system.name, system.source)
        for system in systems
    ]
    return names if len(set(names)) == len(names) else distinct_names(systems)


def _with_run(name: str, run: Path) -> str:
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
        run.records.rejected_instructions(SHOWN_REJECTIONS),
        run.records.rejected_pairs(SHOWN_REJECTIONS),
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
    texts = [NamedText(task.id, task.definition) for task in run.tasks()]
    seeds = [NamedText(name, text) for name, text in run.records.seed_definitions()]
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
    ReportSection("asking", "cost and speed of requests alone", _of_run(_spending)),
    ReportSection("tasks", "some of the finished tasks", _of_tasks(tasks_section)),
    ReportSection("steps", "step-by-step instructions, counted and shown", _steps),
    ReportSection("examples", "generated examples, counted and shown", _of_run(examples)),
    ReportSection("distilled", "outputs written anew, and before", _of_run(distilled)),
    ReportSection("losses", "how the losses of a tuning fell", _losses),
    ReportSection("tuning-cost", "what a tuning and its data cost", _of_run(tuning_cost)),
)
"""All sections. A part has those that its stage names."""
