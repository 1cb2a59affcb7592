"""Settings, and what is said about wrong ones."""

import math
from typing import Any

import pytest

from seedstep import BootstrapSettings
from seedstep.bootstrap.prompting import PAPER_SAMPLING, STYLES
from seedstep.bootstrap.shards import DRAWS, ShardPlace
from seedstep.errors import InputError
from seedstep.llm import Sampling
from seedstep.llm.settings import override
from seedstep.settings import make_settings


def complaint(values: dict[Any, Any]) -> str:
    """What is said about these values, found in run.yaml."""
    with pytest.raises(InputError) as caught:
        make_settings(BootstrapSettings, values, "run.yaml")
    return str(caught.value)


def test_defaults_are_the_papers() -> None:
    settings = BootstrapSettings()
    assert settings.novelty_threshold == 0.7
    assert settings.fidelity == "paper"
    assert settings.tokens == "auto"
    assert settings.prompt_style == "auto"
    assert settings.seeds is None
    assert settings.sampling == {}


def test_nothing_asked_for_gives_the_defaults() -> None:
    assert make_settings(BootstrapSettings, {}, "run.yaml") == BootstrapSettings()


def test_values_are_taken_over() -> None:
    values = {
        "model": "openai:m",
        "base_url": None,
        "tasks": 7,
        "seed": -1,
        "novelty_threshold": 1,
        "tokens": "unicode",
        "sampling": {"generation": {"temperature": 1, "stop": ["x"]}},
    }
    settings = make_settings(BootstrapSettings, values, "run.yaml")
    assert (settings.model.name, settings.tasks, settings.seed) == ("openai:m", 7, -1)
    assert settings.novelty_threshold == 1.0
    assert settings.sampling == {"generation": {"temperature": 1, "stop": ["x"]}}


@pytest.mark.parametrize(
    ("style", "model", "resolved"),
    [
        ("auto", "local", "dialogue"),
        ("turns", "local", "turns"),
        ("auto", "gguf:x.gguf", "completion"),
        ("auto", "openai:m", "chat"),
        ("completion", "openai:m", "completion"),
        ("chat", "local", "chat"),
        ("turns", "openai:m", "turns"),
    ],
)
def test_the_prompt_style_is_resolved_by_the_model(style: Any, model: str, resolved: str) -> None:
    assert BootstrapSettings.of(prompt_style=style, model=model).style == resolved


def test_shards_are_so_many_that_each_has_draws_of_its_own() -> None:
    """Draws are sent as seeds, which servers take up to 2 ** 31 - 1."""
    last = ShardPlace.of("10736/10736", 2).first_draw
    assert last == ShardPlace.of("10735/10736", 2).first_draw + DRAWS
    assert last + DRAWS <= 2**31 < last + 3 * DRAWS
    shard = {"shard": "1/10737", "pool": "merged"}
    make_settings(BootstrapSettings, {**shard, "round": 1}, "run.yaml")
    said = complaint({**shard, "round": 2})
    assert "run.yaml, setting 'shard': 10,737 shards are too many for 2 rounds" in said
    assert "at most 21,473 in all rounds" in said


@pytest.mark.parametrize(
    ("name", "near"),
    [("taks", "tasks"), ("novelty_treshold", "novelty_threshold"), ("Seeds", "seeds")],
)
def test_an_unknown_name_gets_a_near_suggestion(name: str, near: str) -> None:
    text = complaint({name: 1})
    assert text.startswith(f"run.yaml: there is no setting '{name}'. ")
    assert f"'{near}'" in text


@pytest.mark.parametrize("name", ["zzz", "", 1, None])
def test_a_name_like_none_gets_the_list_of_names(name: Any) -> None:
    text = complaint({name: 1})
    assert text.startswith(f"run.yaml: there is no setting '{name}'. ")
    assert "novelty_threshold" in text


