"""Filter the texts of a file, a data set, a run or tasks in memory by novelty: novel texts out.

Each text is compared first with the evaluation sets, then with all texts that were kept before it.
The texts of the file are held in memory, about 1 kB for a text of 13 tokens; rows are read again
when they are written.

Example::

    report = filter_file("data.jsonl", "novel.jsonl", threshold=0.7)
    print(report.kept, report.rejected)

    rows = filter_file(tasks).to_records()
    novel = [task for task, row in zip(tasks, rows) if row["novelty_kept"]]
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from seedstep.data import PathOrTasks, StrPath, evaluation_items
from seedstep.data.records import Tabulated, html_table
from seedstep.data.row_files import HeldRows, open_rows
from seedstep.data.tables import RowFile, TableRow
from seedstep.errors import InputError, unknown_name
from seedstep.novelty import (
    Contamination,
    Decisions,
    NamedText,
    NoveltyIndex,
    Overlap,
    TokenNumbers,
    decide,
    decide_on_ray,
    encode,
    ranks,
    ray_cluster,
)
from seedstep.recipes.meaning import MeaningDecisions, Semantic, decide_texts
from seedstep.recipes.novelty_options import NoveltyFilter, NoveltyKeywords
from seedstep.recipes.tasks import in_thread
from seedstep.text import TOKENIZERS, Script, script_of

__all__ = [
    "COLUMNS",
    "SEMANTIC_COLUMNS",
    "DecidedRow",
    "NoveltyReport",
    "filter_file",
    "filter_file_async",
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

SEMANTIC_COLUMNS = MappingProxyType(
    {"semantic_score": float, "semantic_nearest": str, "semantic_nearest_text": str}
)
"""The columns that are added too if texts are compared by meaning: cosine and nearest text.

They are null in rows that were rejected before.
"""

NoveltyWatch = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is (0: not known)."""


def _tell_nobody(stage: str, done: int, total: int) -> None:
    """Watch nothing."""


@dataclass(frozen=True, slots=True)
class DecidedRow:
    """A row by its number, its text, which may be missing, and the decision about it.

    `reason` is not_novel, same_meaning, contaminated, not_embedded, or what is wrong with a row
    that has no text. `nearest` is the text that is nearest by ROUGE-L, or that has 13 tokens in a
    row in common, and `meaning` the nearest by the cosine of embeddings, if texts are compared so.
    """

    row: int
    text: str
    kept: bool
    reason: str = ""
    nearest: Overlap | None = None
    meaning: Overlap | None = None

    @property
    def near(self) -> tuple[str, str]:
        """The score and the name of the text that decided, for people, and the text itself."""
        near = self.meaning or self.nearest
        return (near.detail, near.text) if near else ("", "")

    def columns(self, *, semantic: bool) -> dict[str, Any]:
        """Return the values that are added to a row; with `semantic` those of that, too."""
        values = (self.kept, self.reason or None, *_cells(self.nearest))
        found = dict[str, Any](zip(COLUMNS, values, strict=True))
        more = zip(SEMANTIC_COLUMNS, _cells(self.meaning), strict=True)
        return found | dict(more) if semantic else found


def _cells(near: Overlap | None) -> tuple[float | None, str | None, str | None]:
    return (near.score, near.item, near.text) if near else (None, None, None)


@dataclass(frozen=True, slots=True)
class NoveltyReport(Tabulated):
    """Counts of rows: all, those kept, and those rejected by reason; and the first rejections.

    `decisions` yields the decision about each row, whenever it is iterated. `without_tokens` counts
    the kept texts without a token, which are similar to no text. `script` is that of the first
    texts.
    """

    rows: int
    kept: int
    rejected: Counter[str]
    rejections: tuple[DecidedRow, ...]
    faults: tuple[TableRow, ...]
    without_tokens: int
    script: Script
    decisions: Iterable[DecidedRow] = field(repr=False, compare=False)

    def to_records(self) -> list[dict[str, Any]]:
        """Return a plain row for each row, in their order, with the values of annotated rows.

        `row` is its number, `novelty_kept` says whether it is kept, and `novelty_nearest` which row
        is the nearest, if that is known.
        """
        return [
            {"row": each.row, "text": each.text, **each.columns(semantic=True)}
            for each in self.decisions
        ]

    def _repr_html_(self) -> str:
        """Return the counts and the first rejections as HTML, as notebooks show them."""
        counts = [("rows", self.rows), ("kept", self.kept), *self.rejected.most_common()]
        shown = [(f"row {each.row}", each.text, *each.near) for each in self.rejections]
        return html_table((), [(name, f"{count:,}") for name, count in counts]) + html_table(
            ("rejected", "text", "as", "nearest text"), shown
        )


