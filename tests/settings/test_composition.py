"""Settings records made of parts: one table of names, flat in and flat out, errors with a place."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from seedstep.errors import InputError
from seedstep.settings import (
    Count,
    Place,
    SettingsRecord,
    change_settings,
    flatten,
    make_settings,
    part,
    setting,
    table,
)
from seedstep.steps.settings import StepsSettings


@dataclass(frozen=True, slots=True)
class Limits:
    requests: Count | None = setting(None, "Requests in all.")
    usd: float | None = setting(None, "Dollars in all.", name="max_usd")


@dataclass(frozen=True, slots=True)
class Choice:
    path: str | None = setting(None, "The tasks.", name="tasks")
    limit: Count | None = setting(None, "Number of tasks.")
    skip_bad: bool = setting(False, "Go on without bad ones.")


@dataclass(frozen=True, slots=True)
class Inner:
    choice: Choice = part(Choice, skip_bad=None)
    seed: int = setting(42, "A seed.")


@dataclass(frozen=True, slots=True)
class Work(SettingsRecord):
    mode: Literal["fast", "slow"] = setting("fast", "How.", flags=("--how",))
    inner: Inner = part(Inner, seed=Place(help="Another seed."))
    limits: Limits = part(Limits, requests=Place(name="max_requests", flags=("--most",)))
    prices: dict[str, Limits] = setting(dict, "By name.")
    names: tuple[str, ...] = setting((), "Names.")

    def check(self, source: str) -> None:
        if self.mode == "fast" and self.limits.usd:
            raise InputError(f"{source}: fast has no price", "be slow")


def said(values: dict[Any, Any], kind: type = Work) -> str:
    with pytest.raises(InputError) as caught:
        make_settings(kind, values, "work.yaml")
    return str(caught.value)


def test_the_fields_of_parts_are_settings_of_the_whole_in_order() -> None:
    names = ["mode", "tasks", "limit", "seed", "max_requests", "max_usd", "prices", "names"]
    assert list(table(Work)) == names
    assert table(Work)["tasks"].path == ("inner", "choice", "path")


def test_a_place_changes_what_it_names_and_no_more() -> None:
    found = table(Work)
    assert (found["seed"].help, found["seed"].default) == ("Another seed.", 42)
    assert (found["max_requests"].help, found["max_requests"].flags) == (
        "Requests in all.",
        ("--most",),
    )
    assert found["mode"].flags == ("--how",)


def test_values_are_flat_in_and_flat_out() -> None:
    values = {
        "mode": "slow",
        "tasks": "a.jsonl",
        "limit": 3,
        "seed": 7,
        "max_requests": 5,
        "max_usd": 1.5,
        "prices": {"m": {"requests": 2, "usd": None}},
        "names": ("a", "b"),
    }
    settings = make_settings(Work, values, "work.yaml")
    assert settings.inner.choice == Choice("a.jsonl", 3)
    assert settings.limits == Limits(5, 1.5)
    assert settings.prices == {"m": Limits(2)}
    assert flatten(settings) == values
    assert make_settings(Work, flatten(settings), "again") == settings
    assert make_settings(Work, {}, "x") == Work()
    assert Work.of(**values) == settings


def test_a_left_out_field_is_no_setting_and_keeps_its_default() -> None:
    assert "there is no setting 'skip_bad'" in said({"skip_bad": True})
    assert Work.of(tasks="x").inner.choice.skip_bad is False


def test_values_are_changed_by_name() -> None:
    settings = Work.of(tasks="a")
    changed = change_settings(settings, tasks="b", max_requests=2)
    assert changed == Work.of(tasks="b", max_requests=2)
    assert settings == Work.of(tasks="a")


def test_defaults_are_not_shared() -> None:
    Work.of().prices["x"] = Limits()
    assert Work.of().prices == {}


NO_NUMBER = "is no number, or one that is too large. Correct the value."
KNOWN = "nown are mode, tasks, limit, seed, max_requests, max_usd, prices, names."


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"modes": "fast"}, f"work.yaml: there is no setting 'modes'. Write 'mode'; k{KNOWN}"),
        (
            {"max_request": 1},
            f"work.yaml: there is no setting 'max_request'. Write 'max_requests'; k{KNOWN}",
        ),
        (
            {"requests": 1},
            f"work.yaml: there is no setting 'requests'. Write 'max_requests'; k{KNOWN}",
        ),
        (
            {7: 1},
            f"work.yaml: there is no setting '7'. K{KNOWN}",
        ),
        (
            {"limit": 0},
            "work.yaml, setting 'limit': expected `int` >= 1. Correct the value.",
        ),
        (
            {"mode": "quick"},
            "work.yaml, setting 'mode': invalid enum value 'quick'. Correct the value.",
        ),
        (
            {"prices": {"m": {"usd": "much"}}},
            "work.yaml, setting 'prices[...].usd': expected `float | null`, got `str`. "
            "Correct the value.",
        ),
        (
            {"mode": "fa\0st"},
            "work.yaml, setting 'mode': has a null character. Remove it.",
        ),
        ({"max_usd": math.inf}, f"work.yaml, setting 'max_usd': {NO_NUMBER}"),
        ({"max_usd": math.nan}, f"work.yaml, setting 'max_usd': {NO_NUMBER}"),
        ({"seed": 10**400}, f"work.yaml, setting 'seed': {NO_NUMBER}"),
        (
            {"prices": {"m": {"usd": math.nan}}},
            f"work.yaml, setting 'prices.m.usd': {NO_NUMBER}",
        ),
        ({"max_usd": 1.0}, "work.yaml: fast has no price. Be slow."),
    ],
)
def test_what_is_wrong_is_said_with_its_place(values: dict[Any, Any], message: str) -> None:
    assert said(values) == message


def test_two_settings_of_one_name_are_a_mistake_of_the_record() -> None:
    @dataclass(frozen=True)
    class Twice:
        seed: int = setting(1, "A seed.")
        inner: Inner = part(Inner)

    with pytest.raises(TypeError, match="two settings named 'seed'"):
        table(Twice)


def test_a_place_for_a_field_that_there_is_not_is_a_mistake_of_the_record() -> None:
    with pytest.raises(TypeError, match="Choice has no field tracks"):
        part(Choice, tracks=None)


def test_what_is_only_a_flag_is_written_as_the_setting_that_it_changes() -> None:
    with pytest.raises(InputError) as caught:
        StepsSettings.of(tasks="x", model="local", max_new_tokens=900)
    told = str(caught.value)
    assert "'max_new_tokens' is a flag of the command line" in told
    assert "Write sampling: {" in told
    assert "{'max_tokens': 900}" in told
    assert "'max_tokens'. " not in told
    sampling = {"conversation": {"max_tokens": 900}}
    StepsSettings.of(tasks="x", model="local", sampling=sampling)  # as the remedy has it
