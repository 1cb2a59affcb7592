"""The parts of a task of the suite, and the helpers that its generators share.

A task has fixed texts, written by hand, and a function `draw` that makes an instance. Where a rule
gives the answer, `solve` finds it from the input alone, so that it can be checked.

Example::

    text, outputs = spec.draw(random.Random("1"))
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from seedstep.data import Example

__all__ = ["DrawnInstance", "Solve", "TaskSpec", "computed", "fill", "labelled", "with_article"]

DrawnInstance = tuple[str, tuple[str, ...]]
"""An input with its reference outputs."""

Solve = Callable[[str], tuple[str, ...]]
"""A function from an input to its reference outputs."""


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A task as it was written: its texts, and how its instances are made.

    `labels` are all outputs of a classification task. `solve` is the rule behind the outputs, where
    there is one; the first output that it returns is the best.
    """

    name: str
    category: str
    definition: str
    steps: tuple[str, ...]
    positive: tuple[Example, ...]
    negative: tuple[Example, ...]
    draw: Callable[[Random], DrawnInstance]
    labels: tuple[str, ...] = ()
    solve: Solve | None = None


def computed(
    draw_input: Callable[[Random], str], solve: Solve
) -> Callable[[Random], DrawnInstance]:
    """Return a function that draws an input and computes its outputs."""

    def draw(chance: Random) -> DrawnInstance:
        text = draw_input(chance)
        return text, solve(text)

    return draw


def labelled(
    templates: Mapping[str, Sequence[str]], **words: Sequence[str]
) -> Callable[[Random], DrawnInstance]:
    """Return a function that draws a label, one of its templates, and a word for each slot."""
    labels = tuple(templates)

    def draw(chance: Random) -> DrawnInstance:
        label = chance.choice(labels)
        return fill(chance, chance.choice(templates[label]), **words), (label,)

    return draw


def fill(chance: Random, template: str, **words: Sequence[str]) -> str:
    """Return the template with a word drawn for each slot."""
    return template.format(**{slot: chance.choice(choices) for slot, choices in words.items()})


def with_article(noun: str) -> str:
    """Return the noun with "a" or "an", by its first letter."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
