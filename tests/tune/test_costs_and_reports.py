"""What a tuning costs, on the disk too, beside its data; what the trainer reports elsewhere."""

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
import torch
from safetensors.torch import load_file

from seedstep import open_run, tune_model
from seedstep.errors import MissingExtraError
from seedstep.llm.checkpoints import load_model
from seedstep.stages import TUNE
from seedstep.stages.tune import cost_of
from seedstep.tune.prepare import BOARD, save_tuned
from seedstep.tune.records import read_device_seconds
from support.command_line import seedstep
from support.growing import grow
from support.scripted_server import ScriptedServer
from support.tiny_models import tiny_model
from support.tuning_things import save_llama

PRICES = {"scripted": {"input": 1000.0, "output": 2000.0}}

WRITER = """
import json, os

class SummaryWriter:
    def __init__(self, log_dir=None, **_):
        os.makedirs(log_dir, exist_ok=True)
        self.path = os.path.join(log_dir, "events.jsonl")
    def add_scalar(self, tag, value, step=None, *_, **__):
        with open(self.path, "a") as file:
            file.write(json.dumps([tag, float(value), step]) + chr(10))
    def add_text(self, *_, **__): pass
    def add_hparams(self, *_, **__): pass
    def flush(self): pass
    def close(self): pass
"""
"""A stand-in for the package that writes TensorBoard's files."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Llama, and a bootstrap whose model has a price."""
    folder = tmp_path_factory.mktemp("world")
    save_llama(folder / "llama")
    with ScriptedServer() as server:
        grow(folder / "grown", server, tasks=3, prices=PRICES)
    return folder


