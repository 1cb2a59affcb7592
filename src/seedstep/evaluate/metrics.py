"""What one prediction scores against its references: ROUGE-L, ROUGE-1 and exact match.

As SUPER-NATURALINSTRUCTIONS was measured (Wang et al. 2022, with rouge-score 0.1.2 and its
stemmer), equal to the last bit. Step-by-Step Instruction Tuning measured the same (section 4.1
and appendix D).

Example::

    PredictionMarker().mark("He is sleeping.", ["He sleeps.", "Asleep"])
    # Marks(rouge_l=0.8, rouge_1=0.8, exact_match=0.0)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from seedstep.errors import InputError, MissingExtraError
from seedstep.text import Tokenizer, latin_tokens, normal_answer, rouge_l_and_1

__all__ = [
    "Marks",
    "Metric",
    "PredictionMarker",
    "load_tokenizer",
    "stemmed_tokens",
    "without_space_marks",
]

Metric = Literal["rouge_l", "rouge_1", "exact_match"]

Made = TypeVar("Made")

SPACE = "Ġ"
"""How byte-level tokenizers, GPT-2's among them, write the space before a token."""


@dataclass(frozen=True, slots=True)
class Marks:
    """A score by each metric."""

    rouge_l: float
    rouge_1: float
    exact_match: float

    def of(self, metric: Metric) -> float:
        """The score by a metric."""
        mark: float = getattr(self, metric)
        return mark


class _Memo(dict[str, Made]):
    """What a function makes of a text. It remembers short texts, and starts afresh when full."""

    def __init__(self, make: Callable[[str], Made], longest: int, most: int) -> None:
        """Remembers at most `most` texts of at most `longest` characters."""
        self._make, self._longest, self._most = make, longest, most

    def __missing__(self, text: str) -> Made:
        made = self._make(text)
        if len(text) <= self._longest:
            if len(self) >= self._most:
                self.clear()
            self[text] = made
        return made


@cache
def _stemmer() -> Callable[[str], str]:
    try:
        from nltk.stem.porter import PorterStemmer
    except ImportError:
        raise MissingExtraError("Scores", "pip install 'seedstep[evaluate]'") from None
    stem: Callable[[str], str] = PorterStemmer().stem
    return stem


def _stem(word: str) -> str:
    return _stemmer()(word) if len(word) > 3 else word


_stems = _Memo(_stem, longest=40, most=200_000)


def stemmed_tokens(text: str) -> list[str]:
    """rouge-score's tokens with its stemmer: runs of `[a-z0-9]`, stemmed if longer than 3."""
    return [_stems[word] for word in latin_tokens(text)]


def without_space_marks(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer of the cross-lingual track, from that of GPT-2: `Ġ` before a token is cut.

    Nothing is lowercased or stemmed. A token of spaces alone remains a token.
    """

    def tokens(text: str) -> list[str]:
        return [one.lstrip(SPACE) or SPACE for one in tokenizer(text)]

    return tokens


class _Answer(NamedTuple):
    """A prediction or a reference, prepared once for all it is compared with."""

    tokens: list[str]
    normal: str


class PredictionMarker:
    """Marks predictions. It remembers short answers, since labels come back often."""

    def __init__(self, tokenizer: Tokenizer = stemmed_tokens) -> None:
        """`tokenizer` decides what a token is for ROUGE."""
        self._tokenizer = tokenizer
        self._answers = _Memo(self._answer, longest=100, most=50_000)

    def mark(self, prediction: str, references: Sequence[str]) -> Marks:
        """The best that a prediction scores against any of its references, in [0, 1].

        Exact match ignores case, ASCII punctuation and white space. By ROUGE an empty side
        scores 0: "+" against "+" has no tokens and scores 0, though it matches exactly.

        Raises:
            ValueError: there is no reference.
        """
        if not references:
            raise ValueError("no reference to compare with")
        given = self._answers[prediction]
        best_l = best_1 = 0.0
        exact = False
        for reference in references:
            wanted = self._answers[reference]
            score_l, score_1 = rouge_l_and_1(given.tokens, wanted.tokens)
            if score_l > best_l:
                best_l = score_l
            if score_1 > best_1:
                best_1 = score_1
            exact = exact or given.normal == wanted.normal
        return Marks(best_l, best_1, float(exact))

    def _answer(self, text: str) -> _Answer:
        return _Answer(self._tokenizer(text), normal_answer(text))


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
