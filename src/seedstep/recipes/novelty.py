"""Filter the texts of a file, an export or a data set of the hub by novelty: novel texts out.

Each text is compared first with the evaluation sets, then with all texts that were kept before it.
The texts of the file are held in memory, about 1 kB for a text of 13 tokens; rows are read again
when they are written.

Example::

    report = filter_file(Path("data.jsonl"), Path("novel.jsonl"), NoveltyFilter(threshold=0.7))
    print(report.kept, report.rejected)

`open_rows` is `open_table` for these too. What is written of them is JSON lines.

Example::

    texts = [row.text for row in open_rows(Path("hub:tatsu-lab/alpaca"), "instruction").rows()]
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from seedstep.data import PathOrTasks, StrPath, evaluation_items
from seedstep.data.files import write_in_parts
from seedstep.data.row_forms import HUB, exported_rows, load_hub
from seedstep.data.tables import Columns, RowFile, TableRow, Types, open_table
from seedstep.errors import InputError, unknown_name
from seedstep.novelty import (
    Contamination,
    Decisions,
    NoveltyIndex,
    Overlap,
    TokenNumbers,
    decide,
    decide_on_ray,
    encode,
    ranks,
    ray_cluster,
)
from seedstep.text import TOKENIZERS, Script, script_of

__all__ = [
    "COLUMNS",
    "HeldRows",
    "NoveltyDecision",
    "NoveltyFilter",
    "NoveltyReport",
    "Rejection",
    "filter_file",
    "open_rows",
]


SHOWN = 5
"""How many rejections, and how many rows without a text, the report names."""

OF_SCRIPT = 1000
"""How many texts, from the first, tell the script."""

COLUMNS = MappingProxyType(
    {
        "novelty_kept": bool,
        "novelty_reason": str,
        "novelty_score": float,
        "novelty_nearest": str,
        "novelty_nearest_text": str,
    }
)
"""The columns that annotating adds to a row, with their types.

The score is the ROUGE-L F1 with the nearest text, which is another row of the file or an item of
an evaluation set. All columns but the first are null if no text reaches the threshold.
"""

NoveltyWatch = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is (0: not known)."""


@dataclass(frozen=True, slots=True)
class NoveltyFilter:
    """The options of the filter.

    `threshold`: a text is rejected if its ROUGE-L F1 with a kept text is this or more.
    `tokens`: auto takes latin or unicode by the script of the first texts.
    `against`: evaluation sets, with a threshold of their own.
    `nearest`: find the nearest kept text of kept texts, too, which takes longer.
    `ray`: the address of a Ray cluster, or "local" to start one on this machine.
    """

    field: str = "instruction"
    tokens: Literal["latin", "unicode", "auto"] = "latin"
    threshold: float = 0.7
    against: tuple[PathOrTasks, ...] = ()
    against_threshold: float = 0.7
    nearest: bool = False
    ray: str | None = None
    partitions: int = 8


@dataclass(frozen=True, slots=True)
class NoveltyDecision:
    """The decision about a text, its reason, and the nearest text.

    `reason` is not_novel, contaminated, or what is wrong with a row that has no text. `score` is
    the ROUGE-L F1 with the nearest text. It is None if there is no nearest text, or if the text was
    rejected because 13 tokens in a row are the same.
    """

    kept: bool
    reason: str = ""
    score: float | None = None
    nearest: str = ""
    nearest_text: str = ""

    @property
    def columns(self) -> Columns:
        """The values that are added to a row, by the names in `COLUMNS`."""
        values = (self.kept, self.reason, self.score, self.nearest, self.nearest_text)
        return {
            name: None if value == "" else value
            for name, value in zip(COLUMNS, values, strict=True)
        }


@dataclass(frozen=True, slots=True)
class Rejection:
    """A rejected text, its row, and the decision about it."""

    row: int
    text: str
    verdict: NoveltyDecision


@dataclass(frozen=True, slots=True)
class NoveltyReport:
    """Counts of rows: all, those kept, and those rejected by reason; and the first rejections.

    `without_tokens` counts the kept texts without a token, which are similar to no text. `script`
    is that of the first texts.
    """

    rows: int
    kept: int
    rejected: Counter[str]
    rejections: tuple[Rejection, ...]
    faults: tuple[TableRow, ...]
    without_tokens: int
    script: Script