def read(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def losses(path: Path) -> list[float]:
    return [line["loss"] for line in read(path / "metrics.jsonl") if "loss" in line]


def tuned(world: Path, out: Path, **asked: Any) -> None:
    settings = {"max_steps": 3, "batch": 2, "device": "cpu", "held_out": 1, **asked}
    tune_model(
        out,
        model=settings.pop("model", f"hf:{world / 'llama'}"),
        data=[f"{world / 'grown'}@plain"],
        encoding_options={"max_source": 400},
        **settings,
    )


@pytest.mark.usefixtures("quick_figures")
def test_device_hours_and_money_stand_beside_those_of_the_data(world: Path, tmp_path: Path) -> None:
    tuned(world, tmp_path / "tuned", device_price=3600.0)
    lines = read(tmp_path / "tuned/metrics.jsonl")
    seconds = sum(line["device_seconds"] for line in lines)
    assert len(lines) == 5, "three steps, and the held-out loss before the first and at the end"
    assert all(line["device_seconds"] > 0 for line in lines)
    with open_run(tmp_path / "tuned", TUNE) as run:
        cost = cost_of(run)
    assert cost.device_hours == pytest.approx(seconds / 3600)
    assert cost.usd == pytest.approx(seconds)
    (data,) = cost.data
    with open_run(world / "grown") as run:
        spent = run.spent()
        assert data.usd == run.settings.pricing.usd(spent.tokens)
    assert (data.source, data.tokens) == (str(world / "grown"), spent.total_tokens)
    status = seedstep("status", tmp_path / "tuned").words
    assert "device hours" in status
    assert f"${cost.usd:,.2f}" in status
    assert f"${data.usd:,.2f}" in status
    assert seedstep("report", tmp_path / "tuned", "--out", tmp_path / "page").code == 0
    page = (tmp_path / "page" / "index.html").read_text("utf-8")
    assert "What it cost</h" in page
    assert f"{cost.usd:,.2f}" in page


def test_a_price_may_be_named_later(world: Path, tmp_path: Path) -> None:
    tuned(world, tmp_path / "tuned")
    assert "$" not in seedstep("status", tmp_path / "tuned").words.partition("tokens of")[0]
    assert "device_price" not in (tmp_path / "tuned" / "tune.yaml").read_text()
    tune_model(tmp_path / "tuned", device_price=7200.0)
    with open_run(tmp_path / "tuned", TUNE) as run:
        cost = cost_of(run)
    assert cost.usd == pytest.approx((cost.device_hours or 0) * 7200)


def test_a_step_that_is_taken_again_counts_once(tmp_path: Path) -> None:
    lines = [
        {"step": 0, "held_out_loss": 1.0, "device_seconds": 0.5},
        {"step": 1, "loss": 1.0, "device_seconds": 2.0},
        {"step": 1, "held_out_loss": 1.0, "device_seconds": 0.25},
        {"step": 1, "loss": 0.9, "device_seconds": 3.0},
    ]
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_device_seconds(path) == 3.75
    path.write_text('{"step": 1, "loss": 1.0}\n')
    assert read_device_seconds(path) is None


def test_the_trainer_reports_to_tensorboard(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "tensorboardX.py").write_text(WRITER)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delenv(BOARD, raising=False)
    tuned(world, tmp_path / "tuned", report_to="tensorboard")
    events = read(tmp_path / "tuned/tensorboard/events.jsonl")
    steps = [(tag, step) for tag, _, step in events if tag == "train/loss"]
    assert steps == [("train/loss", step) for step in (1, 2, 3)]
    found = [value for tag, value, _ in events if tag == "train/loss"]
    assert found == pytest.approx(losses(tmp_path / "tuned"))
    assert BOARD not in os.environ


@pytest.mark.parametrize("lora", [0, 2])
@pytest.mark.parametrize("tied", [True, False])
def test_weights_are_saved_in_half_the_space(
    lora: int, tied: bool, world: Path, tmp_path: Path
) -> None:
    save_llama(tmp_path / "llama", tie_word_embeddings=tied)
    asked = {"model": f"hf:{tmp_path / 'llama'}", "lora": lora}
    tuned(world, tmp_path / "whole", **asked)
    tuned(world, tmp_path / "half", **asked, save_dtype="bfloat16")
    whole, half = (load_model(f"hf:{tmp_path / name / 'model'}") for name in ("whole", "half"))
    weights = whole.state_dict()
    for name, weight in half.state_dict().items():
        assert torch.equal(weight, weights[name].bfloat16()), name
    assert (whole.dtype, half.dtype) == (torch.float32, torch.bfloat16)
    assert whole.generation_config.eos_token_id == half.generation_config.eos_token_id
    size, smaller = (
        sum(file.stat().st_size for file in (tmp_path / name / "model").glob("*.safetensors"))
        for name in ("whole", "half")
    )
    assert smaller < 0.6 * size
    assert losses(tmp_path / "half") == losses(tmp_path / "whole")


def test_whole_numbers_in_a_model_are_saved_exactly_beside_rounded_weights(tmp_path: Path) -> None:
    model = tiny_model("Llama")
    model.register_buffer("places", torch.arange(1000))
    accelerator = SimpleNamespace(
        unwrap_model=lambda found: found,
        get_state_dict=lambda found: found.state_dict(),
        is_main_process=True,
    )
    trainer: Any = SimpleNamespace(accelerator=accelerator, model_wrapped=model)
    tokenizer: Any = SimpleNamespace(save_pretrained=lambda folder: None)
    out = tmp_path / "model"
    save_tuned(trainer, tokenizer, out, adapter=tmp_path / "adapter", dtype="bfloat16")
    saved = load_file(out / "model.safetensors")
    assert saved.pop("places").tolist() == list(range(1000))
    assert {weight.dtype for weight in saved.values()} == {torch.bfloat16}


@pytest.mark.parametrize("name", ["wandb", "mlflow", "tensorboard"])
def test_a_package_that_is_missing_is_named_before_anything_is_read(
    name: Literal["wandb", "mlflow", "tensorboard"],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("seedstep.tune.records.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=f"pip install {name}"):
        tune_model(tmp_path / "tuned", data=["no data are read yet"], report_to=name)
    assert not (tmp_path / "tuned").exists()


def test_a_tuning_goes_on_with_other_reports(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = iter([False, True])
    tune_model(
        tmp_path / "tuned",
        model=f"hf:{world / 'llama'}",
        data=[f"{world / 'grown'}@plain"],
        batch=2,
        device="cpu",
        max_steps=4,
        save_every=1,
        epochs=1,
        stop=lambda: next(taken, True),
    )
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "tensorboardX.py").write_text(WRITER)
    monkeypatch.syspath_prepend(tmp_path / "site")
    done = tune_model(tmp_path / "tuned", report_to="tensorboard")
    assert done.model
    assert (tmp_path / "tuned" / "tensorboard" / "events.jsonl").is_file()
