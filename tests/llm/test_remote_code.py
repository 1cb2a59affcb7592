"""A checkpoint that brings code: it is never run, and nobody is asked whether it may be."""

import io
import json
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import seedstep
from seedstep.errors import ModelError
from seedstep.llm.checkpoints import load_config, load_model, load_tokenizer
from support.tiny_models import tiny_model

CODE = """
from pathlib import Path
Path(__file__).with_name("ran").touch()
Path({marker!r}).touch()
from transformers import LlamaConfig as Config, LlamaForCausalLM as Model
from transformers import PreTrainedTokenizerFast as Tokenizer
"""


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint whose configuration names code beside it; whoever is asked would say yes."""
    folder = tmp_path / "checkpoint"
    tiny_model("Llama").save_pretrained(folder)
    (folder / "code.py").write_text(CODE.format(marker=str(tmp_path / "ran")))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n" * 20))
    return folder


def _name_code(folder: Path, **changed: Any) -> None:
    classes = {
        "AutoConfig": "code.Config",
        "AutoModelForCausalLM": "code.Model",
        "AutoTokenizer": ["code.Tokenizer", "code.Tokenizer"],
    }
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": classes} | changed))
    tokenizer = {"auto_map": classes, "tokenizer_class": "Tokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))


@pytest.mark.parametrize("load", [load_config, load_tokenizer, load_model])
@pytest.mark.parametrize("kind", ["llama", "of-its-own"])
def test_code_is_not_run(
    kind: str, load: Callable[[str], Any], checkpoint: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _name_code(checkpoint, model_type=kind)
    with suppress(ModelError):
        load(f"hf:{checkpoint}")
    assert not (checkpoint.parent / "ran").exists()
    assert not (checkpoint / "ran").exists()
    assert sys.stdin.read() == "y\n" * 20
    assert "[y/N]" not in capfd.readouterr().out


def test_all_checkpoints_are_loaded_in_one_place() -> None:
    source = Path(seedstep.__file__).parent
    places = [
        (path.relative_to(source).as_posix(), line.strip().removeprefix("return "))
        for path in sorted(source.rglob("*.py"))
        for line in path.read_text("utf-8").splitlines()
        if re.search(r"\.from_pretrained\b|trust_remote_code=", line)
    ]
    assert [place for place in places if "{place}" not in place[1]] == [  # in a card, as text
        ("evaluate/tokens.py", "kind.from_pretrained(str(path))"),  # tokenizers, which run no code
        (
            "llm/gguf.py",
            "kind.from_pretrained(checkpoint, trust_remote_code=False, **options)",
        ),
        (
            "llm/gguf.py",
            "model = kind.from_config(config, trust_remote_code=False, dtype=of_type)",
        ),
    ]
