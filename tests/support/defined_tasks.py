"""Tasks of a definition and positive examples, as checks of step-by-step instructions read them."""

from collections.abc import Iterable

from seedstep.data import Example, Task


def defined(definition: str, examples: Iterable[tuple[str, str]] = ()) -> Task:
    """A task without instances; `examples` are pairs of an input and an output."""
    shown = tuple(Example(text, output) for text, output in examples)
    return Task("defined", definition, (), positive_examples=shown)
