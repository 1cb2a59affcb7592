"""A report over some runs, as a directory: the page, and each figure as SVG and PNG.

Example::

    done = write_report([Path("runs/first")], Path("report"))
    print(done.page)
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from seedstep.data import Task, evaluation_items, require_ours, whole_folder
from seedstep.errors import InputError, MissingExtraError
from seedstep.evaluate import score
from seedstep.evaluate.compare import evaluated
from seedstep.inputs import read_systems
from seedstep.inputs.systems import PredictionsHeld, SystemPredictions, distinct_names
from seedstep.report.charts import DrawnChart, render
from seedstep.report.page import render_page
from seedstep.report.records import Chart, ReportPart, Section
from seedstep.report.sections.grown import (
    examples_section,
    labels_section,
    lengths_section,
    novelty_section,
    overlap_section,
    rejections_section,
    size_section,
    structure_section,
    tasks_section,
)
from seedstep.report.sections.making import losses_section, spending_section
from seedstep.report.sections.results import results_sections, verdicts_section
from seedstep.report.sections.steps import steps_sections
from seedstep.report.statistics import (
    NamedText,
    counts,
    label_balance,
    lengths,
    nearest,
    nearest_before,
)
from seedstep.report.structure import structure
from seedstep.runs import (
    BootstrapRun,
    ExamplesRun,
    JudgeRun,
    RunDirectory,
    StepsRun,
    open_run,
    read_yaml,
)
from seedstep.text import TOKENIZERS
from seedstep.tune.records import read_losses

__all__ = [
    "Report",
    "TellDone",
    "TestSets",
    "parts_of",
    "write_report",
]

EXAMPLES = 3
"""Rejections of each reason that are shown."""

PRIVATE = ("base_url", "judge_base_url")
"""Settings that are nobody's business but the user's: a report is made to be passed on."""

METRICS = "metrics.jsonl"
TUNE_CONFIG = "tune.yaml"
"""What a tuning leaves in its directory."""

TestSets = Mapping[str, Sequence[NamedText]]
"""The instructions of test sets, by what they are called."""

TellDone = Callable[[str], None]
"""Is told what is being done."""


def parts_of(paths: Sequence[Path], test_sets: TestSets, tell: TellDone) -> list[ReportPart]:
    """What there is to say about runs, results first; those with predictions are compared.

    Raises:
        RunError: one is no run.
        InputError: predictions can't be compared.
    """
    predicted: list[Path] = []
    judged: list[ReportPart] = []
    others: list[ReportPart] = []
    for path in paths:
        if (path / METRICS).is_file():
            others.append(_tuning(path))
            continue
        with open_run(path) as run:
            if isinstance(run, PredictionsHeld):
                predicted.append(path)
            else:
                parts = judged if isinstance(run, JudgeRun) else others
                parts.append(_part(run, test_sets, tell))
    if not predicted:
        return [*judged, *others]
    tell("scoring the predictions")
    return [_results(predicted), *judged, *others]


def _part(run: RunDirectory[Any, Any], test_sets: TestSets, tell: TellDone) -> ReportPart:
    match run:
        case BootstrapRun():
            found = _grown(run, test_sets, tell)
        case StepsRun():
            found = [*steps_sections(run.entries()), _spending(run, run.finished_at())]
        case ExamplesRun():
            found = [examples_section(run.entries()), _spending(run, run.finished_at())]
        case JudgeRun():
            section = verdicts_section(run.settings.mode, run.judged())
            found = [section, _spending(run, ())]
        case _:
            found = [_spending(run, ())]
    title = f"{run.stage}: {run.path.resolve().name}"
    return ReportPart(title, _facts(run), tuple(one for one in found if one))


def _tuning(path: Path) -> ReportPart:
    config = path / TUNE_CONFIG
    values = read_yaml(config) if config.exists() else {}
    section = losses_section(*read_losses(path / METRICS))
    return ReportPart(f"tune: {path.resolve().name}", _told(values), (section,))


def _results(paths: Sequence[Path]) -> ReportPart:
    systems = read_systems(paths)
    scored = [
        evaluated(name, scores, "category", one.left_out(scores))
        for one, name in zip(systems, _called(systems), strict=True)
        for scores in [score(one.predictions, one.references)]
    ]
    title = f"predict: {', '.join(path.resolve().name for path in paths)}"
    return ReportPart(title, (), tuple(results_sections(systems, scored)))


def _called(systems: Sequence[SystemPredictions]) -> Sequence[str]:
    """A name for each system: its own, with its run's where others have the same."""
    counts = Counter(one.name for one in systems)
    names = [
        one.name if counts[one.name] == 1 else f"{one.name} ({one.source.resolve().name})"
        for one in systems
    ]
    return names if len(set(names)) == len(names) else distinct_names(systems)


