"""The tokens of which ROUGE counts the common ones: rouge-score's, and those of a tokenizer.

Example::

    >>> stemmed_tokens("The skies were darkening.")
    ['the', 'sky', 'were', 'darken']
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from seedstep.errors import InputError, MissingExtraError, first_line
from seedstep.text import TOKENIZERS, Tokenizer, latin_tokens
from seedstep.text.tokens import stem

__all__ = ["Memo", "load_tokenizer", "stemmed_tokens", "without_space_marks"]

Made = TypeVar("Made")

SPACE = "Ġ"
"""The character that byte-level tokenizers, such as GPT-2's, use for the space before a token."""


class Memo(dict[str, Made]):
    """Remembers what a function returns for short texts. When it is full, it is emptied."""

    def __init__(self, make: Callable[[str], Made], longest: int, most: int) -> None:
        """Remember at most `most` texts of at most `longest` characters."""
        self._make, self._longest, self._most = make, longest, most

    def __missing__(self, text: str) -> Made:
        made = self._make(text)
        if len(text) <= self._longest:
            if len(self) >= self._most:
                self.clear()
            self[text] = made
        return made


def _stem(word: str) -> str:
    return stem(word) if len(word) > 3 else word


_stems = Memo(_stem, longest=40, most=200_000)


def stemmed_tokens(text: str) -> list[str]:
    """Return rouge-score's tokens: runs of `[a-z0-9]`, stemmed if they are longer than 3."""
    return [_stems[word] for word in latin_tokens(text)]


def without_space_marks(tokenizer: Tokenizer) -> Tokenizer:
    """Return the tokenizer of the cross-lingual track: GPT-2's without `Ġ` before its tokens.

    Tokens are not lowercased or stemmed. A token that is only spaces remains a token.
    """

    def tokens(text: str) -> list[str]:
        return [token.lstrip(SPACE) or SPACE for token in tokenizer(text)]

    return tokens


FILE = "tokenizer.json"


def load_tokenizer(name: str) -> Tokenizer:
    """Load the tokenizer of a file, a directory with a `tokenizer.json`, or a model on the hub.

    A name in `seedstep.text.TOKENIZERS`, such as `unicode`, is that tokenizer. Others keep case and
    punctuation, and don't stem; with them a lone surrogate becomes a question mark.

    Raises:
        InputError: it is not there, or is no tokenizer.
        MissingExtraError: the package `tokenizers` is not installed.
    """
    if name in TOKENIZERS:
        return TOKENIZERS[name]
    try:
        import tokenizers
    except ImportError:
        raise MissingExtraError("--tokenizer", extra="evaluate") from None
    try:
        loaded = _load(tokenizers.Tokenizer, Path(name))
    except Exception as error:  # tokenizers raises nothing more special
        remedy = (
            f"name unicode, a directory that holds its {FILE}, or an id on the hub such as gpt2"
        )
        raise InputError(f"tokenizer '{name}': {first_line(error)}", remedy) from None
    loaded.no_truncation()
    loaded.no_padding()

    def tokens(text: str) -> list[str]:
        clean = text.encode("utf-8", "replace").decode()
        found: list[str] = loaded.encode(clean, add_special_tokens=False).tokens
        return found

    return without_space_marks(tokens)


def _load(kind: Any, path: Path) -> Any:
    if path.is_dir():
        path /= FILE
    if path.is_file() or path.suffix == ".json":
        return kind.from_file(str(path))
    return kind.from_pretrained(str(path))
