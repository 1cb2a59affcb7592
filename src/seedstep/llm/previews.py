"""What a stage is going to ask: some of its requests, their number, and estimates of their tokens.

Example::

    view = Preview((request,), {"steps": 40}, {"steps": Tokens(prompt=9000, completion=4000)})
    view.waves, view.prompt_tokens
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from seedstep.llm.budget import Tokens
from seedstep.llm.records import Request

__all__ = ["Preview"]


@dataclass(frozen=True, slots=True)
class Preview:
    """Some requests of a stage, and estimates by purpose: the number of requests, and tokens.

    The kinds of requests follow one another, and are gone through `rounds` times.
    """

    requests: tuple[Request, ...]
    counts: dict[str, int]
    tokens: dict[str, Tokens]
    rounds: int = 1

    def with_counts(self, counts: Mapping[str, int]) -> "Preview":
        """Return the preview with other numbers of requests, and with tokens in proportion."""
        tokens = {
            purpose: each.part(counts.get(purpose, 0), self.counts[purpose])
            for purpose, each in self.tokens.items()
            if counts.get(purpose) and self.counts.get(purpose)
        }
        return replace(self, counts=dict(counts), tokens=tokens)

    @property
    def waves(self) -> int:
        """The number of batches that follow one another, if requests are sent by batch."""
        return self.rounds * len(self.counts)

    @property
    def tokens_by_batch(self) -> dict[str, Tokens]:
        """The tokens, as those of requests by batch."""
        counts = self.tokens.items()
        return {purpose: Tokens.by_batch(each.prompt, each.completion) for purpose, each in counts}

    @property
    def prompt_tokens(self) -> int:
        """The number of tokens of all prompts."""
        return sum(count.prompt for count in self.tokens.values())

    @property
    def completion_tokens(self) -> int:
        """The number of tokens of all replies."""
        return sum(count.completion for count in self.tokens.values())
