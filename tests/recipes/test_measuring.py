"""What instructions are worth to a model, and the best of their versions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from seedstep.data import Instance, Task, TaskChoice
from seedstep.encode import ENCODINGS, HfTokenizer, encode_task, tokenize
from seedstep.errors import InputError, RunError
from seedstep.evaluate.intervals import mean_over_tasks
from seedstep.evaluate.measured import finds_right, gain_rows, read_measured
from seedstep.infer.likelihood import ScoringModel
from seedstep.recipes.measuring import MeasureProgress, measure_steps, select_steps
from seedstep.recipes.steps import write_instructions
from seedstep.runs.directory import digest
from support.answering_models import save_bart
from support.command_line import chat_reply, seedstep
from support.scripted_server import ScriptedServer
from support.tuning_things import lines_of, save_llama, save_t5, write_lines, write_tasks

STEPS = {
    "things_0": ("Find the thing.", "Name its kind."),
    "things_1": ("Look at the last word but one.", "Say which sort it is.", "Write a word."),
    "things_2": ("Leave out colours.", "Class the rest."),
}
FIRST = {"things_0": ("Name a kind.", "Stop.")}


def write_steps(path: Path, steps: Mapping[str, Sequence[str]] = STEPS) -> str:
    """Write instructions as `seedstep steps export` does."""
    lines = [
        {"task": task, "steps": found, "unrefined": FIRST.get(task, ())}
        for task, found in steps.items()
    ]
    return str(write_lines(path, lines))


@pytest.fixture
def asked(tmp_path: Path) -> dict[str, Any]:
    """Settings that measure two instances of three tasks with a small model."""
    tasks = write_tasks(tmp_path / "tasks.jsonl", 3, 6)
    return {"model": save_llama(tmp_path / "llama"), "tasks": str(tasks), "instances": 2, "skip": 3}


def plainly(model: ScoringModel, task: Task, steps: Any, seed: int) -> list[float]:
    """The loss of each reference in nats a token: one row at a time, without anything shared."""
    import torch

    found = []
    decoder_only = not model._model.config.is_encoder_decoder
    encoding = replace(ENCODINGS["steps"], steps=steps)
    tokenizer: HfTokenizer = model._tokenizer
    for instance in task.instances:
        encoded = encode_task(task, instance, encoding, tokenizer, seed=seed)
        pair = tokenize(encoded, tokenizer, decoder_only=decoder_only)
        target = torch.tensor(pair.target)
        with torch.no_grad():
            if decoder_only:
                row = torch.tensor([[*pair.prompt, *pair.target]])
                logits = model._model(input_ids=row).logits[0, len(pair.prompt) - 1 : -1]
            else:
                out = model._model(input_ids=torch.tensor([pair.prompt]), labels=target[None])
                logits = out.logits[0]
        chosen = logits.log_softmax(-1)[range(len(target)), target]
        found.append(-float(chosen.mean()))
    return found


@pytest.mark.parametrize("save", [save_llama, save_t5])
def test_likelihoods_are_those_of_one_row_at_a_time(save: Any, tmp_path: Path) -> None:
    model = ScoringModel.load(save(tmp_path / "model"))
    instances = tuple(
        Instance(f"red gold {word} now", (f"{kind} {kind}"[: 3 + place],), f"t-{place}")
        for place, (word, kind) in enumerate(
            [("oak", "tree"), ("ant", "insect"), ("trout", "fish"), ("rose", "flower")] * 3
        )
    )
    task = Task("t", "Kind?", instances, False, steps=STEPS["things_1"])
    for steps in ("none", "refined", "shuffled"):
        encoding = replace(ENCODINGS["steps"], steps=steps)
        scored = model.score(task, encoding, seed=4)
        assert scored.nats == pytest.approx(plainly(model, task, steps, 4), abs=1e-4)
        assert len(set(scored.tokens)) > 1
    assert not model.note


def test_a_model_that_can_not_share_a_prefix_reads_each_row_alone(tmp_path: Path) -> None:
    model = ScoringModel.load(save_llama(tmp_path / "model", attention_dropout=0.1))
    task = Task("t", "Kind?", (Instance("red ant", ("insect",), "t-0"),) * 2, False)
    scored = model.score(task, ENCODINGS["definition"], seed=4)
    assert "by itself" in model.note
    plain = [plainly(model, task, "none", 4)[0]] * 2
    assert scored.nats == pytest.approx(plain, abs=1e-4)


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
            ({"model": "openai:gpt"}, "openai:gpt gives no likelihoods of texts"),
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
        assert "refined: likelier with it than with another task's on" in done.words
        assert {path.name for path in plots.iterdir()} == {
            f"gains-{name}.{form}" for name in ("overall", "categories") for form in ("svg", "png")
        }


def versions_of(task: str) -> dict[str, Sequence[str]]:
    """The steps of the versions that are measured of a task."""
    drawn = {f"candidate {n + 1}": ("Find the thing.", f"Name kind number {n}.") for n in (1, 2)}
    return {"refined": STEPS.get(task, ()), "unrefined": FIRST.get(task, ()), **drawn}


def written_measures(path: Path, skip: int, nats: Mapping[str, Mapping[str, list[float]]]) -> Path:
    """A file of measurements with these losses, by task and version."""
    header = {
        "measured": 1,
        "model": "hf:m",
        "fingerprint": "",
        "encoding": "steps",
        "seed": 1,
        "skip": skip,
        "instances": 2,
        "bf16": False,
        "versions": [],
        "digest": "",
    }
    lines = [
        {
            "task": task,
            "category": "Kinds",
            "instances": [f"{task}-{place}" for place in range(len(next(iter(found.values()))))],
            "versions": {
                name: {
                    "nats": values,
                    "tokens": [1] * len(values),
                    "steps": digest([of[name], False]) if name in (of := versions_of(task)) else "",
                }
                for name, values in found.items()
            },
        }
        for task, found in nats.items()
    ]
    return write_lines(path, [header, *lines])


def test_candidates_of_a_run_are_measured_and_selected(
    asked: dict[str, Any], tmp_path: Path
) -> None:
    def model(number: int, body: dict[str, Any]) -> Any:
        draw = body.get("seed", 0)
        return chat_reply(f"1. Find the thing.\n2. Name kind number {draw}.")

    tasks = str(write_tasks(tmp_path / "tasks.jsonl", 1, 6))
    out = tmp_path / "steps"
    with ScriptedServer(model) as server:
        write_instructions(
            out, model="openai:m", tasks=tasks, base_url=server.url, refine="none", candidates=3
        ).close()
    measured = tmp_path / "measured.jsonl"
    measure_steps([str(out)], measured, asked)
    versions = read_measured(measured)[1][0].versions
    assert list(versions) == ["none", "candidate 2", "candidate 3", "refined", "shuffled"]
    best = tmp_path / "best.jsonl"
    nats = {"things_0": {name: [float(name != "candidate 3")] for name in versions}}
    done = select_steps(
        [str(out)],
        best,
        by="measured",
        tasks=TaskChoice(path=tasks),
        measured=written_measures(tmp_path / "m", 100, nats),
    )
    assert done.counts == {"candidate 3": 1}
    assert json.loads(best.read_text())["steps"][1] == "Name kind number 2."


class TestStatistics:
    def test_gains_are_differences_of_means_over_tasks(self, tmp_path: Path) -> None:
        nats = {
            f"t{number}": {
                "none": [2.0, 3.0],
                "refined": [2.0 - number / 10, 3.0],
                "another task's": [1.9, 3.0],
            }
            for number in range(8)
        }
        tasks = read_measured(written_measures(tmp_path / "m", 0, nats))[1]
        none, refined, _ = gain_rows(tasks, by="overall", seed=7)
        gains = [number / 20 for number in range(8)]
        assert none.nats == 2.5
        assert refined.nats == pytest.approx(2.5 - fmean(gains))
        wanted = mean_over_tasks(gains, list(nats), seed=7)
        assert refined.gain.value == pytest.approx(fmean(gains))
        assert refined.gain.low == pytest.approx(wanted.low)
        assert refined.gain.high == pytest.approx(wanted.high)
        assert refined.better == 7
        assert finds_right(tasks, "refined", seed=7).value == 6.5 / 8, "equal ones count half"

    def test_numbers_that_are_not_whole_are_refused(self, tmp_path: Path) -> None:
        nats = {"t": {"none": [1.0, 2.0], "refined": [1.0]}}
        with pytest.raises(InputError, match="task t, refined, are not whole"):
            read_measured(written_measures(tmp_path / "m", 0, nats))


class TestSelect:
    def select(self, tmp_path: Path, **named: Any) -> tuple[Any, dict[str, Any]]:
        steps = write_steps(tmp_path / "steps.jsonl")
        tasks = TaskChoice(path=str(write_tasks(tmp_path / "tasks.jsonl", 4, 2)))
        out = tmp_path / "best.jsonl"
        done = select_steps([steps], out, tasks=tasks, **named)
        return done, {line["task"]: line for line in map(json.loads, out.read_text().splitlines())}

    def test_the_likeliest_version_is_kept(self, tmp_path: Path) -> None:
        nats = {
            "things_0": {"none": [0.1], "refined": [2.0], "unrefined": [1.0], "shuffled": [0.0]},
            "things_1": {"none": [1.0], "refined": [2.0]},
        }
        measured = written_measures(tmp_path / "m", 100, nats)
        done, found = self.select(tmp_path, by="measured", measured=measured)
        assert done.counts == {"unrefined": 1, "refined": 2}
        assert (done.undecided, done.without) == (1, 1)
        assert found["things_0"]["steps"] == list(FIRST["things_0"])
        assert found["things_0"]["selected"] == {
            "version": "unrefined",
            "by": "measured",
            "value": -1.0,
        }
        assert found["things_2"]["steps"] == list(STEPS["things_2"])
        assert "things_3" not in found

    def test_nothing_measured_on_evaluated_instances_is_used(self, tmp_path: Path) -> None:
        measured = written_measures(tmp_path / "m", 20, {"things_0": {"none": [1.0]}})
        with pytest.raises(InputError, match="the first 100 are those that an evaluation uses"):
            self.select(tmp_path, by="measured", measured=measured)
        with pytest.raises(InputError, match="nothing is known of any of these instructions"):
            self.select(tmp_path, by="measured", measured=measured, evaluated=20)

    def test_a_measurement_of_other_instructions_says_nothing(self, tmp_path: Path) -> None:
        nats = {"things_0": {"none": [1.0], "refined": [0.5], "unrefined": [2.0]}}
        measured = written_measures(tmp_path / "m", 100, nats)
        text = measured.read_text().replace(digest([STEPS["things_0"], False]), "0" * 16)
        measured.write_text(text)
        done, found = self.select(tmp_path, by="measured", measured=measured)
        assert found["things_0"]["selected"]["version"] == "unrefined"
        assert done.undecided == 2

    def test_what_is_selected_from_is_not_overwritten(self, tmp_path: Path) -> None:
        steps = write_steps(tmp_path / "best.jsonl")
        tasks = TaskChoice(path=str(write_tasks(tmp_path / "tasks.jsonl", 1, 2)))
        with pytest.raises(InputError, match="is what is selected from"):
            select_steps([steps], tmp_path / "best.jsonl", by="checks", tasks=tasks)

    def test_the_version_with_the_fewest_faults_is_kept(self, tmp_path: Path) -> None:
        steps = {"things_0": ("Read the input carefully.", "Read the input carefully.")}
        path = write_steps(tmp_path / "steps.jsonl", steps)
        tasks = TaskChoice(path=str(write_tasks(tmp_path / "tasks.jsonl", 1, 2)))
        done = select_steps([path], tmp_path / "best.jsonl", by="checks", tasks=tasks)
        assert done.counts == {"unrefined": 1}

    def test_what_there_is_to_select_by_has_to_be_named(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="nothing was measured"):
            self.select(tmp_path, by="measured")
        with pytest.raises(InputError, match="has no judgements"):
            self.select(tmp_path, by="judge")

    def test_the_command_says_how_many_of_each(self, tmp_path: Path) -> None:
        steps = write_steps(tmp_path / "steps.jsonl")
        tasks = write_tasks(tmp_path / "tasks.jsonl", 4, 2)
        out = tmp_path / "best.jsonl"
        done = seedstep("steps", "select", steps, "--by", "checks", "--tasks", tasks, "--out", out)
        assert done.code == 0, done.err
        assert "refined: 3" in done.lines
        assert "tasks without an instruction, left out: 1" in done.lines


def test_what_is_too_long_for_an_encoder_is_shortened(tmp_path: Path) -> None:
    model = ScoringModel.load(save_bart(tmp_path / "bart", 60))
    instances = (Instance("3 2 1 " * 40, ("1 2 3",), "long"), Instance("3", ("3",), "short"))
    task = Task("t", "Sort.", instances)
    scored = model.score(task, ENCODINGS["definition"], seed=42)
    assert scored.shortened == 1
    assert all(nats > 0 for nats in scored.nats)


def test_a_token_without_an_embedding_is_told(tmp_path: Path) -> None:
    model = ScoringModel.load(save_llama(tmp_path / "llama", vocab_size=20))
    task = Task("t", "Kind?", (Instance("red now", ("tool",), "i"),))
    with pytest.raises(InputError, match=r"t: the tokenizer has a token .* for 20 tokens only"):
        model.score(task, ENCODINGS["definition"], seed=42)
