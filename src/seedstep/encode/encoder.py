"""A task's instances as prompts and targets that fit a budget of tokens.

What the instances have in common is built, and its tokens are counted, once. The second paper's
section 3.4; Tk-Instruct's released code for `fit="fidelity"`, which tries examples while all fits,
and cuts what is still too long at its end, so that the input may be lost.

Example::

    encoder = TaskEncoder(task, ENCODINGS["steps"], tokenizer)
    encoded = [encoder.encode(instance, seed=42, epoch=0) for instance in task.instances]
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from seedstep.data import Instance, Task
from seedstep.encode.draws import draw, key, name_of
from seedstep.encode.elements import Elements, Kept, input_text
from seedstep.encode.fitting import cut
from seedstep.encode.named import check_encoding
from seedstep.encode.records import Dropped, Encoded, Encoding, TextTokenizer
from seedstep.encode.self_instruct import encode_pair
from seedstep.errors import InputError

__all__ = ["TaskEncoder", "encode_task"]

MARGIN = 16
"""Tokens by which a sum of parts may miss the number of tokens of the whole."""


def encode_task(
    task: Task,
    instance: Instance,
    encoding: Encoding,
    tokenizer: TextTokenizer | None = None,
    *,
    seed: int = 42,
    epoch: int = 0,
) -> Encoded:
    """One instance of a task; as `TaskEncoder`, which is faster for several.

    Raises:
        InputError: as `TaskEncoder` and its `encode`.
    """
    return TaskEncoder(task, encoding, tokenizer).encode(instance, seed=seed, epoch=epoch)


class TaskEncoder:
    """Makes prompts and targets of a task's instances.

    Without a tokenizer nothing is dropped or cut.
    """

    def __init__(
        self, task: Task, encoding: Encoding, tokenizer: TextTokenizer | None = None
    ) -> None:
        """Raise InputError if the encoding's parts don't go together, or it is "chat" and the
        tokenizer has no chat template.
        """
        check_encoding(encoding)
        self._task = task
        self._encoding = encoding
        self._tokenizer = tokenizer
        self._frame = None
        if encoding.layout == "chat":
            self._frame = tokenizer.chat if tokenizer else None
            if self._frame is None:
                what = "the layout chat needs a tokenizer with a chat template"
                raise InputError(what, "name an instruction-tuned model, or another encoding")
        self._elements: dict[int, Elements] = {}
        self._counts: dict[str, int] = {}

    def encode(self, instance: Instance, *, seed: int = 42, epoch: int = 0) -> Encoded:
        """The prompt, and as target one of the references, drawn by seed, epoch and names.

        Raises:
            InputError: nothing of the input fits behind the definition ("safe").
        """
        name = name_of(instance)
        chosen = draw(len(instance.outputs), "reference", seed, epoch, self._task.id, name)
        target = instance.outputs[chosen]
        if self._encoding.layout == "self-instruct":
            prompt, target, dropped = self._templated(instance, target, seed, epoch)
        elif self._encoding.fit == "fidelity":
            prompt, dropped = self._as_released(self._parts(seed), input_text(instance.input))
        else:
            prompt, dropped = self._safe(self._parts(seed), instance.input.strip())
        target, lost = self._cut_target(prompt, target)
        dropped = replace(dropped, target_tokens=lost)
        is_chat = self._frame is not None
        return Encoded(self._task.id, instance.id, prompt, target, dropped, is_chat)

    def _parts(self, seed: int) -> Elements:
        if seed not in self._elements:
            self._elements[seed] = Elements.of(self._task, self._encoding, seed=seed)
        return self._elements[seed]

    def _templated(
        self, instance: Instance, target: str, seed: int, epoch: int
    ) -> tuple[str, str, Dropped]:
        """Self-Instruct's template, drawn anew each epoch."""
        chance = key("template", seed, epoch, self._task.id, name_of(instance))

        def prompt(text: str) -> str:
            return encode_pair(self._task.definition, text, target, key=chance).prompt

        kept, lost = self._trimmed(prompt, instance.input)
        pair = encode_pair(self._task.definition, kept, target, key=chance)
        return pair.prompt, pair.completion, Dropped(input_tokens=lost)

    def _safe(self, parts: Elements, text: str) -> tuple[str, Dropped]:
        """Drop examples, then steps, then the end of the input, until the prompt fits."""
        tail = input_text(text)
        kept = parts.all
        for kept in _ever_less(kept):
            head = parts.head(kept)
            if self._fits(head, tail):
                return self._framed(head + tail), _lost(parts, kept)
        head = parts.head(kept)
        text, lost = self._trimmed(lambda one: self._framed(head + input_text(one)), text)
        dropped = replace(_lost(parts, kept), input_tokens=lost)
        return self._framed(head + input_text(text)), dropped

    def _as_released(self, parts: Elements, tail: str) -> tuple[str, Dropped]:
        """Tk-Instruct's: its test joins examples with spaces, and forgets the task's name."""
        full = parts.all
        instruction = parts.instruction(full.steps)
        tried = instruction
        counts = []
        for examples in (parts.positive, parts.negative):
            fitting = 0
            while fitting < len(examples) and self._fits(
                tried + " ".join(examples[:fitting]) + examples[fitting], tail
            ):
                fitting += 1
            tried += " ".join(examples[:fitting])
            counts.append(fitting)
        kept = Kept(full.steps, *counts)
        prompt, lost = self._cut_as_released(parts.head(kept) + tail)
        return prompt, replace(_lost(parts, kept), cut_tokens=lost)

    def _cut_as_released(self, prompt: str) -> tuple[str, int]:
        """A prompt with the tokens that the released code feeds, and how many it cuts.

        It cuts at `max_source` tokens, turns them into text, and cuts that for end-of-sequence.
        """
        if not self._tokenizer or (count := self._count(prompt)) <= self._room:
            return prompt, 0
        ids = self._tokenizer.ids(prompt)[: self._encoding.max_source]
        prompt = cut(self._tokenizer.text(ids), self._room, self._tokenizer)
        return prompt, count - self._count(prompt)

    def _trimmed(self, prompt: Callable[[str], str], text: str) -> tuple[str, int]:
        """What of an input fits into its prompt, and how many tokens of it do not."""
        if not self._tokenizer:
            return text, 0
        kept, keep = text, self._count(text)
        whole = keep
        while (over := self._count(prompt(kept)) - self._room) > 0:
            if len(kept) < 2:
                raise self._too_small(over)
            keep = max(1, min(keep - over, self._count(kept) - 1))
            kept = cut(kept, keep, self._tokenizer).rstrip() or text[:1]
        return kept, whole - self._count(kept) if kept != text else 0

    def _too_small(self, over: int) -> InputError:
        limit = self._encoding.max_source
        return InputError(
            f"{self._task.id}: its definition leaves no room for the input in {limit} tokens",
            f"raise max_source to {limit + over} or more",
        )

    def _cut_target(self, prompt: str, target: str) -> tuple[str, int]:
        """A target that fits with the space before it, which may belong to it, and what is lost."""
        if not self._tokenizer:
            return target, 0
        space = " " if prompt.endswith(" ") else ""
        count = self._count_plain(space + target)
        limit = self._encoding.max_target - 1
        if count <= limit:
            return target, 0
        target = cut(space + target, limit, self._tokenizer)[len(space) :]
        return target, count - self._count_plain(space + target)

    def _framed(self, text: str) -> str:
        """The text as a message in the chat template, if that is the layout."""
        if not self._frame or not self._tokenizer:
            return text
        message = self._tokenizer.unmarked(text.rstrip())
        return self._frame.before + message + self._frame.after

    @property
    def _room(self) -> int:
        """Tokens of a prompt besides the special ones, which stand before it or after it."""
        bos = len(self._tokenizer.bos) if self._tokenizer else 0
        return self._encoding.max_source - max(1, bos)

    def _count(self, prompt: str) -> int:
        assert self._tokenizer
        return len(self._tokenizer.ids(prompt, marked=self._frame is not None))

    def _count_plain(self, text: str) -> int:
        assert self._tokenizer
        return len(self._tokenizer.ids(text))

    def _fits(self, head: str, tail: str) -> bool:
        """Whether a prompt fits. All of it is read only where the sum of its parts is too near."""
        if not self._tokenizer:
            return True
        if head not in self._counts:
            self._counts[head] = self._count(self._framed(head))
        spare = self._room - self._counts[head] - self._count_plain(tail)
        if abs(spare) > MARGIN:
            return spare > 0
        return self._count(self._framed(head + tail)) <= self._room


def _ever_less(kept: Kept) -> Iterator[Kept]:
    """All, then one example less at a time, negative ones first, then one step less."""
    yield kept
    for part in ("negative", "positive", "steps"):
        while left := getattr(kept, part):
            kept = replace(kept, **{part: left - 1})
            yield kept


def _lost(parts: Elements, kept: Kept) -> Dropped:
    full = parts.all
    return Dropped(
        positive=full.positive - kept.positive,
        negative=full.negative - kept.negative,
        steps=full.steps - kept.steps,
    )
