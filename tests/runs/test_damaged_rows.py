"""A run's database with a damaged value in a whole file: the row is named, other rows are read."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from seedstep.report.assembly import _clock
from seedstep.runs.database import Database
from support.command_line import seedstep
from support.growing import grow
from support.scripted_server import ScriptedServer

pytestmark = pytest.mark.usefixtures("empty_directory")

FIXTURES = Path(__file__).parents[1] / "fixtures/v0.1.0"
DAMAGE = {
    "cut": "'{\"a\": '",
    "no JSON": "'damaged'",
    "another type": "'[[[]]]'",
    "null": "'null'",
    "no text": "CAST(x'ff' AS TEXT)",
    "a number": "7",
    "deep": f"'{'[' * 10_000}'",
}


def _change(statement: str) -> None:
    with closing(sqlite3.connect("run/run.db")) as database, database:
        database.execute(statement)


@pytest.mark.parametrize("value", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_value_is_named_and_the_rest_is_shown(value: str, server: ScriptedServer) -> None:
    made = grow(Path("run"), server, tasks=40)
    first, *_, last = [task.id for task in made.tasks]
    item = made.generations[0].index
    _change(f"UPDATE generations SET demonstrations = {value} WHERE item = {item}")
    _change(f"UPDATE requests SET request = {value} WHERE rowid = 1")
    with closing(sqlite3.connect("run/run.db")) as database:
        key = database.execute("SELECT key FROM requests WHERE rowid = 1").fetchone()[0]
    for shown in (("show", "run", first), ("requests", "run", key)):
        done = seedstep(*shown)
        if done.code == 1:
            assert "run.db" in done.error
        assert "Traceback" not in done.err
    assert seedstep("show", "run", last).code == 0
    assert seedstep("status", "run").code == 0
    assert seedstep("export", "run", "--format", "alpaca", "--out", "out").code == 0
    assert json.loads(next(Path("out").glob("*.json")).read_text())


@pytest.mark.parametrize("value", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("stage", ["steps", "judge", "examples"])
@pytest.mark.usefixtures("quick_figures")
def test_a_damaged_result_is_named_and_others_are_shown(stage: str, value: str) -> None:
    shutil.copytree(FIXTURES / stage, "run")
    with closing(sqlite3.connect("run/run.db")) as database:
        rows = database.execute("SELECT task FROM results ORDER BY position").fetchall()
    (first,), *_, (last,) = rows
    _change(f"UPDATE results SET result = {value} WHERE position = 0")
    done = seedstep("show", "run", first)
    assert "run.db" in done.error
    assert "Traceback" not in done.err
    assert seedstep("show", "run", last).code == 0
    for command in (("status", "run"), ("show", "run"), ("report", "run", "--out", "page")):
        assert "Traceback" not in seedstep(*command).err


@pytest.mark.parametrize("value", ["NULL", "'noon'", "x'00'"])
@pytest.mark.parametrize("column", ["at", "seconds", "prompt_tokens"])
def test_a_column_with_another_value_is_named(column: str, value: str) -> None:
    """As damage of bytes makes it, against what the schema says."""
    shutil.copytree(FIXTURES / "bootstrap-chat", "run")
    with closing(sqlite3.connect("run/run.db")) as database, database:
        database.execute("PRAGMA writable_schema = ON")
        database.execute(
            "UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '') WHERE name = 'requests'"
        )
    with closing(sqlite3.connect("run/run.db")) as database, database:
        schema = "SELECT sql FROM sqlite_master WHERE name = 'requests'"
        changed = database.execute(schema).fetchone()[0]
        database.execute(f"UPDATE requests SET {column} = {value} WHERE rowid = 1")
        database.execute("PRAGMA writable_schema = ON")
        whole = changed.replace(f"{column} REAL", f"{column} REAL NOT NULL")
        whole = whole.replace(f"{column} INTEGER", f"{column} INTEGER NOT NULL")
        database.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'requests'", (whole,))
    for command in (("status", "run"), ("show", "run"), ("requests", "run")):
        done = seedstep(*command)
        if done.code:
            assert "run.db is damaged: " in done.error
            assert column in done.error
    if column == "at":
        assert seedstep("status", "run").code == 1


@pytest.mark.parametrize(
    "change",
    [
        """requests SET request = '{"prompt": 5}', frame = NULL""",
        """requests SET request = '{"prompt": ["a", [1]]}', frame = NULL""",
        "requests SET seconds = 'a', attempts = 'b', prompt_tokens = 'c'",
        "requests SET at = 1e300, seconds = 1e308",
        "candidates SET instruction = x'ff00', score = 'a'",
    ],
)
def test_values_of_another_kind_are_told_by_every_reader(
    change: str, server: ScriptedServer
) -> None:
    first = grow(Path("run"), server, tasks=2).tasks[0].id
    _change(f"UPDATE {change}")
    with closing(sqlite3.connect("run/run.db")) as database:
        key = database.execute("SELECT key FROM requests").fetchone()[0]
    distill = ("distill", "run", "--model", "openai:m", "--base-url", "http://127.0.0.1:9/v1")
    for command in (
        ("status", "run"),
        ("show", "run"),
        ("show", "run", first),
        ("requests", "run"),
        ("requests", "run", key),
        (*distill, "--dry-run", "--out", "distilled"),
    ):
        done = seedstep(*command)
        assert "Traceback" not in done.err
        if done.code:
            assert "run.db" in done.error


@pytest.mark.parametrize(
    ("stage", "change", "named", "command"),
    [
        ("bootstrap", "DELETE FROM instances", "the task g", "export --format alpaca --out data"),
        ("bootstrap", "UPDATE candidates SET id = id || 'x'", "has no instance", "show"),
        ("steps", "ALTER TABLE results DROP COLUMN category", "results.category", "status"),
        ("predict", "ALTER TABLE scores DROP COLUMN low", "scores.low", "status"),
        ("predict", "UPDATE systems SET name = NULL", "systems.name has no text", "predict"),
        (
            "predict",
            "UPDATE systems SET name = CAST(name AS BLOB)",
            "systems.name has no text",
            "evaluate",
        ),
        ("predict", "UPDATE predictions SET text = x'ff'", "predictions.text has", "evaluate"),
        ("steps", "UPDATE results SET fingerprint = x'ff'", "results.fingerprint has", "steps"),
    ],
)
def test_what_is_missing_or_no_text_is_named(
    stage: str, change: str, named: str, command: str
) -> None:
    shutil.copytree(FIXTURES / stage, "run")
    for name in ("boats", "words", "things.jsonl"):
        source = FIXTURES / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, name)
    Database.open(Path("run/run.db")).close()
    _change(change)
    words = command.split()
    where = ("--out", "run") if command in ("predict", "steps") else ("run",)
    done = seedstep(words[0], *where, *words[1:])
    assert "run.db is damaged: " in done.error
    assert named in done.error


@pytest.mark.parametrize("at", [1e300, -1e300, 1e15])
def test_a_time_that_can_not_be_is_told_in_a_report(at: float) -> None:
    assert _clock(at) == "at a time that can't be"
    assert _clock(0.0) == "1970-01-01 00:00 UTC"


@pytest.mark.parametrize("tokens", ["tokens: auto", ""])
@pytest.mark.usefixtures("quick_figures")
def test_tokens_that_a_run_does_not_name_are_those_of_the_paper(
    tokens: str, server: ScriptedServer
) -> None:
    pytest.importorskip("matplotlib")
    grow(Path("run"), server, tasks=1)
    config = Path("run/run.yaml")
    config.write_text(config.read_text("utf-8").replace("tokens: latin", tokens), "utf-8")
    assert seedstep("report", "run", "--out", "report").code == 0
    assert seedstep("bootstrap", "--out", "run", "--tasks", 1).code == 0
    assert "tokens: latin" in config.read_text("utf-8")
