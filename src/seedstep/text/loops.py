"""Text that goes round in circles, as small models write it.

Example::

    loops("and so on " * 20)  # True
"""

from seedstep.text.tokens import unicode_tokens

__all__ = ["loops"]

NGRAM = 3
LOOP_WORDS = 24
LOOP_SHARE = 0.5
"""A text of at least 24 words loops if fewer than half of its word trigrams are distinct."""


def loops(text: str) -> bool:
    """Whether a text repeats the same words over and over."""
    words = unicode_tokens(text)
    if len(words) < LOOP_WORDS:
        return False
    ngrams = list(zip(*(words[start:] for start in range(NGRAM)), strict=False))
    return len(set(ngrams)) < LOOP_SHARE * len(ngrams)
