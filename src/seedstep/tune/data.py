"""The examples of a tuning as token ids or chats, and what is counted before the first step.

The examples of an epoch are kept in one array of numbers, so that the 75,000 long examples of
SUPER-NATURALINSTRUCTIONS take some hundred megabytes instead of several thousand. `survey` counts
them: the `Preflight` is printed before a tuning, and kept with it. A server is sent the examples as
chats, `chat_lines`, after `check_chat`.

Example::

    data = EncodedData(mixture, tokenizer, decoder_only=False, seed=42)
    data.training(0)[0].target
"""

import hashlib
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from heapq import nlargest
from typing import overload

import msgspec

from seedstep.encode import (
    Dropped,
    Encoded,
    ModelSizes,
    TaskEncoders,
    TextTokenizer,
    TokenPair,
    named_layout,
    tokenize,
)
from seedstep.encode.elements import steps_of
from seedstep.errors import InputError
from seedstep.tune.mixing import InstanceUse, Mixture
from seedstep.tune.records import Training, TuningData

__all__ = [
    "LONGEST",
    "ChatSize",
    "EffectiveBatch",
    "EncodedData",
    "Preflight",
    "SizedData",
    "TokenPairs",
    "chat_lines",
    "check_chat",
    "rank_and_processes",
    "survey",
]


