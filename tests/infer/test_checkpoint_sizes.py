"""What is too long for a checkpoint, or unknown to it, fails before it is called."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BartConfig, BartForConditionalGeneration, GPT2Config, LlamaConfig, T5Config

from seedstep.data import Prediction
from seedstep.encode import ModelSizes
from seedstep.recipes import predict
from support.answering_models import save_bart, save_model
from support.tuning_things import write_lines


def predicted(folder: Path, model: str, **settings: Any) -> list[Prediction]:
    """Answers to a short input and to a long one."""
    inputs = ["3 2 1", " ".join(["2 3 1"] * 30)]
    line = {
        "id": "t",
        "definition": "Sort.",
        "instances": [{"input": text, "output": "1"} for text in inputs],
    }
    tasks = str(write_lines(folder / "tasks.jsonl", [line]))
    settings = {"encoding": "definition", "max_new_tokens": 8, **settings}
    with predict(folder / "run", tasks=tasks, model=model, **settings) as run:
        return list(run.predictions(model))


@pytest.mark.parametrize("family", ["GPT2", "Llama", "Bart"])
def test_a_prompt_too_long_for_the_positions_fails_and_others_do_not(
    family: str, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    if family == "Bart":
        model = save_bart(folder, 100)
    else:
        model = save_model(family, folder, max_position_embeddings=100)
    short, long = predicted(tmp_path, model)
    assert short.failed == ""
    needs = "needs more than the 100 positions of the model's encoder"
    needs = needs if family == "Bart" else "8 for the answer need more than the 100 positions"
    assert needs in long.failed
    assert long.failed.endswith("lower max_source or max_new_tokens")


def test_the_last_position_may_be_used_and_the_next_may_not(tmp_path: Path) -> None:
    model = save_model("GPT2", tmp_path / "model", max_position_embeddings=100)
    short, _ = predicted(tmp_path, model, max_new_tokens=100)
    tokens = int(short.failed.partition("prompt of ")[2].partition(" ")[0])
    (tmp_path / "fits").mkdir()
    short, _ = predicted(tmp_path / "fits", model, max_new_tokens=100 - tokens)
    assert short.failed == ""
    (tmp_path / "over").mkdir()
    short, _ = predicted(tmp_path / "over", model, max_new_tokens=101 - tokens)
    assert "need more than the 100 positions" in short.failed


def test_an_answer_too_long_for_the_decoder_fails(tmp_path: Path) -> None:
    model = save_bart(tmp_path / "model", 60)
    short, _ = predicted(tmp_path, model, max_new_tokens=61)
    assert "61 tokens for the answer need more than the 60 positions" in short.failed


@pytest.mark.parametrize("family", ["GPT2", "Llama"])
def test_a_token_without_an_embedding_fails(family: str, tmp_path: Path) -> None:
    model = save_model(family, tmp_path / "model", vocab_size=260)
    for found in predicted(tmp_path, model):
        assert "the model has embeddings for 260 tokens only" in found.failed
        assert "the tokenizer has a token " in found.failed


def test_sizes_are_those_of_the_configuration() -> None:
    assert ModelSizes.of(GPT2Config(n_positions=64)) == ModelSizes(64, vocabulary=50257)
    assert ModelSizes.of(BartConfig(max_position_embeddings=64)).prompt == 64
    assert ModelSizes.of(T5Config(n_positions=512)) == ModelSizes(vocabulary=32128)
    rope = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
    stretched = LlamaConfig(
        max_position_embeddings=64, rope_parameters={**rope, "rope_theta": 10000.0}
    )
    assert ModelSizes.of(stretched).whole == 256
    llama3 = {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
        "rope_theta": 10000.0,
    }
    assert (
        ModelSizes.of(LlamaConfig(max_position_embeddings=96, rope_parameters=llama3)).whole == 96
    )


def test_embeddings_are_counted_where_a_model_is_loaded() -> None:
    model = BartForConditionalGeneration(
        BartConfig(
            vocab_size=50,
            d_model=16,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=16,
            decoder_ffn_dim=16,
            max_position_embeddings=8,
        )
    )
    with torch.no_grad():
        model.resize_token_embeddings(60)
    model.config.vocab_size = 50
    assert ModelSizes.of_model(model).vocabulary == 60