def filter_file(
    path: StrPath,
    out: StrPath,
    how: NoveltyFilter,
    *,
    annotate: bool = False,
    watch: NoveltyWatch | None = None,
) -> NoveltyReport:
    """Write the rows whose text is novel; with `annotate`, write all rows with `COLUMNS` added.

    Raises:
        InputError: a file can't be read, or `out` is of the wrong kind.
        MissingExtraError: Parquet or Ray is not installed.
        RunError: `out` can't be written.
    """
    watch = watch or (lambda stage, done, total: None)
    path, out = Path(path), Path(out)
    table = open_rows(path, how.field)
    _check_out(table, out, annotate=annotate)
    work = _Work(table, how, watch)
    if annotate:
        table.write_annotated(out, COLUMNS, work.columns())
    else:
        table.write_kept(out, (bool(columns["novelty_kept"]) for columns in work.columns()))
    return work.report()


def _check_out(table: RowFile, out: Path, *, annotate: bool) -> None:
    path, suffix = table.path, table.path.suffix.lower()
    becomes_lines = isinstance(table, HeldRows) or (annotate and suffix == ".txt")
    wanted = ".jsonl" if becomes_lines else suffix
    if out.suffix.lower() != wanted:
        raise InputError(f"{out}: the output is {wanted[1:]}", f"name a file *{wanted}")
    if out.exists() and path.exists() and out.samefile(path):
        raise InputError(f"{out} is the input, too", "write to another one")


class _Work:
    """The texts of a table, and the decisions about them."""

    def __init__(self, table: RowFile, how: NoveltyFilter, watch: NoveltyWatch) -> None:
        self._how = how
        self._watch = watch
        self._faults: dict[int, TableRow] = {}
        self._texts: list[str] = []
        self._rows: list[int] = []
        self._read(table)
        self._script = script_of(self._texts[:OF_SCRIPT])
        self._tokens = self._script.tokens if how.tokens == "auto" else how.tokens
        self._overlaps = self._against()
        self._kept = np.zeros(len(self._texts), np.bool_)
        self._nearest = np.full(len(self._texts), -1, np.int64)
        self._scores = np.zeros(len(self._texts))
        self._decide(
            np.array([row for row, overlap in enumerate(self._overlaps) if not overlap], np.int64)
        )
        if how.nearest:
            self._find_nearest()

    def columns(self) -> Iterator[Columns]:
        """Yield the decision about each row, rows without a text included."""
        texts = iter(range(len(self._texts)))
        for row in range(len(self._faults) + len(self._texts)):
            fault = self._faults.get(row)
            verdict = NoveltyDecision(False, fault.fault) if fault else self._verdict(next(texts))
            yield verdict.columns

    def report(self) -> NoveltyReport:
        """Return the counts, and the first rejections."""
        rejected = Counter(fault.fault for fault in self._faults.values())
        shown: list[Rejection] = []
        for text in np.flatnonzero(~self._kept).tolist():
            verdict = self._verdict(text)
            rejected[verdict.reason] += 1
            if len(shown) < SHOWN:
                shown.append(Rejection(self._rows[text], self._texts[text], verdict))
        tokenizer = TOKENIZERS[self._tokens]
        kept = np.flatnonzero(self._kept).tolist()
        return NoveltyReport(
            len(self._texts) + len(self._faults),
            len(kept),
            rejected,
            tuple(shown),
            tuple(self._faults.values())[:SHOWN],
            sum(not tokenizer(self._texts[text]) for text in kept),
            self._script,
        )

    def _read(self, table: RowFile) -> None:
        for place, row in enumerate(table.rows()):
            if row.fault:
                self._faults[place] = row
            else:
                self._texts.append(row.text)
                self._rows.append(row.number)
            if place % 10_000 == 0:
                self._watch("reading", place, 0)
        if self._faults and not self._texts:
            raise self._no_text(table)

    def _no_text(self, table: RowFile) -> InputError:
        """Return the error for a file in which no row has a text."""
        names, field = table.fields(), self._how.field
        if names and field not in names:
            return unknown_name("field", field, names, f"{table.path}, --field")
        reasons = Counter(fault.fault for fault in self._faults.values())
        counts = ", ".join(f"{name} {count:,}" for name, count in reasons.most_common())
        what = f"{table.path}: no row has a text in '{field}' ({counts})"
        return InputError(what, "name another field with --field, or check the file")

    def _against(self) -> Sequence[Overlap | None]:
        if not self._how.against:
            return [None] * len(self._texts)
        self._watch("comparing with the evaluation set", 0, 0)
        items = chain.from_iterable(map(evaluation_items, self._how.against))
        tokenizer = TOKENIZERS[self._tokens]
        contamination = Contamination(items, tokenizer, self._how.against_threshold)
        return contamination.overlaps(self._texts)

    def _decide(self, texts: NDArray[np.int64]) -> None:
        """Decide about the texts with these numbers, which are similar to no evaluation set."""
        decisions = self._decisions([self._texts[text] for text in texts.tolist()])
        self._kept[texts] = decisions.kept
        self._nearest[texts] = np.append(texts, -1)[decisions.nearest.numbers]  # -1 stays -1
        self._scores[texts] = decisions.nearest.scores

    def _decisions(self, texts: Sequence[str]) -> Decisions:
        def tell(done: int) -> None:
            self._watch("deciding", done, len(texts))

        how = self._how
        tell(0)
        if how.ray:
            with ray_cluster(how.ray):
                return decide_on_ray(texts, self._tokens, how.threshold, how.partitions, tell)
        vocabulary = TokenNumbers(TOKENIZERS[self._tokens])
        numbered = vocabulary.number(texts)
        encoded = encode(numbered, ranks(numbered.counts(len(vocabulary))))
        return decide(encoded, how.threshold, tell)

    def _find_nearest(self) -> None:
        index = NoveltyIndex(TOKENIZERS[self._tokens])
        kept = np.flatnonzero(self._kept).tolist()
        for done, text in enumerate(kept):
            neighbor = index.nearest(self._texts[text])
            if neighbor:
                self._nearest[text], self._scores[text] = int(neighbor.id), neighbor.score
            index.add(str(text), self._texts[text])
            if done % 1000 == 0:
                self._watch("finding the nearest", done, len(kept))

    def _verdict(self, text: int) -> NoveltyDecision:
        kept = bool(self._kept[text])
        if overlap := self._overlaps[text]:
            return NoveltyDecision(kept, "contaminated", overlap.score, overlap.item, overlap.text)
        nearest = int(self._nearest[text])
        if nearest < 0:
            return NoveltyDecision(kept)
        score, row = float(self._scores[text]), f"row {self._rows[nearest]}"
        return NoveltyDecision(kept, "" if kept else "not_novel", score, row, self._texts[nearest])


