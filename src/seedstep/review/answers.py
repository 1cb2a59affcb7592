"""Answers, a page at a time: those of a run's systems side by side, and a judge's verdicts on them.

Reading a page takes the tasks, which are read once, and the answers on it. Which system wins an
instance is found from all answers: in the background, from the first time that somebody asks. Until
all are compared, a page shows what is known so far, and how many instances are left.

Example::

    with Run.read(PREDICT, Path("runs/test")) as run:
        page = ComparedAnswers(run).find(Search(state="tuned"))

`find_verdicts` finds the verdicts of a judge, and `page_of` rows of any table.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from threading import RLock
from typing import Any

import msgspec

from seedstep.data import Instance, Task, instances_of
from seedstep.errors import StoreError
from seedstep.evaluate.judge import FIRST, SAME, SECOND, Judged, JudgeVerdict
from seedstep.evaluate.metrics import (
    METRICS,
    Metric,
    PredictionMarker,
    category_metric,
)
from seedstep.evaluate.tokens import stemmed_tokens
from seedstep.review.pages import Counting
from seedstep.runs import JudgeRun, PredictionsRun
from seedstep.runs.database import Database, decode_value
from seedstep.runs.directory import DATABASE
from seedstep.stages import JudgedInputs

__all__ = [
    "ANSWERS",
    "EACH",
    "EQUAL",
    "MISSING",
    "TIE",
    "ComparedAnswers",
    "FoundPage",
    "JudgedAnswers",
    "PredictedAnswer",
    "PredictedInstance",
    "Search",
    "SeenVerdict",
    "find_verdicts",
    "outcomes_of",
    "page_of",
]


EACH = 50
"""The number of rows of a page."""


@dataclass(frozen=True, slots=True)
class Search:
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
    database: Database, columns: str, table: str, order: str, values: Sequence[Any], wanted: Search
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


TIE = "(tie)"
"""The winner of an instance if no system is better than all others."""

STRETCH = 2_000
"""How many instances are compared before a page is told of them."""

ANSWERS = (
    "SELECT place, system, text, failed FROM predictions"
    " WHERE system IN (SELECT name FROM systems) AND place >= ? AND place < ?"
)
"""What all systems answered to instances; a search by the primary key for each of them."""


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


Answered = dict[str, tuple[str, str]]
"""The text and the failure of each system that answered an instance."""


class ComparedAnswers:
    """The answers in a run of predictions, opened for reading."""

    def __init__(self, run: PredictionsRun) -> None:
        """Read nothing yet."""
        self._run = run
        self._reading = RLock()
        self._winners: list[str] = []
        self._so_far: list[str] = []
        self._comparing: Counting[list[str]] | None = None
        self._markers = {
            metric.name: PredictionMarker(stemmed_tokens, (metric,)) for metric in METRICS
        }

    @property
    def instances(self) -> tuple[tuple[str, Task, Instance], ...]:
        """All instances, with their ids and tasks.

        Raises:
            InputError: the tasks can't be read any more.
            RunError: the tasks have changed.
        """
        with self._reading:  # by the first page that asks; others wait
            return self._instances

    @cached_property
    def _instances(self) -> tuple[tuple[str, Task, Instance], ...]:
        return tuple(instances_of(self._run.records.tasks().tasks))

    @property
    def systems(self) -> tuple[str, ...]:
        """The systems of the run."""
        return self._run.records.names()

    def categories(self) -> tuple[str, ...]:
        """Return the categories of the tasks."""
        tasks = self._run.records.tasks().tasks
        return tuple(sorted({task.category for task in tasks} - {""}))

    def find(self, wanted: Search) -> FoundPage:
        """Find instances with all answers; `group` is a category, `state` the winner or TIE.

        Raises:
            InputError: the tasks can't be read any more.
            RunError: the tasks have changed.
        """
        places: Sequence[int] = range(len(self.instances))
        left = 0
        if wanted.state:
            winners = self._known_winners()
            left = len(places) - len(winners)
            places = [place for place, winner in enumerate(winners) if winner == wanted.state]
        if wanted.group:
            places = [
                place for place in places if self._instances[place][1].category == wanted.group
            ]
        if wanted.text:
            places = self._with_text(places, wanted.text)
        chosen = places[wanted.start : wanted.start + EACH]
        return FoundPage(tuple(map(self._shown, chosen)), len(places), left)

    def _with_text(self, places: Sequence[int], text: str) -> list[int]:
        query = (
            "SELECT DISTINCT place FROM predictions WHERE instr(text, ?1)"
            " OR instr(lower(text), lower(?1))"
        )
        answered = {row[0] for row in self._run.database.rows(query, (text,))}
        small = text.lower()
        return [
            place
            for place in places
            if place in answered
            or small in self._instances[place][2].input.lower()
            or small in self._instances[place][1].definition.lower()
            or small in self._instances[place][1].id.lower()
            or small == self._instances[place][0].lower()
        ]

    def _answered(self, database: Database, first: int, end: int) -> dict[int, Answered]:
        """Return all answers to the instances from `first` to before `end`."""
        found: dict[int, Answered] = {}
        for place, system, text, failed in database.rows(ANSWERS, (first, end)):
            found.setdefault(place, {})[system] = (text, failed)
        return found

    def _points(self, place: int, answered: Answered) -> tuple[Metric, dict[str, float]]:
        """Return the points, from 0 to 100, of each system, by the metric of the task."""
        _, task, instance = self._instances[place]
        metric = category_metric(task.category)
        marker = self._markers[metric.name]
        return metric, {
            system: 100 * marker.mark(text, instance.outputs)[metric.name]
            for system, (text, _) in answered.items()
        }

    def _shown(self, place: int) -> PredictedInstance:
        key, task, instance = self._instances[place]
        answered = self._answered(self._run.database, place, place + 1).get(place, {})
        metric, points = self._points(place, answered)
        best = _best(points)
        answers = (
            PredictedAnswer(name, *answered[name], points[name], name in best)
            for name in self.systems
            if name in answered
        )
        return PredictedInstance(key, task, instance, metric.title, tuple(answers))

    def _known_winners(self) -> Sequence[str]:
        """Return the winner of each instance, or TIE, of all or of as many as were compared.

        While another process writes, they may be those of a moment before.
        """
        with self._reading:
            version, comparing = self._run.database.version, self._comparing
            if not comparing or not comparing.holds(version):
                found = self._so_far = []
                comparing = self._comparing = Counting(partial(self._compare, found), version)
        self._winners = comparing.wait() or self._winners
        return self._winners or self._so_far[:]

    def _compare(self, winners: list[str]) -> list[str]:
        """Find all winners, on a connection of its own: a long read would hold up pages."""
        path, count = self._run.path / DATABASE, len(self._instances)
        with closing(Database.open(path, read_only=True)) as database:
            for first in range(0, count, STRETCH):
                end = min(first + STRETCH, count)
                answered = self._answered(database, first, end)
                winners += [
                    self._winner(place, answered.get(place, {})) for place in range(first, end)
                ]
        return winners

    def _winner(self, place: int, answered: Answered) -> str:
        if len({text for text, _ in answered.values()}) < 2:
            return TIE
        best = _best(self._points(place, answered)[1])
        return best[0] if len(best) == 1 else TIE


def _best(points: Mapping[str, float]) -> tuple[str, ...]:
    """Return the systems with the most points; none if all have as many."""
    if len(set(points.values())) < 2:
        return ()
    most = max(points.values())
    return tuple(system for system, found in points.items() if found == most)


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


def find_verdicts(run: JudgeRun, inputs: JudgedInputs, wanted: Search) -> FoundPage:
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
