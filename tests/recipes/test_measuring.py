"""What instructions are worth to a model, and the best of their versions."""

import asyncio
import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seedstep.data import Instance, Task, TaskChoice
from seedstep.encode import ENCODINGS, HfTokenizer, encode_task, tokenize
from seedstep.errors import InputError, RunError
from seedstep.evaluate.gains import gain_rows, read_measured, version_differences
from seedstep.infer.likelihood import ScoringModel, open_scoring
from seedstep.llm import Failure, Reply, Request, Sampling
from seedstep.recipes.measuring import MeasureProgress, measure_steps
from support.answering_models import save_bart, save_model
from support.command_line import seedstep
from support.measuring import STEPS, write_steps
from support.tuning_things import lines_of, save_llama, save_t5, write_lines, write_tasks


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


def things(instances: int = 12) -> Task:
    """A task whose instances have inputs and references of different lengths."""
    kinds = [("oak", "tree"), ("ant", "insect"), ("trout", "fish"), ("rose", "flower")]
    made = (
        Instance(f"red gold {word}{' now' * place}", (f"{kind} {kind}"[: 3 + place],), f"t-{place}")
        for place, (word, kind) in enumerate((kinds * instances)[:instances])
    )
    return Task("t", "Kind?", tuple(made), False, steps=STEPS["things_1"])


def assert_measured_plainly(model: ScoringModel, task: Task) -> None:
    """Each version's losses are those of reading one row at a time."""
    for steps in ("none", "refined", "shuffled"):
        scored = model.score(task, replace(ENCODINGS["steps"], steps=steps), seed=4)
        assert scored.nats == pytest.approx(plainly(model, task, steps, 4), abs=1e-4)
        assert len(set(scored.tokens)) > 1


@pytest.mark.parametrize("save", [save_llama, save_t5])
def test_likelihoods_are_those_of_one_row_at_a_time(save: Any, tmp_path: Path) -> None:
    model = ScoringModel.load(save(tmp_path / "model"))
    assert_measured_plainly(model, things())
    assert not model.note


STRETCHED = {"rope_type": "dynamic", "rope_theta": 1e4, "original_max_position_embeddings": 40}
LOCAL = {"attention_types": [[["global", "local"], 1]], "window_size": 32, "num_layers": 2}
"""Positions that change in long rows, and a window of places: trials of few tokens see neither."""


@pytest.mark.parametrize(
    "family, settings, how, note",
    [
        ("Qwen2", {}, "apart", ""),
        ("GPT2", {"max_position_embeddings": 512}, "apart", ""),  # its positions are learned
        ("Llama", {"rope_parameters": STRETCHED | {"factor": 2.0}}, "causal", "by itself"),
        ("GPTNeo", LOCAL, "causal", "by itself"),
        ("Mistral", {"sliding_window": 2048}, "sdpa", ""),  # the cache has windows
        ("Mistral", {"sliding_window": 8}, "causal", "by itself"),
        ("Mamba", {}, "causal", "by itself"),
    ],
)
def test_a_prefix_is_shared_as_the_model_allows(
    family: str, settings: dict[str, Any], how: str, note: str, tmp_path: Path
) -> None:
    model = ScoringModel.load(save_model(family, tmp_path / "model", **settings))
    assert_measured_plainly(model, things())
    assert model._how == how
    assert note in model.note
    assert bool(note) == bool(model.note)


def test_without_the_sums_of_a_softmax_a_prefix_is_copied_to_each_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch's operator that gives them may be another in later versions."""

    def missing(*_: Any, **__: Any) -> Any:
        raise AttributeError("no such operator")

    monkeypatch.setattr("seedstep.infer.prefix._flash", missing)
    model = ScoringModel.load(save_llama(tmp_path / "model"))
    assert_measured_plainly(model, things())
    assert model._how == "cache"
    assert not model.note


@pytest.mark.parametrize("limit", ["ROW_TOKENS", "CACHED_BYTES", "TARGET_TOKENS"])
@pytest.mark.parametrize("most", [1, 40, 200_000])
def test_batches_of_any_size_give_the_same(
    limit: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ScoringModel.load(save_llama(tmp_path / "model"))
    whole = model.score(things(), ENCODINGS["steps"], seed=4)
    monkeypatch.setattr(f"seedstep.infer.likelihood.{limit}", most)
    parts = model.score(things(), ENCODINGS["steps"], seed=4)
    assert parts.nats == pytest.approx(whole.nats, abs=1e-5)
    assert parts.tokens == whole.tokens


def test_a_text_whose_losses_are_no_numbers_fails_alone(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    name = save_llama(tmp_path / "model")
    broken = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    known = ScoringModel.load(name)._tokenizer.ids("red ant")
    bad = next(
        token for token in ScoringModel.load(name)._tokenizer.ids("gold") if token not in known
    )
    with torch.no_grad():
        broken.get_input_embeddings().weight[bad] = float("nan")
    broken.save_pretrained(tmp_path / "model")

    async def ask() -> list[Any]:
        async with open_scoring(name) as endpoint:
            assert endpoint.sender
            texts = ("gold ant", "red ant")
            asked = [
                Request("gate", text, Sampling(1), scored_from=text.index("ant")) for text in texts
            ]
            return [await endpoint.sender.send(request) for request in asked]

    failed, said = asyncio.run(ask())
    assert isinstance(failed, Failure)
    assert failed.reason == "not_scored"
    assert "no numbers" in failed.detail
    assert isinstance(said, Reply)


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


def test_likelihoods_are_computed_on_the_gpu_if_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    placed: list[str] = []
    name = save_llama(tmp_path / "model")

    def place(self: torch.nn.Module, device: str) -> torch.nn.Module:
        placed.append(device)
        return self

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.nn.Module, "to", place)
    ScoringModel.load(name)
    assert placed == ["cuda"]