Row = Mapping[str, Any]


class HeldRows(RowFile):
    """Rows that are held in memory, or by `datasets` on the disk."""

    def __init__(self, path: Path, field: str, held: Iterable[Row]) -> None:
        """Take the rows, which are read several times."""
        super().__init__(path, field)
        self._held = held

    def rows(self) -> Iterator[TableRow]:
        """Yield all rows, as `RowFile.rows` does."""
        for number, row in enumerate(self._held, start=1):
            if number == 1 and self.field not in row:
                raise unknown_name("column", self.field, list(row), f"{self.path}, --field")
            yield self.row(number, row.get(self.field))

    def write_kept(self, out: Path, kept: Iterable[bool]) -> None:
        """Write the kept rows as JSON lines."""
        pairs = self.aligned(self._held, kept)
        write_in_parts(out, (_line(row) for row, keep in pairs if keep))

    def write_annotated(self, out: Path, added: Types, columns: Iterable[Columns]) -> None:
        """Write all rows as JSON lines, with columns added."""
        pairs = self.aligned(self._held, columns)
        write_in_parts(out, (_line({**row, **values}) for row, values in pairs))


def _line(row: Row) -> bytes:
    return msgspec.json.encode(row, enc_hook=str) + b"\n"


def open_rows(path: Path, field: str) -> RowFile:
    """Return the rows of a file, of an export, or of a data set of the hub (its split `train`).

    Raises:
        InputError: there is no such data set, or the file is of an unknown kind.
        MissingExtraError: `datasets` is not installed.
    """
    text = str(path)
    if text.startswith(HUB):
        return HeldRows(path, field, load_hub(*_split(text)))
    if path.suffix.lower() == ".json":
        return HeldRows(path, field, _listed(path))
    return open_table(exported_rows(path), field)


def _split(text: str) -> tuple[str, str | None]:
    place, colon, split = text.removeprefix(HUB).rpartition(":")
    return (f"{HUB}{place}", split) if colon else (text, None)


def _listed(path: Path) -> list[dict[str, Any]]:
    try:
        rows = msgspec.json.decode(path.read_bytes(), type=list[dict[str, Any]])
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", "check the path") from None
    except (ValueError, RecursionError):
        what = f"{path}: holds no list of JSON objects"
        raise InputError(what, "write one, or JSON lines in a *.jsonl") from None
    return rows
