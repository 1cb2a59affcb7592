"""What instructions are worth to a model, and the best of their versions."""

import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seedstep.data import TaskChoice
from seedstep.errors import InputError, RunError
from seedstep.evaluate.gains import gain_rows, read_measured, version_differences
from seedstep.infer.likelihood import ScoringModel
from seedstep.recipes.measuring import MeasureProgress, measure_steps
from support.command_line import seedstep
from support.measuring import STEPS, plainly, write_steps
from support.tuning_things import lines_of, save_llama, write_lines, write_tasks


@pytest.fixture
def asked(tmp_path: Path) -> dict[str, Any]:
    """Settings that measure two instances of three tasks with a small model."""
    tasks = write_tasks(tmp_path / "tasks.jsonl", 3, 6)
    return {"model": save_llama(tmp_path / "llama"), "tasks": str(tasks), "instances": 2, "skip": 3}


class TestMeasure:
    def test_each_version_is_measured_on_the_instances_that_no_evaluation_uses(
        self, asked: dict[str, Any], tmp_path: Path
    ) -> None:
        out = tmp_path / "measured.jsonl"
        measure_steps([write_steps(tmp_path / "steps.jsonl")], out, asked)
        header, tasks = read_measured(out)
        assert (header.skip, header.instances) == (3, 2)
        assert [task.task for task in tasks] == list(STEPS)
        assert tasks[0].instances == ("things_0-4", "things_0-5")
        beside = ["shuffled", "another task's"]
        assert list(tasks[0].versions) == ["none", "unrefined", "refined", *beside]
        assert list(tasks[1].versions) == ["none", "refined", *beside]
        model = ScoringModel.load(asked["model"])
        loaded = TaskChoice(path=asked["tasks"], limit_instances=5).load().tasks
        task = replace(loaded[1], instances=loaded[1].instances[3:], steps=STEPS["things_1"])
        for kind in ("none", "refined", "shuffled"):
            wanted = plainly(model, task, kind, header.seed)
            assert tasks[1].versions[kind].nats == pytest.approx(wanted, abs=1e-4)
        others = [
            plainly(model, replace(task, steps=STEPS[other]), "refined", header.seed)
            for other in ("things_0", "things_2")
        ]
        found = tasks[1].versions["another task's"].nats
        assert any(found == pytest.approx(wanted, abs=1e-4) for wanted in others)

    def test_several_sources_are_told_apart(self, asked: dict[str, Any], tmp_path: Path) -> None:
        out = tmp_path / "measured.jsonl"
        (tmp_path / "b").mkdir()
        sources = [write_steps(tmp_path / "a.jsonl"), write_steps(tmp_path / "b" / "b.jsonl")]
        measure_steps(sources, out, asked)
        names = list(read_measured(out)[1][0].versions)
        assert names[1:5] == [
            f"{source}: {version}"
            for source in ("a.jsonl", "b.jsonl")
            for version in ("unrefined", "refined")
        ]
        for twice in (sources[0], f"{tmp_path}/./a.jsonl"):
            with pytest.raises(InputError, match="there twice"):
                measure_steps([sources[0], twice], tmp_path / "c", asked)

    def test_a_second_process_on_the_file_is_refused(
        self, asked: dict[str, Any], tmp_path: Path
    ) -> None:
        steps, out = write_steps(tmp_path / "steps.jsonl"), tmp_path / "measured.jsonl"
        refused = []

        def again(progress: MeasureProgress) -> None:
            with pytest.raises(RunError, match="another process writes to it"):
                measure_steps([steps], out, asked)
            refused.append(progress.done)

        measure_steps([steps], out, asked, again)
        assert refused == [1, 2, 3]
        assert len(read_measured(out)[1]) == 3

    def test_a_model_with_few_positions(self, asked: dict[str, Any], tmp_path: Path) -> None:
        out = tmp_path / "measured.jsonl"
        model = save_llama(tmp_path / "short", max_position_embeddings=128)
        short = {"things_0": ("Find.", "Name.")}
        measure_steps([write_steps(tmp_path / "s.jsonl", short)], out, {**asked, "model": model})
        versions = read_measured(out)[1][0].versions
        assert versions["refined"].shortened == 0
        assert versions["refined"].nats != versions["none"].nats

    def test_steps_of_the_tasks_are_not_those_of_the_source(
        self, asked: dict[str, Any], tmp_path: Path
    ) -> None:
        lines = [{**line, "steps": ["Read.", "Write."]} for line in lines_of(2, 6)]
        tasks = str(write_lines(tmp_path / "own.jsonl", lines))
        steps = write_steps(tmp_path / "s.jsonl", {"things_0": STEPS["things_0"]})
        out = tmp_path / "measured.jsonl"
        measure_steps([steps], out, {**asked, "tasks": tasks})
        assert list(read_measured(out)[1][1].versions) == ["none"]

    @pytest.mark.parametrize("torn", [b"", b'{"task":"things_2","cat'])
    def test_what_was_stopped_goes_on_to_the_same_bytes(
        self, torn: bytes, asked: dict[str, Any], tmp_path: Path
    ) -> None:
        steps = write_steps(tmp_path / "steps.jsonl")
        whole, stopped = tmp_path / "whole.jsonl", tmp_path / "stopped.jsonl"
        measure_steps([steps], whole, asked)

        def stop(progress: MeasureProgress) -> None:
            if progress.done == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            measure_steps([steps], stopped, asked, stop)
        with stopped.open("ab") as file:
            file.write(torn)
        done: list[int] = []
        measure_steps([steps], stopped, asked, lambda progress: done.append(progress.done))
        assert done == [3]
        assert stopped.read_bytes() == whole.read_bytes()

    @pytest.mark.usefixtures("quick_workers")
    def test_two_workers_of_whom_one_is_killed_measure_the_same(
        self, asked: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        steps = write_steps(tmp_path / "steps.jsonl")
        whole, beside = tmp_path / "whole.jsonl", tmp_path / "beside.jsonl"
        measure_steps([steps], whole, asked)
        started: list[Any] = []
        popen = subprocess.Popen

        def noting(*words: Any, **options: Any) -> Any:
            started.append(popen(*words, **options))
            return started[-1]

        monkeypatch.setattr("seedstep.infer.workers.subprocess.Popen", noting)

        def kill(progress: MeasureProgress) -> None:
            if progress.done == 1:
                os.kill(started[-1].pid, signal.SIGKILL)

        done = measure_steps([steps], beside, {**asked, "workers": 2}, kill)
        (header, tasks), (same, others) = read_measured(whole), read_measured(beside)
        assert same == header
        for task, other in zip(tasks, others, strict=True):
            assert (other.task, other.instances) == (task.task, task.instances)
            assert list(other.versions) == list(task.versions)
            for name, version in task.versions.items():
                found = other.versions[name]
                assert found.nats == pytest.approx(version.nats, abs=1e-4)
                assert replace(found, nats=version.nats) == version
        assert done.done == 3
        assert len(started) >= 2

    def test_a_file_of_other_settings_or_of_another_kind_stays_as_it_is(
        self, asked: dict[str, Any], tmp_path: Path
    ) -> None:
        steps = write_steps(tmp_path / "steps.jsonl")
        out = tmp_path / "measured.jsonl"
        measure_steps([steps], out, asked)
        before = out.read_bytes()
        with pytest.raises(InputError, match="other settings: instances, tasks or instructions"):
            measure_steps([steps], out, {**asked, "instances": 3})
        write_steps(tmp_path / "steps.jsonl", {**STEPS, "things_0": ("Name it.", "Stop.")})
        with pytest.raises(InputError, match="other settings: tasks or instructions"):
            measure_steps([steps], out, asked)
        assert out.read_bytes() == before
        other = tmp_path / "notes.jsonl"
        other.write_text('{"a": 1}\n{"half')
        with pytest.raises(InputError, match="line 1: not of a file of `seedstep steps measure`"):
            measure_steps([steps], other, asked)
        assert other.read_text() == '{"a": 1}\n{"half'

    def test_what_can_not_be_measured_is_said(self, asked: dict[str, Any], tmp_path: Path) -> None:
        steps = write_steps(tmp_path / "steps.jsonl")
        out = tmp_path / "measured.jsonl"
        for changed, words in (
            ({"model": "openai:gpt"}, "openai:gpt isn't asked for likelihoods of texts"),
            ({"encoding": "nope"}, "nope"),
            ({"skip": 6}, "no task has more than the 6 instances"),
        ):
            with pytest.raises(InputError, match=words):
                measure_steps([steps], out, {**asked, **changed})
        elsewhere = write_steps(tmp_path / "other.jsonl", {"elsewhere": ("Read.", "Write.")})
        with pytest.raises(InputError, match="no step-by-step instructions of these tasks"):
            measure_steps([elsewhere], out, asked)
        with pytest.raises(InputError, match="no instructions to measure"):
            measure_steps([], out, asked)
        assert not out.exists()

    def test_a_task_with_a_single_instance_has_no_interval(
        self, asked: dict[str, Any], tmp_path: Path
    ) -> None:
        steps = write_steps(tmp_path / "steps.jsonl", {"things_0": STEPS["things_0"]})
        out = tmp_path / "measured.jsonl"
        measure_steps([steps], out, {**asked, "instances": 1, "limit_tasks": 1})
        tasks = read_measured(out)[1]
        row = gain_rows(tasks, by="task", seed=1)[2]
        assert row.version == "refined"
        assert row.gain.value is not None
        assert row.gain.low is None
        assert "another task's" not in tasks[0].versions

    def test_an_instruction_longer_than_the_context_is_counted(
        self, asked: dict[str, Any], tmp_path: Path
    ) -> None:
        long = {"things_0": ("Leave out colours.",) * 400}
        out = tmp_path / "measured.jsonl"
        measure_steps([write_steps(tmp_path / "steps.jsonl", long)], out, asked)
        versions = read_measured(out)[1][0].versions
        assert versions["none"].shortened == 0
        assert versions["refined"].shortened == 2

    def test_the_command_tells_what_it_found(self, asked: dict[str, Any], tmp_path: Path) -> None:
        steps = write_steps(tmp_path / "steps.jsonl")
        out, plots = tmp_path / "measured.jsonl", tmp_path / "plots"
        flags = ["--tasks", asked["tasks"], "--model", asked["model"], "--instances", "2"]
        done = seedstep("steps", "measure", steps, *flags, "--out", out, "--plots", plots)
        assert done.code == 0, done.err
        tasks = read_measured(out)[1]
        refined = next(
            row for row in gain_rows(tasks, by="overall", seed=1) if row.version == "refined"
        )
        (line,) = [line for line in done.lines if line.startswith("refined  ")][:1]
        assert f"{refined.nats:.4f}" in line
        assert f"{refined.gain.value:+.4f}" in line
        assert "likelier than with another task's steps" in done.words
        start = done.words.index("refined, likelier by better on tasks against")
        for row in version_differences(tasks, seed=1):
            cells = f"{row.other} {row.difference.value:+.4f} {row.likelier} {row.tasks}"
            assert cells in done.words[start:]
        assert {path.name for path in plots.iterdir()} == {
            f"gains-{name}.{form}" for name in ("overall", "categories") for form in ("svg", "png")
        }
