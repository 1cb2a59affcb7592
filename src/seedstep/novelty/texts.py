"""Texts as arrays that are made once and compared many times.

The longest common subsequence of two texts has at most as many tokens as they have in common as
multisets. A multiset of tokens is kept as a set of elements: each occurrence of a token is an
element of its own. Elements are numbers. Rare tokens have small ones, so that the first elements of
a text tell most about it.

Example::

    vocabulary = TokenNumbers(latin_tokens)
    numbered = vocabulary.number(["Sort the list.", "Sort a list."])
    texts = encode(numbered, ranks(numbered.counts(len(vocabulary))))
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seedstep.novelty.records import GRAM
from seedstep.text import Tokenizer

__all__ = [
    "Grams",
    "IndexedTexts",
    "Numbered",
    "Sequenced",
    "TokenNumbers",
    "encode",
    "hashed",
    "ranks",
    "sequence",
]

Sequenced = str | tuple[int, ...]
"""The token numbers of a text for rapidfuzz: a string of code points as long as there are enough.
"""

SIGNATURE_WORDS = 4
"""The number of 64-bit words in the signature of a text."""

_CODE_POINTS = 0x110000
_OCCURRENCES = 1 << 32
"""An element is the rank of its token times this, plus how often the token stood before."""
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""2**64 divided by the golden ratio. The high bits of a product with it are well mixed."""


@dataclass(frozen=True, slots=True)
class Numbered:
    """The token numbers of n texts, one text after the other, and the length of each: (n,)."""

    tokens: NDArray[np.int32]
    lengths: NDArray[np.int64]

    def counts(self, vocabulary: int) -> NDArray[np.int64]:
        """Return how often each token stands in the texts: (vocabulary,)."""
        return np.bincount(self.tokens, minlength=vocabulary)


class TokenNumbers:
    """Numbers of tokens, from 0, in the order in which the tokens were first seen."""

    def __init__(self, tokenizer: Tokenizer, tokens: Sequence[str] = ()) -> None:
        """Number the known `tokens` from 0. `tokenizer` decides what a token is."""
        self._tokenizer = tokenizer
        self._numbers = {token: number for number, token in enumerate(tokens)}

    def __len__(self) -> int:
        return len(self._numbers)

    def of(self, text: str) -> list[int]:
        """Return the token numbers of a text. New tokens get the next numbers."""
        numbers = self._numbers
        return [numbers.setdefault(token, len(numbers)) for token in self._tokenizer(text)]

    def number(self, texts: Iterable[str]) -> Numbered:
        """Return the token numbers of some texts. New tokens get the next numbers."""
        tokens, lengths = array("i"), array("q")
        for text in texts:
            found = self.of(text)
            tokens.extend(found)
            lengths.append(len(found))
        return Numbered(np.array(tokens, np.int32), np.array(lengths, np.int64))


@dataclass(frozen=True, slots=True)
class IndexedTexts:
    """n texts.

    `lengths` (n,) counts the tokens of each. `elements` of text i stand from `starts[i]` to
    `starts[i + 1]`, the rarest first. In `signatures` (n, SIGNATURE_WORDS) a bit is set where an
    odd number of the text's elements falls. `sequences` has the tokens of each text in their order.
    """

    lengths: NDArray[np.int64]
    starts: NDArray[np.int64]
    elements: NDArray[np.int64]
    signatures: NDArray[np.uint64]
    sequences: Sequence[Sequenced]

    def __len__(self) -> int:
        return len(self.sequences)

    def of(self, row: int) -> NDArray[np.int64]:
        """Return the elements of a text."""
        return self.elements[self.starts[row] : self.starts[row + 1]]

    def part(self, start: int, end: int) -> "IndexedTexts":
        """Return the texts from `start` up to `end`."""
        first = self.starts[start]
        return IndexedTexts(
            self.lengths[start:end],
            self.starts[start : end + 1] - first,
            self.elements[first : self.starts[end]],
            self.signatures[start:end],
            self.sequences[start:end],
        )

    def take(self, rows: NDArray[np.int64]) -> "IndexedTexts":
        """Return the texts of these rows, in their order."""
        lengths = self.lengths[rows]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        shift = np.repeat(self.starts[rows] - starts[:-1], lengths)
        return IndexedTexts(
            lengths,
            starts,
            self.elements[np.arange(starts[-1]) + shift],
            self.signatures[rows],
            [self.sequences[row] for row in rows.tolist()],
        )


