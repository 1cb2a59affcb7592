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

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import Any

from seedstep.data import read_yaml
from seedstep.errors import InputError, unknown_name
from seedstep.recipes.experiment import Experiment, ExperimentStage
from seedstep.recipes.experiment_values import (
    MOST_STAGES,
    ONE,
    VALUE,
    SweptValues,
    Values,
    filled,
    filled_with,
    resolved,
    swept,
    text_of,
)
from seedstep.runs.experiments import TableRequest

__all__ = ["find_experiment", "read_experiment", "shipped_experiments"]

USUAL = "small"
"""The size whose values are those that a file has under `values`, unless it changes some there."""

OURS = ("here", "cwd", "experiment")
"""Values that each has: the directories of its file and of the process, and its name."""

_COMMAND = re.compile(r"[a-z][a-z-]*(?: [a-z][a-z-]*)?")


def shipped_experiments() -> dict[str, Path]:
    """Return the files of the experiments that come with seedstep, by name."""
    folder = resources.files("seedstep.recipes") / "experiments"
    files = Path(str(folder)).glob("[!_]*.yaml")
    return {path.stem: path for path in sorted(files, key=lambda path: path.stem)}


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
    size = size or (USUAL if USUAL in content.get("sizes", {}) else "")
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
    for name, depth in (("values", 1), ("sizes", 2), ("sweeps", 1)):
        if name in before and name in content:
            whole[name] = _joined(before[name] or {}, content[name] or {}, depth)
    if isinstance(before.get("stages"), list) and isinstance(content.get("stages"), list):
        whole["stages"] = [*before["stages"], *content["stages"]]
    return whole


def _joined(before: object, after: object, depth: int) -> object:
    """Return two mappings as one, to this depth; of anything else, the second."""
    if not (depth and isinstance(before, dict) and isinstance(after, dict)):
        return after
    both = {name: _joined(before[name], after[name], depth - 1) for name in before if name in after}
    return {**before, **after, **both}


def _known(path: Path, content: Mapping[str, Any], size: str) -> dict[str, str | None]:
    """Return the values of an experiment in a size."""
    values = content.get("values", {})
    sizes = content.get("sizes", {})
    if not isinstance(values, dict):
        raise InputError(f"{path}: `values` is not a mapping", "write `name: value`")
    if not isinstance(sizes, dict) or not all(isinstance(found, dict) for found in sizes.values()):
        raise InputError(f"{path}: `sizes` is not a mapping", "write `size: {name: value}`")
    if size and size not in sizes:
        raise unknown_name("size", size, map(str, sizes), str(path))
    changed = sizes.get(size or USUAL, {})
    for name in changed:
        if name not in values:
            where = f"{path}, size {size or USUAL}"
            raise unknown_name("value", str(name), map(str, values), where)
    ours = {"here": str(path.parent.resolve()), "cwd": str(Path.cwd()), "experiment": path.stem}
    return ours | {str(name): text_of(value) for name, value in {**values, **changed}.items()}


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
            raise unknown_name("part of a table", str(name), known, str(path))
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

    def _choices(self, where: str, written: Mapping[str, Any], values: Values) -> list[SweptValues]:
        """Return the values of each stage that an entry stands for."""
        if "for" not in written:
            return [ONE]
        named = written["for"]
        if isinstance(named, str):
            if named not in self._sweeps:
                raise unknown_name("sweep", named, map(str, self._sweeps), where)
            named = self._sweeps[named]
        return swept(where, named, values)

    def _needed(self, where: str, name: str, other: str, chosen: Values) -> tuple[str, ...]:
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
                raise InputError(what, "use what `for` names in its flags, as {name}")
            if stage.out and stage.writes == other.writes:
                what = f"{where}: '{other.name}' and '{stage.name}' both write {stage.out}"
                raise InputError(what, "write {name} in `out`, or in `name`")


def _words(where: str, flags: Mapping[str, Any], values: Values) -> Iterator[str]:
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
