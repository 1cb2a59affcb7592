"""What a tuning leaves besides the model: its card, its losses as a picture, a GGUF file.

Example::

    notes = write_others(run, settings, gathered, preflight)
"""

from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from seedstep.errors import MissingExtraError, ModelError
from seedstep.llm.checkpoints import gguf_of, is_decoder_only
from seedstep.recipes.tuning_data import Gathered
from seedstep.report.losses import plot_losses
from seedstep.store import TuneRun
from seedstep.tune import Preflight, Source, TuneSettings, training_of
from seedstep.tune.card import CardFacts, CardSource, write_card
from seedstep.tune.gguf import ARCHITECTURE, write_gguf
from seedstep.tune.metrics import read_losses

__all__ = ["require_gguf", "write_others"]

GGUF = "model.gguf"
PACKAGES = ("seedstep", "torch", "transformers", "accelerate", "peft")


def require_gguf(config: Any) -> None:
    """Make sure that a model can become a GGUF file, before it is tuned.

    Raises:
        ModelError: it is of another architecture.
    """
    names = config.architectures or ["unknown"]
    if ARCHITECTURE not in names:
        what = f"a {names[0]} can't be written as a GGUF file, only a {ARCHITECTURE}"
        raise ModelError(what, "leave --gguf out")


def write_others(
    run: TuneRun, settings: TuneSettings, gathered: Gathered, preflight: Preflight
) -> tuple[str, ...]:
    """Write the card, draw the losses, and write a GGUF file if it is asked for and not there.

    Returns what could not be made for want of an extra.

    Raises:
        SeedstepError: what was asked for can't be made; the model is there all the same.
    """
    write_card(run.path / "README.md", _facts(run, settings, gathered, preflight))
    notes = []
    try:
        plot_losses(run.metrics, run.path / "loss")
    except MissingExtraError as error:
        notes.append(f"no picture of the losses: {error}")
    if settings.gguf and not (run.path / GGUF).exists():
        write_gguf(run.model, run.path / GGUF, source=gguf_of(settings.model))
    return tuple(notes)


def _facts(
    run: TuneRun, settings: TuneSettings, gathered: Gathered, preflight: Preflight
) -> CardFacts:
    losses, held_out = read_losses(run.metrics)
    training, measured = [*losses.values()], [*held_out.values()]
    return CardFacts(
        name=run.path.resolve().name,
        base_model=settings.model,
        sources=tuple(
            CardSource(_without_way(source), tasks, examples, name)
            for source, (_, tasks, examples), name in zip(
                settings.data, preflight.sources, gathered.named, strict=True
            )
        ),
        encodings=gathered.encodings,
        training=training_of(settings),
        effective_batch=preflight.batch.examples,
        processes=preflight.batch.processes,
        steps=preflight.steps,
        first_loss=training[0] if training else None,
        last_loss=training[-1] if training else None,
        held_out_tasks=preflight.held_out_tasks,
        held_out_first=measured[0] if measured else None,
        held_out_last=measured[-1] if measured else None,
        versions=_versions(),
        directory=run.model.name,
        encoder_decoder=not is_decoder_only(settings.model),
    )


def _without_way(source: Source) -> str:
    """The source without the directories that lead to it, which are the user's own matter."""
    return str(replace(source, path=Path(source.path).name or source.path))


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
