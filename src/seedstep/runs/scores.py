"""Scores that are kept in the run whose predictions they are of, for `seedstep status` to tell.

Scoring starts from the predictions every time: comparisons need the score of each instance.

Example::

    keep_scores(Path("runs/predictions"), "base", evaluated, tokens="")
    kept_scores(Path("runs/predictions"))  # rows by column name
"""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from seedstep.evaluate.compare import EvaluatedSystem, MeanScores
from seedstep.evaluate.intervals import Value
from seedstep.runs.database import Database
from seedstep.runs.directory import DATABASE, take_lock

__all__ = [
    "keep_scores",
    "kept_scores",
]


def keep_scores(path: Path, name: str, evaluated: EvaluatedSystem, tokens: str) -> None:
    """Keep what a system scored in its run, in place of what was kept of the same before.

    `name` is the system's in the run. `tokens` names the tokenizer, and is empty for the stemmed
    words of rouge-score.

    Raises:
        RunBusyError: another process works on the run.
        RunError: it can't be written.
    """
    lock = take_lock(path)
    try:
        with closing(Database.open(path / DATABASE)) as database:
            database.write_now(
                "DELETE FROM scores WHERE name = ? AND tokens = ? AND grouping IN ('', ?)",
                [(name, tokens, evaluated.grouping or "")],
            )
            database.write_now(
                "INSERT INTO scores VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                list(_rows(name, evaluated, tokens)),
            )
    finally:
        lock.release()


def kept_scores(path: Path) -> tuple[dict[str, Any], ...]:
    """The scores kept in a run: rows of the database, by column name.

    Those of a system that has predicted more since are left out.
    """
    latest = "SELECT max(at) FROM predictions WHERE system = scores.name"
    query = f"SELECT * FROM scores WHERE at >= coalesce(({latest}), 0) ORDER BY rowid"  # noqa: S608
    with closing(Database.open(path / DATABASE, read_only=True)) as database:
        return tuple(map(dict, database.rows(query)))


def _rows(name: str, evaluated: EvaluatedSystem, tokens: str) -> Iterator[tuple[object, ...]]:
    now = time.time()
    groups = [("", evaluated.overall), *evaluated.groups.items()]
    for place, (group, one) in enumerate(groups):
        head = (name, tokens, evaluated.grouping if place else "", group)
        for metric, value in one.values.items():
            yield (*head, metric, *_figures(one, value), now)


def _figures(one: MeanScores, value: Value) -> tuple[object, ...]:
    counts = (one.instances, one.tasks, one.missing, one.failed)
    return (value.value, value.low, value.high, value.reason, *counts)
