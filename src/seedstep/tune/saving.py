"""A tuned model on the disk: whole or not at all.

Example::

    save_tuned(trainer, tokenizer, Path("tuned/model"), adapter=Path("tuned/adapter"))
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from seedstep.errors import TuningError

__all__ = ["save_tuned"]


def save_tuned(trainer: Any, tokenizer: Any, folder: Path, *, adapter: Path) -> None:
    """Save the model and its tokenizer so that transformers loads `folder`.

    LoRA's matrices alone go to `adapter`, and merged with the model to `folder`. All processes
    call this; the first one writes.

    Raises:
        TuningError: there is no space, or no right to write.
    """
    accelerator = trainer.accelerator
    model = accelerator.unwrap_model(trainer.model_wrapped)
    state = accelerator.get_state_dict(trainer.model_wrapped)
    if not accelerator.is_main_process:
        return
    if hasattr(model, "merge_and_unload"):
        with _whole(adapter) as partial:
            model.save_pretrained(partial, state_dict=state)
        model, state = model.merge_and_unload(), None
    with _whole(folder) as partial:
        model.save_pretrained(partial, state_dict=state)
        tokenizer.save_pretrained(partial)


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """A directory to fill, which gets its name when all is written, and else leaves nothing."""
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        partial.rename(folder)
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        remedy = "free space, and start again: it goes on from the last checkpoint"
        raise TuningError(f"{folder}: the model can't be written ({reason})", remedy) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
