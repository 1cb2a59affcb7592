"""Tokenise encoded prompts and targets with the tokenizer of a checkpoint.

Data may contain the text of a special token, such as `</s>`. If it were read as that token, it
could end a prompt or forge a turn of a conversation. So it is read as ordinary text, except in what
a chat template itself writes.

Example::

    tokenizer = HfTokenizer(load_tokenizer("hf:checkpoints/tuned"))
    tokenizer.ids("Name a colour.")
"""

import json
import re
import secrets
from functools import cached_property
from typing import Any

from seedstep.encode.encodings import ChatFrame, Encoded, TextTokenizer, TokenPair
from seedstep.errors import InputError

__all__ = [
    "HfTokenizer",
    "decoder_texts",
    "tokenize",
]

MESSAGE = "seedstep-message"
ANSWER = "seedstep-answer"


class HfTokenizer:
    """A transformers tokenizer as a `TextTokenizer`."""

    def __init__(self, tokenizer: Any) -> None:
        """`tokenizer` is what `load_tokenizer` returns.

        Raises InputError if it is not a fast tokenizer: only these tell where in a text a token
        begins.
        """
        if not tokenizer.is_fast:
            what = f"the tokenizer of {tokenizer.name_or_path} has no fast version"
            raise InputError(what, "convert it to a tokenizer.json")
        self._outer = tokenizer
        backend = tokenizer.backend_tokenizer
        self._marked = _loaded(backend, json.loads(backend.to_str()))
        self._plain = _loaded(backend, _without_special_texts(json.loads(backend.to_str())))
        self._plain.encode_special_tokens = True

    @cached_property
    def bos(self) -> tuple[int, ...]:
        """The special tokens that the tokenizer puts before a text."""
        encoding = self._outer.backend_tokenizer.encode("a", add_special_tokens=True)
        before = encoding.special_tokens_mask.index(0)
        return tuple(encoding.ids[:before])

    @property
    def eos(self) -> int | None:
        """The end-of-sequence token."""
        eos: int | None = self._outer.eos_token_id
        return eos

    @cached_property
    def chat(self) -> ChatFrame | None:
        """The text that the chat template writes before and after a message; None without one.

        Raises:
            InputError: the template can't be used for one message and its answer.
        """
        if not self._outer.chat_template:
            return None
        user = {"role": "user", "content": MESSAGE}
        assistant = {"role": "assistant", "content": ANSWER}
        before, message, after = self._templated([user], prompt=True).partition(MESSAGE)
        _, _, end = self._templated([user, assistant], prompt=False).rpartition(ANSWER)
        if not message:
            what = "the tokenizer's chat template leaves a user's message out"
            raise InputError(what, "use another encoding, or correct the template")
        special = set(self._outer.all_special_ids)
        closing = [token for token in self.ids(end, marked=True)[:1] if token in special]
        return ChatFrame(before, after, closing[0] if closing else None)

    def ids(self, text: str, *, marked: bool = False) -> list[int]:
        """The tokens of a text, without special ones added."""
        ids: list[int] = self._encoded(text, marked=marked).ids
        return ids

    def spans(self, text: str, *, marked: bool = False) -> list[tuple[int, int]]:
        """Where in the text each of its tokens begins and ends."""
        spans: list[tuple[int, int]] = self._encoded(text, marked=marked).offsets
        return spans

    def continued(self, text: str) -> list[int]:
        """The tokens of a text that follows other text.

        Some tokenizers add a space at the beginning of a text, which does not belong there.
        """
        ids = self.ids(text)
        if not self._adds_space:
            return ids
        line, joined = self.ids("\n"), self.ids(f"\n{text}")
        return joined[len(line) :] if joined[: len(line)] == line else ids

    def unmarked(self, text: str) -> str:
        """The text, with a space put after the first character of each special token in it."""
        if not self._outer.all_special_tokens:
            return text
        return self._special.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)

    def text(self, ids: list[int]) -> str:
        """The text of tokens, without special ones."""
        text: str = self._marked.decode(ids, skip_special_tokens=True)
        return text

    def name(self, token: int) -> str:
        """The tokenizer's name of a token, such as `</s>`."""
        return str(self._outer.convert_ids_to_tokens(token))

    @cached_property
    def _special(self) -> re.Pattern[str]:
        special = sorted(self._outer.all_special_tokens, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, special)))

    @cached_property
    def _adds_space(self) -> bool:
        line = self.ids("\n")
        return self.ids("\na") != [*line, *self.ids("a")]

    def _encoded(self, text: str, *, marked: bool) -> Any:
        text = text.encode(errors="replace").decode()  # half a character is no text
        kind = self._marked if marked else self._plain
        return kind.encode(text, add_special_tokens=False)

    def _templated(self, messages: list[dict[str, str]], *, prompt: bool) -> str:
        from jinja2 import TemplateError

        try:
            text: str = self._outer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=prompt
            )
        except TemplateError as error:
            what = f"the tokenizer's chat template can't be used ({error})"
            raise InputError(what, "use another encoding, or correct the template") from None
        return text


def _loaded(backend: Any, description: dict[str, Any]) -> Any:
    """Load a backend tokenizer without truncation, padding and post-processing.

    Post-processing may exclude a leading space from the offsets of its token.
    """
    bare = {"truncation": None, "padding": None, "post_processor": None}
    return type(backend).from_str(json.dumps(description | bare))


def _without_special_texts(description: dict[str, Any]) -> dict[str, Any]:
    """Replace the texts of special tokens in a Unigram vocabulary by random ones.

    A Unigram model finds special tokens in plain text, because they are in its vocabulary. With
    texts that no data contains it can't.
    """
    if description["model"]["type"] != "Unigram":
        return description
    vocabulary = description["model"]["vocab"]
    for token in description["added_tokens"]:
        place = token["id"]
        if token["special"] and place < len(vocabulary):
            token["content"] = secrets.token_hex()
            vocabulary[place][0] = token["content"]
    return description


def decoder_texts(encoded: Encoded) -> tuple[str, str]:
    """Return prompt and target for a decoder-only model: a last space moves to the target."""
    if encoded.prompt.endswith(" "):
        return encoded.prompt[:-1], f" {encoded.target}"
    return encoded.prompt, encoded.target


def tokenize(encoded: Encoded, tokenizer: TextTokenizer, *, decoder_only: bool) -> TokenPair:
    """Return the token ids of a prompt and its target; those of the prompt depend on it alone.

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
