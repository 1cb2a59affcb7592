"""The stages of an experiment's file, some of which stand for several values.

`sizes` has values that a size changes. A stage with `for` stands for a stage for each value, or for
each combination of several; in its flags and in `after` these values are used as `{name}`, too::

    values: {sizes: [100, 200]}
    sizes: {smoke: {sizes: [1, 2]}}
    stages:
      - name: tune
        for: {n: "{sizes}"}
        tune: {data: grown, limit-tasks: "{n}", out: "tuned-{n}"}
      - name: predict
        for: {n: "{sizes}"}
        predict: {model: "hf:tuned-{n}/model", tasks: test, name: "{n} tasks", out: predictions}
        after: ["tune {n}"]
      - compare: {arguments: predictions}
        after: [predict]

A value may use other values as `{name}`, too. `for` may also be a list of mappings, for values that
belong together, or the name of one of the `sweeps` of the file. A stage with `if: "{name}"` is left
out where this value is empty. A file may name another one under `extends`, whose values, sizes,
sweeps and stages come before its own. `about` says in a sentence what the experiment is.

Example::

    >>> list(filled("a.yaml", ["{n}.jsonl", "{none}"], {"n": "3", "none": None}))
    ['3.jsonl']
    >>> [choice.shown for choice in swept("a.yaml", {"n": [1, 2], "m": "3,4"}, {})]
    [('1', '3'), ('1', '4'), ('2', '3'), ('2', '4')]
"""

import math
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import chain, product
from pathlib import Path
from typing import Any

from seedstep.errors import InputError, unknown_name

__all__ = [
    "MOST_STAGES",
    "ExperimentStage",
    "FileStages",
    "filled",
    "require_no_password",
    "swept",
    "text_of",
]

_COMMAND = re.compile(r"[a-z][a-z-]*(?: [a-z][a-z-]*)?")
MOST_STAGES = 1000
MOST_WORD = 100_000
"""Stages of an experiment, and characters of an argument, at the most; Linux takes some more."""

ParameterValues = Mapping[str, str | None]
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


def resolved(where: str, values: ParameterValues) -> ParameterValues:
    """Return values in which those that name others have them filled in.

    Raises:
        InputError: a value names itself, or is too long.
    """
    named = {
        name: {match[1] for match in VALUE.finditer(text or "")} & values.keys()
        for name, text in values.items()
    }
    found = dict(values)
    try:
        for name in TopologicalSorter(named).static_order():
            if named[name]:
                found[name] = filled_with(where, values[name] or "", found)
    except CycleError as error:
        first, *others = (f"'{name}'" for name in sorted(set(error.args[1])))
        through = f" through {', '.join(others)}" if others else ""
        what = f"{where}: the value {first} names itself{through}"
        raise InputError(what, "write it out") from None
    return found


def filled_with(where: str, text: str, values: ParameterValues) -> str:
    """Return a text in which values are put in place of their names; others stay as they are.

    Raises:
        InputError: the text can't be an argument of a command.
    """
    named = [values.get(match[1]) or "" for match in VALUE.finditer(text)]
    _require_word(where, text, len(text) + sum(map(len, named)))
    return VALUE.sub(lambda match: values.get(match[1], match[0]) or "", text)


def swept(where: str, written: object, values: ParameterValues) -> list[SweptValues]:
    """Return the values of each of the stages that an entry with `for` stands for.

    Raises:
        InputError: the entry is of another form, or names values that are not there.
    """
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


def _several(where: str, name: str, written: object, values: ParameterValues) -> tuple[str, ...]:
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
    for text, count in Counter(texts).items():
        if count > 1:
            what = f"{where}: '{text}' is there twice among the values of '{name}'"
            raise InputError(what, "write each once")


def _together(where: str, written: Sequence[object], values: ParameterValues) -> list[SweptValues]:
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


def filled(where: str, words: Sequence[object], values: ParameterValues) -> Iterator[str]:
    """Yield words with values in place of names. What is only a name without a value is left out.

    A word that is `{name}` for a value with commas is one word, as any other.
    """
    for written in words:
        text = text_of(written)
        if text is None:
            continue
        names = [match[1] for match in VALUE.finditer(text)]
        for name in names:
            if name not in values:
                raise unknown_name("value", name, values, where)
        word = filled_with(where, text, values)
        _require_word(where, word, len(word))
        if word or not names:
            yield word


def _require_word(where: str, word: str, characters: int) -> None:
    """Check that a process can be given a word as an argument."""
    if characters > MOST_WORD:
        what = f"{where}: an argument of {characters:,} characters"
        raise InputError(what, f"write at most {MOST_WORD:,}, or name a file")
    if "\0" in word or word != word.encode("utf-8", "replace").decode():
        raise InputError(f"{where}: an argument with characters that none can have", "correct it")
    require_no_password(where, word)


_PASSWORD = re.compile(r"://[^/?#\s]*@")


def require_no_password(where: str, text: str) -> None:
    """Check that a text has no address with a password, which would be printed and stored.

    Raises:
        InputError: an address in the text has a password.
    """
    if _PASSWORD.search(text):
        what = f"{where}: an address with a password"
        raise InputError(what, "put the key in OPENAI_API_KEY, and leave it out of the file")


def text_of(value: object) -> str | None:
    """Return a value as a flag has it. Several values are joined by commas."""
    if value is None:
        return None
    if isinstance(value, list):
        return ",".join(text_of(part) or "" for part in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True)
