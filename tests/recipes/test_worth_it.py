"""The experiment that asks which of two data sets is worth more, at its smallest size."""

import json
from contextlib import chdir
from pathlib import Path

import pytest

from seedstep.recipes import find_experiment, read_experiment
from support.command_line import seedstep
from support.experiments import run_shipped
from support.growing import grow
from support.scripted_server import ScriptedServer
from support.tuning_things import save_llama

GATES = {"short": {"match": {"pattern": "^.{0,12}$"}}}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a run, an export of another run with gates, and a checkpoint."""
    folder = tmp_path_factory.mktemp("sets")
    with ScriptedServer() as server:
        grow(folder / "plain", server, tasks=6)
        grow(folder / "gated", server, tasks=6, gates=GATES)
    done = seedstep("export", folder / "gated", "--format", "alpaca", "--out", folder / "export")
    assert done.code == 0
    save_llama(folder / "llama", max_position_embeddings=2048)
    return folder


def tasks_tuned_on(folder: Path) -> int:
    return int(json.loads((folder / "preflight.json").read_text("utf-8"))["tasks"])


@pytest.mark.usefixtures("quick_figures")
def test_a_run_and_a_file_of_equal_price_are_compared(made: Path, tmp_path: Path) -> None:
    values = {
        "first": str(made / "export"),
        "second": str(made / "plain"),
        "model": f"hf:{made / 'llama'}",
    }
    values |= {"first_name": "gated", "second_name": "plain"}
    counts = {"first_count": "2", "second_count": "4"}
    ran = run_shipped("worth-it", tmp_path, **values, **counts)
    assert ran[1:3] == ["tune on gated", "tune on plain"]
    assert [tasks_tuned_on(tmp_path / f"tuned-{name}") for name in ("gated", "plain")] == [2, 4]
    with chdir(tmp_path):
        asked = ("predictions", "--name", "gated", "--against", "plain", "--format", "json")
        done = seedstep("compare", *asked)
    assert done.code == 0
    (compared,) = json.loads(done.out)
    assert {compared["first"], compared["second"]} == {"gated", "plain"}
    overall = compared["comparison"]["overall"]["difference"]
    assert overall["low"] <= overall["value"] <= overall["high"]
    page = (tmp_path / "report" / "index.html").read_text("utf-8")
    assert {"gated", "plain", "untuned", "untuned-examples"} <= set(
        page.replace("<", " ").replace(">", " ").split()
    )
    assert run_shipped("worth-it", tmp_path, **values, **counts) == []


def test_equal_size_is_the_default_and_each_set_is_there_once() -> None:
    stages = read_experiment(find_experiment("worth-it"), {"count": "70"}).stages
    tunings = [" ".join(stage.command) for stage in stages if stage.command[0] == "tune"]
    assert len(tunings) == 2
    assert all("--limit-tasks 70" in command for command in tunings)
    first, second = ("runs/first", "runs/second")
    assert (first in tunings[0], second in tunings[1]) == (True, True)
    assert tunings[0].replace("first", "second") == tunings[1]