def filter_file(
    path: PathOrTasks,
    out: StrPath | None = None,
    how: NoveltyFilter | None = None,
    *,
    annotate: bool = False,
    watch: NoveltyWatch | None = None,
    **options: Unpack[NoveltyKeywords],
) -> NoveltyReport:
    """Write the rows whose text is novel; with `annotate`, write all rows with `COLUMNS` added.

    `path` may also be a run that made tasks, or tasks in memory: their definitions are compared,
    and they are written as JSON lines. Without `out` nothing is written: the report tells what is
    decided about each row. `options` are those of `NoveltyFilter`, and change what `how` says.
    `semantic` may also be the name of an encoder: what is kept otherwise is compared by meaning
    then, in its order.

    Raises:
        InputError: a file can't be read, `out` is of the wrong kind, or an option can't be used.
        MissingExtraError: Parquet, Ray or what an encoder needs is not installed.
        ModelError: the encoder can't be loaded or asked.
        RunError: a run can't be read, or `out` can't be written.
    """
    how = (how or NoveltyFilter()).changed(options)
    if annotate and out is None:
        raise InputError("annotate: there is no file to write", "name an `out`, or leave it out")
    how.check(annotate=annotate or out is None)
    table = open_rows(path, how.field)
    if out is not None:
        _check_out(table, Path(out), annotate=annotate)
    work = _Work(table, how, watch or _tell_nobody)
    if out is not None:
        work.write(table, Path(out), annotate=annotate)
    return work.report()


filter_file_async = in_thread(filter_file)


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
        self._items: Sequence[NamedText] = ()
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
        self._meant: MeaningDecisions | None = None
        if how.semantic:
            self._decide_by_meaning(how.semantic)
        if how.nearest:
            self._find_nearest()

    def __iter__(self) -> Iterator[DecidedRow]:
        """Yield the decision about each row, rows without a text included."""
        texts = iter(range(len(self._texts)))
        for place in range(len(self._faults) + len(self._texts)):
            if fault := self._faults.get(place):
                yield DecidedRow(fault.number, "", False, fault.fault)
            else:
                yield self._decided(next(texts))

    def write(self, table: RowFile, out: Path, *, annotate: bool) -> None:
        """Write the kept rows, or all of them with columns added."""
        if annotate:
            semantic = self._how.semantic is not None
            added = {**COLUMNS, **SEMANTIC_COLUMNS} if semantic else COLUMNS
            columns = (each.columns(semantic=semantic) for each in self)
            table.write_annotated(out, added, columns)
        else:
            table.write_kept(out, (each.kept for each in self))

    def report(self) -> NoveltyReport:
        """Return the counts, and the first rejections. Nothing is told any more then."""
        self._watch = _tell_nobody  # a report can be pickled, whoever watched
        rejected = Counter(fault.fault for fault in self._faults.values())
        shown: list[DecidedRow] = []
        for text in np.flatnonzero(~self._kept).tolist():
            found = self._decided(text)
            rejected[found.reason] += 1
            if len(shown) < SHOWN:
                shown.append(found)
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
            self,
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
        self._items = contamination.items
        return contamination.overlaps(self._texts)

    def _decide_by_meaning(self, how: Semantic) -> None:
        """Decide about the texts that are kept so far."""
        self._places = np.flatnonzero(self._kept)
        texts = [self._texts[text] for text in self._places.tolist()]
        self._meant = decide_texts(how, texts, self._items, self._watch)
        self._kept[self._places] = self._meant.decisions.kept

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

    def _decided(self, text: int) -> DecidedRow:
        """Return the decision about a text, by its number."""
        row, kept = self._rows[text], bool(self._kept[text])
        if overlap := self._overlaps[text]:
            return DecidedRow(row, self._texts[text], kept, "contaminated", overlap)
        reason, meaning = self._meaning(text)
        near = self._near(int(self._nearest[text]), self._scores[text], "ROUGE-L")
        if near and not kept:
            reason = reason or "not_novel"
        return DecidedRow(row, self._texts[text], kept, reason, near, meaning)

    def _near(self, text: int, score: float, measure: str) -> Overlap | None:
        """Return a text by its number, which is negative for none, as the nearest of another."""
        if text < 0:
            return None
        return Overlap(f"row {self._rows[text]}", self._texts[text], float(score), measure)

    def _meaning(self, text: int) -> tuple[str, Overlap | None]:
        """Return the reason of a text's rejection by meaning, and the text that is nearest so."""
        place = int(np.searchsorted(self._places, text)) if self._meant else -1
        if self._meant is None or place == len(self._places) or self._places[place] != text:
            return "", None
        if place in self._meant.failures:
            return "not_embedded", None
        if overlap := self._meant.overlaps[place]:
            return "contaminated", overlap
        found = self._meant.decisions
        nearest = int(found.nearest.numbers[place])
        text = int(self._places[nearest]) if nearest >= 0 else -1
        near = self._near(text, found.nearest.scores[place], "cosine")
        return "" if found.kept[place] else "same_meaning", near