class ExperimentStage:
    """A stage: a name and a command. `after` names the stages that must be finished before it."""

    name: str
    command: tuple[str, ...]
    after: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The command as it is typed in a shell."""
        return f"seedstep {shlex.join(self.command)}"

    @property
    def out(self) -> str | None:
        """The directory or file it writes, if the command has `--out`."""
        return self._flag("--out")

    @property
    def writes(self) -> tuple[str | None, str | None]:
        """Where it writes, and the name of what it writes there, if the command has these flags."""
        return self.out, self._flag("--name")

    def _flag(self, name: str) -> str | None:
        flags = zip(self.command, self.command[1:], strict=False)
        return next((value for flag, value in flags if flag == name), None)


class FileStages:
    """The stages of a file, in the order in which they are written.

    `found` has them by name; `named` has the names of the stages that a written name stands for.
    """

    def __init__(self, path: Path, sweeps: object) -> None:
        if not isinstance(sweeps, dict):
            raise InputError(f"{path}: `sweeps` is not a mapping", "write `name: [values]`")
        self.found: dict[str, ExperimentStage] = {}
        self.named: dict[str, tuple[str, ...]] = {}
        self._path = path
        self._sweeps = sweeps

    def add(self, where: str, written: object, values: ParameterValues) -> None:
        """Add the stage of an entry, or the stages for each of its values."""
        if not isinstance(written, dict):
            raise InputError(f"{where}: not a stage", "write a command with its flags")
        commands = [str(key) for key in written if key not in ("name", "after", "for", "if")]
        if len(commands) != 1 or not _COMMAND.fullmatch(commands[0]):
            raise InputError(f"{where}: not one command", "write `name`, `after` and one command")
        command = commands[0]
        flags = written[command] or {}
        after = written.get("after", [])
        if not isinstance(flags, dict) or not isinstance(after, list):
            raise InputError(
                f"{where}: flags are not a mapping, or `after` is not a list", "correct it"
            )
        name = str(written.get("name", command))
        choices = self._choices(where, written, values)
        if len(self.found) + len(choices) > MOST_STAGES:
            what = f"{self._path}: {len(self.found) + len(choices):,} stages"
            raise InputError(what, f"write at most {MOST_STAGES:,}")
        made = []
        for choice in choices:
            known = resolved(where, {**values, **choice.values})
            if "if" in written and not any(filled(where, [written["if"]], known)):
                continue
            words = (*command.split(), *_words(where, flags, known))
            needed = [self._needed(where, name, str(other), known) for other in after]
            called = filled_with(where, name, known)
            if called == filled_with(where, name, values):
                called = " ".join((called, *choice.shown))
            made.append(ExperimentStage(called, words, tuple(dict.fromkeys(chain(*needed)))))
        _require_different(where, made)
        self._keep(where, name, made)

    def _choices(
        self, where: str, written: Mapping[str, Any], values: ParameterValues
    ) -> list[SweptValues]:
        """Return the values of each stage that an entry stands for."""
        if "for" not in written:
            return [ONE]
        named = written["for"]
        if isinstance(named, str):
            if named not in self._sweeps:
                raise unknown_name("sweep", named, map(str, self._sweeps), where)
            named = self._sweeps[named]
        return swept(where, named, values)

    def _needed(
        self, where: str, name: str, other: str, chosen: ParameterValues
    ) -> tuple[str, ...]:
        """Return the names of the stages that an entry of `after` stands for."""
        called = filled_with(where, other, chosen)
        if called in self.found:
            return (called,)
        if other in self.named:
            return self.named[other]
        what = f"{self._path}, stage '{name}': no earlier stage '{called}'"
        raise InputError(what, "write stages after those that they need")

    def _keep(self, where: str, name: str, made: Sequence[ExperimentStage]) -> None:
        for stage in made:
            if stage.name in self.found or stage.name in self.named:
                raise InputError(f"{where}: a second '{stage.name}'", "rename one")
            self.found[stage.name] = stage
        if name in self.named:
            raise InputError(f"{where}: a second '{name}'", "rename one")
        self.named[name] = tuple(stage.name for stage in made)


def _require_different(where: str, made: Sequence[ExperimentStage]) -> None:
    """Check that the stages of an entry do not do the same, nor write the same."""
    for number, stage in enumerate(made):
        for other in made[:number]:
            if stage.command == other.command:
                what = f"{where}: '{other.name}' and '{stage.name}' are the same command"
                raise InputError(what, "write the names of `for` in its flags, in braces")
            if stage.out and stage.writes == other.writes:
                what = f"{where}: '{other.name}' and '{stage.name}' both write {stage.out}"
                raise InputError(what, "write the names of `for` in `out`, or in `name`, in braces")


def _words(where: str, flags: Mapping[str, Any], values: ParameterValues) -> Iterator[str]:
    """Yield the words of a command line; `arguments` has the words without a flag."""
    for name, value in flags.items():
        many = value if isinstance(value, list) else [value]
        if name == "arguments":
            yield from filled(where, many, values)
            continue
        (flag,) = filled(where, [f"--{name}"], values)
        whole = VALUE.fullmatch(value) if isinstance(value, str) else None
        words = list(filled(where, many, values))
        if value is True or (whole and words == ["true"]):
            yield flag
        elif value is not False and not (whole and words == ["false"]):
            for word in words:
                yield from (flag, word)
