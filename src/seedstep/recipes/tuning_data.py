"""The data of a tuning: sources read, joined with step-by-step instructions, checked, and mixed.

Example::

    data = gather(make_tune_settings({"data": ["runs/first"]}, "settings"))
    len(data.mixture.training)
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seedstep.encode import Encoded, Encoding, TaskEncoder, make_encoding
from seedstep.errors import InputError
from seedstep.inputs import load_source, with_steps
from seedstep.llm import ModelRef, open_model
from seedstep.runs import TuneRun
from seedstep.runs.directory import digest
from seedstep.tune import Mixture, SourcePart, TuneSettings, TuneSource, mix, usable
from seedstep.tune.openai_jobs import FineTuned, JobSettings, JobWatch, check_chat, fine_tune

__all__ = [
    "Gathered",
    "gather",
    "tune_at_server",
]

BUDGETS = ("max_source", "max_target")
"""What of a tuning's encoding holds for a source with an encoding of its own, too."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What is trained on, a fingerprint of what it was drawn from, and what was left out as bad.

    `encodings` are those of the sources to train on, by name.
    """

    mixture: Mixture
    encodings: dict[str, Encoding]
    fingerprint: str
    left_out: tuple[str, ...]


def gather(settings: TuneSettings) -> Gathered:
    """Read all sources, and draw what is used of them.

    Raises:
        InputError: there is no source, or something is wrong with one.
    """
    if not settings.data:
        raise InputError("no data to tune on", "add --data PATH, a run or a directory of tasks")
    loaded = [
        _load(settings, source, limit)
        for sources, limit in (
            (settings.data, settings.limit_instances),
            (settings.held_out_data, settings.held_out_instances),
        )
        for source in sources
    ]
    parts = _with_steps(settings, [part for part, _ in loaded])
    trained = len(settings.data)
    mixture = mix(
        parts[:trained],
        parts[trained:],
        seed=settings.seed,
        held_out=settings.held_out,
        held_out_instances=settings.held_out_instances,
        limit_tasks=settings.limit_tasks,
    )
    named = [source.encoding or settings.encoding for source in settings.data]
    return Gathered(
        mixture,
        {name: part.encoding for name, part in zip(named, parts, strict=False)},
        digest(parts),
        tuple(fault for _, faults in loaded for fault in faults),
    )


def _load(
    settings: TuneSettings, source: TuneSource, limit: int | None
) -> tuple[SourcePart, list[str]]:
    from_files = load_source(source, limit=limit, skip_bad=settings.skip_bad)
    part = SourcePart(source, from_files.tasks, _encoding(settings, source))
    part, faults = usable(part, skip_bad=settings.skip_bad)
    return part, [*(problem.what for problem in from_files.problems), *faults]


def _encoding(settings: TuneSettings, source: TuneSource) -> Encoding:
    options: dict[str, Any] = settings.encoding_options
    if source.encoding is None:
        return make_encoding(settings.encoding, options)
    return make_encoding(
        source.encoding, {name: options[name] for name in BUDGETS if name in options}
    )


def _with_steps(settings: TuneSettings, parts: Sequence[SourcePart]) -> list[SourcePart]:
    """The parts, whose tasks have the instructions that a run or a file has for them."""
    if settings.steps is None:
        return list(parts)
    joined = iter(with_steps([task for part in parts for task in part.tasks], Path(settings.steps)))
    return [replace(part, tasks=tuple(next(joined) for _ in part.tasks)) for part in parts]


def tune_at_server(
    out: Path, settings: TuneSettings, watch: JobWatch | None, *, dry_run: bool
) -> tuple[Gathered, FineTuned | None]:
    """Start a job, or go on waiting for one. With `dry_run` its data are checked, and no more.

    The server chooses the learning rate and the size of a batch, as in the first paper (A.3).

    Raises:
        SeedstepError: with what is wrong and what to do.
    """
    gathered = gather(settings)
    examples = _examples(gathered.mixture, settings.seed)
    told = watch or _Silent()
    size = check_chat(examples, ModelRef.parse(settings.model).name)
    told.happened(f"{size.examples:,} examples, {size.bytes:,} bytes")
    for fault in gathered.left_out:
        told.warned(f"left out: {fault}")
    if dry_run:
        return gathered, None
    stamps = {"data_fingerprint": gathered.fingerprint}
    with TuneRun.start(out, settings, stamps):
        return gathered, asyncio.run(_job(out, settings, examples, told))


async def _job(
    out: Path, settings: TuneSettings, examples: list[Encoded], watch: JobWatch
) -> FineTuned:
    job = JobSettings(
        epochs=settings.epochs,
        prompt_loss_weight=settings.prompt_loss_weight,
        seed=settings.seed,
    )
    async with open_model(settings.model, settings.base_url, 1) as endpoint:
        return await fine_tune(endpoint, examples, job, out, watch)


def _examples(mixture: Mixture, seed: int) -> list[Encoded]:
    """The examples of the first epoch. Nothing is cut: the server has its own tokenizer."""
    encoders: dict[tuple[str, object], TaskEncoder] = {}
    examples = []
    for use in mixture.training:
        key = use.task.id, use.encoding
        if key not in encoders:
            encoders[key] = TaskEncoder(use.task, use.encoding)
        examples.append(encoders[key].encode(use.instance, seed=seed))
    return examples


class _Silent:
    def moved(self, job_id: str, status: str) -> None:
        """Nobody watches."""

    def happened(self, message: str) -> None:
        """Nobody watches."""

    def warned(self, message: str) -> None:
        """Nobody watches."""
