"""Text cut to a number of tokens.

Example::

    cut("one two three", 2, tokenizer)  # "one two"
"""

from seedstep.encode.records import TextTokenizer

__all__ = ["cut"]


def cut(text: str, limit: int, tokenizer: TextTokenizer) -> str:
    """The beginning of a text that has at most `limit` tokens; it ends between two of them."""
    while len(spans := tokenizer.spans(text)) > limit:
        text = text[: min(spans[limit][0], len(text) - 1)]
    return text
