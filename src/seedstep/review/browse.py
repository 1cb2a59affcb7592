"""Read the records of a run a page at a time, as fast for 52,000 tasks as for 50.

Example::

    with BrowsedRun.open(Path("runs/first")) as run:
        page = run.tasks(Search(text="poem", page=3))
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

from seedstep.errors import InputError, SeedstepError, StoreError, first_line
from seedstep.review.answers import (
    ComparedAnswers,
    FoundPage,
    Search,
    find_verdicts,
    outcomes_of,
    page_of,
)
from seedstep.review.pages import Counting
from seedstep.runs import Run
from seedstep.runs.blocks import Block
from seedstep.runs.database import decode_value
from seedstep.runs.database_errors import RECOVER
from seedstep.runs.directory import DATABASE
from seedstep.runs.ledger import COLUMNS, searched_requests, whole_requests
from seedstep.runs.requests import request_in
from seedstep.stages import (
    REVIEW,
    JudgedInputs,
    item_blocks,
    judged_inputs,
    open_run,
    status_blocks,
)

__all__ = ["BrowsedRun"]

_TASKS = """
FROM candidates c WHERE (reason = '') = ?1 AND (?2 = '' OR reason = ?2)
AND (?3 = '' OR instr(lower(instruction), lower(?3)) OR id = ?3)
"""
_RESULTS = """
FROM results WHERE (?1 = '' OR category = ?1)
AND (?2 = '' OR instr(lower(definition), lower(?2)) OR result LIKE ?4 ESCAPE '\\' OR task = ?2)
AND (?3 = '' OR NOT json_valid(result)
     OR (?3 = 'failed') = (json_extract(result, '$.failure') != '')
     AND (?3 != 'faulty' OR json_array_length(result, '$.findings') > 0))
"""
_REQUESTS = """
FROM {} WHERE (?1 = '' OR purpose = ?1) AND (?2 = '' OR failure IS NOT NULL)
AND (?3 = '' OR substr(key, 1, length(?3)) = ?3 OR instr(lower(reply), lower(?3)) OR {})
"""


_NO_COLUMNS = ("task_id", "failure")
"""The fields of a record that stand in the columns of all lists of results."""

COUNTS = {
    "tasks": "SELECT count(*) FROM candidates WHERE reason = ''",
    "rejected": "SELECT count(*) FROM candidates WHERE reason != ''",
    "predictions": "SELECT count(DISTINCT place) FROM predictions",
    "verdicts": "SELECT count(*) FROM results",
    "results": "SELECT count(*) FROM results",
    "requests": "SELECT count(*) FROM requests",
}
"""How many entries a list has, by its name."""


def _with_result(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with its record; a damaged one is a failure that says so."""
    try:
        result = decode_value(row["result"], dict[str, Any], f"the result of task '{row['task']}'")
    except StoreError as error:
        result = {"failure": str(error)}
    return {**row, "result": result}


