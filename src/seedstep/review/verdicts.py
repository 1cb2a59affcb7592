"""Searches, the pages of what they find, and the verdicts of a judge found by them.

Example::

    found = page_of(run.database, "id", "FROM tasks WHERE ?1 = ''", "id", ("",), Wanted(page=3))

`find_verdicts` reads those of a run a page at a time, beside the answers that they are about.

Example::

    with Run.read(JUDGE, Path("runs/judge")) as run:
        page = find_verdicts(run, Wanted(state="tuned"))
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from seedstep.data import Task
from seedstep.errors import StoreError
from seedstep.evaluate.judge import FIRST, SAME, SECOND, Judged, JudgeVerdict
from seedstep.runs import JudgeRun
from seedstep.runs.database import Database, decode_value
from seedstep.stages import JudgedInputs

__all__ = [
    "EACH",
    "EQUAL",
    "MISSING",
    "FoundPage",
    "JudgedAnswers",
    "SeenVerdict",
    "Wanted",
    "find_verdicts",
    "outcomes_of",
    "page_of",
]


EACH = 50
"""The number of rows of a page."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A search: texts and choices, which are empty for any value, and the page, from 1."""

    text: str = ""
    group: str = ""
    state: str = ""
    page: int = 1

    @property
    def start(self) -> int:
        """The number of rows before the page."""
        return EACH * (self.page - 1)

    @property
    def in_json(self) -> str:
        """The text as it stands within a text of JSON."""
        return msgspec.json.encode(self.text).decode()[1:-1]

    @property
    def pattern(self) -> str:
        """A pattern for LIKE, with backslashes as escapes, of JSON that has the text somewhere."""
        plain = re.sub(r"([\\%_])", r"\\\1", self.in_json)
        return f"%{plain}%"


@dataclass(frozen=True, slots=True)
class FoundPage:
    """The rows of a page, and the number of all rows found; `left` were not looked at yet."""

    rows: tuple[Any, ...]
    total: int
    left: int = 0

    @property
    def pages(self) -> int:
        """The number of pages."""
        return max(1, -(-self.total // EACH))


def page_of(
    database: Database,
    columns: str,
    table: str,
    order: str,
    values: Sequence[Any],
    wanted: Wanted,
) -> FoundPage:
    """Return a page of the rows of a table, and how many rows there are.

    `table` is all of a query after its columns; `values` are those that it asks for.
    """
    counted = database.rows(f"SELECT count(*) {table}", values)
    count = counted[0][0] if counted else 0
    if count <= wanted.start:
        return FoundPage((), count)
    query = f"SELECT {columns} {table} ORDER BY {order} LIMIT {EACH} OFFSET {wanted.start}"
    return FoundPage(tuple(map(dict, database.rows(query, values))), count)


EQUAL = "(same)"
MISSING = "(missing)"

DAMAGED = "(damaged)"

_EACH = "json_each(CASE WHEN json_valid(r.result) THEN r.result ELSE '{}' END, '$.verdicts')"
_IS_ONE = "CASE v.type WHEN 'object' THEN json_type(v.value, '$.label') = 'text' ELSE 0 END"
_OUTCOME = f"""
CASE json_extract(v.value, '$.label')
WHEN '{FIRST}' THEN json_extract(v.value, '$.shown[0]')
WHEN '{SECOND}' THEN json_extract(v.value, '$.shown[1]')
WHEN '{SAME}' THEN '{EQUAL}'
WHEN '' THEN '{MISSING}'
ELSE json_extract(v.value, '$.label') END
"""
_VERDICTS = f"""
FROM results r WHERE (?1 = '' OR category = ?1)
AND (?2 = '' OR instr(lower(definition), lower(?2)) OR result LIKE ?4 ESCAPE '\\' OR task = ?2)
AND (?3 = '' OR EXISTS (
    SELECT 1 FROM {_EACH} v WHERE {_IS_ONE} AND {_OUTCOME} = ?3))
"""  # noqa: S608 - our own words
_OUTCOMES = f"SELECT DISTINCT {_OUTCOME} FROM results r, {_EACH} v WHERE {_IS_ONE}"  # noqa: S608


@dataclass(frozen=True, slots=True)
class SeenVerdict:
    """A verdict: the systems in the order shown, who won or the level, and what the judge said."""

    shown: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class JudgedAnswers:
    """An instance with its answers by system, and the verdicts on them.

    `task` is None, and there are no answers, if the judged files can't be read as they were.
    """

    key: str
    name: str
    category: str
    definition: str
    task: Task | None
    answers: tuple[tuple[str, str], ...]
    verdicts: tuple[SeenVerdict, ...]


def outcomes_of(run: JudgeRun) -> tuple[str, ...]:
    """Return all outcomes of verdicts: levels or systems, then EQUAL and MISSING."""
    found = sorted(str(row[0]) for row in run.database.rows(_OUTCOMES))
    return tuple(sorted(found, key=lambda outcome: outcome in (EQUAL, MISSING)))


def find_verdicts(run: JudgeRun, inputs: JudgedInputs, wanted: Wanted) -> FoundPage:
    """Find judged instances; `group` is a category, `state` the outcome of one of the verdicts."""
    values = (wanted.group, wanted.text, wanted.state, wanted.pattern)
    columns = "task, category, definition, CAST(result AS BLOB) AS result"
    found = page_of(run.database, columns, _VERDICTS, "position", values, wanted)
    rows = []
    for row in found.rows:
        judged = _judged(row["task"], row["result"])
        task = inputs.tasks.get(judged.instance)
        texts = inputs.answers if task else {}
        answers = tuple((name, found.get(judged.instance, "")) for name, found in texts.items())
        rows.append(
            JudgedAnswers(
                judged.instance,
                judged.task,
                row["category"],
                row["definition"],
                task,
                answers,
                tuple(map(_seen, judged.verdicts)),
            )
        )
    return FoundPage(tuple(rows), found.total)


def _judged(name: str, result: bytes) -> Judged:
    """Return the record of an instance; a damaged one has a verdict that says so."""
    try:
        return decode_value(result, Judged, f"the result of task '{name}'")
    except StoreError as error:
        return Judged(name, name, (JudgeVerdict((DAMAGED,), "", failure=str(error)),))


def _seen(verdict: JudgeVerdict) -> SeenVerdict:
    first, last = (*verdict.shown[:1], ""), ("", *verdict.shown[1:])
    won = {FIRST: first[0], SECOND: last[-1], SAME: EQUAL, "": MISSING}
    reason = "\n\n".join([*verdict.replies, *([verdict.failure] if verdict.failure else ())])
    if not reason:
        reason = "The texts are equal: the judge was not asked."
    return SeenVerdict(" / ".join(verdict.shown), won.get(verdict.label, verdict.label), reason)
