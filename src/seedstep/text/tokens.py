"""Two tokenisations for ROUGE-L.

`latin` is that of rouge-score 0.1.2, with which both papers measured: runs of `[a-z0-9]` in
the lowercased text. Text in other scripts has no such tokens, so it scores 0 against anything
and is never found similar. `unicode` keeps the letters, marks and digits of every script, and
takes each character of a script that writes no spaces as a token.

Example::

    latin_tokens("Translate it (to French)!")  # ["translate", "it", "to", "french"]
    unicode_tokens("翻訳する text")             # ["翻", "訳", "す", "る", "text"]
"""

import re
import unicodedata
from collections.abc import Callable
from types import MappingProxyType

import regex

__all__ = ["TOKENIZERS", "Tokenizer", "latin_tokens", "unicode_tokens"]

Tokenizer = Callable[[str], list[str]]

_LATIN = re.compile(r"[a-z0-9]+")
_SCRIPTS = ("Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar", "Tibetan")
_UNSPACED = "".join(rf"\p{{scx={script}}}" for script in _SCRIPTS)
_CHARACTER = rf"[[\p{{L}}\p{{N}}]&&[{_UNSPACED}]]"
_LETTER = rf"[[\p{{L}}\p{{N}}]--[{_UNSPACED}]]"
_UNICODE = regex.compile(rf"{_CHARACTER}\p{{M}}*|{_LETTER}(?:{_LETTER}|\p{{M}})*", flags=regex.V1)


def latin_tokens(text: str) -> list[str]:
    """Lowercased runs of ASCII letters and digits, as rouge-score without a stemmer."""
    return _LATIN.findall(text.lower())


def unicode_tokens(text: str) -> list[str]:
    """Casefolded runs of letters, marks and digits; single characters where no spaces are used."""
    tokens: list[str] = _UNICODE.findall(unicodedata.normalize("NFKC", text).casefold())
    return tokens


TOKENIZERS = MappingProxyType({"latin": latin_tokens, "unicode": unicode_tokens})
