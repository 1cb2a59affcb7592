"""Read the records of a run a page at a time, as fast for 52,000 tasks as for 50.

Example::

    with BrowsedRun.open(Path("runs/first")) as run:
        page = run.tasks(Wanted(text="poem", page=3))
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from seedstep.data import Instance, Task, instances_of
from seedstep.errors import InputError, SeedstepError, StoreError
from seedstep.evaluate.metrics import METRICS, PredictionMarker, category_metric, stemmed_tokens
from seedstep.review.verdicts import EACH, FoundPage, Wanted, find_verdicts, outcomes_of, page_of
from seedstep.runs import Run
from seedstep.runs.database import decode_value
from seedstep.runs.frames import COLUMNS, whole_requests
from seedstep.runs.stage import Block
from seedstep.stages import (
    BOOTSTRAP,
    JUDGE,
    PREDICT,
    REVIEW,
    JudgedInputs,
    judged_inputs,
    open_run,
    tell_item,
    tell_status,
)

__all__ = ["TIE", "BrowsedRun", "PredictedAnswer", "PredictedInstance"]

TIE = "(tie)"
"""The winner of an instance if no system is better than all others."""

_TASKS = """
FROM candidates c WHERE (reason = '') = ?1 AND (?2 = '' OR reason = ?2)
AND (?3 = '' OR instr(lower(instruction), lower(?3)) OR id = ?3)
"""
_RESULTS = """
FROM results WHERE (?1 = '' OR category = ?1)
AND (?2 = '' OR instr(lower(definition), lower(?2)) OR instr(lower(result), lower(?2))
     OR task = ?2)
AND (?3 = '' OR NOT json_valid(result)
     OR (?3 = 'failed') = (json_extract(result, '$.failure') != '')
     AND (?3 != 'faulty' OR json_array_length(result, '$.findings') > 0))
"""
_REQUESTS = """
FROM {} WHERE (?1 = '' OR purpose = ?1) AND (?2 = '' OR failure IS NOT NULL)
AND (?3 = '' OR substr(key, 1, length(?3)) = ?3 OR instr(lower(reply), lower(?3))
     OR instr(lower(request), lower(?3)))
