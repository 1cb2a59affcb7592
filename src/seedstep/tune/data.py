"""The examples of a tuning as token ids, epoch by epoch.

They are held as one array of numbers, so that the 75,000 long examples of
SUPER-NATURALINSTRUCTIONS need some hundred megabytes, and not several thousand.

Example::

    data = EncodedData(mixture, tokenizer, decoder_only=False, seed=42)
    data.training(0)[0].target
"""

from array import array
from collections.abc import Sequence
from dataclasses import fields
from typing import overload

from seedstep.encode import Dropped, Encoding, TaskEncoder, TextTokenizer, TokenPair, tokenize
from seedstep.tune.mixing import Mixture, Use

__all__ = ["EncodedData", "TokenPairs"]


class TokenPairs(Sequence[TokenPair]):
    """Pairs of prompts and targets in little memory, and what was lost to make them."""

    def __init__(self, names: Sequence[tuple[str, str]]) -> None:
        """`names` are the (task, instance) of the pairs, which are added in their order."""
        self._names = names
        self._tokens = array("I")
        self._ends = array("Q", [0])
        self._lost = dict.fromkeys((one.name for one in fields(Dropped)), 0)

    def add(self, pair: TokenPair, dropped: Dropped) -> None:
        """Add the next pair."""
        for part in (pair.prompt, pair.target):
            self._tokens.extend(part)
            self._ends.append(len(self._tokens))
        for name in self._lost:
            self._lost[name] += bool(getattr(dropped, name))

    @property
    def losses(self) -> dict[str, int]:
        """How many pairs had to be shortened, by the field of `Dropped` that says so."""
        return dict(self._lost)

    def lengths(self, place: int) -> tuple[int, int]:
        """Tokens of a pair's prompt and target."""
        start, middle, end = self._ends[2 * place : 2 * place + 3]
        return middle - start, end - middle

    def name(self, place: int) -> tuple[str, str]:
        """Task and instance of a pair."""
        return self._names[place]

    def __len__(self) -> int:
        return len(self._ends) // 2

    @overload
    def __getitem__(self, place: int) -> TokenPair: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[TokenPair]: ...

    def __getitem__(self, place: int | slice) -> TokenPair | Sequence[TokenPair]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        place %= len(self)
        start, middle, end = self._ends[2 * place : 2 * place + 3]
        task, instance = self._names[place]
        prompt, target = self._tokens[start:middle], self._tokens[middle:end]
        return TokenPair(task, instance, tuple(prompt), tuple(target))


class EncodedData:
    """What a mixture's examples are as token ids (see `TuningData`)."""

    def __init__(
        self, mixture: Mixture, tokenizer: TextTokenizer, *, decoder_only: bool, seed: int
    ) -> None:
        """Nothing is encoded before it is asked for."""
        self.mixture = mixture
        self._tokenizer = tokenizer
        self._decoder_only = decoder_only
        self._seed = seed
        self._encoders: dict[tuple[str, Encoding], TaskEncoder] = {}
        self._epoch: tuple[int, TokenPairs] | None = None
        self._held_out: TokenPairs | None = None

    def training(self, epoch: int) -> TokenPairs:
        """The examples of an epoch; those of the last one asked for are kept."""
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

    def _encoded(self, uses: Sequence[Use], epoch: int) -> TokenPairs:
        pairs = TokenPairs([(use.task.id, use.instance.id) for use in uses])
        for use in uses:
            encoded = self._encoder(use).encode(use.instance, seed=self._seed, epoch=epoch)
            pair = tokenize(encoded, self._tokenizer, decoder_only=self._decoder_only)
            pairs.add(pair, encoded.dropped)
        return pairs

    def _encoder(self, use: Use) -> TaskEncoder:
        key = use.task.id, use.encoding
        if key not in self._encoders:
            self._encoders[key] = TaskEncoder(use.task, use.encoding, self._tokenizer)
        return self._encoders[key]
