"""Two tokenisations for ROUGE-L, and the scores themselves.

`latin` is that of rouge-score 0.1.2, which both papers used: runs of `[a-z0-9]` in the lowercased
text. Text in other scripts has no such tokens: its score with anything is 0. `unicode` keeps the
letters, marks and digits of every script, and takes each character of a script that is written
without spaces as a token.

Example::

    >>> latin_tokens("Translate it (to French)!")
    ['translate', 'it', 'to', 'french']
    >>> unicode_tokens("翻訳する text")
    ['翻', '訳', 'す', 'る', 'text']
    >>> round(rouge_l(["sort", "the", "list"], ["sort", "a", "list"]), 3)
    0.667
"""

import re
import string
import unicodedata
from collections.abc import Callable, Sequence
from types import MappingProxyType

import regex
from rapidfuzz.distance import LCSseq

__all__ = [
    "TOKENIZERS",
    "Tokenizer",
    "latin_tokens",
    "lcs_f1",
    "normal_answer",
    "rouge_l",
    "rouge_l_and_1",
    "unicode_tokens",
]

Tokenizer = Callable[[str], list[str]]

_LATIN = re.compile(r"[a-z0-9]+")
_SCRIPTS = ("Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar", "Tibetan")
_UNSPACED = "".join(rf"\p{{scx={script}}}" for script in _SCRIPTS)
_CHARACTER = rf"[[\p{{L}}\p{{N}}]&&[{_UNSPACED}]]"
_LETTER = rf"[[\p{{L}}\p{{N}}]--[{_UNSPACED}]]"
_UNICODE = regex.compile(rf"{_CHARACTER}\p{{M}}*|{_LETTER}(?:{_LETTER}|\p{{M}})*", flags=regex.V1)


def latin_tokens(text: str) -> list[str]:
    """Return lowercased runs of ASCII letters and digits, as rouge-score without a stemmer."""
    return _LATIN.findall(text.lower())


def unicode_tokens(text: str) -> list[str]:
    """Return casefolded runs of letters, marks and digits; characters where no spaces are used."""
    tokens: list[str] = _UNICODE.findall(unicodedata.normalize("NFKC", text).casefold())
    return tokens


TOKENIZERS = MappingProxyType({"latin": latin_tokens, "unicode": unicode_tokens})


def rouge_l(first: Sequence[str], second: Sequence[str]) -> float:
    """Return the ROUGE-L F1 in [0, 1]. It is 0 where a side has no tokens."""
    return lcs_f1(LCSseq.similarity(first, second), len(first), len(second))


def rouge_l_and_1(first: Sequence[str], second: Sequence[str]) -> tuple[float, float]:
    """Return the F1 of ROUGE-L and of ROUGE-1, which counts shared tokens in any order."""
    in_order = LCSseq.similarity(first, second)
    score = lcs_f1(in_order, len(first), len(second))
    if in_order in (0, min(len(first), len(second))):
        return score, score  # nothing more can be shared
    return score, rouge_l(sorted(first), sorted(second))


def lcs_f1(common: int, first: int, second: int) -> float:
    """Return the F1 of `common` common tokens between lists of `first` and `second` tokens."""
    if common == 0:
        return 0.0
    precision = common / first
    recall = common / second
    return 2 * precision * recall / (precision + recall)


_PUNCTUATION = string.punctuation.encode()


def normal_answer(text: str) -> str:
    """Return an answer without case, ASCII punctuation and superfluous white space.

    Example::

        >>> normal_answer("  Yes, it  IS. ")
        'yes it is'
    """
    encoded = text.lower().encode(
        "utf-8", "surrogatepass"
    )  # bytes lose characters three times as fast
    kept = encoded.translate(None, _PUNCTUATION).decode("utf-8", "surrogatepass")
    return " ".join(kept.split())
