"""Rows of labels in the database of a review.

Example::

    await database.write([label_statement(row)])
"""

import sqlite3
import time

import msgspec

from seedstep.data.reviews import LabelRow
from seedstep.runs.database import Statement, decode_value

__all__ = ["is_same_label", "label_row", "label_statement"]

_ADD = "INSERT OR IGNORE INTO labels VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def is_same_label(kept: LabelRow, row: LabelRow) -> bool:
    """Return whether two rows with one id say the same, whenever they were stored."""
    return all(
        getattr(kept, name) == getattr(row, name)
        for name in ("rater", "item", "action", "answers", "note", "flagged", "undoes", "person")
    )


def label_statement(row: LabelRow) -> Statement:
    """Return the statement that stores a row, unless one with its id is stored."""
    values = (
        row.id,
        row.rater,
        row.item,
        row.action,
        msgspec.json.encode(row.answers).decode(),
        row.note,
        int(row.flagged),
        msgspec.json.encode(row.shown).decode(),
        row.seconds,
        row.made,
        row.at or time.time(),
        row.undoes,
        row.person,
    )
    return _ADD, values


def label_row(row: sqlite3.Row) -> LabelRow:
    """Return the record that a row of the database stands for.

    Raises:
        StoreError: it is damaged.
    """
    values = dict(row)
    where = f"label {values['number']}" if "number" in values else "a label"
    return LabelRow(
        **{
            **values,
            "answers": decode_value(values["answers"], dict[str, str], where),
            "shown": decode_value(values["shown"], tuple[int, ...], where),
            "flagged": bool(values["flagged"]),
        }
    )
