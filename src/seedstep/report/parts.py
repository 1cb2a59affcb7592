"""What a report says about runs, by what they are runs of.

Example::

    parts = parts_of([Path("runs/first"), Path("tuned")])
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from seedstep.data import Task
from seedstep.errors import MissingExtraError
from seedstep.evaluate import score
from seedstep.evaluate.measured import evaluated
from seedstep.report.records import Part, Section
from seedstep.report.sections.examples import examples_section
from seedstep.report.sections.grown import (
    labels_section,
    lengths_section,
    rejections_section,
    size_section,
    structure_section,
    tasks_section,
)
from seedstep.report.sections.novelty import novelty_section, overlap_section
from seedstep.report.sections.results import results_sections
from seedstep.report.sections.spending import spending_section
from seedstep.report.sections.steps import steps_sections
from seedstep.report.sections.tuning import losses_section
from seedstep.report.sections.verdicts import verdicts_section
from seedstep.report.similarity import Named, nearest, nearest_before
from seedstep.report.statistics import counts, label_balance, lengths
from seedstep.report.structure import structure
from seedstep.store import (
    ExamplesRun,
    JudgeRun,
    Run,
    RunDirectory,
    StepsRun,
    open_run,
    read_systems,
    read_yaml,
)
from seedstep.store.systems import PredictionsHeld, System, distinct_names
from seedstep.text import TOKENIZERS
from seedstep.tune.metrics import read_losses

__all__ = ["Tell", "TestSets", "parts_of"]

EXAMPLES = 3
"""Rejections of each reason that are shown."""

PRIVATE = ("base_url", "judge_base_url")
"""Settings that are nobody's business but the user's: a report is made to be passed on."""

METRICS = "metrics.jsonl"
TUNE_CONFIG = "tune.yaml"
"""What a tuning leaves in its directory."""

TestSets = Mapping[str, Sequence[Named]]
"""The instructions of test sets, by what they are called."""

Tell = Callable[[str], None]
"""Is told what is being done."""


def parts_of(paths: Sequence[Path], test_sets: TestSets, tell: Tell) -> list[Part]:
    """What there is to say about runs, results first; those with predictions are compared.

    Raises:
        RunError: one is no run.
        InputError: predictions can't be compared.
    """
    predicted: list[Path] = []
    judged: list[Part] = []
    others: list[Part] = []
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


def _part(run: RunDirectory[Any, Any], test_sets: TestSets, tell: Tell) -> Part:
    match run:
        case Run():
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
    return Part(title, _facts(run), tuple(one for one in found if one))


def _tuning(path: Path) -> Part:
    config = path / TUNE_CONFIG
    values = read_yaml(config) if config.exists() else {}
    section = losses_section(*read_losses(path / METRICS))
    return Part(f"tune: {path.resolve().name}", _told(values), (section,))


def _results(paths: Sequence[Path]) -> Part:
    systems = read_systems(paths)
    scored = [
        evaluated(name, scores, "category", one.left_out(scores))
        for one, name in zip(systems, _called(systems), strict=True)
        for scores in [score(one.predictions, one.references)]
    ]
    title = f"predict: {', '.join(path.resolve().name for path in paths)}"
    return Part(title, (), tuple(results_sections(systems, scored)))


def _called(systems: Sequence[System]) -> Sequence[str]:
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


def _grown(run: Run, test_sets: TestSets, tell: Tell) -> list[Section | None]:
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


def _structure(run: Run, tasks: Sequence[Task], tell: Tell) -> Section | None:
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
    run: Run, tasks: Sequence[Task], test_sets: TestSets, tell: Tell
) -> list[Section | None]:
    tokenizer = TOKENIZERS[run.settings.tokens]
    texts = [Named(task.id, task.definition) for task in tasks]
    seeds = [Named(name, text) for name, text in run.seed_definitions()]
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
