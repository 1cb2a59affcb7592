"""Runs, recordings, exports and experiments that version 0.1.0 made go on working.

`tests/fixtures/v0.1.0/` holds one of each, as 0.1.0 left them, and in `expected.json` what 0.1.0
said of them. Tests work on a copy, inside it, as all paths in it are relative.
"""

import hashlib
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import chdir, closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from support.command_line import Outcome, seedstep
from support.scripted_server import ScriptedServer

FIXTURES = Path(__file__).parents[1] / "fixtures" / "v0.1.0"

BOOTSTRAPS = ("bootstrap", "bootstrap-chat")
PARTS = {"bootstrap-part": "bootstrap", "bootstrap-chat-part": "bootstrap-chat"}
"""Interrupted runs, and the uninterrupted ones of the same settings."""

RUNS = (*BOOTSTRAPS, *PARTS, "steps", "examples", "predict", "judge", "judge-pairwise")
TUNINGS = ("tuned", "tuned-part")
FORMATS = ("alpaca", "messages", "sharegpt", "prompt-completion", "superni")

LOOKS = (
    *(f"status {run}" for run in RUNS),
    *(f"requests {run} --limit 1000" for run in RUNS),
    *(f"show {run}{flag}" for run in (*BOOTSTRAPS, *PARTS) for flag in ("", " --rejected")),
    "requests predict --failed",
    "steps show steps",
    "steps show steps task002_boat",
    "examples show examples",
    "examples show examples task001_boat",
    "experiment: status grown",
    "experiment: status steps",
    "experiment: status answers",
)
"""Commands that only look, and say the same each time; those of the experiment in its directory."""

COUNTS = (
    "evaluate predict --by task --format json",
    "experiment: evaluate answers --format json",
    "compare predict --name served --name tuned --format json",
    "agreement judge judge --format json",
)

GOES_ON = {
    **{run: (("bootstrap", "--out", run),) for run in BOOTSTRAPS},
    "steps": (("steps", "--out", "steps"),),
    "examples": (("examples", "--out", "examples"),),
    "predict": tuple(
        ("predict", "--out", "predict", "--name", name)
        for name in ("served", "baseline:copy-demonstration", "tuned")
    ),
    "judge": (("judge", "--out", "judge"),),
    "judge-pairwise": (("judge", "--out", "judge-pairwise"),),
}
"""How each finished run goes on."""

REPLAYS = {
    "bootstrap": ("bootstrap", "--tasks", 3, "--seed", 13, "--window", 2),
    "bootstrap-chat": ("bootstrap", "--tasks", 3, "--seed", 14, "--window", 2),
}
"""The command of a run but for its model."""


