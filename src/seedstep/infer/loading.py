"""Load a checkpoint that answers prompts, with its tokenizer and what its chat template writes.

Example::

    checkpoint, tokenizer = load_checkpoint("hf:checkpoints/tuned", {}, in_chat=True)
"""

from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from seedstep.encode import ChatFrame, HfTokenizer
from seedstep.errors import InputError
from seedstep.llm.checkpoints import computing_type, load_model, load_tokenizer, was_tuned_here
from seedstep.text.thoughts import opened_thoughts

if TYPE_CHECKING:
    from seedstep.infer.generate import Checkpoint

__all__ = ["load_checkpoint"]


def load_checkpoint(
    model: str,
    frames: MutableMapping[str, ChatFrame],
    *,
    in_chat: bool,
    bf16: bool = False,
    new_tokens: int = 128,
    stop: Sequence[str] = (),
    batch: int = 16,
    room: int | None = None,
) -> tuple["Checkpoint", HfTokenizer]:
    """Load a checkpoint, and its tokenizer.

    `in_chat` says whether prompts are in the chat template. `frames` are what templates wrote when
    they were first used, which may contain a date; what one writes now is added. The other
    arguments are those of `Checkpoint`.

    Raises:
        MissingExtraError: transformers is not installed.
        ModelError: the checkpoint is not there, or can't be read.
        InputError: the chat template can't be used, and prompts are in it.
    """
    tokenizer = load_tokenizer(model)  # raises where transformers is not installed
    from transformers.utils import logging

    from seedstep.infer.generate import Checkpoint

    logging.disable_progress_bar()
    template = str(tokenizer.chat_template)
    reader = HfTokenizer(tokenizer, frame=frames.get(template))
    frame = _frame(reader, in_chat=in_chat)
    shown = frame if in_chat else None
    if shown:
        frames[template] = shown
    is_tuned = was_tuned_here(model)  # on answers behind a mark of thoughts, if any
    checkpoint = Checkpoint(
        load_model(model, dtype=computing_type(bf16=bf16)[0]),
        tokenizer,
        new_tokens=new_tokens,
        stop=(*stop, *([shown.stop] if shown and shown.stop else [])),
        batch=batch,
        ends=[frame.end] if frame and frame.end is not None else [],
        opened=opened_thoughts(shown.after) if shown and not is_tuned else "",
        room=room,
    )
    return checkpoint, reader


def _frame(reader: HfTokenizer, *, in_chat: bool) -> ChatFrame | None:
    """Return the chat template; None if it can't be used and prompts are not in it."""
    if in_chat:
        return reader.chat
    with suppress(InputError):
        return reader.chat
    return None
