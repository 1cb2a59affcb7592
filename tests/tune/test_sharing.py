"""Packed rows against one example a row: the same losses, the same gradient, or a refusal."""

from typing import Any

import numpy as np
import pytest
import torch

from seedstep.encode import TokenPair
from seedstep.encode.losses import (
    Attention,
    block_mask,
    shared_attention,
    sharing_obstacle,
    token_losses,
)
from seedstep.encode.packing import PackedGroup, group_pairs, make_row, visible
from seedstep.errors import InputError
from support.tiny_models import SHAPES, made_pairs, tiny_model


def shared_rows(pairs: list[TokenPair], share: int = 8) -> list[list[PackedGroup]]:
    """Rows of two groups each."""
    groups = group_pairs(pairs, share=share, row_tokens=1000)
    return [groups[start : start + 2] for start in range(0, len(groups), 2)]


def plain_losses(model: Any, pair: TokenPair) -> Any:
    """The loss as transformers itself computes it, from labels, without any of our code."""
    tokens = torch.tensor([[*pair.prompt, *pair.target]])
    labels = tokens.clone()
    labels[0, : len(pair.prompt)] = -100
    return model(input_ids=tokens, labels=labels).loss * len(pair.target)


def gradient_of(model: Any) -> Any:
    """All gradients as one vector, which are cleared."""
    whole = torch.cat([weight.grad.flatten() for weight in model.parameters()])
    model.zero_grad()
    return whole


@pytest.mark.parametrize("shape", SHAPES)
def test_packed_rows_are_exact(shape: str) -> None:
    pairs = made_pairs(5, 7)
    model = tiny_model(shape).train()
    attention = shared_attention(model, 64)
    rows = shared_rows(pairs)
    members = [pair for row in rows for group in row for pair in group.pairs]
    losses = [token_losses(model, [make_row(row)], attention) for row in rows]
    by_example = torch.cat(losses).split([len(pair.target) for pair in members])
    torch.cat(losses).sum().backward()
    packed = gradient_of(model)
    assert len(members) == len(pairs)
    for losses_of_one, pair in zip(by_example, members, strict=True):
        plain = plain_losses(model, pair)
        assert abs((losses_of_one.sum() - plain).item()) < 1e-4
        plain.backward()
    alone = gradient_of(model)
    assert float((packed - alone).norm() / alone.norm()) < 1e-5


@pytest.mark.parametrize("shape", ["Llama", "Gemma2"])
def test_rows_of_one_example_each_are_exact(shape: str) -> None:
    pairs = made_pairs(3, 3)
    model = tiny_model(shape)
    rows = [make_row([PackedGroup((pair,), 0)]) for pair in pairs]
    losses = token_losses(model, rows, "causal").split([len(pair.target) for pair in pairs])
    for loss, pair in zip(losses, pairs, strict=True):
        assert abs((loss.sum() - plain_losses(model, pair)).item()) < 1e-4


def test_rows_of_different_lengths_go_through_together() -> None:
    model = tiny_model("Llama")
    rows = [make_row(row) for row in shared_rows(made_pairs(5, 4))]
    together = token_losses(model, rows, "sdpa")
    alone = torch.cat([token_losses(model, [row], "sdpa") for row in rows])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "attention, shape", [("eager", "Llama"), ("eager", "Qwen3"), ("sdpa", "Gemma3")]
)
def test_each_form_of_attention_is_exact(attention: Attention, shape: str) -> None:
    model = tiny_model(shape)
    row = make_row(shared_rows(made_pairs(2, 4))[0])
    model.set_attn_implementation("sdpa")
    expected = token_losses(model, [row], "sdpa")
    model.set_attn_implementation(attention)
    losses = token_losses(model, [row], attention)
    torch.testing.assert_close(losses, expected, atol=1e-5, rtol=1e-5)


