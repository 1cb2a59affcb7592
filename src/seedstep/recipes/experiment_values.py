"""The values of an experiment: how they are filled into words, and what a sweep goes through.

Example::

    >>> list(filled("a.yaml", ["{n}.jsonl", "{none}"], {"n": "3", "none": None}))
    ['3.jsonl']
    >>> [choice.shown for choice in swept("a.yaml", {"n": [1, 2], "m": "3,4"}, {})]
    [('1', '3'), ('1', '4'), ('2', '3'), ('2', '4')]
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from seedstep.errors import InputError, unknown_name

__all__ = [
    "MOST_STAGES",
    "ONE",
    "VALUE",
    "SweptValues",
    "Values",
    "filled",
    "filled_with",
    "resolved",
    "swept",
    "text_of",
]

MOST_STAGES = 1000
MOST_WORD = 100_000
"""Stages of an experiment, and characters of an argument, at the most; Linux takes some more."""

Values = Mapping[str, str | None]
"""Values by name. A flag whose value is None or empty is left out."""

VALUE = re.compile(r"\{(\w+)\}")
_NAME = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class SweptValues:
    """The values of one of the stages that an entry stands for; `shown` are those in its name."""

    values: Mapping[str, str]
    shown: tuple[str, ...]


ONE = SweptValues({}, ())
"""The choice of an entry that stands for one stage."""


def resolved(where: str, values: Values) -> Values:
    """Return values in which those that name others have them filled in, once."""
    return {
        name: filled_with(where, text, values) if text and "{" in text else text
        for name, text in values.items()
    }


def filled_with(where: str, text: str, values: Values) -> str:
    """Return a text in which values are put in place of their names; others stay as they are."""
    named = [values.get(match[1]) or "" for match in VALUE.finditer(text)]
    _require_word(where, text, len(text) + sum(map(len, named)))
    return VALUE.sub(lambda match: values.get(match[1], match[0]) or "", text)


def swept(where: str, written: object, values: Values) -> list[SweptValues]:
    """Return the values of each of the stages that an entry with `for` stands for."""
    if isinstance(written, list):
        return _together(where, written, values)
    if not isinstance(written, dict) or not written:
        raise InputError(f"{where}: `for` is not a mapping", "write `for: {name: [value, value]}`")
    lists = [_several(where, str(name), found, values) for name, found in written.items()]
    if math.prod(map(len, lists)) > MOST_STAGES:
        what = f"{where}: `for` stands for {math.prod(map(len, lists)):,} stages"
        raise InputError(what, f"write at most {MOST_STAGES:,}")
    names = list(map(str, written))
    return [
        SweptValues(dict(zip(names, chosen, strict=True)), chosen) for chosen in product(*lists)
    ]


def _several(where: str, name: str, written: object, values: Values) -> tuple[str, ...]:
    """Return the values that `for` has for a name."""
    if not _NAME.fullmatch(name):
        raise InputError(f"{where}: `for` has no name '{name}'", "use letters and digits")
    if isinstance(written, str):
        written = (next(filled(where, [written], values), "")).split(",")
    many = written if isinstance(written, list) else [written]
    if not many:
        raise InputError(f"{where}: '{name}' has no values", f"write `for: {{{name}: [value]}}`")
    if any(isinstance(value, list | dict) for value in many):
        what = f"{where}: a value of '{name}' is no text or number"
        raise InputError(what, "write values that belong together as `for: [{name: value}, ...]`")
    found = list(map(text_of, many))
    texts = [(text or "").strip() for text in found]
    if not all(texts):
        what = f"{where}: a value of '{name}' is missing"
        raise InputError(what, f"write `for: {{{name}: [value, value]}}`")
    _require_once(where, name, texts)
    return tuple(texts)


def _require_once(where: str, name: str, texts: Sequence[str]) -> None:
    for text in texts:
        if texts.count(text) > 1:
            what = f"{where}: '{text}' is there twice among the values of '{name}'"
            raise InputError(what, "write each once")


def _together(where: str, written: Sequence[object], values: Values) -> list[SweptValues]:
    """Return the values of stages that are written as a list of mappings."""
    first = written[0] if written else None
    if not isinstance(first, dict) or not first:
        raise InputError(f"{where}: `for` has no values", "write `for: [{name: value}, ...]`")
    found = []
    for number, entry in enumerate(written, start=1):
        if not isinstance(entry, dict) or set(entry) != set(first):
            what = f"{where}: entry {number} of `for` has other names than the first"
            raise InputError(what, f"write {', '.join(map(str, first))} in each")
        chosen = {str(name): next(filled(where, [entry[name]], values), "") for name in first}
        for name, text in chosen.items():
            if not _NAME.fullmatch(name):
                raise InputError(f"{where}: `for` has no name '{name}'", "use letters and digits")
            if not text and name == str(next(iter(first))):
                what = f"{where}: a value of '{name}' is missing in entry {number} of `for`"
                raise InputError(what, "write it; it is part of the stage's name")
        found.append(chosen)
    naming = str(next(iter(first)))
    _require_once(where, naming, [chosen[naming] for chosen in found])
    return [SweptValues(chosen, (chosen[naming],)) for chosen in found]


def filled(where: str, words: Sequence[object], values: Values) -> Iterator[str]:
    """Yield words with values in place of names. What is only a name without a value is left out.

    A word that is `{name}` for a value with commas is one word, as any other.
    """

    def value_of(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise unknown_name("value", match[1], values, where)
        return values[match[1]] or ""

    for written in words:
        text = text_of(written)
        if text is None:
            continue
        named = [values.get(match[1]) or "" for match in VALUE.finditer(text)]
        _require_word(where, text, len(text) + sum(map(len, named)))
        word = VALUE.sub(value_of, text)
        _require_word(where, word, len(word))
        if word or not named:
            yield word


def _require_word(where: str, word: str, characters: int) -> None:
    """Check that a process can be given a word as an argument."""
    if characters > MOST_WORD:
        what = f"{where}: an argument of {characters:,} characters"
        raise InputError(what, f"write at most {MOST_WORD:,}, or name a file")
    if "\0" in word or word != word.encode("utf-8", "replace").decode():
        raise InputError(f"{where}: an argument with characters that none can have", "correct it")


def text_of(value: object) -> str | None:
    """Return a value as a flag has it. Several values are joined by commas."""
    if value is None:
        return None
    if isinstance(value, list):
        return ",".join(text_of(part) or "" for part in value)
    return str(value).lower() if isinstance(value, bool) else str(value)