def sequence(tokens: Sequence[int]) -> Sequenced:
    """Return one text for rapidfuzz, by its token numbers."""
    if max(tokens, default=0) < _CODE_POINTS:
        return "".join(map(chr, tokens))
    return tuple(tokens)


def ranks(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place of each token when all are sorted, the rarest first: (vocabulary,)."""
    places = np.empty(len(counts), np.int64)
    places[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    return places


def encode(numbered: Numbered, places: NDArray[np.int64] | None = None) -> IndexedTexts:
    """Return texts from token numbers. Without `places`, elements are not ordered by rarity."""
    tokens, lengths = numbered.tokens, numbered.lengths
    starts = np.concatenate([[0], np.cumsum(lengths)])
    owners = np.repeat(np.arange(len(lengths)), lengths)
    elements = _elements(tokens if places is None else places[tokens], owners)
    sequences = _sequences(tokens, starts)
    return IndexedTexts(
        lengths, starts, elements, _signatures(elements, owners, len(lengths)), sequences
    )


def _elements(places: NDArray[np.integer], owners: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the elements of all texts, sorted within each. `owners` is the text of each token."""
    if not len(places):
        return np.empty(0, np.int64)
    span = int(places.max()) + 1
    keys = np.sort(owners * span + places)
    is_first = np.append(True, keys[1:] != keys[:-1])
    positions = np.arange(len(keys))
    before = positions - np.maximum.accumulate(np.where(is_first, positions, 0))
    return (keys - owners * span) * _OCCURRENCES + before


def hashed(numbers: NDArray[np.integer]) -> NDArray[np.uint64]:
    """Return numbers spread over 64 bits."""
    mixed = numbers.astype(np.uint64) * _GOLDEN
    return (mixed ^ (mixed >> np.uint64(32))) * _GOLDEN


def _signatures(
    elements: NDArray[np.int64], owners: NDArray[np.int64], count: int
) -> NDArray[np.uint64]:
    bits = hashed(elements) >> np.uint64(56)  # 0 to 255
    words = np.zeros(count * SIGNATURE_WORDS, np.uint64)
    places = owners * SIGNATURE_WORDS + (bits >> np.uint64(6)).astype(np.int64)
    np.bitwise_xor.at(words, places, np.uint64(1) << (bits & np.uint64(63)))
    return words.reshape(count, SIGNATURE_WORDS)


def _sequences(tokens: NDArray[np.int32], starts: NDArray[np.int64]) -> list[Sequenced]:
    """Return the sequences. To rapidfuzz, a code point is equal to the same number."""
    spans = zip(starts.tolist(), starts[1:].tolist(), strict=False)
    if not len(tokens) or int(tokens.max()) < _CODE_POINTS:
        text = tokens.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
        return [text[start:end] for start, end in spans]
    return [tuple(tokens[start:end].tolist()) for start, end in spans]


class Grams:
    """All runs of `GRAM` tokens in some texts."""

    def __init__(self, numbered: Numbered) -> None:
        """Take the token numbers of the texts."""
        self._tokens = numbered.tokens
        hashes, begins, rows = _grams(numbered)
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._begins, self._rows = hashes[order], begins[order], rows[order]

    def find(self, numbered: Numbered) -> NDArray[np.int64]:
        """Return the row that has the first known run of each text: (n,), -1 for none."""
        found = np.full(len(numbered.lengths), -1, np.int64)
        hashes, begins, rows = _grams(numbered)
        if not len(hashes) or not len(self._hashes):
            return found
        places = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        hits = np.flatnonzero(self._hashes[places] == hashes)
        run = np.arange(GRAM)
        ours = self._tokens[self._begins[places[hits]][:, None] + run]
        theirs = numbered.tokens[begins[hits][:, None] + run]
        hits = hits[(ours == theirs).all(axis=1)][::-1]
        found[rows[hits]] = self._rows[places[hits]]  # the first run of a text is written last
        return found


def _grams(
    numbered: Numbered,
) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the hash of each run of tokens, where it begins, and the row of its text."""
    owners = np.repeat(np.arange(len(numbered.lengths)), numbered.lengths)
    last = len(owners) - GRAM + 1
    if last <= 0:
        empty = np.empty(0, np.int64)
        return empty.astype(np.uint64), empty, empty
    begins = np.flatnonzero(owners[:last] == owners[GRAM - 1 :])
    hashes = np.zeros(len(begins), np.uint64)
    for offset in range(GRAM):
        hashes = hashed(hashes + numbered.tokens[begins + offset].astype(np.uint64))
    return hashes, begins, owners[begins]
