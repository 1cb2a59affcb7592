"""Tuning as one call: sources of tasks and a model in, a tuned model out.

Example::

    tuned = tune("tuned", model="local", data=["runs/first"], encoding="self-instruct", epochs=2)
    print(tuned.model)
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec

from seedstep.data import write_atomically
from seedstep.encode import HfTokenizer
from seedstep.errors import InputError, MissingExtraError, ModelError
from seedstep.llm.checkpoints import (
    checkpoint_fingerprint,
    is_decoder_only,
    load_config,
    load_model,
    load_tokenizer,
)
from seedstep.recipes.tuning_data import Gathered, gather
from seedstep.store import TuneRun, stored_settings
from seedstep.tune import (
    EncodedData,
    Evaluated,
    MetricsFile,
    Preflight,
    Step,
    TuneSettings,
    make_tune_settings,
    require_context,
    survey,
    training_of,
)

__all__ = ["TuningWatch", "Tuned", "tune"]


@dataclass(frozen=True, slots=True)
class Tuned:
    """What came of a call of `tune`.

    `finished_before` says that the model was there already. After a dry run there is no model.
    `notes` tell what could not be made besides the model.
    """

    settings: TuneSettings
    preflight: Preflight
    left_out: tuple[str, ...]
    model: Path | None
    finished_before: bool = False
    notes: tuple[str, ...] = ()


class TuningWatch(Protocol):
    """Is told how a tuning gets on."""

    def counted(self, settings: TuneSettings, preflight: Preflight, left_out: tuple[str, ...]) -> None:
        """All is read and counted; the first step comes next."""

    def stepped(self, step: Step) -> None:
        """An optimiser step was taken."""

    def evaluated(self, evaluated: Evaluated) -> None:
        """The held-out loss was measured."""


def tune(
    out: str | Path, *, watch: TuningWatch | None = None, dry_run: bool = False, **settings: Any
) -> Tuned:
    """Tune a model into the directory `out`, or go on where a tuning was interrupted.

    `settings` are those of `seedstep.tune.TuneSettings`. With `dry_run` all is read and counted,
    and nothing is written. Called in several processes (`torchrun`, `accelerate launch`) they
    share the work.

    Raises:
        SeedstepError: with what is wrong and what to do.
    """
    path = Path(out)
    resolved = make_tune_settings({**stored_settings(path), **settings}, "settings")
    gathered = gather(resolved)
    _require_device(resolved.device)
    tokenizer = load_tokenizer(resolved.model)
    decoder_only = is_decoder_only(resolved.model)
    data = EncodedData(
        gathered.mixture, HfTokenizer(tokenizer), decoder_only=decoder_only, seed=resolved.seed
    )
    preflight = survey(data, training_of(resolved), _processes())
    context = getattr(load_config(resolved.model), "max_position_embeddings", None)
    require_context(data, context if decoder_only else None)
    first = _rank() == 0
    if watch and first:
        watch.counted(resolved, preflight, gathered.left_out)
    if dry_run:
        return Tuned(resolved, preflight, gathered.left_out, None)
    stamps = _stamps(resolved, gathered)
    with TuneRun.start(path, resolved, stamps, writes=first) as run:
        raise NotImplementedError


def _stamps(settings: TuneSettings, gathered: Gathered) -> dict[str, str]:
    return {
        "data_fingerprint": gathered.fingerprint,
        "model_fingerprint": checkpoint_fingerprint(settings.model),
    }


def _processes() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def _rank() -> int:
    return int(os.environ.get("RANK", "0"))


def _require_device(device: str) -> None:
    try:
        import torch
    except ImportError:
        raise MissingExtraError("tuning", "pip install 'seedstep[tune]'") from None
    if device == "cuda" and not torch.cuda.is_available():
        raise ModelError(
            "no CUDA device can be used here", "leave --device out, or install torch with CUDA"
        )
