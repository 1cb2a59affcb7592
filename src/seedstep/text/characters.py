r"""Characters and scripts: which characters are removed from texts, and in which script texts are.

One table says which characters are removed from the texts of users, models and servers.
`plain_text` cleans data that is kept, `visible` what terminals and pages show, `one_line` cells,
titles and names. `single_spaced` joins the lines of a text, `shortened` cuts one for a list,
`counted` writes a number with its noun.

Some scripts are written without spaces between words. There words are counted by characters: two of
Chinese or Japanese, and four of Thai, Lao, Khmer, Burmese or Tibetan, count as a word.

Example::

    >>> visible("red\x1b[31m")
    'red�[31m'
    >>> one_line("first\nsecond\u202e")
    'first second '
    >>> plain_text("first\r\nsecond\x00")
    'first\nsecond'
    >>> single_spaced(" first\n  second")
    'first second'
    >>> counted(1, "task"), counted(12000, "batch")
    ('1 task', '12,000 batches')

Example::

    >>> script_of(["Übersetze den Satz ins Englische.", "Wähle ein Gemüse für die Suppe."]).tokens
    'unicode'
    >>> script_of(["次の文を英語に訳してください。"]).name
    'Japanese'
    >>> count_words("次の文を英語に訳してください。")
    7
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from seedstep.lazy import late_regex

if TYPE_CHECKING:
    import regex

__all__ = [
    "Script",
    "count_words",
    "counted",
    "language_of_texts",
    "one_line",
    "plain_text",
    "script_of",
    "shortened",
    "single_spaced",
    "visible",
]

CONTROL = "\x00-\x08\x0b-\x1f\x7f-\x9f"
"""The control characters but tab and line feed. Some drive terminals."""

SURROGATES = "\ud800-\udfff"
"""Halves of characters, which can't be written to a file."""

MARKS = "\u061c\u200e\u200f"
"""Marks of direction, which act on the characters beside them."""

OVERRIDES = "\u202a-\u202e\u2066-\u2069"
"""Embeddings, overrides and isolates, which turn the text that follows them around."""

DIRECTION = MARKS + OVERRIDES
"""Unicode's property Bidi_Control."""

NONCHARACTERS = "\ufffe\uffff"
"""Code points that stand for no character and are not allowed in XML."""

LINE_BREAKS = "\t\n\u2028\u2029"
"""White space that ends a line or a cell."""

_NOT_TEXT = re.compile(f"[{CONTROL}{SURROGATES}]")
_NOT_SHOWN = re.compile(f"[{CONTROL}{SURROGATES}{DIRECTION}{NONCHARACTERS}]")
_NOT_SHOWN_TO_RATERS = re.compile(f"[{CONTROL}{SURROGATES}{OVERRIDES}{NONCHARACTERS}]")
_NOT_ON_A_LINE = re.compile(f"[{CONTROL}{SURROGATES}{DIRECTION}{NONCHARACTERS}{LINE_BREAKS}]+")


def plain_text(text: str) -> str:
    """Return a text without control characters and surrogates; lines end with a line feed.

    Marks of direction stay, since texts in Arabic and Hebrew need them.
    """
    return _NOT_TEXT.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def visible(text: str, *, keep_marks: bool = False) -> str:
    """Return a text to show on several lines, a replacement character for each harmful one.

    `keep_marks` is for people who judge the text itself: marks of direction stay, which texts in
    Arabic and Hebrew need.
    """
    harmful = _NOT_SHOWN_TO_RATERS if keep_marks else _NOT_SHOWN
    return harmful.sub("\N{REPLACEMENT CHARACTER}", text)


def one_line(text: str) -> str:
    """Return a text to show on one line, a space for harmful characters and line breaks."""
    return _NOT_ON_A_LINE.sub(" ", text)


def single_spaced(text: str) -> str:
    """Return a text on one line, with one space for each run of white space.

    Other characters stay as they are.
    """
    return " ".join(text.split())


