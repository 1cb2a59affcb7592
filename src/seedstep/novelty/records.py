"""Records of what is near to a text: a known text, and how near it is.

Example::

    >>> Overlap("task190", "Tell whether the two sentences agree.", 0.91).detail
    'ROUGE-L 0.91 with task190'
"""

from dataclasses import dataclass

__all__ = ["GRAM", "NamedText", "Neighbor", "Overlap", "tell_nearness"]

GRAM = 13
"""How many equal tokens in a row are not by chance."""

NamedText = tuple[str, str]
"""A name and a text, such as the id and the definition of a task."""


@dataclass(frozen=True, slots=True)
class Neighbor:
    """The id of the nearest known text, and its score: a ROUGE-L F1, or a cosine of embeddings."""

    id: str
    score: float


@dataclass(frozen=True, slots=True)
class Overlap:
    """The text that is nearest to another one: its name, which people know it by, and the score.

    `score` is None if 13 tokens in a row are equal. `measure` is the name of the score.
    """

    item: str
    text: str
    score: float | None
    measure: str = "ROUGE-L"

    @property
    def detail(self) -> str:
        """A text for people: the score, and the name of the item."""
        return tell_nearness(self.item, self.score, self.measure)


def tell_nearness(item: str, score: float | None, measure: str = "ROUGE-L") -> str:
    """Return for people how near a text is to an item. Without a score, 13 tokens are equal."""
    how = f"{GRAM} tokens in a row" if score is None else f"{measure} {score:.2f}"
    return f"{how} with {item}"
