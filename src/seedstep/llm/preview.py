"""What a stage would ask, and about how much, before anything is spent.

Example::

    Preview((request,), {"generation": 10}, 10 * tokens_of(request), 1500)
"""

from dataclasses import dataclass

from seedstep.llm.records import Request

__all__ = ["Preview", "tokens_of"]

CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Preview:
    """Requests to look at, and estimates: how many by purpose, and their tokens in all."""

    requests: tuple[Request, ...]
    counts: dict[str, int]
    prompt_tokens: int
    completion_tokens: int


def tokens_of(request: Request) -> int:
    """About how many tokens a request's prompt has."""
    text = request.prompt
    length = len(text) if isinstance(text, str) else sum(len(one.content) for one in text)
    return length // CHARACTERS_PER_TOKEN