def shortened(text: str, most: int) -> str:
    """Return a text on one line; one longer than `most` is cut there, with an ellipsis.

    White space is one space each. Characters stay as they are.
    """
    start, rest = text[: 20 * most], text[20 * most :]
    line = single_spaced(start)
    is_whole = len(line) <= most and not rest.strip()
    return line if is_whole else line[:most].rstrip() + "…"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless the number is 1."""
    ending = "es" if noun.endswith(("s", "x", "sh", "tch")) else "s"
    return f"{count:,} {noun}{ending * (count != 1)}"


CHARACTERS_A_WORD: Mapping[str, int] = MappingProxyType(
    {
        "Han": 2,
        "Hiragana": 2,
        "Katakana": 2,
        "Thai": 4,
        "Lao": 4,
        "Khmer": 4,
        "Myanmar": 4,
        "Tibetan": 4,
    }
)
"""How many characters count as a word, for the scripts that are written without spaces."""

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "Han": "Chinese",
        "Hiragana": "Japanese",
        "Katakana": "Japanese",
        "Hangul": "Korean",
        "Myanmar": "Burmese",
        "Thai": "Thai",
        "Lao": "Lao",
        "Khmer": "Khmer",
        "Tibetan": "Tibetan",
        "Greek": "Greek",
        "Hebrew": "Hebrew",
        "Armenian": "Armenian",
        "Georgian": "Georgian",
        "Cyrillic": "Cyrillic letters",
        "Arabic": "Arabic letters",
        "Devanagari": "Devanagari letters",
        "Bengali": "Bengali letters",
        "Tamil": "Tamil letters",
        "Telugu": "Telugu letters",
        "Latin": "Latin letters",
    }
)
"""The names of scripts for people: that of the language, where a script stands for one."""

COMMON_WORDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        language: frozenset(words.split())
        for language, words in {
            "English": "the of to and is in that you for with this are your from it if a an or",
            "German": "der die das und ist nicht ein eine einen dem den des zu mit auf für von ob",
            "French": "le la les des une un est et dans pour que qui avec du ce de en au si ou",
            "Spanish": "el la los las una un es y en para que con del de por su si o al",
            "Italian": "il la lo gli le una un è e in per che con del di della si o nel",
            "Portuguese": "o os uma um é e em para que com da de por se ou na",
            "Dutch": "de het een en van niet is voor met dat op in te of als zijn uit",
        }.items()
    }
)
"""Words that are common in a language and tell it from the others, for Latin letters."""

COMMON_SHARE = 0.1
"""The share of common words among all from which a language is taken for that of texts."""

KANA = 0.05
"""The share of kana among the characters of a text from which it is Japanese, not Chinese."""

FOREIGN_LETTERS = 0.005
FOREIGN_TEXTS = 0.2
"""Texts in Latin letters are not English if this share of their letters is none of a to z, and this
share of the texts has such letters, or if they have some and common words of another language.
English texts that quote a foreign word have fewer."""

_LETTER = late_regex(r"\p{L}")
_PLAIN = re.compile("[A-Za-z]")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
_OF_SCRIPT = {name: late_regex(rf"(?V1)[\p{{L}}&&\p{{{name}}}]") for name in NAMES}
_WORDS = late_regex(r"\p{L}+")
_WORD = late_regex(r"[\p{L}\p{N}]")


def _characters(names: Iterable[str]) -> "regex.Pattern[str]":
    """Return a pattern for a letter or digit of these scripts."""
    scripts = "".join(rf"\p{{scx={name}}}" for name in names)
    return late_regex(rf"(?V1)[[\p{{L}}\p{{N}}]&&[{scripts}]]")


_UNSPACED = _characters(CHARACTERS_A_WORD)
_BY_SIZE = {
    size: _characters(name for name, many in CHARACTERS_A_WORD.items() if many == size)
    for size in dict.fromkeys(CHARACTERS_A_WORD.values())
}


@dataclass(frozen=True, slots=True)
class Script:
    """The script of some texts, by its name for people, and the tokens by which they are compared.

    `a_word` is how many characters count as a word, or 0 where spaces separate words. `letters` are
    the Latin letters beyond a to z, the most common first.
    """

    name: str
    tokens: Literal["latin", "unicode"]
    a_word: int = 0
    letters: str = ""

    @property
    def language(self) -> str:
        """The language for which the script stands, English for letters a to z, or "unknown"."""
        if self.tokens == "latin":
            return "English"
        return "unknown" if "letters" in self.name else self.name

    @property
    def is_latin(self) -> bool:
        """Whether it is that of Latin letters, in which many languages are written."""
        return NAMES["Latin"] in self.name

    @property
    def comparison(self) -> str:
        """A sentence that says how the texts are compared and how words are counted."""
        if self.tokens == "latin":
            return "They are compared by words of the letters a to z, as in the paper."
        if self.a_word:
            return (
                f"They are compared by character, and {self.a_word} characters count as a word "
                "(tokens: unicode)."
            )
        return "They are compared by words of any letters (tokens: unicode)."


ENGLISH = Script(NAMES["Latin"], "latin")


def script_of(texts: Iterable[str]) -> Script:
    """Return the script in which most letters of the texts are written."""
    texts = list(texts)
    whole = "\n".join(texts)
    beyond = "".join(_BEYOND_ASCII.findall(whole))
    if not beyond:
        return ENGLISH
    counts = {name: len(found.findall(beyond)) for name, found in _OF_SCRIPT.items()}
    counts["Latin"] += len(_PLAIN.findall(whole))
    kana = counts["Hiragana"] + counts["Katakana"]
    if kana > KANA * (kana + counts["Han"]):
        counts["Hiragana"], counts["Han"] = kana + counts["Han"], 0
    most = max(counts, key=lambda name: counts[name])
    if not counts[most]:
        return ENGLISH if not _LETTER.search(whole) else Script("other letters", "unicode")
    if most != "Latin":
        return Script(NAMES[most], "unicode", CHARACTERS_A_WORD.get(most, 0))
    return _latin(texts, whole, counts[most])


def language_of_texts(texts: Iterable[str]) -> str:
    """Return the language of texts by their script, or by common words; "unknown" if neither tells.

    Example::

        >>> language_of_texts(["Schreibe die Zahl aus der Notiz.", "Nenne das Thema der Frage."])
        'German'
    """
    texts = list(texts)
    script = script_of(texts)
    if not script.is_latin:
        return script.language
    return _language_by_words("\n".join(texts))


def _language_by_words(text: str) -> str:
    words = Counter(_WORDS.findall(text.lower()))
    counts = {
        language: sum(words[word] for word in common) for language, common in COMMON_WORDS.items()
    }
    most = max(counts, key=lambda language: counts[language])
    least = max(COMMON_SHARE * words.total(), 0 if most == "English" else 2 * counts["English"])
    return most if counts[most] > least else "unknown"


def _latin(texts: list[str], whole: str, letters: int) -> Script:
    latin = _OF_SCRIPT["Latin"]
    foreign = latin.findall("".join(_BEYOND_ASCII.findall(whole)))
    with_foreign = sum(any(map(latin.search, _BEYOND_ASCII.findall(text))) for text in texts)
    few = len(foreign) < FOREIGN_LETTERS * letters or with_foreign < FOREIGN_TEXTS * len(texts)
    if not foreign or (few and _language_by_words(whole) in ("English", "unknown")):
        return ENGLISH
    found = [letter.lower() for letter in foreign]
    common = sorted(set(found), key=lambda letter: (-found.count(letter), letter))
    return Script("Latin letters beyond a to z", "unicode", letters="".join(common[:4]))


def count_words(text: str) -> int:
    """Return the number of words in a text: what white space separates, in scripts with spaces."""
    if not _UNSPACED.search(text):
        return len(text.split())
    spaced = sum(bool(_WORD.search(part)) for part in _UNSPACED.sub(" ", text).split())
    sizes = _BY_SIZE.items()
    return spaced + sum(ceil(len(found.findall(text)) / size) for size, found in sizes)
