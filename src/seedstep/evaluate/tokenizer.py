"""The tokens of the cross-lingual track: those of GPT-2, without marks for spaces.

SUPER-NATURALINSTRUCTIONS counts them for languages without `[a-z0-9]` words (Wang et al. 2022).
Any other tokenizer in the form of `tokenizer.json` can be taken as well.

Example::

    tokens = load_tokenizer("gpt2")  # or a directory, or a file tokenizer.json
    scores = score(predictions, references, tokens)
"""

from pathlib import Path
from typing import Any

from seedstep.errors import InputError, MissingExtraError
from seedstep.evaluate.metrics import without_space_marks
from seedstep.text import Tokenizer

__all__ = ["load_tokenizer"]

FILE = "tokenizer.json"


def load_tokenizer(name: str) -> Tokenizer:
    """The tokenizer of a file, of a directory with a `tokenizer.json`, or of a model on the hub.

    Case and punctuation count, and nothing is stemmed. A lone surrogate becomes a question mark.

    Raises:
        InputError: it is not there, or is no tokenizer.
        MissingExtraError: the package `tokenizers` is not installed.
    """
    try:
        import tokenizers
    except ImportError:
        raise MissingExtraError("--tokenizer", "pip install 'seedstep[evaluate]'") from None
    try:
        loaded = _load(tokenizers.Tokenizer, Path(name))
    except Exception as error:  # tokenizers raises nothing more special
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        remedy = f"name a directory that holds its {FILE}, or an id on the hub such as gpt2"
        raise InputError(f"tokenizer '{name}': {reason}", remedy) from None
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
