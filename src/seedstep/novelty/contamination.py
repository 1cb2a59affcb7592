"""Find texts that are too similar to an evaluation set, by ROUGE-L or by 13 equal tokens in a row.

ROUGE-L finds items that are the same in other words. It misses items that are quoted inside a
longer text; those are found by 13 equal tokens in a row (Brown et al., 2020, appendix C).

Example::

    >>> from seedstep.text import latin_tokens
    >>> items = [("task190", "Tell whether the two sentences agree.")]
    >>> contamination = Contamination(items, latin_tokens, threshold=0.7)
    >>> contamination.overlap("Tell whether two sentences agree.").detail
    'ROUGE-L 0.91 with task190'
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from seedstep.novelty.bulk import nearest_known
from seedstep.novelty.index import NoveltyIndex
from seedstep.novelty.texts import Numbered, TokenNumbers, encode, hashed, ranks
from seedstep.text import Tokenizer

__all__ = ["GRAM", "Contamination", "Overlap"]

GRAM = 13
"""How many equal tokens in a row are not by chance."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """The item that a text is too similar to. `score` is None if 13 tokens in a row are equal.

    `measure` is the name of the score.
    """

    item: str
    text: str
    score: float | None
    measure: str = "ROUGE-L"

    @property
    def detail(self) -> str:
        """A text for people: the score, and the name of the item."""
        how = (
            f"{GRAM} tokens in a row" if self.score is None else f"{self.measure} {self.score:.2f}"
        )
        return f"{how} with {self.item}"


class Contamination:
    """An evaluation set that data must not contain."""

    def __init__(
        self, items: Iterable[tuple[str, str]], tokenizer: Tokenizer, threshold: float
    ) -> None:
        """Take `items` as (name, text). From a ROUGE-L F1 of `threshold` a text is too close."""
        self._names: list[str] = []
        self._items: list[str] = []
        for name, text in items:
            self._names.append(name)
            self._items.append(text)
        self._tokenizer = tokenizer
        self._threshold = threshold
        self._vocabulary = TokenNumbers(tokenizer)
        self._numbered = self._vocabulary.number(self._items)
        self._grams = _Grams(self._numbered)

    def __len__(self) -> int:
        return len(self._names)

    @property
    def items(self) -> list[tuple[str, str]]:
        """The items: (name, text)."""
        return list(zip(self._names, self._items, strict=True))

    @cached_property
    def _index(self) -> NoveltyIndex:
        """The index for single texts. Many texts at once need none."""
        index = NoveltyIndex(self._tokenizer)
        for number, text in enumerate(self._items):
            index.add(str(number), text)
        return index

    def overlap(self, text: str) -> Overlap | None:
        """Return the item that a text is too close to; None if there is none."""
        near = self._index.nearest(text, least=self._threshold)
        if near:
            return self._overlap(int(near.id), near.score)
        row = int(self._grams.find(self._vocabulary.number([text]))[0])
        return self._overlap(row) if row >= 0 else None

    def overlaps(self, texts: Sequence[str]) -> list[Overlap | None]:
        """Return for each text the item that it is too close to, as `overlap` does."""
        numbered = self._vocabulary.number(texts)
        size = len(self._vocabulary)
        places = ranks(numbered.counts(size) + self._numbered.counts(size))
        near = nearest_known(
            encode(self._numbered, places), encode(numbered, places), self._threshold
        )
        found: list[Overlap | None] = []
        columns = (near.numbers.tolist(), near.scores.tolist(), self._grams.find(numbered).tolist())
        for row, score, gram_row in zip(*columns, strict=True):
            if row >= 0:
                found.append(self._overlap(row, score))
            else:
                found.append(self._overlap(gram_row) if gram_row >= 0 else None)
        return found

    def _overlap(self, row: int, score: float | None = None) -> Overlap:
        return Overlap(self._names[row], self._items[row], score)


class _Grams:
    """All runs of `GRAM` tokens in some texts."""

    def __init__(self, numbered: Numbered) -> None:
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
