"""The data of a tuning: sources read, joined with step-by-step instructions, checked, and mixed.

Example::

    data = gather(TuneSettings.of(data=["runs/first"]))
    len(data.mixture.training)
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seedstep.encode import Encoding, make_encoding
from seedstep.errors import InputError
from seedstep.inputs.steps import with_steps
from seedstep.inputs.tasks import load_source
from seedstep.runs.config import digest
from seedstep.tune import Mixture, SourcePart, TuneSettings, TuneSource, mix, usable

__all__ = [
    "TuningInputs",
    "encodings_of",
    "gather",
]

BUDGETS = ("max_source", "max_target")
"""What of a tuning's encoding holds for a source with an encoding of its own, too."""


@dataclass(frozen=True, slots=True)
class TuningInputs:
    """What is trained on, a fingerprint of what it was drawn from, and what was left out as bad.

    `encodings` are those of the sources to train on, by name.
    """

    mixture: Mixture
    encodings: dict[str, Encoding]
    fingerprint: str
    left_out: tuple[str, ...]


def gather(settings: TuneSettings) -> TuningInputs:
    """Read all sources, and draw what is used of them.

    Raises:
        InputError: there is no source, or something is wrong with one.
    """
    if not settings.data:
        raise InputError("no data to tune on", "add --data PATH, a run or a directory of tasks")
    loaded = [
        _load(settings, source, limit)
        for sources, limit in (
            (settings.data, settings.used.limit_instances),
            (settings.held_out_data, settings.held_out_instances),
        )
        for source in sources
    ]
    parts = _with_steps(settings, [part for part, _ in loaded])
    trained = len(settings.data)
    mixture = mix(
        parts[:trained],
        parts[trained:],
        seed=settings.training.seed,
        held_out=settings.held_out,
        held_out_instances=settings.held_out_instances,
        limit_tasks=settings.used.limit_tasks,
    )
    named = [source.encoding or settings.encoding.name for source in settings.data]
    return TuningInputs(
        mixture,
        {name: part.encoding for name, part in zip(named, parts, strict=False)},
        digest(parts),
        tuple(fault for _, faults in loaded for fault in faults),
    )


def _load(
    settings: TuneSettings, source: TuneSource, limit: int | None
) -> tuple[SourcePart, list[str]]:
    from_files = load_source(source, limit=limit, skip_bad=settings.used.skip_bad)
    part = SourcePart(source, from_files.tasks, _encoding(settings, source))
    part, faults = usable(part, skip_bad=settings.used.skip_bad)
    return part, [*(problem.what for problem in from_files.problems), *faults]


def encodings_of(settings: TuneSettings) -> dict[str, Encoding]:
    """The encodings of a tuning's sources by name, each once, in the order of the sources."""
    if not settings.data:
        return {settings.encoding.name: settings.encoding.make()}
    return {
        source.encoding or settings.encoding.name: _encoding(settings, source)
        for source in settings.data
    }


def _encoding(settings: TuneSettings, source: TuneSource) -> Encoding:
    options = settings.encoding.options
    if source.encoding is None:
        return settings.encoding.make()
    return make_encoding(
        source.encoding, {name: options[name] for name in BUDGETS if name in options}
    )


def _with_steps(settings: TuneSettings, parts: Sequence[SourcePart]) -> list[SourcePart]:
    """The parts, whose tasks have the instructions that a run or a file has for them."""
    if settings.steps is None:
        return list(parts)
    joined = iter(with_steps([task for part in parts for task in part.tasks], Path(settings.steps)))
    return [replace(part, tasks=tuple(next(joined) for _ in part.tasks)) for part in parts]
