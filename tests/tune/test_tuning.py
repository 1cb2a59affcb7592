"""Tuning a decoder-only model: the trajectory, its interruptions, and what ends it."""

import importlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from seedstep.encode import TokenPair
from seedstep.errors import InputError, MissingExtraError, RunError, RunMismatchError, TuningError
from seedstep.tune.records import EvaluationLoss, OptimizerStep, TrainedModel, Training
from seedstep.tune.train import tune_decoder
from support.forking import forked_python
from support.tiny_models import MadeData, made_pairs, tiny_model

SUPPORT = Path(__file__).parents[1] / "support"
TRAINING = Training(epochs=2, batch=8, share=4, learning_rate=1e-2, device="cpu", save_every=2)
PAIRS = made_pairs(4, 7)
HELD_OUT = made_pairs(2, 3, seed=1)
"""What `tuning_process.py` holds out."""


class Losses:
    """Keeps what a tuning tells."""

    def __init__(self) -> None:
        self.steps: list[OptimizerStep] = []
        self.held_out: list[EvaluationLoss] = []

    def stepped(self, step: OptimizerStep) -> None:
        self.steps.append(step)

    def evaluated(self, evaluated: EvaluationLoss) -> None:
        self.held_out.append(evaluated)

    @property
    def losses(self) -> dict[int, float]:
        return {step.step: step.loss for step in self.steps}


def tune(
    out: Path,
    training: Training = TRAINING,
    *,
    pairs: Sequence[TokenPair] = PAIRS,
    held_out: Sequence[TokenPair] = (),
    model: Any = None,
    **options: Any,
) -> TrainedModel:
    model = model or tiny_model("Llama")
    return tune_decoder(model, None, MadeData(pairs, held_out), training, out, **options)


