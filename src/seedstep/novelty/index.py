"""Find the known text that is nearest to a new one, by ROUGE-L (Self-Instruct, section 2.2).

`NoveltyIndex` has the texts of a pool, `Contamination` those of evaluation sets.

The index is for texts that come one at a time; `decide` is for whole files. The result is the same
as that of comparing with every known text. How many tokens the text has in common with each known
one is counted. That bounds all scores, and only texts whose bound reaches the best score so far are
compared, those with the most common tokens first.

To count, the rows of the known texts that have an element (see `texts`) are kept in ascending
order. Of a new text's elements, all rows are taken together, and how often a row stands there is
the exact number of tokens that the two texts have in common, as multisets. An element that stands
in many texts has a column as well, a byte for each text, which is quicker to add than its rows.

Example::

    >>> from seedstep.text import latin_tokens
    >>> index = NoveltyIndex(latin_tokens)
    >>> index.add("seed_001", "Sort the list of numbers.")
    >>> index.nearest("Sort a list of numbers.")
    Neighbor(id='seed_001', score=0.8000000000000002)

ROUGE-L finds items of an evaluation set that are the same in other words. It misses items that are
quoted inside a longer text; those are found by 13 equal tokens in a row (Brown et al., 2020,
appendix C).

Example::

    >>> items = [("task190", "Tell whether the two sentences agree.")]
    >>> contamination = Contamination(items, latin_tokens, threshold=0.7)
    >>> contamination.overlap("Tell whether two sentences agree.").detail
    'ROUGE-L 0.91 with task190'
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import LCSseq

from seedstep.novelty.bulk import nearest_known
from seedstep.novelty.join import f1_scores
from seedstep.novelty.records import NamedText, Neighbor, Overlap
from seedstep.novelty.texts import Grams, Sequenced, TokenNumbers, encode, ranks, sequence
from seedstep.text import Tokenizer

__all__ = [
    "Contamination",
    "NoveltyIndex",
    "Postings",
    "elements",
]

_OCCURRENCE = 1 << 32
"""The difference between elements that are occurrences of one token."""

MANY_ROWS = 1024
SHARE = 64
"""An element has a column if at least MANY_ROWS texts have it, and at least one text in SHARE."""

MOST_COLUMNS = 256
"""The most columns, each of which takes a byte a text. The first elements to qualify get them."""

ROOM = 4096
"""Columns have room for so many texts at first, later for twice as many each time."""

MOST_HITS = 1 << 16
"""Rows are counted in parts of about so many, so that they fit into a processor's cache."""


@dataclass(slots=True)
class _Column:
    """Which texts have an element: 1 for the first `done` of its rows, and 0 elsewhere."""

    marks: NDArray[np.uint8]
    done: int = 0


def elements(tokens: Sequence[int]) -> Sequence[int]:
    """Return the elements of a text, by its token numbers: an element for each token.

    A token that stands in the text for the first time is its own element.
    """
    if len(set(tokens)) == len(tokens):
        return tokens
    before: dict[int, int] = {}
    found = []
    for token in tokens:
        found.append(token + before.get(token, 0))
        before[token] = before.get(token, 0) + _OCCURRENCE
    return found


class Postings:
    """The rows of the known texts that have an element, for each element."""

    def __init__(self) -> None:
        """Begin with no texts."""
        self._count = 0
        self._rows: dict[int, array[int]] = {}
        self._columns: dict[int, _Column] = {}
        self._room = ROOM

    def add(self, new: Sequence[int]) -> None:
        """Add a text by its elements. Its row is the number of texts before it."""
        rows, row = self._rows, self._count
        for element in new:
            if element in rows:
                rows[element].append(row)
            else:
                rows[element] = array("i", (row,))
        self._count += 1
        if self._count > self._room:
            self._room *= 2
            self._columns.clear()

    def common(self, new: Sequence[int], count: int) -> NDArray[np.unsignedinteger]:
        """Return how many of a text's elements each of the first `count` texts has: (count,)."""
        found = np.zeros(count, np.min_scalar_type(len(new)))
        sparse = []
        for element in new:
            rows = self._rows.get(element)
            if rows is None:
                continue
            if column := self._column(element, rows):
                found += column.marks[:count]
            else:
                sparse.append(rows if count == self._count else rows[: bisect_left(rows, count)])
        increment = found.dtype.type(1)
        for part in _parts(sparse):
            np.add.at(found, np.frombuffer(b"".join(part), np.int32), increment)
        return found

    def _column(self, element: int, rows: "array[int]") -> _Column | None:
        """Return the column of an element, with all its rows; None if it has none."""
        column = self._columns.get(element)
        if column is None:
            if len(rows) < MANY_ROWS or len(rows) * SHARE < self._count:
                return None
            if len(self._columns) == MOST_COLUMNS:
                return None
            column = self._columns[element] = _Column(np.zeros(self._room, np.uint8))
        if column.done < len(rows):
            column.marks[np.frombuffer(rows[column.done :], np.int32)] = 1
            column.done = len(rows)
        return column


def _parts(postings: "list[array[int]]") -> "Iterator[list[array[int]]]":
    """Yield the postings in parts with few rows together, or one with many."""
    part, size = [], 0
    for rows in postings:
        part.append(rows)
        size += len(rows)
        if size >= MOST_HITS:
            yield part
            part, size = [], 0
    if part:
        yield part


_FIRST = 16
"""How many texts, with the highest bounds, are compared first; later four times as many."""

