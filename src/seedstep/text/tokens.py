"""Two tokenisations for ROUGE-L, the stems of words, and the scores themselves.

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

M. F. Porter, *An algorithm for suffix stripping*, Program 14(3), 1980. NLTK says what it changed in
`nltk.stem.porter`. Loading NLTK takes more than a second, for which each score would wait.

Example::

    >>> stem("relational"), stem("skies"), stem("hopping")
    ('relat', 'sky', 'hop')
"""

import re
import string
import unicodedata
from collections.abc import Callable, Mapping, Sequence
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
    "stem",
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


IRREGULAR: Mapping[str, str] = MappingProxyType(
    {
        "sky": "sky",
        "skies": "sky",
        "dying": "die",
        "lying": "lie",
        "tying": "tie",
        "news": "news",
        "inning": "inning",
        "innings": "inning",
        "outing": "outing",
        "outings": "outing",
        "canning": "canning",
        "cannings": "canning",
        "howe": "howe",
        "proceed": "proceed",
        "exceed": "exceed",
        "succeed": "succeed",
    }
)
"""The stems of words that the rules get wrong."""

Rules = Sequence[tuple[str, str]]
"""Suffixes with what replaces each. The first that a word ends with is the only one tried."""

STEP_1A: Rules = (("sses", "ss"), ("ies", "i"), ("ss", "ss"), ("s", ""))
STEP_2: Rules = (
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("fulli", "ful"),
    ("logi", "log"),
)
STEP_3: Rules = (
    ("icate", "ic"),
    ("ative", ""),
    ("alize", "al"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ful", ""),
    ("ness", ""),
)
STEP_4: Sequence[str] = (
    *("al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion"),
    *("ou", "ism", "ate", "iti", "ous", "ive", "ize"),
)
"""Suffixes that are dropped where the stem has two measures or more."""


def stem(word: str) -> str:
    """Return the stem of a word of lower-case letters and digits."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    if len(word) <= 2:
        return word
    word = _step_1c(_step_1b(_step_1a(word)))
    return _step_5(_step_4(_step_3(_step_2(word))))


_KINDS = {ord(letter): "v" for letter in "aeiou"} | {
    ord(letter): "c" for letter in "bcdfghjklmnpqrstvwxz0123456789"
}


def _shape(word: str) -> str:
    """Return "c" for each consonant and "v" for each vowel; y after a consonant is a vowel."""
    shape = word.translate(_KINDS)
    if "y" not in shape:
        return shape
    found: list[str] = []
    for kind in shape:
        after_consonant = bool(found) and found[-1] == "c"
        found.append(kind if kind != "y" else "v" if after_consonant else "c")
    return "".join(found)


def _measure(word: str) -> int:
    """Return how many times consonants follow vowels."""
    return _shape(word).count("vc")


def _ends_short(word: str) -> bool:
    """Return whether a word ends in consonant, vowel, and a consonant other than w, x and y."""
    shape = _shape(word)
    return (shape.endswith("cvc") and word[-1] not in "wxy") or shape == "vc"


def _step_1a(word: str) -> str:
    if len(word) == 4 and word.endswith("ies"):
        return word[:-1]
    for suffix, other in STEP_1A:
        if word.endswith(suffix):
            return word[: -len(suffix)] + other
    return word


def _step_1b(word: str) -> str:
    if word.endswith("ied"):
        return word[:-1] if len(word) == 4 else word[:-2]
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) else word
    for suffix in ("ed", "ing"):
        start = word.removesuffix(suffix)
        if start != word and "v" in _shape(start):
            return _with_end(start)
    return word


def _with_end(word: str) -> str:
    """Return what `-ed` or `-ing` was taken from, with the end that it had before."""
    if word.endswith(("at", "bl", "iz")):
        return word + "e"
    if len(word) > 1 and word[-1] == word[-2] and _shape(word)[-1] == "c":
        return word if word[-1] in "lsz" else word[:-1]
    return word + "e" if _measure(word) == 1 and _ends_short(word) else word


def _step_1c(word: str) -> str:
    if word.endswith("y") and len(word) > 2 and _shape(word)[-2] == "c":
        return word[:-1] + "i"
    return word


def _replaced(word: str, rules: Rules) -> str:
    for suffix, other in rules:
        if word.endswith(suffix):
            kept = word[:-3] if suffix == "logi" else word[: -len(suffix)]
            return word[: -len(suffix)] + other if _measure(kept) else word
    return word


def _step_2(word: str) -> str:
    if word.endswith("alli") and _measure(word[:-4]):
        return _step_2(word[:-2])
    return _replaced(word, STEP_2)


def _step_3(word: str) -> str:
    return _replaced(word, STEP_3)


def _step_4(word: str) -> str:
    for suffix in STEP_4:
        if word.endswith(suffix):
            start = word[: -len(suffix)]
            is_long = _measure(start) > 1 and (suffix != "ion" or start[-1] in "st")
            return start if is_long else word
    return word


def _step_5(word: str) -> str:
    if word.endswith("e"):
        start = word[:-1]
        measure = _measure(start)
        if measure > 1 or (measure == 1 and not _ends_short(start)):
            word = start
    return word[:-1] if word.endswith("ll") and _measure(word[:-1]) > 1 else word
