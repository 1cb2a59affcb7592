"""Whether a prefix can be shared is found out by trying, and noise of 16 bits decides nothing."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from seedstep.infer.prefix import _flash
from seedstep.infer.trials import attends_apart, takes_padding, why_not_shared
from support.answering_models import SHARING, answering_model

OTHERWISE = "with a shared prefix it gives other answers"


def half(family: str, dtype: torch.dtype = torch.bfloat16, **settings: Any) -> Any:
    return answering_model(family, **settings).to(dtype)


def changed(model: Any, change: Callable[[Any, dict[str, Any]], Any]) -> Any:
    """A model that is called with other arguments, or gives other logits."""
    forward = model.forward

    def other(
        input_ids: Any = None, position_ids: Any = None, attention_mask: Any = None, **named: Any
    ) -> Any:
        named |= {"position_ids": position_ids, "attention_mask": attention_mask}
        return change(forward, {"input_ids": input_ids, **named})

    model.forward = other
    return model


def state(model: Any) -> dict[str, Any]:
    named = [*model.named_parameters(), *model.named_buffers()]
    return {name: (tensor.dtype, tensor.detach().clone()) for name, tensor in named}


def assert_unchanged(model: Any, before: dict[str, Any]) -> None:
    after = state(model)
    assert after.keys() == before.keys()
    for name, (dtype, values) in before.items():
        assert after[name][0] == dtype, name
        assert torch.equal(after[name][1], values), name


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("family", SHARING)
def test_models_of_16_bits_share(family: str, dtype: torch.dtype) -> None:
    model = half(family, dtype)
    before = state(model)
    assert why_not_shared(model) == ""
    assert attends_apart(model)
    assert takes_padding(model)
    assert_unchanged(model, before)
    assert model.config._attn_implementation == "sdpa"


def test_an_attention_that_gives_other_answers_apart_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = answering_model("Llama")
    assert attends_apart(model)

    def without_sums(*states: Any, **named: Any) -> Any:
        seen, sums = _flash(*states, **named)
        return seen, torch.zeros_like(sums)

    monkeypatch.setattr("seedstep.infer.prefix._flash", without_sums)
    assert not attends_apart(model)
    assert why_not_shared(model) == ""
    assert model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize(
    "family",
    [
        "Doge",  # its masks leave out keys in longer texts only
        "GptOss",  # each head may attend to nothing
    ],
)
def test_another_attention_is_not_computed_apart(
    family: str, caplog: pytest.LogCaptureFixture
) -> None:
    model = answering_model(family)
    caplog.clear()
    assert not attends_apart(model)
    assert not caplog.records


@pytest.mark.parametrize("spread", [0.02, 0.1, 0.5])
def test_noise_of_16_bits_is_no_reason(spread: float) -> None:
    """On some processors it is larger than on others; here it depends on the shapes."""

    def noisy(forward: Any, named: dict[str, Any]) -> Any:
        found = forward(**named)
        if found.logits.dtype == torch.bfloat16:
            chance = torch.Generator().manual_seed(named["input_ids"].numel())
            noise = torch.randn(found.logits.shape, generator=chance)
            found.logits += (spread * found.logits.std() * noise).to(torch.bfloat16)
        return found

    model = changed(half("Llama"), noisy)
    before = state(model)
    assert why_not_shared(model) == ""
    assert_unchanged(model, before)
    noisy_forward = model.forward

    def without(forward: Any, named: dict[str, Any]) -> Any:
        return noisy_forward(**{**named, "position_ids": None})

    assert why_not_shared(changed(model, without)) == OTHERWISE


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("left_out", ["position_ids", "attention_mask"])
def test_what_is_no_noise_is_a_reason_in_every_type(dtype: torch.dtype, left_out: str) -> None:
    def without(forward: Any, named: dict[str, Any]) -> Any:
        return forward(**{**named, left_out: None})

    model = changed(half("Llama", dtype), without)
    before = state(model)
    assert why_not_shared(model) == OTHERWISE
    assert takes_padding(model) == (left_out == "position_ids")  # Llama's positions are relative
    assert_unchanged(model, before)


@pytest.mark.parametrize("family", SHARING)
@pytest.mark.parametrize("spread", [0.02, 0.05])
def test_small_weights_hide_no_shifted_positions(family: str, spread: float) -> None:
    """The logits of models with small weights hardly depend on positions."""

    def shifted(forward: Any, named: dict[str, Any]) -> Any:
        if named["position_ids"] is not None:
            named |= {"position_ids": named["position_ids"] + 1}
        return forward(**named)

    model = answering_model(family, initializer_range=spread)
    assert why_not_shared(model) == ""
    assert takes_padding(model)
    assert why_not_shared(changed(model, shifted)) == OTHERWISE


def test_without_room_for_32_bits_a_doubt_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(forward: Any, named: dict[str, Any]) -> Any:
        return forward(**{**named, "position_ids": None})

    def no_room(*_: Any) -> Any:
        raise RuntimeError("can't allocate memory")

    model = changed(half("Llama"), without)
    before = state(model)
    monkeypatch.setattr("seedstep.infer.trials.in_32_bits", no_room)
    assert why_not_shared(model) == OTHERWISE
    assert_unchanged(model, before)


@pytest.mark.parametrize("positions", [4, 8, 16, 30])
@pytest.mark.parametrize("family", ["GPT2", "Llama"])
def test_a_model_of_few_positions_is_tried_within_them(family: str, positions: int) -> None:
    model = answering_model(family, max_position_embeddings=positions)
    assert why_not_shared(model) == ""
    assert takes_padding(model)
    assert takes_padding(half(family, max_position_embeddings=positions))


@pytest.mark.parametrize("family, settings", [("Mistral", {"sliding_window": 8}), ("Mamba", {})])
def test_models_that_share_nothing_take_padding(family: str, settings: dict[str, Any]) -> None:
    assert why_not_shared(answering_model(family, **settings))
    for dtype in (torch.float32, torch.bfloat16):
        assert takes_padding(half(family, dtype, **settings))
