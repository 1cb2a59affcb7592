"""What a tuning writes beside the model: its card, and a GGUF file.

Example::

    require_gguf(load_config("local"))
    write_tuning_gguf(Path("tuned"), settings, model=Path("tuned/model"))
"""

from collections.abc import Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from seedstep.encode import Encoding
from seedstep.errors import ModelError
from seedstep.llm.checkpoints import is_decoder_only
from seedstep.llm.models import gguf_of
from seedstep.tune.card import CardFacts, CardSource, write_card
from seedstep.tune.data import Preflight
from seedstep.tune.gguf import ARCHITECTURE, write_gguf
from seedstep.tune.records import read_losses
from seedstep.tune.settings import TuneSettings, TuneSource

__all__ = ["require_gguf", "write_tuning_card", "write_tuning_gguf"]

CARD = "README.md"
GGUF = "model.gguf"
PACKAGES = ("seedstep", "torch", "transformers", "accelerate", "peft")
"""The packages whose versions the card tells."""


def require_gguf(config: Any) -> None:
    """Make sure that a model can become a GGUF file, before it is tuned.

    Raises:
        ModelError: it is of another architecture.
    """
    names = config.architectures or ["unknown"]
    if ARCHITECTURE not in names:
        what = f"a {names[0]} can't be written as a GGUF file, only a {ARCHITECTURE}"
        raise ModelError(what, "leave --gguf out")


def write_tuning_gguf(out: Path, settings: TuneSettings, *, model: Path) -> None:
    """Write the tuned `model` as a GGUF file too, if that is asked for and not there yet.

    Raises:
        ModelError: the model can't be written as a GGUF file.
        MissingExtraError: what writes GGUF files is not installed.
    """
    if settings.gguf and not (out / GGUF).exists():
        write_gguf(model, out / GGUF, source=gguf_of(settings.model.ref))


def write_tuning_card(
    out: Path,
    settings: TuneSettings,
    preflight: Preflight,
    encodings: Mapping[str, Encoding],
    *,
    model: Path,
    metrics: Path,
) -> None:
    """Write the card of a tuned `model`. `metrics` is the file of its losses.

    Raises:
        ModelError: the configuration of the base model can't be read.
        RunError: the card can't be written.
    """
    losses, held_out = read_losses(metrics)
    training, measured = [*losses.values()], [*held_out.values()]
    facts = CardFacts(
        name=out.resolve().name,
        base_model=settings.model.ref,
        sources=tuple(
            CardSource(
                _without_way(source), tasks, examples, source.encoding or settings.encoding.name
            )
            for source, (_, tasks, examples) in zip(settings.data, preflight.sources, strict=True)
        ),
        encodings=encodings,
        training=settings.training,
        effective_batch=preflight.batch.examples,
        processes=preflight.batch.processes,
        steps=preflight.steps,
        first_loss=training[0] if training else None,
        last_loss=training[-1] if training else None,
        held_out_tasks=preflight.held_out_tasks,
        held_out_first=measured[0] if measured else None,
        held_out_last=measured[-1] if measured else None,
        versions=_versions(),
        directory=model.name,
        encoder_decoder=not is_decoder_only(settings.model.ref),
    )
    write_card(out / CARD, facts)


def _without_way(source: TuneSource) -> str:
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
