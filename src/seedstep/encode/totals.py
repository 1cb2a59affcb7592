"""What encoding many instances comes to: tokens, and what did not fit.

Example::

    totals = measure(tasks, ENCODINGS["steps"], tokenizer, decoder_only=True)
    totals.examples, totals.prompt.mean, totals.prompt.longest, totals.lost["positive"]
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from seedstep.data import Task
from seedstep.encode.elements import steps_of
from seedstep.encode.encoder import TaskEncoder
from seedstep.encode.encodings import Dropped, Encoding, TextTokenizer, TokenPair
from seedstep.encode.tokenizers import tokenize

__all__ = [
    "TokenLengths",
    "Totals",
    "measure",
]


@dataclass(slots=True)
class TokenLengths:
    """Lengths in tokens, special ones included."""

    number: int = 0
    tokens: int = 0
    longest: int = 0

    @property
    def mean(self) -> float:
        """The mean length, 0 where there is none."""
        return self.tokens / self.number if self.number else 0.0

    def add(self, tokens: int) -> None:
        """Count one."""
        self.number += 1
        self.tokens += tokens
        self.longest = max(self.longest, tokens)


@dataclass(slots=True)
class Totals:
    """Sums over examples. `lost` and `examples_with` are by the fields of `Dropped`: how much was
    dropped, and from how many examples. `without_steps` counts tasks that have no step-by-step
    instruction though the encoding asks for one.
    """

    tasks: int = 0
    without_steps: int = 0
    prompt: TokenLengths = field(default_factory=TokenLengths)
    target: TokenLengths = field(default_factory=TokenLengths)
    lost: Counter[str] = field(default_factory=Counter)
    examples_with: Counter[str] = field(default_factory=Counter)

    @property
    def examples(self) -> int:
        """How many examples."""
        return self.prompt.number

    def add(self, pair: TokenPair, dropped: Dropped) -> None:
        """Count an example."""
        self.prompt.add(len(pair.prompt))
        self.target.add(len(pair.target))
        for name, amount in asdict(dropped).items():
            if amount:
                self.lost[name] += amount
                self.examples_with[name] += 1


def measure(
    tasks: Iterable[Task],
    encoding: Encoding,
    tokenizer: TextTokenizer,
    *,
    decoder_only: bool,
    seed: int = 42,
) -> Totals:
    """Encode all instances of tasks, and count.

    Raises:
        InputError: as `TaskEncoder.encode` and `tokenize`.
    """
    totals = Totals()
    for task in tasks:
        totals.tasks += 1
        totals.without_steps += encoding.steps != "none" and not steps_of(task, encoding, seed=seed)
        encoder = TaskEncoder(task, encoding, tokenizer)
        for instance in task.instances:
            encoded = encoder.encode(instance, seed=seed)
            pair = tokenize(encoded, tokenizer, decoder_only=decoder_only)
            totals.add(pair, encoded.dropped)
    return totals
