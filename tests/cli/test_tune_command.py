"""`seedstep tune` as a user runs it: what it leaves, how it goes on, what it says."""

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from seedstep import tune_model
from seedstep.encode import HfTokenizer, TaskEncoder, make_encoding, tokenize
from seedstep.llm.checkpoints import load_model, load_tokenizer
from seedstep.tune.mixing import TRAINING_RECORD
from support.command_line import Outcome, environment, seedstep
from support.forking import LOADED, ForkedProcess, forked, forked_python
from support.tuning_things import lines_of, save_llama, save_t5, things, write_lines, write_tasks

pytestmark = pytest.mark.usefixtures("quick_figures")

SUPPORT = Path(__file__).parents[1] / "support"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small T5, a small Llama, and tasks."""
    folder = tmp_path_factory.mktemp("world")
    save_t5(folder / "t5")
    save_llama(folder / "llama")
    write_tasks(folder / "tasks.jsonl", tasks=3, instances=24)
    return folder


def tuned(world: Path, out: Path, *flags: object, model: str = "t5") -> Outcome:
    start = ("tune", "--model", f"hf:{world / model}", "--data", world / "tasks.jsonl")
    return seedstep(*start, "--out", out, "--encoding", "definition", "--device", "cpu", *flags)


def metrics(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def losses(out: Path) -> list[tuple[float, float]]:
    return [(line["step"], line["loss"]) for line in metrics(out) if "loss" in line]


def held_out(out: Path) -> list[tuple[float, float]]:
    return [
        (line["step"], line["held_out_loss"]) for line in metrics(out) if "held_out_loss" in line
    ]


def answers(model: str, texts: list[str]) -> list[str]:
    """What a tuned encoder-decoder model says to inputs of the first task, greedily."""
    from seedstep.data import Instance, Task

    loaded, tokenizer = load_model(model), load_tokenizer(model)
    reader = HfTokenizer(tokenizer)
    task = Task("things_0", lines_of()[0]["definition"], ())
    encoder = TaskEncoder(task, make_encoding("definition"), reader)
    said = []
    for text in texts:
        pair = tokenize(encoder.encode(Instance(text, ("",), "x")), reader, decoder_only=False)
        (ids,) = loaded.generate(
            input_ids=torch.tensor([pair.prompt]), max_new_tokens=8, do_sample=False
        )
        said.append(tokenizer.decode(ids, skip_special_tokens=True).strip())
    return said


def test_a_small_t5_learns_what_it_was_not_shown(world: Path, tmp_path: Path) -> None:
    pairs = things(460)
    instances = [{"input": text, "output": kind} for text, kind in pairs[:400]]
    data = write_lines(tmp_path / "data.jsonl", [{**lines_of()[0], "instances": instances}])
    out = tmp_path / "out"
    flags = ("--data", data, "--epochs", 6, "--lr", 5e-3, "--encoding", "definition")
    outcome = seedstep("tune", "--model", f"hf:{world / 't5'}", "--out", out, *flags)
    assert outcome.code == 0, outcome.err
    said = answers(f"hf:{out / 'model'}", [text for text, _ in pairs[400:]])
    right = sum(written == kind for written, (_, kind) in zip(said, pairs[400:], strict=True))
    assert right / len(said) > 0.9
    assert losses(out)[-1][1] < 0.1 < losses(out)[0][1]


def test_comparisons_say_how_much_of_the_test_was_tuned_on(world: Path, tmp_path: Path) -> None:
    other = write_tasks(tmp_path / "other.jsonl", tasks=4, instances=4, seed=7)
    flags = ("--epochs", 1, "--limit-instances", 4)
    assert tuned(world, tmp_path / "first", *flags, "--lora", 2, model="llama").code == 0
    again = ("tune", "--model", f"hf:{tmp_path / 'first' / 'model'}", "--data", f"{other}=2")
    done = seedstep(*again, "--out", tmp_path / "again", "--encoding", "definition", *flags[:2])
    assert done.code == 0, done.err
    for name in ("first", "again"):
        (tmp_path / name / "model").rename(tmp_path / name / "moved")
        (tmp_path / name / "tune.yaml").unlink()
    asked = ("--max-new-tokens", 2, "--encoding", "definition", "--out", tmp_path / "run")
    models = {
        "untuned": world / "llama",
        "first": tmp_path / "first" / "moved",
        "adapter": tmp_path / "first" / "adapter",
        "again": tmp_path / "again" / "moved",
    }
    for name, model in models.items():
        tests = ("--tasks", world / "tasks.jsonl", "--limit-instances", 5)
        if name != "adapter":
            done = seedstep("predict", "--model", f"hf:{model}", "--name", name, *asked, *tests)
            assert done.code == 0, done.err
    assert (models["adapter"] / TRAINING_RECORD).is_file()
    words = " ".join(seedstep("compare", tmp_path / "run", "--against", "untuned").words.split())
    known = "3 of 3 tasks and 12 of 15 instances were in its training data"
    assert f"first: {known} (tasks.jsonl)" in words
    assert f"again: {known} (tasks.jsonl, other.jsonl)" in words
    assert "untuned: " not in words


def test_what_a_tuning_leaves(world: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    flags = ("--held-out", 1, "--evaluate-every", 3, "--epochs", 1, "--lr", 1e-3)
    outcome = tuned(world, out, *flags)
    assert outcome.code == 0
    assert "48 examples of 2 tasks" in outcome.words
    assert "held out: 10 examples of 1 task" in outcome.words
    assert "effective batch: 16 examples = 16 a pass and process x 1 accumulated" in outcome.words
    assert f"the tuned model is in {out / 'model'}" in outcome.words.replace("- ", "-")
    names = {path.name for path in out.iterdir() if not path.name.startswith("run.")}
    assert names == {
        "README.md",
        "loss.png",
        "loss.svg",
        "metrics.jsonl",
        "model",
        "preflight.json",
        "tune.yaml",
    }
    assert [step for step, _ in losses(out)] == [1, 2, 3]
    assert [step for step, _ in held_out(out)] == [0, 3]
    assert "3/3 · loss " in outcome.words
    card = (out / "README.md").read_text()
    assert "tasks.jsonl" in card
    assert str(world) not in card  # the way to a file is the user's own matter
    preflight = json.loads((out / "preflight.json").read_bytes())
    assert preflight["batch"] == {"per_device": 16, "accumulate": 1, "processes": 1}
    assert load_tokenizer(f"hf:{out / 'model'}").eos_token == "</s>"


def test_a_finished_tuning_says_so_and_is_not_trained_again(world: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    tuned(world, out, "--max-steps", 2)
    before = (out / "metrics.jsonl").read_bytes()
    outcome = seedstep("tune", "--out", out)
    assert outcome.code == 0
    assert "finished before" in outcome.words
    assert (out / "metrics.jsonl").read_bytes() == before


def test_a_dry_run_counts_and_writes_nothing(world: Path, tmp_path: Path) -> None:
    outcome = tuned(world, tmp_path / "out", "--dry-run")
    assert outcome.code == 0
    assert "10 steps in 2 epochs" in outcome.words
    assert not (tmp_path / "out").exists()


def test_other_settings_data_or_models_are_refused(world: Path, tmp_path: Path) -> None:
    model = tmp_path / "t5"
    save_t5(model)
    data = write_tasks(tmp_path / "data.jsonl")
    out = tmp_path / "out"
    start = ("tune", "--out", out, "--device", "cpu")
    flags = ("--model", f"hf:{model}", "--data", data, "--max-steps", 2, "--save-every", 1)
    assert seedstep(*start, *flags).code == 0
    assert "learning_rate: 5e-05 there, 0.001 asked" in seedstep(*start, "--lr", 1e-3).error
    other = seedstep(*start, "--model", f"hf:{world / 't5'}").error
    assert f"model: 'hf:{model}' there, 'hf:{world / 't5'}' asked" in other


def test_what_taught_nothing_yet_may_be_changed(world: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (tmp_path / "out").mkdir()
    assert tuned(world, out, "--max-steps", 1).code == 0
    assert not (out / "checkpoints").exists()
    (out / "model").rename(tmp_path / "model")
    assert tuned(world, out, "--max-steps", 1, "--lr", 1e-3).code == 0


SETTINGS: dict[str, Any] = {
    "encoding": "definition",
    "device": "cpu",
    "epochs": 2,
    "learning_rate": 1e-3,
    "save_every": 3,
    "held_out": 1,
    "evaluate_every": 2,
}


def run_process(out: Path, settings: dict[str, Any], kill_at: str = "") -> int:
    words = (SUPPORT / "tuning_process.py", "run", out, json.dumps(settings), *kill_at.split())
    env = environment(OMP_NUM_THREADS="1")
    return subprocess.run(forked_python(*words), env=env, check=False).returncode


def test_another_model_at_the_same_place_is_refused(world: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    model = save_t5(tmp_path / "t5")
    settings = {**SETTINGS, "model": model, "data": [str(world / "tasks.jsonl")], "save_every": 1}
    assert run_process(out, settings, "3") == -signal.SIGKILL
    save_t5(tmp_path / "t5", d_ff=64)
    assert "was started with other settings (model: 'T5For" in seedstep("tune", "--out", out).error


def test_killed_and_started_again_it_takes_the_same_trajectory(world: Path, tmp_path: Path) -> None:
    """With dropout, which draws from the state of the process's generator."""
    model = save_t5(tmp_path / "t5", dropout_rate=0.1)
    settings = {**SETTINGS, "model": model, "data": [str(world / "tasks.jsonl")]}
    tune_model(tmp_path / "whole", **settings)
    out = tmp_path / "killed"
    assert run_process(out, settings, "5") == -signal.SIGKILL
    assert [step for step, _ in losses(out)] == [1, 2, 3, 4, 5]
    assert not (out / "model").exists()
    tune_model(out, **settings)
    assert [step for step, _ in losses(out)] == [1, 2, 3, 4, 5, 6]
    for ours, theirs in zip(losses(out), losses(tmp_path / "whole"), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)
    for ours, theirs in zip(held_out(out), held_out(tmp_path / "whole"), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)
    weights = [
        load_model(f"hf:{folder / 'model'}").state_dict() for folder in (out, tmp_path / "whole")
    ]
    for name, weight in weights[0].items():
        torch.testing.assert_close(weight, weights[1][name], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("model", ["t5", "llama"])
def test_two_processes_take_the_trajectory_of_one(world: Path, tmp_path: Path, model: str) -> None:
    same = ("--lr", 1e-3, "--held-out", 1, "--evaluate-every", 3, "--epochs", 1)
    assert tuned(world, tmp_path / "one", *same, "--accumulate", 4, model=model).code == 0
    flags = [*same, "--accumulate", 2, "--encoding", "definition", "--device", "cpu"]
    source = ("--model", f"hf:{world / model}", "--data", world / "tasks.jsonl")
    line = ("tune", *source, "--out", tmp_path / "two", *flags)
    torchrun = ("-m", "torch.distributed.run", "--nproc-per-node", 2)
    meeting = ("--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0")
    done = subprocess.run(
        forked_python(*torchrun, *meeting, "-m", "seedstep", *line),
        env=environment(OMP_NUM_THREADS="1"),
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"4 a pass and process x 2 accumulated x 2 processes" in done.stdout
    assert done.stdout.count(b"the tuned model is in") == 1
    for ours, theirs in zip(losses(tmp_path / "one"), losses(tmp_path / "two"), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)
    assert held_out(tmp_path / "one")[-1] == pytest.approx(held_out(tmp_path / "two")[-1], rel=1e-4)


def test_a_signal_stops_it_after_a_step_and_it_goes_on(world: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    source = ("--model", f"hf:{world / 't5'}", "--data", world / "tasks.jsonl")
    flags = ("--out", out, "--epochs", 400, "--device", "cpu")
    line = forked("tune", *source, *flags, loaded=LOADED)
    process = ForkedProcess(
        line, env=environment(OMP_NUM_THREADS="1"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while process.poll() is None and len(losses_so_far(out)) < 3:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err.decode()
    assert f"Go on with: seedstep tune --out {out}".encode() in err
    done = losses_so_far(out)[-1]
    assert (out / "checkpoints" / f"checkpoint-{int(done)}").is_dir()
    assert not (out / "model").exists()


def losses_so_far(out: Path) -> list[float]:
    return [step for step, _ in losses(out)] if (out / "metrics.jsonl").exists() else []


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft's own
@pytest.mark.parametrize("model", ["t5", "llama"])
def test_lora_leaves_its_matrices_and_a_whole_model(
    world: Path, tmp_path: Path, model: str
) -> None:
    from peft import PeftModel

    out = tmp_path / "out"
    outcome = tuned(world, out, "--lora", 4, "--max-steps", 3, "--lr", 1e-2, model=model)
    assert outcome.code == 0, outcome.err
    base = load_model(f"hf:{world / model}", dtype="float32")
    inputs = {"input_ids": torch.tensor([[5, 6, 7, 8]])}
    if model == "t5":
        inputs["decoder_input_ids"] = torch.tensor([[0, 5]])
    with torch.no_grad():
        plain = base(**inputs).logits
        adapted = PeftModel.from_pretrained(base, out / "adapter")(**inputs).logits
        merged = load_model(f"hf:{out / 'model'}")(**inputs).logits
    torch.testing.assert_close(adapted, merged, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(plain, merged, atol=1e-3)


def test_a_preset_for_several_gpus_says_how_to_launch_it(world: Path, tmp_path: Path) -> None:
    from accelerate.commands import config as accelerate_config

    config = tmp_path / "out" / "fsdp.yaml"
    preset = ("--preset", "step-by-step-3b", "--max-steps", 1)
    foreseen = tuned(world, tmp_path / "out", *preset, "--dry-run")
    assert foreseen.code == 0
    assert f"a tuning that is no dry run writes {config} first" in foreseen.out
    assert not config.parent.exists()
    outcome = tuned(world, tmp_path / "out", *preset)
    assert outcome.code == 0
    assert f"accelerate launch --config_file {config} -m seedstep tune" in outcome.out
    read = accelerate_config.load_config_from_file(str(config))
    assert (read.num_processes, read.distributed_type.value) == (4, "FSDP")
