"""`seedstep encode` as a user runs it."""

import json
from pathlib import Path

import pytest
from transformers import LlamaConfig, T5Config

from seedstep.data import load_tasks
from seedstep.encode import HfTokenizer, encode_task, make_encoding, tokenize
from seedstep.llm.checkpoints import is_decoder_only, load_tokenizer
from support.command_line import UNSAFE, environment, run_process, seedstep
from support.made_tokenizers import byte_level, save_byte_level, save_t5_like

RECORDS = [
    {
        "id": "sort",
        "definition": "Sort the numbers",
        "steps": ["Read.", "Sort."],
        "positive_examples": [{"input": "2 1", "output": "1 2"}],
        "instances": [{"input": "3 2", "output": "2 3"}, {"input": "", "output": "nothing"}],
    },
    {
        "id": "evil",
        "definition": "Read \u001b[31m[bold]this\u202e",
        "instances": [{"input": "x\u0007", "output": "</s>\u001b]0;y\u0007"}],
    },
]


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    path = tmp_path / "tasks.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    return path


@pytest.fixture
def model(tmp_path: Path) -> str:
    """A checkpoint's directory with a tokenizer and a configuration, and no weights."""
    save_byte_level(tmp_path / "model")
    LlamaConfig().save_pretrained(tmp_path / "model")
    return f"hf:{tmp_path / 'model'}"


@pytest.fixture
def t5(tmp_path: Path) -> str:
    save_t5_like(tmp_path / "t5")
    T5Config().save_pretrained(tmp_path / "t5")
    return f"hf:{tmp_path / 't5'}"


def test_a_prompt_is_shown_as_text(tasks: Path) -> None:
    done = seedstep("encode", "--tasks", tasks, "--show", "sort", "--encoding", "steps")
    assert done.code == 0
    assert "Step by Step Instruction: 1. Read. 2. Sort." in done.lines
    assert "Input: 3 2." in done.lines
    assert "nothing" not in done.out
    assert done.lines[-1] == "2 3"


def test_all_knobs_are_flags(tasks: Path) -> None:
    knobs = ["--encode-steps", "refined", "--position", "append", "--positive", 0, "--instances", 2]
    done = seedstep("encode", "--tasks", tasks, "--show", "sort", *knobs)
    assert done.code == 0
    assert "Example" not in done.out
    assert done.out.index("Definition:") < done.out.index("Step by Step")
    assert done.lines[-1] == "nothing"


def test_tokens_are_counted_and_the_loss_is_on_the_target(tasks: Path, model: str) -> None:
    done = seedstep("encode", "--tasks", tasks, "--show", "sort", "--tokenizer", model)
    task = load_tasks(tasks).tasks[0]
    tokenizer = HfTokenizer(load_tokenizer(model))
    encoded = encode_task(task, task.instances[0], make_encoding("tk-instruct"), tokenizer)
    pair = tokenize(encoded, tokenizer, decoder_only=True)
    assert f"prompt: {len(pair.prompt)} tokens, no loss" in done.out
    assert f"target: {len(pair.target)} tokens, loss on each" in done.out
    assert done.lines[-1] == " 2 3<|end|>"


def test_an_encoder_reads_an_end_of_its_own(tasks: Path, t5: str) -> None:
    assert not is_decoder_only(t5)
    done = seedstep("encode", "--tasks", tasks, "--show", "sort", "--tokenizer", t5)
    assert "Output: </s>" in done.out
    assert done.lines[-1] == "2 3</s>"


def test_what_did_not_fit_is_told(tasks: Path, model: str) -> None:
    little = ["--tokenizer", model, "--max-source", 40, "--max-target", 2]
    done = seedstep("encode", "--tasks", tasks, "--show", "sort", *little)
    assert "did not fit: 1 positive examples" in done.out
    assert "tokens of the target" in done.out


def test_colours_alternate_by_token(tasks: Path, model: str) -> None:
    env = environment(FORCE_COLOR="1", COLUMNS="80")
    show = ["encode", "--tasks", tasks, "--show", "sort", "--tokenizer", model]
    done = run_process(*show, env=env)
    first, second = "\x1b[30;102m", "\x1b[30;103m"
    last = done.out.splitlines()[-1]
    tokens = [byte_level().text([token]) for token in byte_level().ids(" 2 3")]
    colours = [first, second] * len(tokens)
    shown = [f"{colour}{token}\x1b[0m" for colour, token in zip(colours, tokens, strict=False)]
    assert last == "".join([*shown, "\x1b[7m<|end|>\x1b[0m"])


def test_without_a_task_all_are_counted(tasks: Path, model: str) -> None:
    done = seedstep("encode", "--tasks", tasks, "--tokenizer", model, "--encoding", "steps")
    assert done.code == 0
    assert done.lines[0].split() == ["tasks", "2"]
    assert done.lines[1].split() == ["examples", "3"]
    assert "1 tasks have no step-by-step instruction: add --steps" in done.out


def test_steps_come_from_an_export(tasks: Path, tmp_path: Path) -> None:
    steps = tmp_path / "steps.jsonl"
    steps.write_text(json.dumps({"task": "evil", "steps": ["Think.", "Speak."]}) + "\n")
    show = ["--show", "evil", "--encoding", "steps", "--steps", steps]
    done = seedstep("encode", "--tasks", tasks, *show)
    assert "Step by Step Instruction: 1. Think. 2. Speak." in done.lines


def test_what_a_task_says_does_not_drive_the_terminal(tasks: Path, model: str) -> None:
    for more in ([], ["--tokenizer", model]):
        done = seedstep("encode", "--tasks", tasks, "--show", "evil", *more)
        assert done.code == 0
        assert not UNSAFE.search(done.out.replace("\n", ""))
        assert "[bold]this" in done.out


def test_what_can_t_be_shown_is_told_in_one_line(tasks: Path, model: str) -> None:
    def error(*args: object) -> str:
        return seedstep("encode", "--tasks", tasks, *args).error

    assert "there is no task 'sore'. Write 'sort'; known are" in error("--show", "sore")
    assert "Add --tokenizer local, or --show TASK" in error()
    assert "there is no encoding 'stepz'" in error("--show", "sort", "--encoding", "stepz")
    assert "needs a tokenizer with a chat template" in error("--show", "sort", "--encoding", "chat")
    small = ["--tokenizer", model, "--max-source", 9]
    assert "sort: its definition and an input need more" in error("--show", "sort", *small)
    assert "can't load its tokenizer" in error("--show", "sort", "--tokenizer", "hf:/nowhere")
