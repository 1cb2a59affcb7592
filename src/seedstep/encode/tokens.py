"""Prompts and targets as token ids.

Prompt and target are tokenised apart, so that the model meets the same prompt when it is tuned and
when it predicts. `Output: ` and `Paris` would then give tokens that a byte-level model never saw
side by side: for a decoder-only model the space is the first character of the target instead.

Example::

    pair = tokenize(encoded, tokenizer, decoder_only=True)
    row = pair.prompt + pair.target
"""

from seedstep.encode.records import Encoded, TextTokenizer, TokenPair
from seedstep.errors import InputError

__all__ = ["decoder_texts", "tokenize"]


def decoder_texts(encoded: Encoded) -> tuple[str, str]:
    """Prompt and target for a decoder-only model; joined, they are the same text."""
    if encoded.prompt.endswith(" "):
        return encoded.prompt[:-1], f" {encoded.target}"
    return encoded.prompt, encoded.target


def tokenize(encoded: Encoded, tokenizer: TextTokenizer, *, decoder_only: bool) -> TokenPair:
    """A prompt and its target as the model sees them; the prompt depends on itself alone.

    Raises:
        InputError: the tokenizer has no end-of-sequence token.
    """
    if tokenizer.eos is None:
        raise InputError(
            "the tokenizer has no end-of-sequence token, so no end could be learned",
            "set `eos_token` in its tokenizer_config.json, or choose another model",
        )
    most, most_target = encoded.limits or (None, None)
    end = tokenizer.chat.end if encoded.chat and tokenizer.chat else None
    if decoder_only:
        text, continuation = decoder_texts(encoded)
        bos = () if encoded.chat else tokenizer.bos  # a chat template writes its own
        prompt = [*bos, *tokenizer.ids(text, marked=encoded.chat)][:most]
        target = tokenizer.continued(continuation)
    else:
        prompt = _ended(tokenizer.ids(encoded.prompt, marked=encoded.chat), tokenizer.eos, most)
        target = tokenizer.ids(encoded.target)
    target = _ended(target, tokenizer.eos if end is None else end, most_target)
    return TokenPair(encoded.task, encoded.instance, tuple(prompt), tuple(target))


def _ended(ids: list[int], end: int, most: int | None) -> list[int]:
    return [*(ids if most is None else ids[: most - 1]), end]
