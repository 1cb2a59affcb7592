"""The settings of the stages of step-by-step instructions, and what is said about wrong ones."""

from typing import Any

import pytest

from seedstep.errors import InputError
from seedstep.llm import Budget, Price, Pricing, Sampling
from seedstep.llm.settings import require_price
from seedstep.settings import make_settings, table
from seedstep.steps import (
    ExamplesSettings,
    StepsSettings,
)


def test_nothing_asked_for_gives_the_defaults() -> None:
    settings = make_settings(StepsSettings, {}, "run.yaml")
    assert settings == StepsSettings()
    assert (settings.refine, settings.repairs, settings.judge) == ("full", 2, None)
    assert make_settings(ExamplesSettings, {}, "run.yaml") == ExamplesSettings()


@pytest.mark.parametrize(
    ("asked", "repairs"),
    [
        ({"refine": "none"}, 0),
        ({"refine": "none", "repairs": 1}, 1),
        ({"refine": "full"}, 2),
        ({"refine": "full", "repairs": 0}, 0),
    ],
)
def test_nothing_is_repaired_where_nothing_is_refined_unless_it_is_asked_for(
    asked: dict[str, Any], repairs: int
) -> None:
    assert StepsSettings.of(**asked).repairs == repairs
    assert make_settings(StepsSettings, asked, "run.yaml").repairs == repairs


@pytest.mark.parametrize("kind", [StepsSettings, ExamplesSettings])
def test_every_setting_says_what_it_is(kind: type) -> None:
    for name, found in table(kind).items():
        assert found.help.endswith("."), name


@pytest.mark.parametrize(
    ("style", "model", "resolved"),
    [
        ("auto", "local", "completion"),
        ("auto", "gguf:x.gguf", "completion"),
        ("auto", "openai:m", "chat"),
        ("auto", "replay:nothing-there.jsonl", "chat"),
        ("completion", "openai:m", "completion"),
        ("chat", "local", "chat"),
    ],
)
def test_the_prompt_style_is_resolved_by_the_model(style: Any, model: str, resolved: str) -> None:
    assert StepsSettings.of(prompt_style=style, model=model).style == resolved


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": ({"refines": "full"}, "there is no setting 'refines'. Write 'refine'"),
    "refine": ({"refine": "some"}, "setting 'refine': invalid enum value 'some'"),
    "turns-style": ({"prompt_style": "turns"}, "setting 'prompt_style': invalid enum value"),
    "repairs": ({"repairs": -1}, "setting 'repairs': expected `int` >= 0"),
    "limit": ({"limit": 0}, "setting 'limit': expected `int` >= 1"),
    "sampling": ({"sampling": {"obtain": {}}}, "Known are conversation, completion, judge"),
    "parameter": ({"sampling": {"judge": {"top_k": 1}}}, "setting 'sampling.judge"),
}


@pytest.mark.parametrize(("values", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_setting_is_named_with_a_remedy(values: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        make_settings(StepsSettings, values, "steps.yaml")
    assert str(caught.value).startswith("steps.yaml")
    assert said in str(caught.value)


def test_at_least_two_examples_are_asked_for() -> None:
    with pytest.raises(InputError, match="'count': expected `int` >= 2"):
        make_settings(ExamplesSettings, {"count": 1}, "the command line")


def test_sampling_is_changed_for_one_request_only() -> None:
    settings = make_settings(StepsSettings, {"sampling": {"conversation": {"max_tokens": 9}}}, "x")
    assert settings.sampling_of("conversation") == Sampling(9)
    assert settings.sampling_of("judge") == StepsSettings().sampling_of("judge")


def test_a_budget_in_money_needs_the_price() -> None:
    settings = make_settings(StepsSettings, {"model": "openai:m", "max_usd": 1}, "x")
    with pytest.raises(InputError, match="the price of 'm' is not known"):
        require_price(settings)
    priced = make_settings(
        StepsSettings,
        {"model": "openai:m", "max_usd": 1, "prices": {"m": {"input": 1, "output": 2}}},
        "x",
    )
    require_price(priced)
    assert priced.pricing.model == Price(1.0, 2.0)
    assert priced.budget == Budget(max_usd=1.0, prices={"m": Price(1.0, 2.0)})


def test_a_budget_in_money_needs_the_judges_price_too() -> None:
    prices = {"m": {"input": 1, "output": 2}}
    asked = {"model": "openai:m", "judge": "openai:j", "max_usd": 1}
    with pytest.raises(InputError, match="the price of 'j' is not known"):
        require_price(make_settings(StepsSettings, {**asked, "prices": prices}, "x"))
    prices["j"] = {"input": 3, "output": 4}
    settings = make_settings(StepsSettings, {**asked, "prices": prices}, "x")
    require_price(settings)
    assert settings.pricing == Pricing(Price(1.0, 2.0), {"judge": Price(3.0, 4.0)})
