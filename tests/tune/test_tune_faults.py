"""What can be wrong before and while a model is tuned: one clear message each."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import transformers.trainer  # noqa: F401 - looks for peft once, before a test hides it

from seedstep import tune_model
from seedstep.errors import MissingExtraError
from seedstep.llm.checkpoints import load_tokenizer
from support.command_line import seedstep
from support.growing import grow
from support.scripted_server import ScriptedServer
from support.tuning_things import lines_of, save_llama, save_t5, write_lines, write_tasks


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_t5(folder / "t5")
    save_llama(folder / "llama")
    return folder


def error_of(models: Path, data: object, out: Path, *flags: object, model: str = "t5") -> str:
    start = ("tune", "--model", f"hf:{models / model}", "--data", data, "--out", out)
    outcome = seedstep(*start, "--encoding", "definition", "--device", "cpu", *flags)
    assert not (out / "model").exists()
    return outcome.error


@pytest.mark.parametrize(
    ("instances", "said"),
    [
        ([], "task things_0: has no instances. Correct the data, or add --skip-bad"),
        ([{"input": "a", "output": " "}], "task things_0, instance things_0-1: has no target"),
    ],
)
def test_a_task_that_teaches_nothing(
    models: Path, tmp_path: Path, instances: list[Any], said: str
) -> None:
    data = write_lines(tmp_path / "data.jsonl", [{**lines_of()[0], "instances": instances}])
    assert said in error_of(models, data, tmp_path / "out")
    left = error_of(models, data, tmp_path / "out", "--skip-bad")
    assert left.endswith("data.jsonl: nothing to train on. Name another source.")


def test_what_is_skipped_is_named(models: Path, tmp_path: Path) -> None:
    good, bad = lines_of(2)
    data = write_lines(tmp_path / "data.jsonl", [good, {**bad, "instances": []}])
    start = ("tune", "--model", f"hf:{models / 't5'}", "--data", data, "--out", tmp_path / "out")
    outcome = seedstep(*start, "--skip-bad", "--dry-run")
    assert outcome.code == 0
    assert "things_1: has no instances" in outcome.words


def test_no_data(models: Path, tmp_path: Path) -> None:
    outcome = seedstep("tune", "--model", f"hf:{models / 't5'}", "--out", tmp_path / "out")
    assert outcome.error.startswith("error: no data to tune on. Add --data PATH")
    data = write_tasks(tmp_path / "data.jsonl", tasks=2)
    assert "no data is left" in error_of(models, data, tmp_path / "out", "--held-out", 2)
    missing = error_of(models, tmp_path / "nowhere.jsonl", tmp_path / "out")
    assert "nowhere.jsonl: no such file" in missing


def test_a_prompt_longer_than_the_context(models: Path, tmp_path: Path) -> None:
    save_llama(tmp_path / "llama", max_position_embeddings=40)
    long = {**lines_of()[0], "instances": [{"input": "red " * 60, "output": "tool"}]}
    data = write_lines(tmp_path / "data.jsonl", [long])
    said = error_of(tmp_path, data, tmp_path / "out", model="llama")
    assert "task things_0, instance things_0-1: " in said
    assert "but the model's context has 40. Lower --max-source" in said
    start = ("tune", "--model", f"hf:{tmp_path / 'llama'}", "--data", data)
    fits = ("--max-source", 36, "--max-steps", 1, "--device", "cpu", "--encoding", "definition")
    assert seedstep(*start, "--out", tmp_path / "out", *fits).code == 0


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_token_that_the_model_does_not_know(
    models: Path, tmp_path: Path, dry: tuple[str, ...]
) -> None:
    save_llama(tmp_path / "llama", vocab_size=20)
    data = write_tasks(tmp_path / "data.jsonl")
    said = error_of(tmp_path, data, tmp_path / "out", *dry, model="llama")
    assert "task things_0, instance things_0-1: the tokenizer has a token " in said
    assert "the model has embeddings for 20 tokens only. Give the model its own tokenizer" in said
    assert not (tmp_path / "out" / "checkpoints").exists()


def test_a_definition_longer_than_a_prompt_may_be(models: Path, tmp_path: Path) -> None:
    data = write_tasks(tmp_path / "data.jsonl")
    said = error_of(models, data, tmp_path / "out", "--max-source", 4)
    assert "its definition and an input need more than the 4 tokens of max_source" in said


def changed_tokenizer(models: Path, folder: Path, **changes: Any) -> None:
    """The small Llama with another tokenizer configuration."""
    save_llama(folder)
    path = folder / "tokenizer_config.json"
    config = {**json.loads(path.read_bytes()), **changes}
    path.write_text(
        json.dumps({name: value for name, value in config.items() if value is not None})
    )


def test_a_tokenizer_without_end_of_sequence(models: Path, tmp_path: Path) -> None:
    changed_tokenizer(models, tmp_path / "llama", eos_token=None)
    data = write_tasks(tmp_path / "data.jsonl")
    said = error_of(tmp_path, data, tmp_path / "out", model="llama")
    assert "the tokenizer has no end-of-sequence token" in said


@pytest.mark.parametrize("pad", ["</s>", None])
def test_a_tokenizer_whose_padding_is_the_end_learns_the_end(
    models: Path, tmp_path: Path, pad: str | None
) -> None:
    """The losses are those of the model with a padding token of its own."""
    changed_tokenizer(models, tmp_path / "llama", pad_token=pad)
    assert load_tokenizer(f"hf:{tmp_path / 'llama'}").pad_token == pad
    data = write_tasks(tmp_path / "data.jsonl", tasks=2)
    found = []
    for number, folder in enumerate((models, tmp_path)):
        out = tmp_path / f"out{number}"
        settings: dict[str, Any] = {
            "model": f"hf:{folder / 'llama'}",
            "data": [str(data)],
            "device": "cpu",
        }
        tune_model(out, **settings, encoding="definition", learning_rate=1e-3, epochs=1)
        lines = (out / "metrics.jsonl").read_text().splitlines()
        found.append([json.loads(line)["loss"] for line in lines])
    assert found[0] == pytest.approx(found[1], rel=1e-6)


def test_no_gpu_where_one_is_asked_for(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    data = write_tasks(tmp_path / "data.jsonl")
    said = error_of(models, data, tmp_path / "out", "--device", "cuda")
    assert "no CUDA device can be used here. Leave --device out" in said


@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_without_the_extra_one_line_says_how_to_get_it(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    data = write_tasks(tmp_path / "data.jsonl")
    said = error_of(models, data, tmp_path / "out")
    assert "needs a package that is not installed. Run: pip install 'seedstep[tune]'" in said


def test_without_matplotlib_there_is_a_model_and_a_note(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    data = write_tasks(tmp_path / "data.jsonl")
    start = ("tune", "--model", f"hf:{models / 't5'}", "--data", data, "--device", "cpu")
    outcome = seedstep(*start, "--out", tmp_path / "out", "--max-steps", 1)
    assert outcome.code == 0
    assert "no picture of the losses: a figure needs a package" in outcome.words
    assert (tmp_path / "out" / "model" / "model.safetensors").is_file()


def test_without_peft_lora_says_how_to_get_it(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    data = write_tasks(tmp_path / "data.jsonl")
    with pytest.raises(MissingExtraError, match="LoRA"):
        tune_model(
            tmp_path / "out", model=f"hf:{models / 't5'}", data=[str(data)], lora=4, device="cpu"
        )


def test_a_model_that_cant_be_written_leaves_the_checkpoint(models: Path, tmp_path: Path) -> None:
    """A file stands where the model should be; without it the same command ends well."""
    data = write_tasks(tmp_path / "data.jsonl")
    out = tmp_path / "out"
    out.mkdir()
    start = ("tune", "--model", f"hf:{models / 't5'}", "--data", data, "--device", "cpu")
    assert seedstep(*start, "--out", out, "--max-steps", 1).code == 0
    for path in (out / "model").iterdir():
        path.unlink()
    (out / "model").rmdir()
    (out / "model").touch()
    assert "the model can't be written" in seedstep("tune", "--out", out).error
    assert (out / "checkpoints" / "checkpoint-1").is_dir()
    (out / "model").unlink()
    assert seedstep("tune", "--out", out).code == 0
    assert (out / "model" / "model.safetensors").is_file()


def test_a_directory_that_holds_something_else(models: Path, tmp_path: Path) -> None:
    data = write_tasks(tmp_path / "data.jsonl")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").touch()
    assert "is not empty and not a run" in error_of(models, data, tmp_path / "out")


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    data = write_tasks(tmp_path / "data.jsonl")
    outcome = seedstep(
        "tune", "--model", "hf:nowhere/at/all", "--data", data, "--out", tmp_path / "o"
    )
    assert "transformers can't load its tokenizer" in outcome.error
    outcome = seedstep("tune", "--model", "magic:x", "--data", data, "--out", tmp_path / "o")
    assert "model 'magic:x' can't be tuned" in outcome.error


def test_a_model_that_can_be_no_gguf_is_not_tuned_for_it(models: Path, tmp_path: Path) -> None:
    data = write_tasks(tmp_path / "data.jsonl")
    said = error_of(models, data, tmp_path / "out", "--gguf")
    assert "a T5ForConditionalGeneration can't be written as a GGUF file" in said


def test_a_bootstraps_tasks_are_tuned_on_with_self_instructs_templates(
    models: Path, server: ScriptedServer, tmp_path: Path
) -> None:
    run = grow(tmp_path / "run", server, tasks=4)
    data = write_tasks(tmp_path / "data.jsonl")
    both = ("--data", f"{run.path}@self-instruct", "--data", f"{data}=5")
    start = ("tune", "--model", f"hf:{models / 't5'}", "--encoding", "definition")
    outcome = seedstep(*start, *both, "--out", tmp_path / "out", "--dry-run")
    assert outcome.code == 0
    assert "run@self-instruct: " in outcome.words
    assert "data.jsonl=5: 5 examples of 1 task" in outcome.words
