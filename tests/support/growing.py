"""What the tests of whole runs share: a bootstrap on the scripted server, and all that it left."""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from seedstep import Task, export, self_instruct
from seedstep.bootstrap import Generation
from seedstep.exports import EXPORT_FORMATS
from seedstep.recipes import BootstrapProgress
from seedstep.runs import BootstrapStatus, Run
from seedstep.stages import BOOTSTRAP
from support.scripted_server import Fault, Script, ScriptedServer

STYLES = ("completion", "turns", "dialogue", "chat")

DATA_FORMATS = tuple(name for name in EXPORT_FORMATS if name != "hub")
"""Those that hold data alone: a card also says which model was asked, and a replay is another."""

SIGNS = {
    "generation": ("Come up with a series", "Here are", "<|im_start|>"),
    "classification": ("Can the following task",),
    "instances": (
        *("Come up with examples", "Given the classification", "Below is a classification"),
        "Answer correctly and briefly.",
    ),
}
"""How a request begins, by its purpose."""


@dataclass
class Recorder:
    """A watcher that keeps what it is told, and may end the run like a fault of its own."""

    generations: list[Generation] = field(default_factory=list)
    fails_after: int = 0

    def began(self, progress: BootstrapProgress) -> None:
        pass

    def retired(self, progress: BootstrapProgress, generation: Generation) -> None:
        self.generations.append(generation)
        if len(self.generations) == self.fails_after:
            raise Interruption

    def tick(self, progress: BootstrapProgress) -> None:
        pass


class Interruption(Exception):  # noqa: N818 - not an error of the program's
    """Ends a run in the middle."""


@dataclass(frozen=True)
class Outcome:
    """A run as it was left."""

    path: Path
    generations: tuple[Generation, ...]
    tasks: tuple[Task, ...]
    status: BootstrapStatus

    @property
    def counts(self) -> tuple[object, ...]:
        """What two runs of the same data have in common in their status."""
        status = self.status
        return (
            status.finished,
            status.classification,
            status.instances,
            status.rejected,
            status.bad_instances,
        )


def asked_of(server: ScriptedServer, **settings: Any) -> dict[str, Any]:
    return {"model": "openai:scripted", "base_url": server.url, **settings}


def grow(out: Path, server: ScriptedServer, **settings: Any) -> Outcome:
    """Make a run, or go on with one."""
    recorder = Recorder()
    with self_instruct(out, watch=recorder, **asked_of(server, **settings)) as run:
        return Outcome(out, tuple(recorder.generations), run.tasks().tasks, run.status())


def files_of(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def exported(path: Path, names: Iterable[str] = DATA_FORMATS) -> dict[str, dict[str, bytes]]:
    """A run's exports, byte for byte."""
    with Run.read(BOOTSTRAP, path) as run:
        for name in names:
            export(run, name, path / "exports" / name)
    return {name: files_of(path / "exports" / name) for name in names}


def requests_in(path: Path) -> list[dict[str, Any]]:
    """The requests in a run's database, each whole, read as anybody would with SQL alone."""
    query = """
    SELECT coalesce(head, '') || request || coalesce(tail, '') FROM requests
    LEFT JOIN frames ON frames.id = requests.frame ORDER BY requests.rowid
    """
    if not (path / "run.db").is_file():
        return []
    with closing(sqlite3.connect(path / "run.db")) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'frames'").fetchall():
            return []
        return [json.loads(row[0]) for row in connection.execute(query)]


def text_of(body: dict[str, Any]) -> str:
    """The text of a request, turns joined."""
    if "input" in body:
        return "\n".join(body["input"])
    turns = [str(message["content"]) for message in body.get("messages", ())]
    return "\n".join(turns) if turns else str(body["prompt"])


def purpose_of(body: dict[str, Any]) -> str:
    text = text_of(body)
    return next(purpose for purpose, signs in SIGNS.items() if text.startswith(signs))


def times_asked(bodies: Iterable[dict[str, Any]]) -> Counter[str]:
    return Counter(json.dumps(body, sort_keys=True) for body in bodies)


def stored_answers(run: Path) -> int:
    """How many answers a run has stored."""
    with closing(sqlite3.connect(run / "run.db")) as database:
        return int(database.execute("SELECT count(*) FROM requests").fetchone()[0])


def named(prompt: object, draw: object) -> str:
    """A request by its prompt and its draw."""
    return json.dumps([prompt, draw], sort_keys=True)


def asked(bodies: Iterable[dict[str, Any]]) -> list[str]:
    """The requests that a server got."""
    return [named(body.get("prompt") or body["messages"], body["seed"]) for body in bodies]


def committed(path: Path) -> set[str]:
    """The requests whose answers are in a run's database."""
    return {named(row["prompt"], row["draw"]) for row in requests_in(path)}


def grow_again(out: Path, servers: Sequence[ScriptedServer], **settings: Any) -> None:
    """Stop a run after two generations, and go on: what was stored is not asked again.

    The first of the servers is that of the run's model. All are new.
    """
    settings = asked_of(servers[0], in_flight=1, **settings)
    with pytest.raises(Interruption):
        self_instruct(out, watch=Recorder(fails_after=2), **settings)
    kept, before = committed(out), [len(server.bodies) for server in servers]
    self_instruct(out, **settings).close()
    for server, first in zip(servers, before, strict=True):
        assert kept.isdisjoint(asked(server.bodies[first:]))
    lost = sum(server.requests for server in servers) - stored_answers(out)
    assert kept
    assert lost <= 2 * len(servers), "those under way when it was stopped"


def where(condition: Callable[[dict[str, Any]], bool], fault: Fault) -> Script:
    """Requests of which this is true get the fault."""
    return lambda number, body: fault if condition(body) else None


def generated_in(*draws: int) -> Callable[[dict[str, Any]], bool]:
    """True of the generation requests of these items."""
    return lambda body: purpose_of(body) == "generation" and body["seed"] in draws