_BAND = 4
"""Of c common tokens at most, texts with more than c - c / 4 are looked at together."""

_CAP = 255
"""Lengths up to this one are also held in bytes, which are compared quickly."""

_ROUNDING = 1e-9
"""Rounding errors of bounds are smaller. Bounds err on the side of comparing."""


class NoveltyIndex:
    """Known texts in the order in which they were added."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Make an empty index. `tokenizer` decides what a token is."""
        self._vocabulary = TokenNumbers(tokenizer)
        self._ids: list[str] = []
        self._sequences: list[Sequenced] = []
        self._lengths = np.empty(1, np.int32)
        self._capped = np.empty(1, np.uint8)
        self._postings = Postings()

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, text_id: str, text: str) -> None:
        """Add a text to the known ones."""
        tokens, count = self._vocabulary.of(text), len(self)
        if count == len(self._lengths):
            self._lengths = np.resize(self._lengths, 2 * count)
            self._capped = np.resize(self._capped, 2 * count)
        self._lengths[count] = len(tokens)
        self._capped[count] = min(len(tokens), _CAP)
        self._sequences.append(sequence(tokens))
        self._postings.add(elements(tokens))
        self._ids.append(text_id)

    def add_all(self, texts: Iterable[NamedText]) -> None:
        """Add texts with their ids to the known ones, in their order."""
        for text_id, text in texts:
            self.add(text_id, text)

    def nearest(
        self, text: str, *, known: int | None = None, least: float = 0.0
    ) -> Neighbor | None:
        """Return the known text with the highest score, the first of equals.

        Only the first `known` texts are looked at, by default all. The result is None where no
        token is shared or no score reaches `least`; a higher `least` saves comparisons.
        """
        count = len(self) if known is None else min(known, len(self))
        return self._nearest(self._vocabulary.of(text), count, least)

    def nearest_before(self, row: int) -> Neighbor | None:
        """Return what `nearest` does for a known text, by its row, and those that it follows.

        It saves numbering its tokens again.
        """
        known = self._sequences[row]
        tokens = list(map(ord, known)) if isinstance(known, str) else known
        return self._nearest(tokens, row)

    def _nearest(self, tokens: Sequence[int], count: int, least: float = 0.0) -> Neighbor | None:
        common = self._postings.common(elements(tokens), count)
        new, best = sequence(tokens), _Best(min(max(least, 2 * _ROUNDING), 1.0) - _ROUNDING)
        most = int(common.max(initial=0))
        while most >= (fewest := best.fewest(len(new))):
            lowest = max(fewest, most - most // _BAND)
            near = common >= lowest
            longest = best.longest(len(new), most)
            if longest < _CAP:
                near &= self._capped[:count] <= longest
            rows = np.flatnonzero(near)
            rows = rows[common[rows] <= most]
            self._compare(new, rows, common[rows], best)
            most = lowest - 1
        if best.row < 0 or best.score < least:
            return None
        return Neighbor(self._ids[best.row], best.score)

    def _compare(
        self,
        new: Sequenced,
        rows: NDArray[np.int64],
        common: NDArray[np.unsignedinteger],
        best: "_Best",
    ) -> None:
        """Compare a text with known ones, by their rows, as long as a bound reaches the best score.

        The bounds follow from the numbers of common tokens.
        """
        lengths = self._lengths[rows]
        bounds = common / ((len(new) + lengths) / 2)
        size = _FIRST
        while len(places := np.flatnonzero(bounds >= best.floor)):
            if len(places) > size:
                places = places[np.argpartition(-bounds[places], size)[:size]]
            known = [self._sequences[row] for row in rows[places].tolist()]
            found = process.cdist([new], known, scorer=LCSseq.similarity, dtype=np.int32)[0]
            best.improve(rows[places], f1_scores(found, len(new), lengths[places]))
            bounds[places] = 0
            size *= 4


@dataclass(slots=True)
class _Best:
    """The best score so far and its row, the first of equals. No score below `floor` counts."""

    floor: float
    row: int = -1
    score: float = 0.0

    def improve(self, rows: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
        """Take over the highest score, if it is higher, or as high in an earlier row."""
        score = float(scores.max())
        row = int(rows[scores == score].min())
        if score > self.score or (score == self.score and row < self.row):
            self.row, self.score = row, score
            self.floor = max(self.floor, score - _ROUNDING)

    def fewest(self, length: int) -> int:
        """Return how many common tokens a text of this length needs at least, with any other."""
        return max(1, ceil(self.floor * length / (2 - self.floor)))

    def longest(self, length: int, common: int) -> int:
        """Return the greatest length of a text that has so many tokens in common with it."""
        return int(2 * common / self.floor) - length


class Contamination:
    """An evaluation set that data must not contain."""

    def __init__(self, items: Iterable[NamedText], tokenizer: Tokenizer, threshold: float) -> None:
        """Take items. From a ROUGE-L F1 of `threshold` a text is too close."""
        self.items = tuple(items)
        self._tokenizer = tokenizer
        self._threshold = threshold
        self._vocabulary = TokenNumbers(tokenizer)
        self._numbered = self._vocabulary.number(text for _, text in self.items)
        self._grams = Grams(self._numbered)

    def __len__(self) -> int:
        return len(self.items)

    @cached_property
    def _index(self) -> NoveltyIndex:
        """The index for single texts. Many texts at once need none."""
        index = NoveltyIndex(self._tokenizer)
        index.add_all((str(number), text) for number, (_, text) in enumerate(self.items))
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
        return Overlap(*self.items[row], score)
