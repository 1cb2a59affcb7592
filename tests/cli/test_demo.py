"""The demo: the experiment that is shipped, read as it is."""

import re
import sys
from pathlib import Path

import pytest

from seedstep.cli.run import SIZES, experiment_of
from seedstep.recipes import Experiment, ExperimentStage
from support.command_line import seedstep


@pytest.mark.parametrize("size", SIZES)
def test_every_size_is_made_of_public_commands(size: str) -> None:
    commands = {stage.command[0] for stage in experiment_of(size).stages}
    assert commands == {"suite", "bootstrap", "steps", "tune", "predict", "compare", "report"}


def test_what_a_stage_reads_was_made_before() -> None:
    stages = experiment_of("default").stages
    read = 0
    for place, stage in enumerate(stages):
        before = [earlier for earlier in stages[:place] if earlier.name in needs(stages, stage)]
        for word in {re.sub(r"^hf:|[:/@].*$", "", word) for word in stage.command}:
            if word in map(made, stages) and word != made(stage):
                assert word in map(made, before), (stage, word)
                read += 1
    assert read > 15


@pytest.mark.parametrize("size", SIZES)
def test_nothing_goes_on_where_the_demo_of_0_1_0_did_something_else(size: str) -> None:
    """What it grew goes on; it tuned and predicted in another way."""
    outs = {made(stage) for stage in experiment_of(size).stages}
    assert {"suite", "grown", "steps-grown"} < outs
    assert not {"tuned", "tuned-steps", "predictions", "steps-suite"} & outs


def needs(stages: tuple[ExperimentStage, ...], stage: ExperimentStage) -> set[str]:
    """The names of all stages that must be finished before one."""
    by_name = {stage.name: stage for stage in stages}
    return set(stage.after).union(*(needs(stages, by_name[name]) for name in stage.after))


def made(stage: ExperimentStage) -> str | None:
    """The directory that a stage makes."""
    return stage.out or (stage.command[-1] if stage.command[0] == "suite" else None)


def test_the_smallest_is_smaller_than_the_default() -> None:
    def numbers(experiment: Experiment) -> int:
        return sum(
            int(word) for stage in experiment.stages for word in stage.command if word.isdigit()
        )

    assert numbers(experiment_of("smoke")) < numbers(experiment_of("default"))
    assert numbers(experiment_of("default")) < numbers(experiment_of("large"))


def test_what_is_not_installed_is_said_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    told = seedstep("demo", "--out", tmp_path / "demo")
    assert told.code == 1
    assert "pip install 'seedstep[local,evaluate,tune,report]'" in told.words
    assert not (tmp_path / "demo").exists()