def in_process(
    out: Path, settings: dict[str, Any], *, kill_at: str = "", processes: int = 1
) -> tuple[int, dict[int, float], list[str]]:
    """Run a tuning elsewhere: its exit status, the losses of its steps, and what else it said."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = launcher if processes > 1 else []
    arguments = [
        str(SUPPORT / "tuning_process.py"),
        "decoder",
        str(out),
        json.dumps(settings),
        kill_at,
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        forked_python(*command, *arguments),
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    steps = {line[0]: line[1] for line in lines if line[0] != "held out"}
    assert steps or not done.returncode, done.stderr
    return done.returncode, steps, [line for line in lines if line[0] == "held out"]


def test_training_lowers_the_loss_and_tells_of_it(tmp_path: Path) -> None:
    watch = Losses()
    training = replace(TRAINING, evaluate_every=5)
    tuned = tune(tmp_path, training, held_out=HELD_OUT, watch=watch)
    assert tuned.attention == "sdpa"
    assert [step.step for step in watch.steps] == list(range(1, 9))
    assert {step.steps for step in watch.steps} == {8} == {tuned.steps}
    assert watch.steps[3].epoch == 1
    assert watch.steps[-1].loss < watch.steps[0].loss / 2
    assert all(step.learning_rate == 1e-2 for step in watch.steps)
    assert all(step.examples_per_second > 0 < step.tokens_per_second for step in watch.steps)
    assert watch.steps[-1].seconds_left == 0
    assert [evaluated.step for evaluated in watch.held_out] == [0, 5, 8]


def test_the_first_held_out_loss_is_the_mean_over_target_tokens(tmp_path: Path) -> None:
    watch = Losses()
    tune(tmp_path, replace(TRAINING, max_steps=1), held_out=HELD_OUT, watch=watch)
    model = tiny_model("Llama")
    total = 0.0
    for pair in HELD_OUT:
        tokens = torch.tensor([[*pair.prompt, *pair.target]])
        labels = tokens.clone()
        labels[0, : len(pair.prompt)] = -100
        total += model(input_ids=tokens, labels=labels).loss.item() * len(pair.target)
    count = sum(len(pair.target) for pair in HELD_OUT)
    assert watch.held_out[0].loss == pytest.approx(total / count, rel=1e-5)


@pytest.mark.parametrize(
    "changes", [{"accumulate": 4}, {"row_tokens": 40}, {"gradient_checkpointing": True}]
)
def test_how_the_work_is_divided_changes_nothing(tmp_path: Path, changes: dict[str, Any]) -> None:
    whole, divided = Losses(), Losses()
    tune(tmp_path / "one", watch=whole)
    tune(tmp_path / "other", replace(TRAINING, **changes), watch=divided)
    assert whole.losses == pytest.approx(divided.losses, rel=1e-3)


def test_a_batch_of_one_task_shared_or_not_takes_the_same_steps(tmp_path: Path) -> None:
    # of one example a batch the order is the same whatever is shared
    pairs = made_pairs(1, 12)
    training = replace(TRAINING, batch=12, epochs=6)
    shared, plain = Losses(), Losses()
    tune(tmp_path / "shared", training, pairs=pairs, watch=shared)
    tune(tmp_path / "plain", replace(training, share=1), pairs=pairs, watch=plain)
    assert shared.losses == pytest.approx(plain.losses, rel=1e-3)


def test_two_processes_take_the_trajectory_of_one(tmp_path: Path) -> None:
    alone = Losses()
    tune(tmp_path / "one", replace(TRAINING, accumulate=4), held_out=HELD_OUT, watch=alone)
    status, two, also = in_process(tmp_path / "two", {"accumulate": 2}, processes=2)
    assert status == 0
    assert len(alone.losses) == 8
    assert two == pytest.approx(alone.losses, rel=1e-4)
    said = [evaluated.loss for evaluated in alone.held_out]
    assert [line[2] for line in also] == pytest.approx(said, rel=1e-4)


def test_killed_and_resumed_it_takes_the_same_trajectory(tmp_path: Path) -> None:
    whole = Losses()
    tune(tmp_path / "whole", replace(TRAINING, save_every=3), watch=whole)
    out = tmp_path / "killed"
    status, before, _ = in_process(out, {"save_every": 3}, kill_at="5")
    assert status == -signal.SIGKILL
    assert sorted(before) == [1, 2, 3, 4, 5]
    after = Losses()
    tune(out, replace(TRAINING, save_every=3), held_out=HELD_OUT, watch=after)
    assert sorted(after.losses) == [4, 5, 6, 7, 8]
    assert before | after.losses == pytest.approx(whole.losses, rel=1e-5)


def test_a_finished_tuning_is_loaded_and_not_trained_further(tmp_path: Path) -> None:
    first = tune(tmp_path, replace(TRAINING, max_steps=3))
    watch = Losses()
    again = tune(tmp_path, replace(TRAINING, max_steps=3), watch=watch)
    assert not watch.steps
    for parameter, loaded in zip(first.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(parameter, loaded)


@pytest.mark.parametrize(
    "change, named",
    [
        ({"training": replace(TRAINING, learning_rate=1e-3)}, "learning_rate"),
        ({"pairs": made_pairs(4, 7, seed=5)}, "training examples"),
        ({"model": tiny_model("Llama", initializer_range=0.1)}, "model"),
        ({"model": tiny_model("Qwen3")}, "Qwen3ForCausalLM"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(
    tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    tune(tmp_path, replace(TRAINING, max_steps=2))
    changed = change | {"training": replace(change.get("training", TRAINING), max_steps=2)}
    with pytest.raises(RunMismatchError, match=named):
        tune(tmp_path, **changed)


def test_without_resume_checkpoints_are_not_overwritten(tmp_path: Path) -> None:
    tune(tmp_path, replace(TRAINING, max_steps=2))
    with pytest.raises(RunError, match="checkpoint-2"):
        tune(tmp_path, replace(TRAINING, max_steps=2), resume=False)


def test_a_loss_that_is_no_number_stops_before_the_weights_are_spoiled(tmp_path: Path) -> None:
    model = tiny_model("Llama")
    training = replace(TRAINING, learning_rate=1e-3, save_every=1)

    class Spoiling(transformers.TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == 2:
                with torch.no_grad():
                    next(iter(model.parameters()))[:] = torch.nan

    with pytest.raises(TuningError, match=r"step 3: the loss is nan.*checkpoint-2"):
        tune(tmp_path, training, model=model, callbacks=[Spoiling()])
    kept = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "checkpoints/checkpoint-2")
    assert all(weight.isfinite().all() for weight in kept.parameters())


def test_a_gradient_that_is_no_number_stops_it(tmp_path: Path) -> None:
    model = tiny_model("Llama")
    model.lm_head.weight.register_hook(lambda gradient: gradient * torch.inf)
    with pytest.raises(TuningError, match=r"step 1: the gradient is (inf|nan).*no checkpoint yet"):
        tune(tmp_path, model=model)


class FullDisk(transformers.TrainerCallback):  # type: ignore[misc]
    """After a step no file may grow beyond a size."""

    def __init__(self, step: int) -> None:
        self.step = step
        self.limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        self.handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self.step:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, self.limits[1]))

    def free(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self.limits)
        signal.signal(signal.SIGXFSZ, self.handler)


def test_a_full_disk_leaves_the_last_checkpoint_from_which_it_goes_on(tmp_path: Path) -> None:
    whole, watch = Losses(), Losses()
    tune(tmp_path / "whole", watch=whole)
    out = tmp_path / "full"
    disk = FullDisk(3)
    try:
        with pytest.raises(TuningError, match=r"step 4 can't be written.*checkpoint-2"):
            tune(out, callbacks=[disk])
    finally:
        disk.free()
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["checkpoint-2"]
    tune(out, watch=watch)
    assert sorted(watch.losses) == [3, 4, 5, 6, 7, 8]
    assert watch.losses.items() <= whole.losses.items()


def test_a_checkpoint_that_was_cut_off_is_not_used(tmp_path: Path) -> None:
    tune(tmp_path, replace(TRAINING, max_steps=2))
    folder = tmp_path / "checkpoints"
    shutil.copytree(folder / "checkpoint-2", folder / ".partial" / "checkpoint-8")
    shutil.copytree(folder / "checkpoint-2", folder / "checkpoint-9")
    (folder / "checkpoint-9" / "seedstep.json").unlink()
    watch = Losses()
    tune(tmp_path, replace(TRAINING, max_steps=2), watch=watch)
    assert not watch.steps


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "seedstep.json"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, name: str) -> None:
    tune(tmp_path, replace(TRAINING, max_steps=2))
    checkpoint = tmp_path / "checkpoints" / "checkpoint-2"
    damaged = checkpoint.with_name("checkpoint-1")
    checkpoint.rename(damaged)  # so that there is a step left to train
    (damaged / name).write_bytes((damaged / name).read_bytes()[:50])
    with pytest.raises(RunError, match="checkpoint-1: can't be read"):
        tune(tmp_path, replace(TRAINING, max_steps=2))


def test_the_learning_rate_rises_and_then_stays(tmp_path: Path) -> None:
    watch = Losses()
    tune(tmp_path, replace(TRAINING, warmup_steps=4), watch=watch)
    rates = [step.learning_rate for step in watch.steps]
    assert rates == pytest.approx([0, 0.0025, 0.005, 0.0075, 0.01, 0.01, 0.01, 0.01])


def test_lora_trains_its_matrices_and_goes_on_with_them(tmp_path: Path) -> None:
    training = replace(TRAINING, lora=4, learning_rate=3e-2, save_every=4)
    whole, watch = Losses(), Losses()
    base = tiny_model("Llama")
    tuned = tune(tmp_path / "whole", training, model=base, watch=whole)
    assert whole.steps[-1].loss < whole.steps[0].loss / 1.5
    before = tiny_model("Llama").state_dict()
    merged = tuned.model.merge_and_unload().state_dict()
    assert torch.equal(merged["model.embed_tokens.weight"], before["model.embed_tokens.weight"])
    name = "model.layers.0.self_attn.q_proj.weight"
    assert not torch.allclose(merged[name], before[name])
    status, _, _ = in_process(
        tmp_path / "killed", {"lora": 4, "learning_rate": 3e-2, "save_every": 4}, kill_at="5"
    )
    assert status == -signal.SIGKILL
    tune(tmp_path / "killed", training, watch=watch)
    assert sorted(watch.losses) == [5, 6, 7, 8]
    for step, loss in watch.losses.items():
        assert loss == pytest.approx(whole.losses[step], rel=1e-4)


@pytest.mark.parametrize("has_bfloat16", [True, False])
def test_bf16_computes_in_bfloat16_and_keeps_weights_in_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_bfloat16: bool
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: has_bfloat16)
    exact, watch = Losses(), Losses()
    tune(tmp_path / "exact", watch=exact)
    tuned = tune(tmp_path / "bf16", replace(TRAINING, bf16=True), watch=watch)
    assert {weight.dtype for weight in tuned.model.parameters()} == {torch.float32}
    assert (watch.losses != exact.losses) == has_bfloat16
    assert watch.losses == pytest.approx(exact.losses, rel=0.05)


def test_a_model_that_was_loaded_in_bfloat16_is_trained_in_float32(tmp_path: Path) -> None:
    tuned = tune(tmp_path, replace(TRAINING, max_steps=1), model=tiny_model("Llama").bfloat16())
    assert {weight.dtype for weight in tuned.model.parameters()} == {torch.float32}


def test_a_model_that_cannot_share_is_trained_one_example_a_row(tmp_path: Path) -> None:
    watch = Losses()
    with pytest.raises(InputError, match="--share 1"):
        tune(tmp_path, model=tiny_model("Mamba"))
    training = replace(TRAINING, share=1)
    tuned = tune(tmp_path, training, model=tiny_model("Mamba"), watch=watch)
    assert tuned.attention == "causal"
    assert watch.steps[-1].loss < watch.steps[0].loss


@pytest.mark.parametrize(
    "pairs, message",
    [
        ([], "no examples"),
        ([TokenPair("t", "i", (1, 5), ())], "task t, instance i: its target has no tokens"),
        ([TokenPair("t", "i", (), (5, 2))], "task t, instance i: its prompt has no tokens"),
    ],
)
def test_examples_that_cannot_be_learned_are_refused(
    tmp_path: Path, pairs: list[TokenPair], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        tune(tmp_path, pairs=pairs)
    assert not (tmp_path / "checkpoints").exists()


def test_a_gpu_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="no GPU"):
        tune(tmp_path, replace(TRAINING, device="cuda"))


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    importlib.import_module("seedstep.tune.train")  # for transformers knows that there is peft
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtraError, match=r"LoRA.*seedstep\[tune\]"):
        tune(tmp_path, replace(TRAINING, lora=4))
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.delitem(sys.modules, "seedstep.tune.train")
    with pytest.raises(MissingExtraError, match=r"seedstep\[tune\]"):
        importlib.import_module("seedstep.tune.train")


def test_the_model_is_left_as_it_came(tmp_path: Path) -> None:
    model = tiny_model("Llama")
    tuned = tune(tmp_path, replace(TRAINING, max_steps=1), model=model)
    assert tuned.model.config.use_cache is True


class Growing(MadeData):
    """Targets that are longer in the second epoch."""

    def training(self, epoch: int) -> list[TokenPair]:
        return [replace(pair, target=pair.target * (1 + 9 * epoch)) for pair in self.pairs]


def test_examples_that_outgrow_the_window_later_are_refused(tmp_path: Path) -> None:
    watch = Losses()
    model = tiny_model("Mistral", sliding_window=50)
    with pytest.raises(InputError, match="attention sees 50 tokens"):
        tune_decoder(model, None, Growing(PAIRS), TRAINING, tmp_path, watch=watch)
    assert len(watch.steps) == 4