"""

ANSWERS = (
    "SELECT system, text, failed FROM predictions"
    " WHERE system IN (SELECT name FROM systems) AND place = ?"
)
"""What all systems answered to an instance; a search by the primary key for each of them."""


@dataclass(frozen=True, slots=True)
class PredictedAnswer:
    """A system's answer. `points` is its score by the task's metric, None if it was not scored."""

    system: str
    text: str
    failed: str
    points: float | None
    is_best: bool


@dataclass(frozen=True, slots=True)
class PredictedInstance:
    """An instance with the answers of all systems."""

    key: str
    task: Task
    instance: Instance
    metric: str
    answers: tuple[PredictedAnswer, ...]


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
        if self.stage == PREDICT.name:
            with suppress(SeedstepError):  # which the page tells
                self._instances  # noqa: B018 - it is kept

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings of the run."""
        return self._run.config

    def told(self) -> tuple[Block, ...]:
        """Return the blocks that describe the state of the run, as `seedstep status` does."""
        return tell_status(self._run)

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        return self._run.database.rows(query, values)

    def _page(
        self, columns: str, table: str, order: str, values: Sequence[Any], wanted: Wanted
    ) -> FoundPage:
        with self._run.snapshot():
            return page_of(self._run.database, columns, table, order, values, wanted)

    def counts(self) -> dict[str, int]:
        """Return the number of records of each kind."""
        found = {}
        if self.stage == REVIEW.name:
            return {"items": len(self._run.records.items), "labels": len(self._run.records.rows())}
        queries = {
            BOOTSTRAP.name: {
                "tasks": "SELECT count(*) FROM candidates WHERE reason = ''",
                "rejected": "SELECT count(*) FROM candidates WHERE reason != ''",
            },
            PREDICT.name: {"predictions": "SELECT count(DISTINCT place) FROM predictions"},
            JUDGE.name: {"verdicts": "SELECT count(*) FROM results"},
        }
        named = queries.get(self.stage, {"results": "SELECT count(*) FROM results"})
        for name, query in {**named, "requests": "SELECT count(*) FROM requests"}.items():
            rows = self._rows(query)
            found[name] = rows[0][0] if rows else 0
        return {name: count for name, count in found.items() if count}

    def tasks(self, wanted: Wanted, *, accepted: bool = True) -> FoundPage:
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
            InputError: there is none of that name.
        """
        return tell_item(self._run, name)

    def results(self, wanted: Wanted) -> FoundPage:
        """Find tasks with their records; `group` is a category, `state` is failed or faulty."""
        columns = "task, category, definition, CAST(result AS BLOB) AS result"
        values = (wanted.group, wanted.text, wanted.state)
        found = self._page(columns, _RESULTS, "position", values, wanted)
        return replace(found, rows=tuple(map(_with_result, found.rows)))

    @cached_property
    def judged(self) -> JudgedInputs:
        """What a judge judged, with its problem if it can't be read as it was."""
        return judged_inputs(self._run)

    def outcomes(self) -> tuple[str, ...]:
        """Return the outcomes of a judge's verdicts."""
        return outcomes_of(self._run)

    def verdicts(self, wanted: Wanted) -> FoundPage:
        """Find judged instances; `group` is a category, `state` the outcome of a verdict."""
        return find_verdicts(self._run, self.judged, wanted)

    def categories(self) -> tuple[str, ...]:
        """Return the categories of tasks."""
        if self.stage == PREDICT.name:
            return tuple(sorted({task.category for _, task, _ in self._instances if task.category}))
        query = "SELECT DISTINCT category FROM results WHERE category != '' ORDER BY category"
        return tuple(row[0] for row in self._rows(query))

    def requests(self, wanted: Wanted) -> FoundPage:
        """Find requests with an answer; `group` is a purpose; any `state` leaves out good ones."""
        columns = (
            "key, purpose, failure, detail, prompt_tokens, completion_tokens, estimated, seconds,"
            " attempts, at, substr(coalesce(reply, detail), 1, 200) AS start"
        )
        values = (wanted.group, wanted.state, wanted.text)
        with self._run.snapshot():
            table = _REQUESTS.format(whole_requests(self._run.database))
            return self._page(columns, table, "rowid", values, wanted)

    def request(self, key: str) -> dict[str, Any]:
        """Return a request with its answer.

        Raises:
            InputError: there is none with this key.
        """
        with self._run.snapshot():
            table = whole_requests(self._run.database)
            rows = self._rows(f"SELECT {COLUMNS} FROM {table} WHERE key = ?", (key,))  # noqa: S608
        if not rows:
            raise InputError("there is no such request", "go back to the list")
        row = dict(rows[0])
        asked = decode_value(row["request"], dict[str, Any], f"the request {key}")
        return {**row, "request": asked}

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

    @cached_property
    def _instances(self) -> tuple[tuple[str, Task, Instance], ...]:
        return tuple(instances_of(self._run.records.tasks().tasks))

    @cached_property
    def systems(self) -> tuple[str, ...]:
        """Return the systems of a run of predictions."""
        return tuple(row[0] for row in self._rows("SELECT name FROM systems ORDER BY rowid"))

    def predictions(self, wanted: Wanted) -> FoundPage:
        """Find instances with all answers; `group` is a category, `state` the winner or TIE.

        Raises:
            InputError: the tasks can't be read any more.
            RunError: they have changed.
        """
        places: Sequence[int] = range(len(self._instances))
        if wanted.group:
            places = [
                place for place in places if self._instances[place][1].category == wanted.group
            ]
        if wanted.text:
            places = self._with_text(places, wanted.text.lower())
        if wanted.state:
            places = [place for place in places if self._winners[place] == wanted.state]
        chosen = places[wanted.start : wanted.start + EACH]
        return FoundPage(tuple(self._predicted(place) for place in chosen), len(places))

    def _with_text(self, places: Sequence[int], text: str) -> list[int]:
        query = "SELECT DISTINCT place FROM predictions WHERE instr(lower(text), ?)"
        answered = {row[0] for row in self._rows(query, (text,))}
        return [
            place
            for place in places
            if place in answered
            or text in self._instances[place][2].input.lower()
            or text in self._instances[place][1].definition.lower()
            or text in self._instances[place][1].id.lower()
            or text == self._instances[place][0].lower()
        ]

    def _predicted(self, place: int) -> PredictedInstance:
        key, task, instance = self._instances[place]
        metric = category_metric(task.category)
        rows = {row["system"]: row for row in self._rows(ANSWERS, (place,))}
        answered = [name for name in self.systems if name in rows]
        points = {
            name: 100
            * self._markers[metric.name].mark(rows[name]["text"], instance.outputs)[metric.name]
            for name in answered
        }
        best = max(points.values(), default=0.0)
        unequal = len(set(points.values())) > 1
        answers = (
            PredictedAnswer(
                name,
                rows[name]["text"],
                rows[name]["failed"],
                points[name],
                unequal and points[name] == best,
            )
            for name in answered
        )
        return PredictedInstance(key, task, instance, metric.title, tuple(answers))

    @cached_property
    def _markers(self) -> Mapping[str, PredictionMarker]:
        return {metric.name: PredictionMarker(stemmed_tokens, (metric,)) for metric in METRICS}

    @cached_property
    def _winners(self) -> tuple[str, ...]:
        """The winner of each instance, or TIE."""
        found = []
        for place in range(len(self._instances)):
            best = [answer.system for answer in self._predicted(place).answers if answer.is_best]
            found.append(best[0] if len(best) == 1 else TIE)
        return tuple(found)
