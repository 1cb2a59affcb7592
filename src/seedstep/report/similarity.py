"""How close texts are to those known before: to seeds, to one another, to test sets.

Self-Instruct, Figures 4 and 8 (section 3.1, appendix A.1). The scores are exact.

Example::

    known = [Named("seed_001", "Sort the list.")]
    nearest([Named("g1.1", "Sort a list.")], known, latin_tokens)[0].score
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from seedstep.novelty import NoveltyIndex
from seedstep.text import Tokenizer

__all__ = ["Named", "Near", "closest", "nearest", "nearest_before"]


@dataclass(frozen=True, slots=True)
class Named:
    """A text and what it is called."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Near:
    """A text, the nearest known one, and their ROUGE-L F1: 0 and None where no token is shared."""

    one: Named
    other: Named | None
    score: float


def nearest(texts: Iterable[Named], known: Sequence[Named], tokenizer: Tokenizer) -> list[Near]:
    """The known text that each of some texts is nearest to."""
    index = NoveltyIndex(tokenizer)
    for place, one in enumerate(known):
        index.add(str(place), one.text)
    return [_near(index, one, known) for one in texts]


def nearest_before(texts: Sequence[Named], tokenizer: Tokenizer) -> list[Near]:
    """The nearest of those that come before each text; the first has none, and is left out."""
    index = NoveltyIndex(tokenizer)
    found = []
    for place, one in enumerate(texts):
        if place:
            found.append(_near(index, one, texts))
        index.add(str(place), one.text)
    return found


def closest(found: Iterable[Near], most: int) -> list[Near]:
    """The pairs that are closest to each other, the closest first."""
    return sorted((one for one in found if one.other), key=lambda one: -one.score)[:most]


def _near(index: NoveltyIndex, text: Named, known: Sequence[Named]) -> Near:
    found = index.nearest(text.text)
    return Near(text, known[int(found.id)], found.score) if found else Near(text, None, 0.0)
