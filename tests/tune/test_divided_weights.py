"""Two processes that divide the weights (FSDP) train as one does, and leave the same model."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from seedstep.errors import InputError
from seedstep.llm.checkpoints import load_model
from seedstep.tune.division import join_processes, write_fsdp
from support.command_line import environment, seedstep
from support.forking import forked_python
from support.tuning_things import save_llama, save_t5, write_tasks

SCRIPT = Path(__file__).parents[1] / "support" / "fsdp_on_cpu.py"
LAUNCHER = ("-m", "accelerate.commands.accelerate_cli", "launch")


def losses(out: Path) -> list[float]:
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [row["loss"] for row in rows if "loss" in row]


@pytest.mark.timeout(1200)  # three processes load torch
@pytest.mark.parametrize("save", [save_t5, save_llama])
def test_two_processes_that_divide_the_weights_train_as_one_though_killed(
    save: Any, tmp_path: Path
) -> None:
    source = ("--model", save(tmp_path / "base"), "--data", write_tasks(tmp_path / "tasks.jsonl"))
    often = ("--device", "cpu", "--save-every", 2)
    flags = ("--encoding", "definition", "--epochs", 2, "--lr", 1e-3, *often)
    alone, divided = tmp_path / "one", tmp_path / "two"
    assert seedstep("tune", *source, *flags, "--accumulate", 4, "--out", alone).code == 0
    config = tmp_path / "fsdp.yaml"
    write_fsdp(config, 2)
    launch = ("--config_file", config, "--mixed_precision", "no", "--main_process_port", 0, SCRIPT)
    command = (*LAUNCHER, *launch, "tune", *source, *flags, "--accumulate", 2, "--out", divided)
    for how in ({"KILLED": "1"}, {}):
        done = subprocess.run(
            forked_python(*command),
            env=environment(OMP_NUM_THREADS="1", **how),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode == 0) == (not how), done.stderr
        assert (divided / "checkpoints" / "checkpoint-2").exists() == bool(how)
    assert "2 accumulated x 2 processes" in done.stdout
    assert losses(divided) == pytest.approx(losses(alone), rel=1e-4)
    files = [load_file(out / "model" / "model.safetensors") for out in (alone, divided)]
    assert files[0].keys() == files[1].keys()
    weights = [load_model(f"hf:{out / 'model'}").state_dict() for out in (alone, divided)]
    for name, weight in weights[0].items():
        torch.testing.assert_close(weight, weights[1][name], atol=1e-5, rtol=1e-3)
    assert not (divided / "checkpoints").exists()


@pytest.mark.parametrize("save", [save_t5, save_llama])
def test_an_empty_model_reads_no_weights_and_has_the_same_parts(save: Any, tmp_path: Path) -> None:
    model = save(tmp_path / "base")
    whole = load_model(model, dtype="float32")
    (tmp_path / "base" / "model.safetensors").unlink()
    empty = load_model(model, dtype="float32", empty=True)
    assert not empty.training
    for kind in ("named_parameters", "named_buffers"):
        there, wanted = (
            [(name, each.shape, each.dtype) for name, each in getattr(made, kind)()]
            for made in (empty, whole)
        )
        assert there == wanted
    places = [each.data_ptr() for each in empty.parameters()]
    assert len(set(places)) == len(places), "accelerate takes them for one weight"
    for name, buffer in whole.named_buffers():
        torch.testing.assert_close(empty.get_buffer(name), buffer)


def test_lora_is_refused_before_divided_weights_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="LoRA's matrices can't be merged with weights"):
        join_processes(lora=4, on_cpu=True)
