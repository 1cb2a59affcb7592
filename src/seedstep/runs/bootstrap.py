"""The run directory of a bootstrap.

Example::

    with BootstrapRun.start(Path("runs/first"), {"tasks": 100}) as run: ...
    run = BootstrapRun.read(Path("runs/first"))
    print(run.status().finished)
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from seedstep.bootstrap import BootstrapSettings, Generation, make_settings, require_price
from seedstep.data import Task, evaluation_items, require_seeds, seed_tasks
from seedstep.errors import InputError
from seedstep.novelty import Contamination
from seedstep.prompts import fingerprint
from seedstep.runs.database import Database
from seedstep.runs.directory import ModelRun, digest
from seedstep.runs.results import (
    RejectedInstruction,
    RejectedPair,
    RunStatus,
    TaskDetails,
    generation_statements,
    read_details,
    read_rejected,
    read_rejected_instructions,
    read_rejected_pairs,
    read_status,
    read_tasks,
)
from seedstep.text import TOKENIZERS

__all__ = [
    "BootstrapRun",
]


class BootstrapRun(ModelRun[BootstrapSettings, tuple[Task, ...]]):
    """A bootstrap's run directory, opened for reading or as its one writer."""

    stage = "bootstrap"
    make_settings = staticmethod(make_settings)
    changeable = (
        "tasks",
        "in_flight",
        "patience",
        "max_requests",
        "max_tokens",
        "max_usd",
        "prices",
    )

    def __init__(self, path: Path, settings: BootstrapSettings, database: Database) -> None:
        """Use `BootstrapRun.start` or `BootstrapRun.read`."""
        super().__init__(path, settings, database)
        self._recorded = database.rows("SELECT max(item) FROM generations")[0][0] or 0

    @staticmethod
    def load(settings: BootstrapSettings) -> tuple[Task, ...]:
        """The seed tasks."""
        require_price(settings)
        return require_seeds(Path(settings.seeds)) if settings.seeds else seed_tasks()

    @staticmethod
    def stamps(settings: BootstrapSettings, inputs: tuple[Task, ...]) -> dict[str, str]:
        """Fingerprints of seeds, prompts and evaluation sets."""
        stamps = {"seeds_fingerprint": digest([inputs]), "prompts_fingerprint": fingerprint()}
        if settings.decontaminate:
            stamps["evaluation_fingerprint"] = digest(_evaluation_items(settings))
        return stamps

    def seeds(self) -> tuple[Task, ...]:
        """The run's seed tasks."""
        return self.inputs()

    def contamination(self) -> Contamination | None:
        """The run's evaluation sets, if it has any."""
        settings = self.settings
        if not settings.decontaminate:
            return None
        tokenizer = TOKENIZERS[settings.tokens]
        return Contamination(
            _evaluation_items(settings), tokenizer, settings.decontamination_threshold
        )

    async def record(self, generation: Generation) -> None:
        """Keep a retired generation. Keeping one again, as a resumed run does, changes nothing."""
        if generation.index >= self._recorded:
            await self._database.write(list(generation_statements(generation)))

    def tasks(self) -> tuple[Task, ...]:
        """The finished tasks, in the order in which they were retired."""
        return read_tasks(self._database)

    def rejected(self) -> tuple[tuple[str, str, str], ...]:
        """(id, reason, instruction) of the rejected candidates, in the order they were retired."""
        return read_rejected(self._database)

    def seed_definitions(self) -> tuple[tuple[str, str], ...]:
        """(id, definition) of the seeds as the run kept them, also where their file is gone."""
        return tuple(map(tuple, self._database.rows("SELECT id, definition FROM seeds")))

    def rejected_instructions(self, each: int) -> tuple[RejectedInstruction, ...]:
        """The first `each` rejected candidates of each reason, with their nearest neighbours."""
        return read_rejected_instructions(self._database, each)

    def rejected_pairs(self, each: int) -> tuple[RejectedPair, ...]:
        """The first `each` rejected instances of each reason."""
        return read_rejected_pairs(self._database, each)

    def finished_at(self) -> tuple[float, ...]:
        """When each finished task was retired (Unix time), in that order."""
        query = (
            "SELECT g.at FROM generations g JOIN candidates c ON c.item = g.item"
            " WHERE c.reason = '' ORDER BY g.at"
        )
        return tuple(row[0] for row in self._database.rows(query))

    def status(self) -> RunStatus:
        """Counts, tokens and speed."""
        return read_status(self._database, wanted=self.settings.tasks, running=self._is_running())

    def show(self, task_id: str) -> TaskDetails:
        """A finished task or rejected candidate with all that led to it.

        Raises:
            InputError: there is none of that id.
        """
        details = read_details(self._database, task_id)
        if details is None:
            remedy = f"`seedstep show {self.path}` lists them, with --rejected those refused"
            raise InputError(f"{self.path} has no task '{task_id}'", remedy)
        return details

    def _check(self) -> None:
        finished = self.status().finished
        if finished > self.settings.tasks:
            raise InputError(
                f"{self.path} has {finished} finished tasks already, more than --tasks",
                "ask for more, or name another --out",
            )

    def _keep(self, inputs: Sequence[Task]) -> None:
        self._database.write_now("DELETE FROM seeds", [()])  # of an attempt that asked nothing
        rows = [(task.id, task.definition) for task in inputs]
        self._database.write_now("INSERT INTO seeds VALUES (?, ?)", rows)


def _evaluation_items(settings: BootstrapSettings) -> Iterator[tuple[str, str]]:
    for path in settings.decontaminate:
        yield from evaluation_items(Path(path))