WRONG: dict[str, tuple[str, Any, str]] = {
    "tasks-0": ("tasks", 0, "expected `int` >= 1"),
    "tasks-negative": ("tasks", -5, "expected `int` >= 1"),
    "tasks-text": ("tasks", "3", "expected `int`, got `str`"),
    "tasks-decimal": ("tasks", 2.0, "expected `int`, got `float`"),
    "tasks-bool": ("tasks", True, "expected `int`, got `bool`"),
    "tasks-null": ("tasks", None, "expected `int`, got `null`"),
    "window-0": ("window", 0, "expected `int` >= 1"),
    "in-flight-0": ("in_flight", 0, "expected `int` >= 1"),
    "patience-0": ("patience", 0, "expected `int` >= 1"),
    "seed-text": ("seed", "x", "expected `int`, got `str`"),
    "threshold-0": ("novelty_threshold", 0, "expected `float` > 0.0"),
    "threshold-above-1": ("novelty_threshold", 1.01, "expected `float` <= 1.0"),
    "threshold-nan": ("novelty_threshold", math.nan, "expected `float` > 0.0"),
    "threshold-text": ("novelty_threshold", "0.7", "expected `float`, got `str`"),
    "model-null": ("model", None, "expected `str`, got `null`"),
    "base-url-number": ("base_url", 80, "expected `str | array | null`, got `int`"),
    "seeds-list": ("seeds", ["a"], "expected `str | null`, got `array`"),
    "prompt-style": ("prompt_style", "Chat", "invalid enum value 'Chat'"),
    "tokens": ("tokens", "utf-8", "invalid enum value 'utf-8'"),
    "fidelity": ("fidelity", "papr", "invalid enum value 'papr'"),
    "sampling-list": ("sampling", [1], "expected `object`, got `array`"),
}


@pytest.mark.parametrize(("name", "value", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_value_is_named_by_its_place(name: str, value: Any, message: str) -> None:
    assert complaint({name: value}) == (
        f"run.yaml, setting '{name}': {message}. Correct the value."
    )


def test_a_request_that_there_is_not_is_refused_with_the_list() -> None:
    text = complaint({"sampling": {"generations": {}}})
    assert text.startswith("run.yaml, setting 'sampling': there is no request 'generations'")
    for name in PAPER_SAMPLING:
        assert name in text


def test_a_sampling_parameter_that_there_is_not_is_refused_with_the_list() -> None:
    text = complaint({"sampling": {"generation": {"temprature": 1}}})
    assert text.startswith("run.yaml, setting 'sampling.generation': there is no 'temprature'")
    assert "temperature" in text


BAD_SAMPLING: dict[str, tuple[str, Any]] = {
    "temperature-text": ("temperature", "hot"),
    "temperature-negative": ("temperature", -1),
    "temperature-nan": ("temperature", math.nan),
    "temperature-infinite": ("temperature", math.inf),
    "top-p-negative": ("top_p", -0.1),
    "top-p-above-1": ("top_p", 1.5),
    "max-tokens-null": ("max_tokens", None),
    "max-tokens-0": ("max_tokens", 0),
    "max-tokens-negative": ("max_tokens", -5),
    "max-tokens-decimal": ("max_tokens", 1.5),
    "penalty-nan": ("presence_penalty", math.nan),
    "stop-text": ("stop", "x"),
    "stop-numbers": ("stop", [1]),
}


@pytest.mark.parametrize(("name", "value"), BAD_SAMPLING.values(), ids=BAD_SAMPLING)
def test_a_bad_sampling_value_is_named_by_its_place(name: str, value: Any) -> None:
    text = complaint({"sampling": {"input_first": {name: value}}})
    assert text.startswith("run.yaml, setting 'sampling.input_first")
    assert name in text


def test_a_parameter_that_is_null_is_left_to_the_server() -> None:
    values = {"sampling": {"input_first": {"temperature": None}}}
    settings = make_settings(BootstrapSettings, values, "run.yaml")
    assert settings.sampling_of("input_first").temperature is None


@pytest.mark.parametrize("value", [3, None, "x", [1]])
def test_sampling_of_a_request_that_is_no_mapping_is_named_by_its_place(value: Any) -> None:
    text = complaint({"sampling": {"input_first": value}})
    assert text.startswith("run.yaml, setting 'sampling.input_first': ")


def test_both_prompt_styles_have_sampling_for_the_same_requests() -> None:
    assert all(set(PAPER_SAMPLING) == set(style.sampling) for style in STYLES.values())


def test_override_replaces_what_is_given_and_nothing_else() -> None:
    default = PAPER_SAMPLING["generation"]
    changed = override(default, {"temperature": 0.9, "stop": ["x"]})
    assert changed == Sampling(
        max_tokens=1024, temperature=0.9, top_p=0.5, presence_penalty=2.0, stop=("x",)
    )
    assert override(default, {}) == default