class BrowsedRun:
    """A run of any stage, opened for reading."""

    def __init__(self, run: Run[Any, Any, Any]) -> None:
        """Use `open`."""
        self._run = run
        self.path = run.path
        self.stage = run.stage.name
        self.lists = dict(run.stage.lists)
        self._telling = Lock()
        self._counting: Counting[tuple[Block, ...]] | None = None
        self._last: tuple[Block, ...] | None = None

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a run; another process may work on it at the same time.

        Raises:
            RunError: `path` is no run.
        """
        return cls(open_run(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its database."""
        self._run.close()

    def prepare(self) -> None:
        """Read what the first page needs, for which a page would wait otherwise."""
        if "predictions" in self.lists:
            with suppress(SeedstepError):  # which the page tells
                self.compared.instances  # noqa: B018 - it is kept

    @cached_property
    def compared(self) -> ComparedAnswers:
        """The answers of a run of predictions, side by side."""
        return ComparedAnswers(self._run)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings of the run."""
        return self._run.config

    def status_blocks(self) -> tuple[Block, ...] | None:
        """Return the blocks that describe the state of the run, as `seedstep status` does.

        They are counted in the background, where that takes long: until then it is None, and while
        another process works on the run, they may be those of a moment before.
        """
        with self._telling:
            version = self._run.database.version if self._run.stage.has_database else None
            counting = self._counting
            if not counting or not counting.holds(version):
                counting = self._counting = Counting(self._tell, version)
        self._last = counting.wait() or self._last
        return self._last

    def _tell(self) -> tuple[Block, ...]:
        if "predictions" in self.lists:  # whose tasks are read already
            return status_blocks(self._run)
        with open_run(self.path) as run:  # a connection of its own: long reads hold up pages
            return status_blocks(run)

    def damage(self, error: Exception) -> StoreError:
        """Return the error of a run whose values can't be shown, as `error` says."""
        try:
            self._run.database.require_no_damage(error)
        except StoreError as found:
            return found
        what = f"{self.path / DATABASE} has a value that can't be shown ({first_line(error)})"
        return StoreError(what, RECOVER)

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        return self._run.database.rows(query, values)

    def _page(
        self, columns: str, table: str, order: str, values: Sequence[Any], wanted: Search
    ) -> FoundPage:
        with self._run.snapshot():
            return page_of(self._run.database, columns, table, order, values, wanted)

    def counts(self) -> dict[str, int]:
        """Return the number of records of each kind."""
        found = {}
        if self.stage == REVIEW.name:
            return {"items": len(self._run.records.items), "labels": len(self._run.records.rows())}
        for name in (*self.lists, "requests"):
            rows = self._rows(COUNTS[name])
            found[name] = rows[0][0] if rows else 0
        return {name: count for name, count in found.items() if count}

    def tasks(self, wanted: Search, *, accepted: bool = True) -> FoundPage:
        """Find tasks of a bootstrap, or rejected candidates; `group` is a reason."""
        columns = (
            "id, instruction, reason, detail, score, is_classification,"
            " (SELECT count(*) FROM instances i WHERE i.task = c.id AND i.reason = '') AS instances"
        )
        values = (accepted, wanted.group, wanted.text)
        return self._page(columns, _TASKS, "item, position", values, wanted)

    def reasons(self) -> dict[str, int]:
        """Return the number of rejected candidates by reason."""
        query = (
            "SELECT reason, count(*) FROM candidates WHERE reason != '' GROUP BY reason"
            " ORDER BY count(*) DESC, reason"
        )
        return {row[0]: row[1] for row in self._rows(query)}

    def item(self, name: str) -> tuple[Block, ...]:
        """Return the blocks that show a task or an instance, as `seedstep show` does.

        Raises:
            InputError: no task or instance has that name.
        """
        return item_blocks(self._run, name)

    def results(self, wanted: Search) -> FoundPage:
        """Find tasks with their records; `group` is a category, `state` is failed or faulty."""
        columns = "task, category, definition, CAST(result AS BLOB) AS result"
        values = (wanted.group, wanted.text, wanted.state, wanted.pattern)
        found = self._page(columns, _RESULTS, "position", values, wanted)
        return replace(found, rows=tuple(map(_with_result, found.rows)))

    def columns(self, rows: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
        """Return the fields of records of results for which there are columns, with titles."""
        if (wanted := self._run.stage.columns) is not None:
            return wanted
        results = [row["result"] for row in rows]
        names = dict.fromkeys(name for result in results for name in result)
        return tuple(
            (name, name.replace("_", " ").capitalize())
            for name in names
            if name not in _NO_COLUMNS
            and not any(isinstance(result.get(name), list | dict) for result in results)
        )

    @cached_property
    def judged(self) -> JudgedInputs:
        """What a judge judged, with its problem if it can't be read as it was."""
        return judged_inputs(self._run)

    def outcomes(self) -> tuple[str, ...]:
        """Return the outcomes of a judge's verdicts."""
        return outcomes_of(self._run)

    def verdicts(self, wanted: Search) -> FoundPage:
        """Find judged instances; `group` is a category, `state` the outcome of a verdict."""
        return find_verdicts(self._run, self.judged, wanted)

    def categories(self) -> tuple[str, ...]:
        """Return the categories of tasks."""
        if "predictions" in self.lists:
            return self.compared.categories()
        query = "SELECT DISTINCT category FROM results WHERE category != '' ORDER BY category"
        return tuple(row[0] for row in self._rows(query))

    def requests(self, wanted: Search) -> FoundPage:
        """Find requests with an answer; `group` is a purpose; any `state` leaves out good ones."""
        columns = (
            "key, purpose, failure, detail, prompt_tokens, completion_tokens, estimated, seconds,"
            " attempts, at, substr(coalesce(reply, detail), 1, 200) AS start"
        )
        values = (wanted.group, wanted.state, wanted.text, wanted.in_json)
        with self._run.snapshot():
            table = _REQUESTS.format(*searched_requests(self._run.database, "?4"))
            return self._page(columns, table, "requests.rowid", values, wanted)

    def request(self, key: str) -> dict[str, Any]:
        """Return a request with its answer.

        Raises:
            InputError: no request has this key.
        """
        with self._run.snapshot():
            table = whole_requests(self._run.database)
            rows = self._rows(f"SELECT {COLUMNS} FROM {table} WHERE key = ?", (key,))  # noqa: S608
        if not rows:
            raise InputError("there is no such request", "go back to the list")
        row = dict(rows[0])
        return {**row, "request": request_in(row)}

    def purposes(self) -> tuple[Mapping[str, Any], ...]:
        """Return the numbers of requests and tokens of each purpose."""
        query = (
            "SELECT purpose, count(*) AS requests, count(failure) AS failed,"
            " sum(prompt_tokens) AS prompt, sum(completion_tokens) AS completion,"
            " max(estimated) AS estimated FROM requests GROUP BY purpose ORDER BY min(rowid)"
        )
        return tuple(map(dict, self._rows(query)))

    def usd(self, prompt: int, completion: int) -> float | None:
        """Return the cost of tokens by the run's prices, or None if the price is not known."""
        prices = self.settings.get("prices") or {}
        price = prices.get(self.settings.get("model"), prices)
        try:
            usd = (prompt * price["input"] + completion * price["output"]) / 1_000_000
        except (KeyError, TypeError):
            return None
        return float(usd)
