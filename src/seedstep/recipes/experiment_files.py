"""Read an experiment from a file: its values, its sizes, and stages that stand for several values.

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
sweeps and stages come before its own.

Example::

    experiment = read_experiment(find_experiment("ss-table-2"), size="smoke")
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Any

from seedstep.data import read_yaml
from seedstep.errors import InputError, unknown_name
from seedstep.recipes.experiment import Experiment, ExperimentStage
from seedstep.runs.experiments import TableRequest

__all__ = ["find_experiment", "read_experiment", "shipped_experiments"]

MOST_STAGES = 1000
MOST_WORD = 100_000
"""Stages of an experiment, and characters of an argument, at the most; Linux takes some more."""

USUAL = "small"
"""The size whose values are those that a file has under `values`, unless it changes some there."""

OURS = ("here", "experiment")
"""Values that every experiment has: the directory of its file, and its name."""

Values = Mapping[str, str | None]
"""Values by name. A flag whose value is None or empty is left out."""

_VALUE = re.compile(r"\{(\w+)\}")
_NAME = re.compile(r"\w+")
_COMMAND = re.compile(r"[a-z][a-z-]*(?: [a-z][a-z-]*)?")


def shipped_experiments() -> dict[str, Path]:
    """Return the files of the experiments that come with seedstep, by name."""
    folder = resources.files("seedstep.recipes") / "experiments"
    files = sorted(Path(str(folder)).glob("[!_]*.yaml"))
    return {path.stem: path for path in files}


def find_experiment(name: str) -> Path:
    """Return the path of an experiment: a file's, or that of one that comes with seedstep.

    Raises:
        InputError: there is neither.
    """
    shipped = shipped_experiments()
    if Path(name).exists() or name not in shipped:
        if not Path(name).exists() and Path(name).suffix != ".yaml":
            raise unknown_name("experiment", name, shipped)
        return Path(name)
    return shipped[name]


def read_experiment(
    path: Path, values: Mapping[str, str] | None = None, size: str = ""
) -> Experiment:
    """Read the experiment of a file, in a size. `values` replace values of the file.

    Raises:
        InputError: the file can't be read, there is no such size, an entry is not a stage, or a
            stage names another one that does not come before it.
    """
    content = _whole(path)
    known = _known(path, content, size)
    for name in values or {}:
        if name not in known:
            raise unknown_name("value", name, known, str(path))
    known |= values or {}
    written = content.get("stages")
    if not isinstance(written, list) or not written:
        raise InputError(f"{path}: no stages", "write them as a list under `stages`")
    if len(written) > MOST_STAGES:
        what = f"{path}: {len(written):,} stages"
        raise InputError(what, f"write at most {MOST_STAGES:,}")
    table = _table(path, content.get("table"))
    stages = _Stages(path, content.get("sweeps") or {})
    for number, entry in enumerate(written, start=1):
        stages.add(f"{path}, stage {number}", entry, known)
    given = {name: value for name, value in known.items() if name not in OURS}
    return Experiment(path, tuple(stages.found.values()), size, given, table)


def _whole(path: Path) -> dict[str, Any]:
    """Return what a file says, with what it extends."""
    content = read_yaml(path)
    named = content.get("extends")
    if named is None:
        return content
    before = read_yaml(path.parent / str(named))
    if "extends" in before:
        what = f"{path}: {named} extends another file itself"
        raise InputError(what, "name the file that has the stages")
    whole = {**before, **content}
    for name in ("values", "sizes", "sweeps"):
        both = [part.get(name) or {} for part in (before, content)]
        if all(isinstance(part, dict) for part in both):
            whole[name] = {**both[0], **both[1]}
    if isinstance(before.get("sizes"), dict) and isinstance(content.get("sizes"), dict):
        for size, changed in before["sizes"].items():
            whole["sizes"][size] = {**(changed or {}), **(content["sizes"].get(size) or {})}
    if isinstance(before.get("stages"), list) and isinstance(content.get("stages"), list):
        whole["stages"] = [*before["stages"], *content["stages"]]
    return whole


def _known(path: Path, content: Mapping[str, Any], size: str) -> dict[str, str | None]:
    """Return the values of an experiment in a size."""
    values = content.get("values", {})
    sizes = content.get("sizes", {})
    if not isinstance(values, dict):
        raise InputError(f"{path}: `values` is not a mapping", "write `name: value`")
    if not isinstance(sizes, dict) or not all(isinstance(found, dict) for found in sizes.values()):
        raise InputError(f"{path}: `sizes` is not a mapping", "write `size: {name: value}`")
    if size and size not in sizes:
        raise unknown_name("size", size, sizes, str(path))
    changed = sizes.get(size or USUAL, {})
    for name in changed:
        if name not in values:
            raise unknown_name("value", name, values, f"{path}, size {size or USUAL}")
    ours = {"here": str(path.parent.resolve()), "experiment": path.stem}
    return ours | {str(name): _text(value) for name, value in {**values, **changed}.items()}


def _table(path: Path, written: object) -> TableRequest | None:
    """Return which table of a paper an experiment makes."""
    if written is None:
        return None
    known = TableRequest.__struct_fields__
    if not isinstance(written, dict) or not written.get("printed"):
        what = f"{path}: `table` does not name a table"
        raise InputError(what, "write `printed: NAME` and `predictions: DIR` under it")
    for name in written:
        if name not in known:
            raise unknown_name("part of a table", name, known, str(path))
    return TableRequest(**{name: str(value) for name, value in written.items()})


class _Stages:
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

    def add(self, where: str, written: object, values: Values) -> None:
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
        if "if" in written:
            needed = _filled(where, [written["if"]], _resolved(where, values))
            if not any(needed):
                self._keep(where, name, [])
                return
        swept = self._swept(where, written["for"], values) if "for" in written else [({}, ())]
        if len(self.found) + len(swept) > MOST_STAGES:
            what = f"{self._path}: {len(self.found) + len(swept):,} stages"
            raise InputError(what, f"write at most {MOST_STAGES:,}")
        made = []
        for chosen, shown in swept:
            filled = _resolved(where, {**values, **chosen})
            words = (*command.split(), *_words(where, flags, filled))
            needed = tuple(self._needed(where, name, str(other), filled) for other in after)
            called = _filled_with(where, name, filled)
            if called == _filled_with(where, name, values):
                called = " ".join((called, *shown))
            made.append(ExperimentStage(called, words, tuple(dict.fromkeys(sum(needed, ())))))
        _require_different(where, made)
        self._keep(where, name, made)

    def _swept(self, where: str, written: object, values: Values) -> list["Choice"]:
        if not isinstance(written, str):
            return _swept(where, written, values)
        if written not in self._sweeps:
            raise unknown_name("sweep", written, self._sweeps, where)
        return _swept(where, self._sweeps[written], values)

    def _needed(self, where: str, name: str, other: str, chosen: Values) -> tuple[str, ...]:
        """Return the names of the stages that an entry of `after` stands for."""
        filled = _filled_with(where, other, chosen)
        if filled in self.found:
            return (filled,)
        if other in self.named:
            return self.named[other]
        what = f"{self._path}, stage '{name}': no earlier stage '{filled}'"
        raise InputError(what, "write stages after those that they need")

    def _keep(self, where: str, name: str, made: Sequence[ExperimentStage]) -> None:
        for stage in made:
            if stage.name in self.found or stage.name in self.named:
                raise InputError(f"{where}: a second '{stage.name}'", "rename one")
            self.found[stage.name] = stage
        if name in self.named:
            raise InputError(f"{where}: a second '{name}'", "rename one")
        self.named[name] = tuple(stage.name for stage in made)


def _resolved(where: str, values: Values) -> Values:
    """Return values in which those that name others have them filled in, once."""
    return {
        name: _filled_with(where, text, values) if text and "{" in text else text
        for name, text in values.items()
    }


def _filled_with(where: str, text: str, values: Values) -> str:
    """Return a text in which values are put in place of their names; others stay as they are."""
    named = [values.get(match[1]) or "" for match in _VALUE.finditer(text)]
    _require_word(where, text, len(text) + sum(map(len, named)))
    return _VALUE.sub(lambda match: values.get(match[1], match[0]) or "", text)


Choice = tuple[dict[str, str], tuple[str, ...]]
"""The values of one of the stages that an entry stands for, and those that are in its name."""


def _swept(where: str, written: object, values: Values) -> list[Choice]:
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
    return [(dict(zip(names, chosen, strict=True)), chosen) for chosen in product(*lists)]


def _several(where: str, name: str, written: object, values: Values) -> tuple[str, ...]:
    """Return the values that `for` has for a name."""
    if not _NAME.fullmatch(name):
        raise InputError(f"{where}: `for` has no name '{name}'", "use letters and digits")
    if isinstance(written, str):
        written = (next(_filled(where, [written], values), "")).split(",")
    many = written if isinstance(written, list) else [written]
    if not many:
        raise InputError(f"{where}: '{name}' has no values", f"write `for: {{{name}: [value]}}`")
    if any(isinstance(value, list | dict) for value in many):
        what = f"{where}: a value of '{name}' is no text or number"
        raise InputError(what, "write values that belong together as `for: [{name: value}, ...]`")
    found = list(map(_text, many))
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


def _together(where: str, written: Sequence[object], values: Values) -> list[Choice]:
    """Return the values of stages that are written as a list of mappings."""
    first = written[0] if written else None
    if not isinstance(first, dict) or not first:
        raise InputError(f"{where}: `for` has no values", "write `for: [{name: value}, ...]`")
    found = []
    for number, entry in enumerate(written, start=1):
        if not isinstance(entry, dict) or set(entry) != set(first):
            what = f"{where}: entry {number} of `for` has other names than the first"
            raise InputError(what, f"write {', '.join(map(str, first))} in each")
        chosen = {str(name): next(_filled(where, [entry[name]], values), "") for name in first}
        for name, text in chosen.items():
            if not _NAME.fullmatch(name):
                raise InputError(f"{where}: `for` has no name '{name}'", "use letters and digits")
            if not text and name == str(next(iter(first))):
                what = f"{where}: a value of '{name}' is missing in entry {number} of `for`"
                raise InputError(what, "write it; it is part of the stage's name")
        found.append(chosen)
    naming = str(next(iter(first)))
    _require_once(where, naming, [chosen[naming] for chosen in found])
    return [(chosen, (chosen[naming],)) for chosen in found]


def _require_different(where: str, made: Sequence[ExperimentStage]) -> None:
    """Check that the stages of an entry do not do the same, nor write the same."""
    for number, stage in enumerate(made):
        for other in made[:number]:
            if stage.command == other.command:
                what = f"{where}: '{other.name}' and '{stage.name}' are the same command"
                raise InputError(what, "use what `for` names in its flags, as {name}")
            if stage.out and stage.writes == other.writes:
                what = f"{where}: '{other.name}' and '{stage.name}' both write {stage.out}"
                raise InputError(what, "write {name} in `out`, or in `name`")


def _words(where: str, flags: Mapping[str, Any], values: Values) -> Iterator[str]:
    """Yield the words of a command line; `arguments` has the words without a flag."""
    for name, value in flags.items():
        many = value if isinstance(value, list) else [value]
        if name == "arguments":
            yield from _filled(where, many, values)
            continue
        (flag,) = _filled(where, [f"--{name}"], values)
        whole = _VALUE.fullmatch(value) if isinstance(value, str) else None
        filled = list(_filled(where, many, values))
        if value is True or (whole and filled == ["true"]):
            yield flag
        elif value is not False and not (whole and filled == ["false"]):
            for word in filled:
                yield from (flag, word)


def _filled(where: str, words: Sequence[object], values: Values) -> Iterator[str]:
    """Yield words with values in place of names. What is only a name without a value is left out.

    A word that is `{name}` for a value with commas is one word, as any other.
    """

    def value_of(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise unknown_name("value", match[1], values, where)
        return values[match[1]] or ""

    for written in words:
        text = _text(written)
        if text is None:
            continue
        named = [values.get(match[1]) or "" for match in _VALUE.finditer(text)]
        _require_word(where, text, len(text) + sum(map(len, named)))
        word = _VALUE.sub(value_of, text)
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


def _text(value: object) -> str | None:
    """Return a value as a flag has it. Several values are joined by commas."""
    if value is None:
        return None
    if isinstance(value, list):
        return ",".join(_text(part) or "" for part in value)
    return str(value).lower() if isinstance(value, bool) else str(value)
