"""The settings of a tuning: the papers' presets, what overrides them, what is refused."""

from typing import Any

import pytest

from seedstep.encode import Encoding
from seedstep.errors import InputError
from seedstep.settings import flatten, make_settings, table
from seedstep.tune import (
    PRESETS,
    Training,
    TuneSettings,
)

PAPER = [  # second paper, section 4.2; Tk-Instruct's released script
    ("tk-instruct-base", "hf:google/t5-base-lm-adapt", 5e-5, 16, 1024, "none"),
    ("tk-instruct-large", "hf:google/t5-large-lm-adapt", 5e-5, 16, 1024, "none"),
    ("tk-instruct-3b", "hf:google/t5-xl-lm-adapt", 5e-5, 16, 1024, "none"),
    ("tk-instruct-11b", "hf:google/t5-xxl-lm-adapt", 5e-5, 16, 1024, "none"),
    ("step-by-step-base", "hf:allenai/tk-instruct-base-def-pos", 5e-5, 8, 1224, "refined"),
    ("step-by-step-large", "hf:allenai/tk-instruct-large-def-pos", 5e-5, 8, 1224, "refined"),
    ("step-by-step-3b", "hf:allenai/tk-instruct-3b-def-pos", 5e-5, 16, 1224, "refined"),
    ("step-by-step-11b", "hf:allenai/tk-instruct-11b-def-pos", 1e-5, 16, 1224, "refined"),
]


@pytest.mark.parametrize(("name", "model", "rate", "batch", "source", "steps"), PAPER)
def test_a_preset_has_the_papers_numbers(
    name: str, model: str, rate: float, batch: int, source: int, steps: str
) -> None:
    settings = make_settings(TuneSettings, {"preset": name}, "settings")
    training = settings.training
    encoding = settings.encoding.make()
    assert (settings.model.name, training.learning_rate, training.batch) == (model, rate, batch)
    assert (training.epochs, training.schedule, training.warmup_steps) == (2, "constant", 0)
    assert (training.weight_decay, training.bf16, training.seed) == (0.0, True, 42)
    assert (encoding.max_source, encoding.max_target) == (source, 128)
    assert (encoding.positive, encoding.negative, encoding.steps) == (2, 0, steps)
    assert settings.used.limit_instances == 100


def test_every_preset_is_the_papers() -> None:
    assert [name for name, *_ in PAPER] == list(PRESETS)


def test_what_is_asked_for_overrides_the_preset() -> None:
    asked = {"preset": "step-by-step-3b", "batch": 4, "encoding_options": {"positive": 1}}
    settings = make_settings(TuneSettings, asked, "settings")
    assert settings.training.batch == 4
    assert settings.training.epochs == 2
    assert settings.encoding.options == {"max_source": 1224, "max_target": 128, "positive": 1}


def test_settings_read_back_from_what_is_stored() -> None:
    asked = {"preset": "step-by-step-base", "data": ["a=5", "b:train@definition"], "lora": 8}
    settings = make_settings(TuneSettings, asked, "settings")
    assert make_settings(TuneSettings, flatten(settings), "tune.yaml") == settings


def test_training_is_a_part_of_the_settings() -> None:
    assert TuneSettings().training == Training()
    assert set(table(Training)) <= set(table(TuneSettings))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"preset": "tk-instruct-7b"}, "no preset 'tk-instruct-7b'.*known are tk-instruct-base"),
        ({"preset": ["x"]}, "no preset"),
        ({"epoch": 2}, "write 'epochs'"),
        ({"epochs": 0}, "setting 'epochs'"),
        ({"learning_rate": 0}, "setting 'learning_rate'"),
        ({"learning_rate": "fast"}, "setting 'learning_rate'"),
        ({"lora": -1}, "setting 'lora'"),
        ({"schedule": "random"}, "setting 'schedule'"),
        ({"device": "tpu"}, "setting 'device'"),
        (
            {"encoding": {"positive": 1}, "encoding_options": ["positive"]},
            "tune.yaml, setting 'encoding_options': not a mapping. Write",
        ),
        ({"encoding": {"positive": "a"}}, "tune.yaml, setting 'encoding': encoding tk-i.*positive"),
        ({"encoding": {"positiv": 1}}, "tune.yaml, setting 'encoding': there is no .*'positiv'"),
        ({"held_out_data": ["a=5"]}, "'a=5' has an amount"),
    ],
)
def test_settings_that_do_not_fit_are_named(values: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=f"(?i){said}"):
        make_settings(TuneSettings, values, "tune.yaml")


def test_a_whole_encoding_stays_as_it_is_where_a_preset_has_other_options() -> None:
    plain = Encoding("plain", positive=0)
    begun = make_settings(TuneSettings, {"preset": "step-by-step-base", "encoding": plain}, "x")
    again = make_settings(TuneSettings, flatten(begun), "tune.yaml")
    assert begun.encoding.make() == again.encoding.make() == plain