def test_the_block_mask_is_the_dense_mask() -> None:
    rows = [make_row(row) for row in shared_rows(made_pairs(5, 8))]
    width = 384
    mask = block_mask(rows, width, "cpu")
    places = torch.arange(width)
    for number, row in enumerate(rows):
        assert len(row) < width
        dense = mask.mask_mod(
            torch.tensor(number), torch.tensor(0), places[:, None], places[None, :]
        ).numpy()
        size = len(row)
        assert np.array_equal(dense[:size, :size], visible(row))
        assert not dense[:size, size:].any()
        assert not dense[size:, :size].any()
        assert dense.any(axis=1).all()  # no token sees nothing, which would be no number


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("shape", ["Llama", "Gemma2"])
def test_flex_attention_computes_what_the_dense_mask_does(
    shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch.nn.attention.flex_attention import flex_attention
    from transformers.integrations import flex_attention as integration

    def uncompiled(*states: Any, training: bool, **options: Any) -> Any:
        return flex_attention(*states, **options)

    # the compiled form takes minutes to compile, and no form has a gradient on a CPU
    monkeypatch.setattr(integration, "compile_friendly_flex_attention", uncompiled)
    model = tiny_model(shape, attn_implementation="eager")
    row = make_row(shared_rows(made_pairs(2, 4))[0])
    with torch.no_grad():
        expected = token_losses(model, [row], "eager")
        model.set_attn_implementation("flex_attention")
        losses = token_losses(model, [row], "flex_attention")
    torch.testing.assert_close(losses, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "shape, settings, reason",
    [
        ("Bloom", {}, "positions"),
        ("Mpt", {}, "positions"),
        ("Mamba", {}, "recurrent state"),
        ("Lfm2", {"layer_types": ["conv", "full_attention"]}, "layers of kind conv"),
        ("Mistral", {"sliding_window": 32}, "attention sees 32 tokens"),
        ("Gemma2", {"sliding_window": 32}, "attention sees 32 tokens"),
        ("Gemma3", {"sliding_window": 32}, "attention sees 32 tokens"),
        ("OPT", {}, "dropout of 0.1"),
        ("Llama", {"attention_dropout": 0.2}, "dropout of 0.2"),
        (
            "Llama",
            {
                "rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4},
                "max_position_embeddings": 32,
            },
            "positions change",
        ),
    ],
)
def test_a_model_that_cannot_share_is_refused(
    shape: str, settings: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        shared_attention(tiny_model(shape, **settings), 100)
    assert "--share 1" in caught.value.remedy


@pytest.mark.parametrize(
    "shape, settings",
    [
        ("Mistral", {"sliding_window": 100}),
        ("Qwen2", {"sliding_window": 8, "use_sliding_window": False}),
        ("Gemma3", {"sliding_window": 100}),
    ],
)
def test_a_window_that_hides_nothing_is_no_obstacle(shape: str, settings: dict[str, Any]) -> None:
    assert sharing_obstacle(tiny_model(shape, **settings), 100) is None


def test_a_model_that_ignores_the_mask_is_found_by_trying() -> None:
    model = tiny_model("Llama")
    forward = model.forward

    def careless(*, attention_mask: Any = None, position_ids: Any = None, **arguments: Any) -> Any:
        return forward(position_ids=position_ids, **arguments)

    model.forward = careless
    with pytest.raises(InputError, match="in a trial its losses differ"):
        shared_attention(model, 100)


def test_a_model_that_ignores_positions_is_found_by_trying() -> None:
    model = tiny_model("Llama")
    forward = model.forward

    def careless(*, position_ids: Any = None, **arguments: Any) -> Any:
        return forward(**arguments)

    model.forward = careless
    with pytest.raises(InputError, match=r"positions|differ"):
        shared_attention(model, 100)


@pytest.mark.parametrize("spread", [0.1, 1.0])
def test_noise_of_16_bits_is_no_obstacle_and_what_is_none_is_found(spread: float) -> None:
    """On some processors it is larger than on others; here it depends on the shapes."""
    model = tiny_model("Llama").to(torch.bfloat16)
    forward = model.forward

    def noisy(*, input_ids: Any, position_ids: Any = None, **arguments: Any) -> Any:
        found = forward(input_ids=input_ids, position_ids=position_ids, **arguments)
        if found.logits.dtype == torch.bfloat16:
            chance = torch.Generator().manual_seed(input_ids.numel())
            noise = torch.randn(found.logits.shape, generator=chance)
            found.logits += (spread * found.logits.std() * noise).to(torch.bfloat16)
        return found

    def careless(*, position_ids: Any = None, **arguments: Any) -> Any:
        return noisy(**arguments)

    model.forward = noisy
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    assert shared_attention(model, 100) == "sdpa"
    for name, weight in model.named_parameters():
        assert weight.dtype == torch.bfloat16
        assert torch.equal(weight, before[name])
    model.forward = careless
    with pytest.raises(InputError, match=r"positions|differ"):
        shared_attention(model, 100)


def test_a_small_fault_is_no_noise_of_16_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The difference, 0.1 nats, is smaller than what some processors make in bfloat16."""

    def faulty(model: Any, rows: Any, attention: Any) -> Any:
        found = token_losses(model, rows, attention)
        return found if attention == "causal" else found + 0.1

    monkeypatch.setattr("seedstep.encode.losses.token_losses", faulty)
    with pytest.raises(InputError, match=r"differ by 0\.1"):
        shared_attention(tiny_model("Llama").to(torch.bfloat16), 100)


@pytest.mark.parametrize("positions", [12, 20])
def test_a_model_of_few_positions_is_tried_within_them(positions: int) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    dropouts = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    config = GPT2Config(
        vocab_size=50, n_positions=positions, n_embd=16, n_layer=1, n_head=2, **dropouts
    )
    assert shared_attention(GPT2LMHeadModel(config), positions) in ("sdpa", "eager")


@pytest.mark.embedded
def test_the_embedded_model_shares_exactly() -> None:
    from seedstep.llm.checkpoints import load_model

    model = load_model("local", dtype="float32")
    pairs = [
        TokenPair(pair.task, pair.instance, tuple(10 * token for token in pair.prompt), pair.target)
        for pair in made_pairs(2, 2)
    ]
    rows = shared_rows(pairs)
    losses = torch.cat([token_losses(model, [make_row(row)], "sdpa") for row in rows])
    losses.sum().backward()
    packed = gradient_of(model)
    members = [pair for row in rows for group in row for pair in group.pairs]
    by_example = losses.split([len(pair.target) for pair in members])
    for loss, pair in zip(by_example, members, strict=True):
        plain = plain_losses(model, pair)
        assert abs((loss.sum() - plain).item()) < 1e-4
        plain.backward()
    alone = gradient_of(model)
    assert float((packed - alone).norm() / alone.norm()) < 1e-5
