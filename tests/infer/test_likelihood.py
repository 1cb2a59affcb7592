"""How likely a checkpoint finds references."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seedstep.data import Instance, Task
from seedstep.encode import ENCODINGS
from seedstep.errors import InputError
from seedstep.infer.likelihood import ScoringModel, open_scoring
from seedstep.llm import Failure, Reply, Request, Sampling
from support.answering_models import save_bart, save_model
from support.measuring import STEPS, plainly
from support.tuning_things import save_llama, save_t5


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