@pytest.fixture(autouse=True)
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what 0.1.0 made, which becomes the current directory."""
    copy = tmp_path / "made"
    shutil.copytree(FIXTURES, copy)
    shutil.copytree(FIXTURES, tmp_path / "first")
    monkeypatch.chdir(copy)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return copy


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    """The server that 0.1.0 asked, at another address."""
    with ScriptedServer() as server:
        yield server


def as_made(name: str) -> Path:
    """A run as 0.1.0 left it, in a copy of its own: reading a database writes beside it."""
    return Path.cwd().parent / "first" / name


def expected(part: str) -> Any:
    """What 0.1.0 said."""
    return json.loads((FIXTURES / "expected.json").read_bytes())[part]


def run(command: str) -> Outcome:
    """A command that must succeed; where a directory stands before it, run there."""
    folder, _, words = command.rpartition(": ")
    with chdir(folder or "."):
        outcome = seedstep(*words.split())
    assert outcome.code == 0, outcome.err
    return outcome


def told(command: str) -> list[str]:
    """The lines that a command prints, without times; tables in a wide terminal."""
    columns = "80" if "show" in command else "160"
    with patch.dict(os.environ, COLUMNS=columns):
        lines = [re.sub(r"\b\d+\.\d s\b", "? s", line) for line in run(command).lines]
    return [" ".join(line.split()) for line in lines if line.strip()]


def counted(command: str) -> Any:
    """What a command prints as JSON."""
    return json.loads(run(command).out)


def asked(name: str) -> dict[str, list[str]]:
    """All requests of a run by key: what for, and what came back."""
    path = Path("asked.jsonl")
    path.unlink(missing_ok=True)
    run(f"requests {name} --export {path}")
    _, *lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {line["key"]: [line["purpose"], _back(line)] for line in lines}


def _back(line: dict[str, Any]) -> str:
    return str((line["reply"] or line["failure"])["text" if line["reply"] else "reason"])


def exported(name: str, form: str) -> dict[str, str]:
    """The files of an export, each with its fingerprint."""
    out = Path("exported")
    shutil.rmtree(out, ignore_errors=True)
    run(f"export {name} --format {form} --out {out}")
    return {path: hashlib.sha256(data).hexdigest() for path, data in files_of(out).items()}


def files_of(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def rows_of(name: str, like: Path | None = None) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of a run's database by table, in the tables and columns that `like` has."""
    with closing(sqlite3.connect((like or Path(name)) / "run.db")) as first:
        names = first.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        tables = {
            table: [column[1] for column in first.execute(f"PRAGMA table_info({table})")]
            for (table,) in names
        }
    with closing(sqlite3.connect(Path(name) / "run.db")) as database:
        return {
            table: sorted(database.execute(f"SELECT {', '.join(columns)} FROM {table}"), key=repr)
            for table, columns in tables.items()
        }


def losses(folder: str) -> list[dict[str, float]]:
    """The losses of a tuning by step, without how long things took."""
    lines = map(json.loads, (Path(folder) / "metrics.jsonl").read_text().splitlines())
    kept = ("step", "loss", "held_out_loss")
    return [{name: line[name] for name in kept if name in line} for line in lines]


WITH_INTERVALS = " with 95% intervals over tasks"
"""What 0.1.0 also said where there are too few tasks for intervals."""


@pytest.mark.parametrize("command", LOOKS)
def test_a_run_is_looked_at(command: str) -> None:
    lines = told(command)
    missing = [line for line in expected("told")[command] if line not in lines]
    assert [line for line in missing if WITH_INTERVALS not in line] == []


@pytest.mark.parametrize("name", BOOTSTRAPS)
def test_every_task_is_shown(name: str) -> None:
    for task, lines in expected("tasks")[name].items():
        shown = told(f"show {name} {task}")
        assert [line for line in lines if line not in shown] == []


@pytest.mark.parametrize("name", RUNS)
def test_every_request_is_there(name: str) -> None:
    assert asked(name) == expected("asked")[name]


@pytest.mark.parametrize("name", BOOTSTRAPS)
def test_a_recording_is_written_as_before(name: str) -> None:
    run(f"requests {name} --export again.jsonl")
    assert Path("again.jsonl").read_bytes() == Path(f"{name}.recording.jsonl").read_bytes()


def _forget(record: object, names: Sequence[str]) -> None:
    """Remove entries from a record and all in it."""
    if isinstance(record, dict):
        for name in names:
            record.pop(name, None)
    parts = record.values() if isinstance(record, dict) else record
    for part in parts if isinstance(parts, Iterable) and not isinstance(parts, str) else ():
        _forget(part, names)


@pytest.mark.parametrize("command", COUNTS)
def test_scores_are_the_same(command: str) -> None:
    found = counted(command)
    records = found if isinstance(found, list) else []
    for record in records:  # 0.1.0 counted no empty or cut answers, and had no remarks
        for remark in record.pop("remarks", ()):
            assert remark.endswith(
                (
                    "whether its model was trained on what is scored here is not known",
                    "of 6 answers 6 are empty and 6 are cut at the length limit",
                    "1 prediction missing or failed, counted as empty",
                )
            )
        _forget(record, ("empty", "cut"))
    assert found == expected("counted")[command]


