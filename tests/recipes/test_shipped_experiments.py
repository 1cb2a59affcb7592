"""Each experiment that makes a table of a paper, at its smallest size, from end to end.

Those of a paper run in one directory, in which the stages that they share run once.
"""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from seedstep.recipes import read_experiment, shipped_experiments
from seedstep.report.paper_tables import PaperTable, paper_table
from support.command_line import seedstep
from support.experiments import run_shipped, writer
from support.scripted_server import ScriptedServer
from support.tuning_things import save_llama

pytestmark = pytest.mark.usefixtures("quick_figures")

SHARED = {
    "si-figure-6": {"suite", "grow", "tune on both", "predict both"},
    "si-figure-7": {"suite", "grow", "predict untuned"},
    "ss-table-3": {"tune on examples", "tune on longer", "predict tuned-steps"},
    "ss-table-4": {"tune on examples", "tune on longer", "predict tuned-steps"},
    "ss-table-5": {"tune on examples", "predict inference", "predict tuned-steps"},
    "ss-table-6": {"tune on examples", "predict inference", "predict tuned-steps"},
    "ss-table-8": {"tune on examples", "predict inference", "predict tuned-steps"},
}
"""Stages that an experiment finds finished, as one before it has the same."""

NAMES = ("si-table-3", *(name for name in SHARED if name < "ss"), "ss-table-2", "ss-table-3",
         *(name for name in SHARED if name > "ss-table-3"))  # fmt: skip


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A directory for the experiments of each paper."""
    return {paper: tmp_path_factory.mktemp(paper) for paper in ("si", "ss")}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny checkpoint with room for prompts with steps."""
    return save_llama(tmp_path_factory.mktemp("models") / "llama", max_position_embeddings=2048)


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    """A model that writes all that the experiments want."""
    with ScriptedServer(writer) as running:
        yield running


@pytest.mark.parametrize("name", NAMES)
def test_it_makes_its_table(
    name: str, directories: dict[str, Path], model: str, server: ScriptedServer
) -> None:
    values = {"model": model, "writer": "openai:scripted", "writer_url": server.url}
    others = {"si-figure-6": "judge", "si-figure-7": "better"}
    if name in others:
        values |= {others[name]: "openai:scripted", f"{others[name]}_url": server.url}
    directory = directories[name[:2]]
    ran = run_shipped(name, directory, **values)
    assert ran
    assert not SHARED.get(name, set()) & set(ran)
    table = paper_table(directory, name)
    assert table.unfinished == ()
    assert (table.tasks, table.instances) == (6, 12)
    require_whole(table)
    (record,) = [
        each
        for each in json.loads(seedstep("table", directory, "--format", "json").out)
        if each["experiment"] == name
    ]
    assert record["parameters"] == table.parameters
    assert table.parameters
    page = (directory / f"report-{name}" / "index.html").read_text("utf-8")
    assert table.printed.source in page
    assert "not finished" not in page


def test_do_steps_help_has_controls(directories: dict[str, Path], model: str) -> None:
    assert run_shipped("do-steps-help", directories["ss"], model=model)
    read, other = (
        {row["task"]: row["steps"] for row in map(json.loads, path.read_text().splitlines())}
        for path in (directories["ss"] / f"other-{split}.jsonl" for split in ("train", "test"))
    )
    assert read
    assert other
    assert not set(read) & set(other)
    page = (directories["ss"] / "report-do-steps-help" / "index.html").read_text("utf-8")
    for system in ("tuned-other", "tuned-neutral", "asked-shuffled", "tuned-steps-2"):
        assert system in page


def require_whole(table: PaperTable) -> None:
    """Check that all rows that a difference is about have a value."""
    ours = {row.printed.system for row in table.rows if row.value}
    assert len(ours) >= 4
    for found in table.differences:
        assert found.ours, (found.row.system, found.other.system)
        assert found.agreement != "missing"


@pytest.mark.parametrize("name", shipped_experiments())
def test_nothing_is_written_over_what_is_read(name: str) -> None:
    stages = read_experiment(shipped_experiments()[name]).stages
    tunings = [stage for stage in stages if stage.command[0] == "tune"]
    assert tunings
    for stage in tunings:
        assert ("--data", stage.out or "") not in pairwise(stage.command), stage


def test_none_is_left_out() -> None:
    made = {name for name, path in shipped_experiments().items() if read_experiment(path).table}
    assert set(NAMES) == made