class TokenPairs(Sequence[TokenPair]):
    """A compact sequence of prompt and target pairs that counts which were shortened."""

    def __init__(self, names: Sequence[tuple[str, str]]) -> None:
        """`names` are the (task, instance) of all pairs, in the order in which they are added."""
        self._names = names
        self._tokens = array("I")
        self._ends = array("Q", [0])
        self._lost = dict.fromkeys((field.name for field in fields(Dropped)), 0)

    def add(self, pair: TokenPair, dropped: Dropped) -> None:
        """Add the next pair."""
        for part in (pair.prompt, pair.target):
            self._tokens.extend(part)
            self._ends.append(len(self._tokens))
        for name in self._lost:
            self._lost[name] += bool(getattr(dropped, name))

    @property
    def losses(self) -> dict[str, int]:
        """How many pairs were shortened, by field of `Dropped`."""
        return dict(self._lost)

    def lengths(self, place: int) -> tuple[int, int]:
        """Return the numbers of tokens of a pair's prompt and target."""
        start, middle, end = self._ends[2 * place : 2 * place + 3]
        return middle - start, end - middle

    def name(self, place: int) -> tuple[str, str]:
        """Return the ids of a pair's task and instance."""
        return self._names[place]

    def __len__(self) -> int:
        return len(self._ends) // 2

    @overload
    def __getitem__(self, place: int) -> TokenPair: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[TokenPair]: ...

    def __getitem__(self, place: int | slice) -> TokenPair | Sequence[TokenPair]:
        if isinstance(place, slice):
            return [self[index] for index in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        place %= len(self)
        start, middle, end = self._ends[2 * place : 2 * place + 3]
        task, instance = self._names[place]
        prompt, target = self._tokens[start:middle], self._tokens[middle:end]
        return TokenPair(task, instance, tuple(prompt), tuple(target))


class EncodedData:
    """Encodes the examples of a mixture as token ids (see `TuningData`)."""

    def __init__(
        self, mixture: Mixture, tokenizer: TextTokenizer, *, decoder_only: bool, seed: int
    ) -> None:
        """Examples are encoded when they are first used."""
        self.mixture = mixture
        self._tokenizer = tokenizer
        self._decoder_only = decoder_only
        self._seed = seed
        self._encoders = TaskEncoders(tokenizer)
        self._epoch: tuple[int, TokenPairs] | None = None
        self._held_out: TokenPairs | None = None

    def training(self, epoch: int) -> TokenPairs:
        """Return the examples of an epoch; those of one epoch are kept in memory."""
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = None  # frees it before the next one grows
            self._epoch = epoch, self._encoded(self.mixture.training, epoch)
        return self._epoch[1]

    @property
    def held_out(self) -> TokenPairs:
        """The examples of tasks that are not trained on, always those of epoch 0."""
        if self._held_out is None:
            self._held_out = self._encoded(self.mixture.held_out, 0)
        return self._held_out

    def check(self, sizes: ModelSizes, epochs: int) -> None:
        """Check that a model can take the examples of all epochs.

        Raises:
            InputError: an example is too long, or has a token that the model does not know.
        """
        SizedData(self, sizes)
        others = [use for use in self.mixture.training if _differs(use)]
        for epoch in range(1, epochs):
            _require_sizes(self._encoded(others, epoch), sizes)

    def _encoded(self, uses: Sequence[InstanceUse], epoch: int) -> TokenPairs:
        pairs = TokenPairs([(use.task.id, use.instance.id) for use in uses])
        for use in uses:
            encoded = self._encoders.of(use.task, use.encoding).encode(
                use.instance, seed=self._seed, epoch=epoch
            )
            pair = tokenize(encoded, self._tokenizer, decoder_only=self._decoder_only)
            pairs.add(pair, encoded.dropped)
        return pairs


def _differs(use: InstanceUse) -> bool:
    """Return whether an example differs from epoch to epoch: in its target, or its template."""
    return len(use.instance.outputs) > 1 or bool(named_layout(use.encoding.layout).whole)


LONGEST = 3
"""How many of the longest examples a preflight names."""


@dataclass(frozen=True, slots=True)
class EffectiveBatch:
    """How the examples of an optimiser step are divided among processes and passes."""

    per_device: int
    accumulate: int
    processes: int

    @property
    def examples(self) -> int:
        """The number of examples of a step."""
        return self.per_device * self.accumulate * self.processes


@dataclass(frozen=True, slots=True)
class Preflight:
    """Counts of the examples of the first epoch, and the size of the tuning.

    `lost` counts the examples that were shortened, by field of `Dropped`. `without_steps` counts
    the tasks that lack the step-by-step instruction that their encoding asks for. `longest` has
    tuples (task, instance, tokens), `sources` tuples (source, tasks, examples). `steps` is the
    number of optimiser steps of the whole tuning.
    """

    tasks: int
    examples: int
    duplicates: int
    held_out_tasks: int
    held_out_examples: int
    prompt_tokens: int
    target_tokens: int
    lost: dict[str, int]
    without_steps: int
    longest: tuple[tuple[str, str, int], ...]
    batch: EffectiveBatch
    epochs: int
    steps: int
    sources: tuple[tuple[str, int, int], ...]


def survey(data: EncodedData, training: Training, processes: int) -> Preflight:
    """Count the examples of the first epoch.

    Raises:
        InputError: the batch can't be divided among processes and passes.
    """
    pairs = data.training(0)
    batch = _effective(training, processes)
    steps = -(-len(pairs) // batch.examples) * training.epochs
    lengths = [pairs.lengths(place) for place in range(len(pairs))]
    held_out = data.mixture.held_out
    return Preflight(
        tasks=len({use.task.id for use in data.mixture.training}),
        examples=len(pairs),
        duplicates=data.mixture.duplicates,
        held_out_tasks=len({use.task.id for use in held_out}),
        held_out_examples=len(held_out),
        prompt_tokens=sum(prompt for prompt, _ in lengths),
        target_tokens=sum(target for _, target in lengths),
        lost=pairs.losses,
        without_steps=_without_steps(data.mixture.training),
        longest=_longest(pairs),
        batch=batch,
        epochs=training.epochs,
        steps=min(steps, training.max_steps or steps),
        sources=data.mixture.counts,
    )


def rank_and_processes() -> tuple[int, int]:
    """Return the number of this process, from 0, and how many processes tune together."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def _require_sizes(pairs: Sequence[TokenPair], sizes: ModelSizes) -> None:
    """Check that examples are not too long for a model, and that it knows all their tokens.

    Raises:
        InputError: an example is too long, or has a token that the model does not know.
    """
    for pair in pairs:
        where = f"task {pair.task}, instance {pair.instance}"
        length = len(pair.prompt) + len(pair.target)
        if sizes.whole is not None and length > sizes.whole:
            context = f"the model's context has {sizes.whole:,}"
            what = f"{where}: {length:,} tokens with its target, but {context}"
            raise InputError(what, "lower --max-source, so that with --max-target it fits")
        if fault := sizes.too_long(len(pair.prompt), len(pair.target)):
            raise InputError(f"{where}: {fault}", "lower --max-source or --max-target")
        if fault := sizes.unknown_token((*pair.prompt, *pair.target)):
            raise InputError(f"{where}: {fault}", "give the model its own tokenizer")


class SizedData:
    """The examples of a tuning (see `TuningData`), each of which the model can take."""

    def __init__(self, data: TuningData, sizes: ModelSizes) -> None:
        """Raise InputError if the model can't take an example of the first epoch.

        Those of later epochs, whose targets may be others, are checked when they are asked for.
        """
        self._data = data
        self._sizes = sizes
        self._checked: int | None = None
        self.training(0)
        _require_sizes(data.held_out, sizes)

    def training(self, epoch: int) -> Sequence[TokenPair]:
        """Return the examples of an epoch.

        Raises:
            InputError: the model can't take one.
        """
        pairs = self._data.training(epoch)
        if epoch != self._checked:
            _require_sizes(pairs, self._sizes)
            self._checked = epoch
        return pairs

    @property
    def held_out(self) -> Sequence[TokenPair]:
        """The examples of tasks that are not trained on."""
        return self._data.held_out


def _effective(training: Training, processes: int) -> EffectiveBatch:
    passes = training.accumulate * processes
    if training.batch % passes:
        parts = f"{training.accumulate} passes of {processes} processes"
        what = f"a batch of {training.batch} can't be divided into {parts}"
        raise InputError(what, "choose --batch and --accumulate so that it can")
    return EffectiveBatch(training.batch // passes, training.accumulate, processes)


def _without_steps(uses: Iterable[InstanceUse]) -> int:
    """Count the tasks without the steps that their encoding asks for."""
    return len(
        {
            use.task.id
            for use in uses
            if use.encoding.steps != "none" and not steps_of(use.task, use.encoding, seed=0)
        }
    )


def _longest(pairs: TokenPairs) -> tuple[tuple[str, str, int], ...]:
    places = nlargest(LONGEST, range(len(pairs)), key=lambda place: sum(pairs.lengths(place)))
    return tuple((*pairs.name(place), sum(pairs.lengths(place))) for place in places)


MIN_EXAMPLES = 10
"""The fewest examples that the API accepts."""

MAX_FILE_BYTES = 512 << 20
"""The largest training file that the API accepts."""

TRAINING_TOKENS = (("gpt-3.5", 16_385), ("gpt-4o", 65_536), ("gpt-4.1", 65_536))
"""The most tokens of an example, by the start of a model's name.

The server cuts longer examples at their end, where the target is.
"""

CHARACTERS_A_TOKEN = 4
"""An estimate for English texts; the API's own tokenizer is not used."""


@dataclass(frozen=True, slots=True)
class ChatSize:
    """The size of a training file, and a hash of its content, `digest`.

    `too_long` counts the examples that are probably longer than `max_tokens`, the model's limit.
    `max_tokens` is None if the limit is not known.
    """

    examples: int
    bytes: int
    digest: str
    too_long: int
    max_tokens: int | None


def chat_lines(examples: Iterable[Encoded]) -> Iterator[bytes]:
    """Yield a line of JSON for each example: a user's message and the assistant's answer.

    Raises:
        InputError: a prompt or a target is empty, or has characters that UTF-8 can't represent.
    """
    for example in examples:
        for part, text in (("prompt", example.prompt), ("target", example.target)):
            if not text.strip():
                raise _bad(example, f"the {part} is empty")
        turns = [
            {"role": "user", "content": example.prompt},
            {"role": "assistant", "content": example.target},
        ]
        try:
            yield msgspec.json.encode({"messages": turns}) + b"\n"
        except UnicodeEncodeError:
            raise _bad(example, "half of a surrogate pair, which UTF-8 can't hold") from None


def check_chat(examples: Iterable[Encoded], model: str) -> ChatSize:
    """Check the examples for a model, and return the size that a training file of them has.

    Raises:
        InputError: there are too few examples, one can't be used, or the file is too large.
    """
    max_tokens = next((most for start, most in TRAINING_TOKENS if model.startswith(start)), None)
    digest = hashlib.sha256()
    count = size = too_long = 0
    for line in chat_lines(examples):
        digest.update(line)
        count += 1
        size += len(line)
        too_long += max_tokens is not None and len(line) > max_tokens * CHARACTERS_A_TOKEN
        if size > MAX_FILE_BYTES:
            what = f"the training file is larger than {MAX_FILE_BYTES >> 20} MiB"
            raise InputError(what, "use fewer examples: limit the tasks, or the instances of each")
    if count < MIN_EXAMPLES:
        what = f"{count} examples, but the fine-tuning API takes no fewer than {MIN_EXAMPLES}"
        raise InputError(what, "use more tasks, or more instances of each")
    return ChatSize(count, size, digest.hexdigest(), too_long, max_tokens)


def _bad(example: Encoded, what: str) -> InputError:
    where = f"task {example.task}, instance {example.instance}"
    return InputError(f"{where}: {what}", "correct the instance, or leave it out")