@pytest.mark.parametrize("name", BOOTSTRAPS)
@pytest.mark.parametrize("form", FORMATS)
def test_exports_are_the_same_in_every_format(name: str, form: str) -> None:
    assert exported(name, form) == expected("exported")[name][form]


@pytest.mark.parametrize("form", ["alpaca", "superni"])
def test_the_export_is_that_of_before_byte_for_byte(form: str) -> None:
    run(f"export bootstrap --format {form} --out again")
    assert files_of(Path("again")) == files_of(Path(f"export-{form}"))


def test_steps_are_exported_as_before() -> None:
    run("steps export steps --out again.jsonl")
    run("steps export steps --format superni --out again")
    assert Path("again.jsonl").read_bytes() == Path("steps.jsonl").read_bytes()
    assert files_of(Path("again")) == files_of(Path("export-steps-superni"))


@pytest.mark.usefixtures("quick_figures")
def test_a_report_on_all_of_them() -> None:
    run(f"report {' '.join((*RUNS, *TUNINGS))} --out report")
    page = Path("report/index.html").read_text(encoding="utf-8")
    for name in (*RUNS, *TUNINGS):
        assert name in page
    for name in BOOTSTRAPS:
        for line in expected("told")[f"show {name}"]:
            definition = re.search(r"g\d+\.\d+ (?:C )?\d+ (.+)", line)
            assert definition
            assert definition[1] in page


@pytest.mark.parametrize("name", GOES_ON)
def test_a_finished_run_goes_on_with_nothing_to_ask(name: str) -> None:
    """Its server is gone: whatever is asked fails."""
    before, config = rows_of(name), (Path(name) / "run.yaml").read_bytes()
    for command in GOES_ON[name]:
        outcome = seedstep(*command)
        assert outcome.code == 0, outcome.err
    assert rows_of(name, as_made(name)) == before
    assert asked(name) == expected("asked")[name]
    assert (Path(name) / "run.yaml").read_bytes() == config


@pytest.mark.parametrize("name", GOES_ON)
def test_the_same_where_the_server_has_moved(name: str, scripted: ScriptedServer) -> None:
    before = rows_of(name)
    for command in GOES_ON[name]:
        moved = ("--base-url", scripted.url, "--same-model")
        outcome = seedstep(*command, *(moved if command[-1] in (name, "served") else ()))
        assert outcome.code == 0, outcome.err
    assert scripted.requests == 0
    kept = rows_of(name, as_made(name))
    assert {**kept, "systems": []} == {**before, "systems": []}


@pytest.mark.parametrize("part", PARTS)
def test_an_interrupted_run_asks_only_for_what_is_missing(
    part: str, scripted: ScriptedServer
) -> None:
    whole, before = PARTS[part], asked(part)
    assert 0 < len(before) < len(expected("asked")[whole])
    moved = ("--base-url", scripted.url, "--same-model")
    outcome = seedstep("bootstrap", "--out", part, *moved)
    assert outcome.code == 0, outcome.err
    after = asked(part)
    assert before.items() <= after.items()
    assert scripted.requests == len(after) - len(before) > 0
    for form in FORMATS:
        assert exported(part, form) == expected("exported")[whole][form]
    for flag in ("", " --rejected"):
        assert told(f"show {part}{flag}") == told(f"show {whole}{flag}")


@pytest.mark.parametrize("name", BOOTSTRAPS)
def test_more_tasks_are_grown_after_those_that_are_there(
    name: str, scripted: ScriptedServer
) -> None:
    moved = ("--base-url", scripted.url, "--same-model")
    outcome = seedstep("bootstrap", "--out", name, "--tasks", 9, *moved)
    assert outcome.code == 0, outcome.err
    assert told(f"show {name}")[:3] == expected("told")[f"show {name}"]
    assert len(told(f"show {name}")) == 9
    assert expected("asked")[name].items() < asked(name).items()


