"""Tokenise encoded prompts and targets with the tokenizer of a checkpoint.

Data may contain the text of an added token, such as `</s>` or `<|im_end|>`. If it were read as that
token, it could end a prompt or forge a turn of a conversation. So it is read as ordinary text,
whether the token is special or not, except in what a chat template itself writes.

Example::

    tokenizer = HfTokenizer(load_tokenizer("hf:checkpoints/tuned"))
    tokenizer.ids("Name a colour.")
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

from seedstep.encode.settings import ChatFrame, Encoded, TextTokenizer, TokenPair
from seedstep.errors import InputError, first_line

__all__ = ["HfTokenizer", "decoder_texts", "tokenize"]

MESSAGE = "seedstep-message"
OTHER_MESSAGE = (
    'Is "seedstep" a word?\nWrite a line, and why: <b>more</b> than the first message says.\n\n'
    + 200 * "1 + 1 = 2, \u00e9t\u00e9, \u732b. "
    + "Is that all?"
)
ANSWER = "seedstep-answer"
NEXT = "seedstep-question"

Mark = tuple[int, int, int]
"""The start and end of an added token in a text, and its id."""

OTHER_TEMPLATE = "use another encoding, or correct the template"


class HfTokenizer:
    """A transformers tokenizer as a `TextTokenizer`."""

    def __init__(self, tokenizer: Any, *, frame: ChatFrame | None = None) -> None:
        """`tokenizer` is what `load_tokenizer` returns.

        A `frame` that was stored earlier replaces that of the chat template, which may contain the
        date. Raises InputError if `tokenizer` is not a fast one: only these have offsets.
        """
        if not tokenizer.is_fast:
            what = f"the tokenizer of {tokenizer.name_or_path} has no fast version"
            raise InputError(what, "convert it to a tokenizer.json")
        self._outer = tokenizer
        backend = tokenizer.backend_tokenizer
        description = json.loads(backend.to_str())
        self._own = _loaded(backend, description)
        self._secret = {token["id"]: secrets.token_hex() for token in _marks_of(description)}
        self._reader = _loaded(backend, _hidden(description, self._secret))
        self._marks = lru_cache(self._marks_in)
        self._kept_frame = frame

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
        """The text that the chat template writes around a message, and the end of an answer.

        It is None without a template.

        Raises:
            InputError: the template can't be used for one message and its answer.
        """
        if self._kept_frame or not self._outer.chat_template:
            return self._kept_frame
        user = {"role": "user", "content": MESSAGE}
        assistant = {"role": "assistant", "content": ANSWER}
        before, _, after = self._templated([user], prompt=True).partition(MESSAGE)
        self._require_same_around_others(user, before + after)
        whole = self._templated([user, assistant], prompt=False)
        answered = whole.index(ANSWER) + len(ANSWER)
        end = next((token for place, _, token in self._marks(whole) if place >= answered), None)
        stop = whole[answered:].strip() if end is None else ""
        if end is None and not stop:
            end = self._closed_before_next([user, assistant])
        return ChatFrame(before, after, end, stop)

    def _closed_before_next(self, messages: list[dict[str, str]]) -> int | None:
        """Return the token that ends an answer if another message follows; None without one.

        It may be the one that begins a user's message, as in GLM-4, but none that begins answers
        or texts, too.
        """
        try:
            whole = self._templated([*messages, {"role": "user", "content": NEXT}], prompt=False)
        except InputError:
            return None
        begin, _, rest = whole.partition(MESSAGE)
        between, _, rest = rest.partition(ANSWER)
        opening, shared, found = (
            [token for _, _, token in self._marks(text)]
            for text in (begin, between, rest.partition(NEXT)[0])
        )
        if not found or (found[0] in opening and found[0] in [*shared, self._outer.bos_token_id]):
            return None
        return found[0]

    @property
    def frame(self) -> ChatFrame:
        """The same, where a template is needed.

        Raises:
            InputError: there is no chat template, or it can't be used.
        """
        if self.chat is None:
            what = f"the tokenizer of {self._outer.name_or_path} has no chat template"
            raise InputError(what, "name a checkpoint with one")
        return self.chat

    def ids(self, text: str, *, marked: bool = False) -> list[int]:
        """Return the tokens of a text, without special ones added."""
        text = self._with_secrets(text)[0] if marked else text
        ids: list[int] = self._encoded(text).ids
        return ids

    def conversation(self, messages: Sequence[tuple[str, str]]) -> list[int]:
        """Return the tokens of a conversation in the chat template, up to where the answer begins.

        Messages are roles with contents.

        Raises:
            InputError: there is no template, or it can't be used for them.
        """
        _ = self.frame
        names = [f"{MESSAGE}-{place:04}" for place in range(len(messages))]
        turns = zip(messages, names, strict=True)
        written = self._templated(
            [{"role": role, "content": name} for (role, _), name in turns], prompt=True
        )
        rest, _ = self._secretly(written, self._marks_in(written))
        text = ""
        for (_, content), name in zip(messages, names, strict=True):
            before, _, rest = rest.partition(name)
            text += before + content
        ids: list[int] = self._encoded(text + rest).ids
        return ids

    def spans(self, text: str, *, marked: bool = False) -> list[tuple[int, int]]:
        """Return where in the text each of its tokens begins and ends."""
        if not marked:
            spans: list[tuple[int, int]] = self._encoded(text).offsets
            return spans
        text, places = self._with_secrets(text)
        return [(places[start], places[end]) for start, end in self._encoded(text).offsets]

    def continued(self, text: str) -> list[int]:
        """Return the tokens of a text that follows other text.

        Some tokenizers add a space at the beginning of a text, which does not belong there.
        """
        ids = self.ids(text)
        if not self._adds_space:
            return ids
        line, joined = self.ids("\n"), self.ids(f"\n{text}")
        return joined[len(line) :] if joined[: len(line)] == line else ids

    def text(self, ids: list[int]) -> str:
        """Return the text of tokens, without special ones."""
        text: str = self._own.decode(ids, skip_special_tokens=True)
        return text

    def name(self, token: int) -> str:
        """Return the tokenizer's name of a token, such as `</s>`."""
        return str(self._outer.convert_ids_to_tokens(token))

    @cached_property
    def _adds_space(self) -> bool:
        line = self.ids("\n")
        return self.ids("\na") != [*line, *self.ids("a")]

    def _encoded(self, text: str) -> Any:
        return self._reader.encode(_whole(text), add_special_tokens=False)

    def _with_secrets(self, text: str) -> tuple[str, list[int]]:
        """Replace the added tokens of a marked text by secrets; return characters' origins, too.

        In a prompt inside the chat template only the template's own text is marked.
        """
        return self._secretly(text, self._marks_of_prompt(text))

    def _secretly(self, text: str, marks: Sequence[Mark]) -> tuple[str, list[int]]:
        written: list[str] = []
        places: list[int] = []
        done = 0
        for start, end, token in marks:
            secret = self._secret[token]
            written += text[done:start], secret
            places += [*range(done, start), *[start] * len(secret)]
            done = end
        return "".join([*written, text[done:]]), [*places, *range(done, len(text) + 1)]

    def _marks_of_prompt(self, text: str) -> Sequence[Mark]:
        frame = self.chat
        if not frame or not text.startswith(frame.before):
            return self._marks(text)
        # the last space of a prompt may have gone over to the target
        after = next((end for end in (frame.after, frame.after[:-1]) if text.endswith(end)), "")
        moved = len(text) - len(after) - len(frame.before) - len(MESSAGE)
        start, end = len(frame.before), len(frame.before) + len(MESSAGE)
        marks = self._marks(frame.before + MESSAGE + after)
        return [mark for mark in marks if mark[1] <= start] + [
            (first + moved, last + moved, token) for first, last, token in marks if first >= end
        ]

    def _marks_in(self, text: str) -> tuple[Mark, ...]:
        """Return the positions and ids of added tokens in a text that the template wrote."""
        found = self._own.encode(_whole(text), add_special_tokens=False)
        marks = []
        for token, (start, end) in zip(found.ids, found.offsets, strict=True):
            read = text[start:end]
            if token in self._secret:
                bare = read.strip() or read
                start += read.index(bare)
                marks.append((start, start + len(bare), token))
        return tuple(marks)

    def _require_same_around_others(self, user: dict[str, str], around: str) -> None:
        """Raise InputError if the template writes something else around another message.

        A template that writes something else each time, such as the time, is not compared.
        """
        other = self._templated([{**user, "content": OTHER_MESSAGE}], prompt=True)
        if other.replace(OTHER_MESSAGE, "") != around:
            again = self._templated([user], prompt=True).replace(MESSAGE, "")
            if again == around:
                what = "the tokenizer's chat template writes other text around other messages"
                raise InputError(what, OTHER_TEMPLATE)

    def _templated(self, messages: list[dict[str, str]], *, prompt: bool) -> str:
        """Apply the template to messages, each of which must occur once in the result."""
        try:
            text: str = self._outer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=prompt
            )
        except Exception as error:  # a template is a program, which may do anything
            said = first_line(error) or type(error).__name__
            what = f"the tokenizer's chat template can't be used ({said})"
            raise InputError(what, OTHER_TEMPLATE) from None
        for message in messages:
            times = text.count(message["content"])
            if times != 1:
                whose = "a user's message" if message["role"] == "user" else "an answer"
                how = f"writes {whose} {times} times" if times else f"leaves {whose} out"
                raise InputError(f"the tokenizer's chat template {how}", OTHER_TEMPLATE)
        return text


