"""The answers of a run's systems side by side, a page at a time, and who wins each instance.

Reading a page takes the tasks, which are read once, and the answers on it. Who wins is found from
all answers: in the background, from the first time that somebody asks. Until all are compared, a
page shows what is known so far, and how many instances are left.

Example::

    with Run.read(PREDICT, Path("runs/test")) as run:
        page = ComparedAnswers(run).find(Wanted(state="tuned"))
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from threading import RLock, Thread
from typing import Generic, TypeVar

from seedstep.data import Instance, Task, instances_of
from seedstep.evaluate.metrics import (
    METRICS,
    Metric,
    PredictionMarker,
    category_metric,
    stemmed_tokens,
)
from seedstep.review.verdicts import EACH, FoundPage, Wanted
from seedstep.runs import PredictionsRun
from seedstep.runs.database import Database
from seedstep.runs.directory import DATABASE

__all__ = ["ANSWERS", "TIE", "ComparedAnswers", "Counting", "PredictedAnswer", "PredictedInstance"]

TIE = "(tie)"
"""The winner of an instance if no system is better than all others."""

PATIENCE = 0.3
"""How many seconds a page waits for what is counted in the background."""

STRETCH = 2_000
"""How many instances are compared before a page is told of them."""

ANSWERS = (
    "SELECT place, system, text, failed FROM predictions"
    " WHERE system IN (SELECT name FROM systems) AND place >= ? AND place < ?"
)
"""What all systems answered to instances; a search by the primary key for each of them."""

T = TypeVar("T")


class Counting(Generic[T]):
    """Computes a value in a thread, for pages, which wait for it at most PATIENCE seconds."""

    def __init__(self, make: Callable[[], T], version: int | None) -> None:
        """Start the thread, which calls `make`.

        `version` is that of the database that it reads; None if the database has no versions.
        """
        self._make = make
        self._version = version
        self._made: list[T] = []
        self._problem: Exception | None = None
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            self._made.append(self._make())
        except Exception as problem:  # raised where it is asked for
            self._problem = problem

    def holds(self, version: int | None) -> bool:
        """Return whether the value is of this version, or still being computed."""
        is_same = version is not None and version == self._version
        return self._thread.is_alive() or (is_same and bool(self._made))

    def wait(self, seconds: float = PATIENCE) -> T | None:
        """Return the value, or None if it takes longer. What `make` raises is raised here."""
        self._thread.join(seconds)
        if self._problem:
            raise self._problem
        return self._made[0] if self._made else None


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
            RunError: they have changed.
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

    def find(self, wanted: Wanted) -> FoundPage:
        """Find instances with all answers; `group` is a category, `state` the winner or TIE.

        Raises:
            InputError: the tasks can't be read any more.
            RunError: they have changed.
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