@pytest.mark.parametrize("name", BOOTSTRAPS)
def test_a_recording_replays_to_the_same_data(name: str) -> None:
    model = f"replay:{name}.recording.jsonl"
    outcome = seedstep(*REPLAYS[name], "--model", model, "--out", "again")
    assert outcome.code == 0, outcome.err
    for form in FORMATS:
        assert exported("again", form) == expected("exported")[name][form]


@pytest.mark.parametrize("part", PARTS)
def test_other_settings_are_refused(part: str) -> None:
    before = rows_of(part), (Path(part) / "run.yaml").read_bytes()
    assert "seed: " in seedstep("bootstrap", "--out", part, "--seed", 99).error
    assert (rows_of(part), (Path(part) / "run.yaml").read_bytes()) == before


def test_an_experiment_has_nothing_to_do() -> None:
    before = files_of(Path("experiment"))
    outcome = run("run experiment.yaml --out experiment")
    assert outcome.words.count("finished before") == len(json.loads(before["stages.json"])) == 5
    after = files_of(Path("experiment"))
    assert list(json.loads(after.pop("plan.json"))) == list(json.loads(before["stages.json"]))
    assert after == before


def test_stages_of_an_experiment_go_on_with_nothing_to_ask() -> None:
    """All that ask or score run once more; their server is gone."""
    runs = ("grown", "steps", "answers")
    before = {name: rows_of(f"experiment/{name}") for name in runs}
    scores = Path("experiment/scores.json").read_bytes()
    done = json.loads(Path("experiment/stages.json").read_bytes())
    Path("experiment/stages.json").write_text(json.dumps({"export": done["export"]}))
    run("run experiment.yaml --out experiment")
    assert json.loads(Path("experiment/stages.json").read_bytes()) == done
    ours = Path("experiment/scores.json").read_bytes()
    assert re.sub(rb' *"(empty|cut)": \d+,\n', b"", ours) == scores, "counted since then"
    for name in runs:
        kept = rows_of(f"experiment/{name}", as_made(f"experiment/{name}"))
        assert {**kept, "scores": []} == {**before[name], "scores": []}


@pytest.mark.parametrize("source", ["bootstrap@self-instruct", "export-superni", "export-alpaca"])
def test_its_data_are_read_for_tuning(source: str) -> None:
    command = f"tune --model hf:tiny --data {source} --dry-run --device cpu --out no"
    assert told(command) == expected("told")[command]


def test_a_finished_tuning_is_not_trained_again() -> None:
    before = files_of(Path("tuned"))
    assert "finished before" in run("tune --out tuned").words
    assert files_of(Path("tuned")) == before


def test_a_killed_tuning_goes_on_with_the_same_trajectory() -> None:
    assert [loss["step"] for loss in losses("tuned-part") if "loss" in loss] == [1, 2, 3, 4, 5]
    run("tune --out tuned-part")
    ours, whole = losses("tuned-part"), losses("tuned")
    assert len(ours) == len(whole)
    for loss, expected in zip(ours, whole, strict=True):
        assert loss == pytest.approx(expected, rel=1e-4)
    assert Path("tuned-part/model/model.safetensors").is_file()


def test_a_tuned_model_answers_as_before() -> None:
    command = "predict --out again --tasks words --model hf:tuned/model --max-new-tokens 4"
    run(command)
    with closing(sqlite3.connect("predict/run.db")) as database:
        query = "SELECT place, text, failed, cut, shortened FROM predictions WHERE system = 'tuned'"
        before = sorted(database.execute(query))
    with closing(sqlite3.connect("again/run.db")) as database:
        query = "SELECT place, text, failed, cut, shortened FROM predictions"
        assert sorted(database.execute(query)) == before


@pytest.mark.parametrize("command", ["status", "show"])
@pytest.mark.parametrize(("name", "steps"), [("tuned", 6), ("tuned-part", 5)])
def test_a_tuning_is_looked_at(command: str, name: str, steps: int) -> None:
    outcome = run(f"{command} {name}")
    assert str(steps) in re.findall(r"\d+", outcome.out)
    assert "things.jsonl" in outcome.words or command == "status"
