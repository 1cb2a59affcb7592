"""A reader beside a writer is answered from one moment of the database."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from seedstep import export, open_run
from seedstep.errors import StoreError
from seedstep.runs import database as database_module
from seedstep.runs.database import Database
from seedstep.runs.directory import DATABASE
from seedstep.stages import BOOTSTRAP, item_blocks, list_blocks, status_blocks
from support.growing import grow
from support.scripted_server import ScriptedServer


@pytest.fixture(name="grown", scope="module")
def _grown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with ScriptedServer() as server:
        yield grow(tmp_path_factory.mktemp("readers") / "run", server, tasks=5).path


def write_another(path: Path) -> None:
    """Keep one more finished task, as a process that grows tasks does."""
    with closing(sqlite3.connect(path / DATABASE, timeout=10)) as writer, writer:
        (item,) = writer.execute("SELECT max(item) + 1 FROM generations").fetchone()
        writer.execute(
            "INSERT INTO generations (item, request, demonstrations, failure, at)"
            " VALUES (?, 'r', '[]', '', 0)",
            (item,),
        )
        writer.execute(
            "INSERT INTO candidates (id, item, position, instruction, reason, detail, neighbor,"
            " score, is_classification, classification_request, instances_request)"
            " VALUES (?, ?, 0, 'Sing.', '', '', NULL, NULL, 0, '', '')",
            (f"g{item}.0", item),
        )
        writer.execute("INSERT INTO instances VALUES (?, 0, '', 'La.', '', '')", (f"g{item}.0",))


@pytest.fixture(name="busy")
def _busy(grown: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run to which another connection adds a task after each query that a reader makes."""
    ask = Database.rows

    def rows(self: Database, query: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        found = ask(self, query, values)
        write_another(grown)
        return found

    monkeypatch.setattr(Database, "rows", rows)
    return grown


def counted(path: Path) -> int:
    """How many finished tasks the database has."""
    with closing(sqlite3.connect(path / DATABASE)) as database:
        query = "SELECT count(*) FROM candidates WHERE reason = ''"
        return int(database.execute(query).fetchone()[0])


ANSWERS: dict[str, Callable[[Any, Path], object]] = {
    "tasks": lambda run, out: run.tasks(),
    "status": lambda run, out: status_blocks(run),
    "list": lambda run, out: list_blocks(run),
    "one": lambda run, out: item_blocks(run, run.tasks()[0].id),
    "export": lambda run, out: export(run, "superni", out),
    "card": lambda run, out: export(run, "hub", out, licence="cc-by-4.0"),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_is_of_one_moment(answer: str, busy: Path, tmp_path: Path) -> None:
    before = counted(busy)
    with open_run(busy, BOOTSTRAP) as run:
        ANSWERS[answer](run, tmp_path / "out")
        assert counted(busy) > before + 1
        assert len(run.tasks()) > before


def test_a_status_counts_the_tasks_of_one_moment(busy: Path) -> None:
    with open_run(busy, BOOTSTRAP) as run, run.snapshot():
        tasks = run.tasks()
        status = run.status()
    assert status.finished == len(tasks)
    assert status.instances == sum(len(task.instances) for task in tasks)
    assert counted(busy) > len(tasks)


def test_two_threads_are_each_answered_from_one_moment(grown: Path) -> None:
    """As two people who look at a run at once."""
    query = "SELECT count(*) FROM candidates"
    begun, written = Event(), Event()
    counts: list[int] = []
    with closing(Database.open(grown / DATABASE, read_only=True)) as database:

        def read_twice() -> None:
            with database.snapshot():
                counts.append(database.rows(query)[0][0])
                begun.set()
                written.wait(30)
                counts.append(database.rows(query)[0][0])

        with database.snapshot():
            thread = Thread(target=read_twice)
            thread.start()
            begun.wait(0.2)  # does not begin
        begun.wait(30)
        write_another(grown)
        written.set()
        thread.join()
    assert counts[0] == counts[1]


def test_a_database_is_read_through_once_for_an_error(
    grown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(database: Database) -> None:
        looks.append(database)
        whole(database)

    looks: list[Database] = []
    whole = Database.require_whole
    monkeypatch.setattr(Database, "require_whole", look)
    with pytest.raises(ValueError, match="text"), open_run(grown, BOOTSTRAP) as run, run.snapshot():
        raise ValueError("a text that is no number")
    assert len(looks) == 1
    with closing(sqlite3.connect(grown / DATABASE)) as writer, writer:
        writer.execute("UPDATE candidates SET instruction = x'00' WHERE rowid = 1")
    with (
        closing(Database.open(grown / DATABASE, read_only=True)) as database,
        pytest.raises(StoreError, match=r"candidates\.instruction"),
        database.snapshot(),
    ):
        raise AttributeError("bytes has no strip")


def test_what_a_killed_process_had_begun_is_undone_for_a_reader(tmp_path: Path) -> None:
    made = tmp_path / "made.db"
    Database.open(made).close()
    killed = tmp_path / DATABASE
    with closing(sqlite3.connect(made, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = DELETE")  # as before it is changed, at the beginning
        writer.execute("PRAGMA cache_size = 1")
        writer.execute("BEGIN")
        writer.execute("CREATE TABLE begun (text)")
        writer.executemany("INSERT INTO begun VALUES (?)", [("some" * 2000,)] * 50)
        for end in ("", "-journal"):
            shutil.copy(f"{made}{end}", f"{killed}{end}")
    with closing(Database.open(killed, read_only=True)) as database:
        assert not database.has_rows("begun")
        assert database.has_schema


def test_a_new_database_is_never_in_a_journal_that_a_reader_can_not_undo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seen(connection: sqlite3.Connection, path: Path) -> None:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        migrate(connection, path)

    migrate = database_module._migrate
    monkeypatch.setattr(database_module, "_migrate", seen)
    Database.open(tmp_path / DATABASE).close()
