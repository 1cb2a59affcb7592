"""Tune a model at a server: send the data, start a fine-tuning job, and wait for it.

Example::

    gathered, job = await tune_at_server(Path("tuned"), settings, None, dry_run=False)
    job.model  # the name to ask for
"""

import asyncio
from pathlib import Path

from seedstep.encode import Encoded, TaskEncoders
from seedstep.inputs.tasks import TuningInputs, gather
from seedstep.llm import open_model
from seedstep.runs import Run
from seedstep.runs.tune import settings_not_stored
from seedstep.stages import TUNE
from seedstep.tune import Mixture, TuneSettings
from seedstep.tune.data import ChatSize, check_chat
from seedstep.tune.openai_jobs import FineTuned, JobSettings, JobWatch, fine_tune

__all__ = ["tune_at_server"]


async def tune_at_server(
    out: Path, settings: TuneSettings, watch: JobWatch | None, *, dry_run: bool
) -> tuple[TuningInputs, FineTuned | None]:
    """Start a fine-tuning job, or wait for the job that an earlier call started.

    With `dry_run` the data are checked, and no job is started. The server chooses the learning rate
    and the size of a batch, as in the first paper (A.3).

    Raises:
        SeedstepError: with what is wrong and what to do.
    """
    gathered, examples, size = await asyncio.to_thread(_read, settings)
    told = watch or _Silent()
    told.happened(f"{size.examples:,} examples, {size.bytes:,} bytes")
    for fault in gathered.left_out:
        told.warned(f"left out: {fault}")
    if dry_run:
        return gathered, None
    with Run.start(TUNE, out, settings_not_stored(out, settings), inputs=gathered):
        return gathered, await _job(out, settings, examples, told)


def _read(settings: TuneSettings) -> tuple[TuningInputs, list[Encoded], ChatSize]:
    """Return the data, their examples as they are sent, and how large these are."""
    gathered = gather(settings)
    examples = _examples(gathered.mixture, settings.training.seed)
    return gathered, examples, check_chat(examples, settings.model.ref.name)


async def _job(
    out: Path, settings: TuneSettings, examples: list[Encoded], watch: JobWatch
) -> FineTuned:
    job = JobSettings(
        epochs=settings.training.epochs,
        prompt_loss_weight=settings.prompt_loss_weight,
        seed=settings.training.seed,
    )
    async with open_model(settings.model.name, settings.model.base_url, 1) as endpoint:
        return await fine_tune(endpoint, examples, job, out, watch)


def _examples(mixture: Mixture, seed: int) -> list[Encoded]:
    """Return the examples of the first epoch, uncut, as the server has its own tokenizer."""
    encoders = TaskEncoders()
    return [
        encoders.of(use.task, use.encoding).encode(use.instance, seed=seed)
        for use in mixture.training
    ]


class _Silent:
    def moved(self, job_id: str, status: str) -> None:
        """Nobody watches."""

    def happened(self, message: str) -> None:
        """Nobody watches."""

    def warned(self, message: str) -> None:
        """Nobody watches."""