def _facts(run: RunDirectory[Any, Any]) -> tuple[tuple[str, str], ...]:
    answers = run.answered()
    times = (("first answer", answers[0].at), ("last answer", answers[-1].at)) if answers else ()
    return (
        *((name, f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC") for name, at in times),
        *_told(asdict(run.settings)),
    )


def _told(settings: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The settings that say something, and are not the user's own business."""
    return tuple(
        (name, ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))
        for name, value in settings.items()
        if name not in PRIVATE and value not in (None, "", [], (), {})
    )


def _grown(run: BootstrapRun, test_sets: TestSets, tell: TellDone) -> list[Section | None]:
    tasks = run.tasks()
    status = run.status()
    return [
        size_section(counts(tasks)),
        lengths_section(lengths(tasks)),
        _structure(run, tasks, tell),
        *_similarities(run, tasks, test_sets, tell),
        rejections_section(
            status, run.rejected_instructions(EXAMPLES), run.rejected_pairs(EXAMPLES)
        ),
        labels_section(label_balance(tasks)),
        _spending(run, run.finished_at()),
        tasks_section(tasks),
    ]


def _structure(run: BootstrapRun, tasks: Sequence[Task], tell: TellDone) -> Section | None:
    """None where the run is not in English, and for what is not installed a word on that."""
    if run.settings.tokens != "latin":
        return None
    instructions = [task.definition for task in tasks]

    def parsed(done: int) -> None:
        tell(f"parsing instruction {done:,} of {len(instructions):,}")

    try:
        return structure_section(structure(instructions, parsed))
    except MissingExtraError as missing:
        return Section("What the instructions ask for", (), str(missing))


def _similarities(
    run: BootstrapRun, tasks: Sequence[Task], test_sets: TestSets, tell: TellDone
) -> list[Section | None]:
    tokenizer = TOKENIZERS[run.settings.tokens]
    texts = [NamedText(task.id, task.definition) for task in tasks]
    seeds = [NamedText(name, text) for name, text in run.seed_definitions()]
    tell("comparing the instructions with the seeds and with each other")
    found = novelty_section(nearest(texts, seeds, tokenizer), nearest_before(texts, tokenizer))
    if test_sets:
        tell("comparing with the test sets")
    overlaps = {
        name: {
            "Seeds": nearest(seeds, items, tokenizer),
            "Tasks of this run": nearest(texts, items, tokenizer),
        }
        for name, items in test_sets.items()
    }
    return [found, overlap_section(overlaps)]


def _spending(run: RunDirectory[Any, Any], finished: Sequence[float]) -> Section | None:
    price = getattr(run.settings, "price", None)  # of those that ask a model at a price
    return spending_section(run.answered(), finished, price)


MARKER = ".seedstep-report.json"
PAGE = "index.html"
FIGURES = "figures"


@dataclass(frozen=True, slots=True)
class Report:
    """The page that was written, how many figures lie beside it, and what was left out."""

    page: Path
    figures: int
    notes: tuple[str, ...]


def write_report(
    runs: Sequence[Path],
    out: Path,
    against: Sequence[Path] = (),
    tell: TellDone = lambda doing: None,
) -> Report:
    """Write a report into a new directory, an empty one, or that of an earlier report.

    `against` are test sets, with whose instructions seeds and tasks are compared.

    Raises:
        RunError: a run can't be read, or `out` holds other files or can't be written.
        InputError: no run is named, or a test set can't be read.
        MissingExtraError: matplotlib or Jinja2 is not installed.
    """
    if not runs:
        raise InputError("no run to report on", "name one or more run directories")
    _require_installed()
    require_ours(out, MARKER)
    test_sets: TestSets = {
        f"{path.resolve().name} ({number})": [
            NamedText(*item) for item in evaluation_items(path, inputs=False)
        ]
        for number, path in enumerate(against, start=1)
    }
    parts = parts_of(runs, test_sets, tell)
    tell("drawing")
    drawn = _drawn(parts)
    title = ", ".join(path.resolve().name for path in runs)
    page = render_page(title, parts, drawn)
    with whole_folder(out, MARKER) as folder:
        (folder / PAGE).write_bytes(page)
        (folder / FIGURES).mkdir()
        for name, chart in drawn.items():
            (folder / FIGURES / f"{name}.svg").write_bytes(chart.svg)
            (folder / FIGURES / f"{name}.png").write_bytes(chart.png)
    notes = [one.left_out for part in parts for one in part.sections if one.left_out]
    return Report(out / PAGE, len(drawn), tuple(dict.fromkeys(notes)))


def _require_installed() -> None:
    """Before the work, not after it."""
    if not all(map(find_spec, ("jinja2", "matplotlib"))):
        raise MissingExtraError("a report", "pip install 'seedstep[report]'")


def _drawn(parts: Sequence[ReportPart]) -> dict[str, DrawnChart]:
    """The charts by the names of their files: the number of the part, and the chart's name."""
    charts = {
        f"{number}-{block.name}": block
        for number, part in enumerate(parts, start=1)
        for section in part.sections
        for block in section.blocks
        if isinstance(block, Chart)
    }
    return {name: render(chart, name) for name, chart in charts.items()}
