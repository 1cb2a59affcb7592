"""Answers in the form in which they are compared for an exact match.

As SUPER-NATURALINSTRUCTIONS was measured (Wang et al. 2022): lowercased, without ASCII
punctuation, white space collapsed. Articles are kept, unlike in question answering.

Example::

    normal_answer(" The  answer: B. ")  # "the answer b"
"""

import string

__all__ = ["normal_answer"]

_PUNCTUATION = string.punctuation.encode()


def normal_answer(text: str) -> str:
    """What is left of an answer once case, punctuation and white space no longer count."""
    encoded = text.lower().encode(
        "utf-8", "surrogatepass"
    )  # bytes lose characters three times as fast
    kept = encoded.translate(None, _PUNCTUATION).decode("utf-8", "surrogatepass")
    return " ".join(kept.split())