def _whole(text: str) -> str:
    """Return a text with lone surrogates replaced, as tokenizers can't read them."""
    return text.encode(errors="replace").decode()


def _loaded(backend: Any, description: dict[str, Any]) -> Any:
    """Load a backend tokenizer without truncation, padding and post-processing.

    Post-processing may exclude a leading space from the offsets of its token.
    """
    bare = {"truncation": None, "padding": None, "post_processor": None}
    return type(backend).from_str(json.dumps(description | bare))


def _marks_of(description: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the added tokens that are marks: all but those for plain white space."""
    return [
        token
        for token in description["added_tokens"]
        if token["special"] or token["content"].replace("\u2581", " ").strip()
    ]


def _hidden(description: dict[str, Any], secret: Mapping[int, str]) -> dict[str, Any]:
    """Replace the texts of added tokens by random ones, which no data contain.

    They are also replaced in the vocabulary, as they could be merged from parts. A token of one
    character is not, as the character would then have no token.
    """
    tokens = [
        {**token, "content": secret[token["id"]], "single_word": False}
        if token["id"] in secret
        else token
        for token in description["added_tokens"]
    ]
    names = {
        token["content"]: secret[token["id"]]
        for token in _marks_of(description)
        if len(token["content"]) > 1
    }
    model = dict(description["model"])
    vocabulary = model["vocab"]
    if isinstance(vocabulary, dict):
        model["vocab"] = {names.get(text, text): place for text, place in vocabulary.items()}
    else:
        model["vocab"] = [[names.get(text, text), *score] for text, *score in vocabulary]
    if model.get("unk_token") in names:
        model["unk_token"] = names[model["unk_token"]]
    if model.get("merges"):
        prefix = model.get("continuing_subword_prefix") or ""
        model["merges"] = [pair for pair in model["merges"] if not _makes(pair, prefix, names)]
    return {**description, "added_tokens": tokens, "model": model}


def _makes(pair: Any, prefix: str, names: Mapping[str, str]) -> bool:
    """Return whether a merge makes one of some tokens, or uses one."""
    first, second = pair.split(" ") if isinstance(pair, str) else pair
    return first in names or second in names or first + second.removeprefix(prefix) in names


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
    closing = tokenizer.chat.end if encoded.chat and tokenizer.chat else None
    end = tokenizer.eos if closing is None else closing
    if end is None:
        raise InputError(
            "the tokenizer has no end-of-sequence token, so no end could be learned",
            "set `eos_token` in its tokenizer_config.json, or choose another model",
        )
    most, most_target = encoded.limits or (None, None)
    if decoder_only:
        text, continuation = decoder_texts(encoded)
        bos = () if encoded.chat else tokenizer.bos  # a chat template writes its own
        prompt = [*bos, *tokenizer.ids(text, marked=encoded.chat)][:most]
        target = tokenizer.continued(continuation)
    else:
        last = end if tokenizer.eos is None else tokenizer.eos
        prompt = _ended(tokenizer.ids(encoded.prompt, marked=encoded.chat), last, most)
        target = tokenizer.ids(encoded.target)
    target = _ended(target, end, most_target)
    return TokenPair(encoded.task, encoded.instance, tuple(prompt), tuple(target))


def _ended(ids: list[int], end: int, most: int | None) -> list[int]:
    return [*(ids if most is None else ids[: most - 1]), end]
