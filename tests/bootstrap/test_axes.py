"""Axes: how they are written, what each request asks for, and the sentences that ask for it."""

import json
import math
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from seedstep import BootstrapSettings, Task
from seedstep.bootstrap.axes import Cell, cell_lines, cell_text, parse_axes
from seedstep.bootstrap.parse import read_values
from seedstep.bootstrap.prompting import ChatPrompts, make_prompts
from seedstep.bootstrap.steering import TRIES, Coverage, Steering
from seedstep.data import seed_tasks
from seedstep.errors import InputError
from seedstep.llm import Request

SHOWN = (
    Task("a", "Name three rivers, easy and hard, in subject, in what you like.", ()),
    Task("b", "Sort these words, short and long.", ()),
)
ALL: dict[str, Any] = {
    "topic": ["law", "sport"],
    "persona": ["a nurse"],
    "difficulty": {"easy": 0.5, "hard": 0.5},
    "length": ["one sentence"],
    "format": ["a table"],
    "classification": ["yes", "no"],
    "tone": ["polite"],
}
CELL: Cell = (
    ("topic", "law"),
    ("persona", "a nurse"),
    ("difficulty", "hard"),
    ("length", "one sentence"),
    ("format", "a table"),
    ("classification", "yes"),
    ("tone", "polite"),
)


class TestWritten:
    def test_a_list_has_equal_shares_and_a_mapping_its_own(self) -> None:
        made = parse_axes({"topic": ["law", "sport"], "tone": {"polite": 30, "rude": 70}})
        assert [dict(axis.shares) for axis in made] == [
            {"law": 0.5, "sport": 0.5},
            {"polite": 0.3, "rude": 0.7},
        ]

    def test_a_number_is_how_many_values_the_model_names(self) -> None:
        (axis,) = parse_axes({"topic": 12})
        assert (axis.drawn, dict(axis.shares)) == (12, {})

    def test_their_order_is_not_that_in_which_they_are_written(self) -> None:
        written = {"tone": ["a"], "Difficulty": ["b"], "era": ["c"], "topic": ["d"]}
        names = [axis.name for axis in parse_axes(written)]
        assert names == ["topic", "difficulty", "era", "tone"]

    def test_an_axis_may_have_a_sentence_of_its_own(self) -> None:
        written = {"era": {"values": ["1900"], "line": "It is {value}, always {value}."}}
        assert cell_lines((("era", "1900"),), parse_axes(written), None) == (
            "It is 1900, always 1900.",
        )

    def test_what_yaml_reads_as_another_kind_is_a_text(self, tmp_path: Path) -> None:
        file = tmp_path / "axes.yaml"
        file.write_text("classification: {yes: 0.4, no: 0.6}\nyear: [1900, 2000]\n")
        settings = BootstrapSettings.of(axes=file)
        assert settings.axes == {
            "classification": {"yes": 0.4, "no": 0.6},
            "year": ["1900", "2000"],
        }

    @pytest.mark.parametrize(
        ("written", "said"),
        [
            ({"topic": {"law": 0.5, "sport": 0.4}}, "axis 'topic': the shares add up to 0.9"),
            ({"topic": {"law": 0, "sport": 1}}, "the share of 'law' is not a number above 0"),
            ({"topic": {"law": "half"}}, "the share of 'law' is not a number above 0"),
            ({"topic": {"law": 10**400}}, "setting 'axes.topic.law': is no number, or one"),
            ({"topic": {"law": math.nan, "art": 1}}, "setting 'axes.topic.law': is no number"),
            ({"topic": ["law", "Law "]}, "axis 'topic': the value 'Law' is there twice"),
            ({"tone": ["a"], "Tone ": ["b"]}, "'axes': the axis 'Tone' is there twice"),
            ({"topic": []}, "axis 'topic': no values. Write a list of values"),
            ({"topic": None}, "axis 'topic': no values"),
            ({"topic": [""]}, "axis 'topic': '' is no name or value"),
            ({"topic": {"values": ["a"], "lines": ["b"]}}, "there is no key 'lines'"),
            ({"topic": {"values": ["a"], "line": "no place"}}, "its line has no {value}"),
            ({"topic": 1}, "axis 'topic': the model can't name 1 values. Write 2 to 100"),
            ({"topic": 101}, "the model can't name 101 values"),
            ({"classification": 2}, "the model can't name 2 values. Write yes and no"),
            ({"classification": ["maybe"]}, "there is no value 'maybe'"),
        ],
    )
    def test_what_is_wrong_is_named(self, written: Mapping[str, Any], said: str) -> None:
        with pytest.raises(InputError) as raised:
            BootstrapSettings.of(axes=written)
        assert said in str(raised.value)

    @pytest.mark.parametrize("share", [10**400, math.inf, math.nan])
    def test_a_share_is_finite(self, share: float) -> None:
        with pytest.raises(InputError, match="the share of 'law' is not a number above 0"):
            parse_axes({"topic": {"law": share, "art": 0.5}})

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("topic: [a, b]\ntone: [c]\ntopic: [d]\n", "line 3: 'topic' is there twice"),
            ("tone: {a: 0.2, b: 0.2, a: 0.6}\n", "line 1: 'a' is there twice"),
            ("", "no axes"),
            ("- topic\n", "not a list of settings"),
        ],
    )
    def test_what_is_wrong_in_a_file_is_named(self, text: str, said: str, tmp_path: Path) -> None:
        file = tmp_path / "axes.yaml"
        file.write_text(text)
        with pytest.raises(InputError) as raised:
            BootstrapSettings.of(axes=str(file))
        assert str(raised.value).startswith(str(file))
        assert said in str(raised.value)

    def test_languages_are_said_in_one_place(self) -> None:
        with pytest.raises(InputError, match="an axis of languages beside the setting 'language'"):
            BootstrapSettings.of(model="openai:m", language="German", axes={"language": ["Dutch"]})

    @pytest.mark.parametrize(
        ("languages", "tokens"),
        [(["English"], "latin"), (["English", "Dutch"], "unicode"), (3, "unicode")],
    )
    def test_languages_other_than_english_have_tokens_of_every_script(
        self, languages: Any, tokens: str
    ) -> None:
        made = BootstrapSettings.of(model="openai:m", axes={"language": languages})
        assert made.for_seeds(seed_tasks()).tokens == tokens


def steered(
    written: Mapping[str, Any],
    made: Callable[[dict[str, str], int], int],
    *,
    requests: int = 200,
    window: int = 8,
    seed: int = 1,
) -> tuple[list[Cell], Coverage]:
    """The cells of some requests, each of which gives as many tasks as `made` says."""
    steering = Steering(parse_axes(written), seed, window)
    under_way: deque[tuple[int, Cell]] = deque()
    cells = []
    for index in range(requests):
        cells.append(steering.choose(index))
        under_way.append((index, cells[-1]))
        if len(under_way) == window:
            place, cell = under_way.popleft()
            labels = [dict(cell).get("classification") == "yes"] * made(dict(cell), place)
            steering.retire(cell, labels)
    return cells, steering.coverage()


def by_chance(_: dict[str, str], place: int) -> int:
    """Up to three tasks, without a pattern."""
    return sha256(str(place).encode()).digest()[0] % 4


def shares(found: Coverage) -> dict[tuple[str, str], float]:
    return {(each.axis, each.value): each.tasks / found.tasks for each in found.values}


@contextmanager
def calls_counted() -> Iterator[list[int]]:
    """Count the calls of functions inside."""
    counted = [0]

    def count(frame: object, event: str, _: object) -> None:
        counted[0] += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        yield counted
    finally:
        sys.setprofile(None)


SPREAD: dict[str, Any] = {
    "topic": [f"t{number}" for number in range(5)],
    "difficulty": {"easy": 0.5, "fair": 0.3, "hard": 0.2},
    "classification": {"yes": 0.4, "no": 0.6},
}


class TestSteering:
    @pytest.mark.parametrize("window", [1, 8])
    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_every_axis_gets_its_shares(self, window: int, seed: int) -> None:
        _, found = steered(SPREAD, by_chance, window=window, seed=seed)
        for each in found.values:
            assert each.tasks / found.tasks == pytest.approx(each.wanted, abs=0.03)
        assert found.aside == ()

    def test_values_of_different_axes_are_met_together(self) -> None:
        cells, _ = steered(SPREAD, lambda *_: 3, requests=300)
        pairs = Counter((dict(cell)["topic"], dict(cell)["difficulty"]) for cell in cells)
        for (_, difficulty), number in pairs.items():
            assert number == pytest.approx(300 / 5 * SPREAD["difficulty"][difficulty], rel=0.35)
        assert len(pairs) == 15

    def test_what_is_most_under_its_share_comes_first(self) -> None:
        steering = Steering(parse_axes({"topic": {"a": 0.6, "b": 0.4}}), 1)
        for _ in range(3):
            steering.retire((("topic", "b"),), [False])
        assert dict(steering.choose(3))["topic"] == "a"

    def test_what_is_under_way_counts(self) -> None:
        steering = Steering(parse_axes({"topic": ["a", "b", "c", "d"]}), 1, window=4)
        assert {dict(steering.choose(index))["topic"] for index in range(4)} == set("abcd")

    @pytest.mark.parametrize("retired", [0, 1, 7, 8, 30, 99])
    def test_a_run_that_goes_on_chooses_what_it_would_have_chosen(self, retired: int) -> None:
        window = 8
        cells, _ = steered(SPREAD, by_chance, requests=100 + window, window=window)
        labels = [
            [dict(cell)["classification"] == "yes"] * by_chance({}, index)
            for index, cell in enumerate(cells)
        ]
        steering = Steering(parse_axes(SPREAD), 1, window)
        for index in range(retired):
            steering.retire(cells[index], labels[index])
        for index in range(retired, 100):
            assert steering.choose(index) == cells[index]
            if index - window + 1 >= retired:
                steering.retire(cells[index - window + 1], labels[index - window + 1])

    def test_the_choice_depends_on_what_was_retired_and_on_nothing_else(self) -> None:
        made = [steered(SPREAD, lambda _, place: place % 3) for _ in range(2)]
        assert made[0] == made[1]
        assert made[0][0] != steered(SPREAD, lambda _, place: place % 3, seed=2)[0]

    def test_without_axes_there_is_nothing_to_ask_for(self) -> None:
        cells, found = steered({}, lambda *_: 0, requests=30)
        assert cells == [()] * 30
        assert found == Coverage((), (), 0)

    @pytest.mark.parametrize("window", [1, 8])
    def test_a_value_that_is_never_met_is_set_aside_and_the_others_have_its_share(
        self, window: int
    ) -> None:
        written = {"topic": {"a": 0.5, "b": 0.25, "never": 0.25}, "tone": ["x", "y"]}
        cells, found = steered(
            written, lambda cell, _: 2 * (cell["topic"] != "never"), window=window
        )
        never = found.values[2]
        assert (never.value, never.aside, never.tasks) == ("never", True, 0)
        assert TRIES <= never.requests < TRIES + window
        assert shares(found)["topic", "a"] == pytest.approx(2 / 3, abs=0.02)
        assert found.aside == ()
        assert all(dict(cell)["topic"] != "never" for cell in cells[150:])

    def test_values_that_are_never_met_together_are_told_as_such(self) -> None:
        written = {**SPREAD, "persona": [f"p{number}" for number in range(6)]}

        def made(cell: dict[str, str], place: int) -> int:
            impossible = cell["topic"] == "t1" and cell["difficulty"] == "hard"
            return 0 if impossible else 1 + place % 3

        _, found = steered(written, made, requests=400)
        assert [cell_text(cell) for cell in found.aside] == ["topic: t1, difficulty: hard"]
        assert not any(each.aside for each in found.values)
        assert shares(found)["difficulty", "hard"] == pytest.approx(0.2, abs=0.03)

    def test_a_choice_looks_at_few_values_though_many_pairs_are_aside(self) -> None:
        sizes = {"topic": 100, "persona": 50, "length": 3, "difficulty": 2}
        axes = parse_axes({name: [f"{name}{n}" for n in range(sizes[name])] for name in sizes})
        steering = Steering(axes, 7)
        most = 0
        for index in range(600):
            with calls_counted() as counted:
                cell = steering.choose(index)
            most = max(most, counted[0])
            steering.retire(cell, [True] * (by_chance({}, index) == 1 and index % 5 < 4))
        assert any(each.aside for each in steering.coverage().values)
        assert most < 100 * sum(sizes.values())

    def test_of_an_axis_a_value_is_always_left(self) -> None:
        cells, found = steered({"topic": ["a", "b", "c"]}, lambda *_: 0)
        assert sum(each.aside for each in found.values) == 2
        assert len(cells) == 200

    def test_what_is_met_after_all_is_asked_for_again(self) -> None:
        steering = Steering(parse_axes({"topic": ["a", "b"]}), 1)
        for _ in range(TRIES):
            steering.retire((("topic", "a"),), [])
        assert [each.aside for each in steering.coverage().values] == [True, False]
        assert dict(steering.choose(TRIES))["topic"] == "b"
        steering.retire((("topic", "b"),), [False])
        steering.retire((("topic", "a"),), [False])
        assert [each.aside for each in steering.coverage().values] == [False, False]

    def test_whether_it_is_classification_is_what_the_model_says(self) -> None:
        steering = Steering(parse_axes({"classification": ["yes", "no"]}), 1)
        for _ in range(TRIES):
            steering.retire((("classification", "yes"),), [False])
        yes, no = steering.coverage().values
        assert (yes.tasks, yes.requests, yes.aside) == (0, TRIES, True)
        assert (no.tasks, no.requests, no.aside) == (TRIES, 0, False)


def texts_of(request: Request) -> str:
    return request.prompt if isinstance(request.prompt, str) else request.prompt[0].content


class TestPrompts:
    @pytest.mark.parametrize("language", ["English", "German", "Japanese"])
    def test_a_cell_is_asked_for_in_the_language(
        self, language: str, golden: Callable[[str, str], None]
    ) -> None:
        settings = BootstrapSettings.of(model="openai:m", axes=ALL, language=language)
        text = texts_of(make_prompts(settings).generation(SHOWN, 3, CELL))
        golden(f"chat_generation_of_a_cell_{language.lower()}", text)

    @pytest.mark.parametrize("style", ["completion", "turns"])
    def test_a_list_to_continue_says_it_before_what_follows(self, style: Any) -> None:
        settings = BootstrapSettings.of(prompt_style=style, axes=ALL)
        text = texts_of(make_prompts(settings).generation(SHOWN, 3, CELL[:1]))
        end = f"\n2. {SHOWN[1].definition}\nFrom here on:\n- Every task is about law.\n3."
        assert text.endswith(end)

    @pytest.mark.parametrize(
        ("asked", "name"),
        [("English", "English"), ("Deutsch", "German"), ("de", "German"), ("日本語", "Japanese"),
         ("Finnish", "English"), (None, "English")],
    )  # fmt: skip
    def test_languages_have_several_names(self, asked: str | None, name: str) -> None:
        assert cell_lines(CELL, parse_axes(ALL), asked) == cell_lines(CELL, parse_axes(ALL), name)

    def test_what_it_is_at_odds_with_is_left_out_of_the_prompt_alone(self) -> None:
        settings = BootstrapSettings.of(model="openai:m", axes=ALL)
        text = texts_of(make_prompts(settings).generation(SHOWN, 0, CELL))
        shown, _, asked = text.partition("\n\nWrite ")
        assert all(task.definition in shown for task in SHOWN)
        assert not any(words in asked for words in ("easy and hard", "short and long", "subject"))
        assert asked.startswith("3 new tasks, as different as possible from these")

    def test_without_a_cell_the_prompt_is_that_without_axes(self) -> None:
        for style in ("chat", "completion", "turns"):
            plain, other = (
                make_prompts(BootstrapSettings.of(model="openai:m", prompt_style=style, axes=axes))
                for axes in ({}, ALL)
            )
            assert other.generation(SHOWN, 3) == plain.generation(SHOWN, 3)
            for label in (True, False):
                assert other.instances("Sort.", is_classification=label) == plain.instances(
                    "Sort.", is_classification=label
                )

    def test_examples_are_in_the_language_of_the_cell(self) -> None:
        prompts = make_prompts(BootstrapSettings.of(model="openai:m", axes={"language": ["Dutch"]}))
        found = prompts.instances("Sort.", is_classification=False, cell=(("language", "Dutch"),))
        assert "All texts are in Dutch, except" in texts_of(found)

    @pytest.mark.parametrize(
        ("language", "begins", "ends"),
        [
            ("English", "Name 12 topics for a collection", "All tasks are about hens."),
            ("German", "Nenne 12 Themen für eine Sammlung", "dieses Thema: hens."),
            (
                "Japanese",
                "人が言語モデルに頼むタスクを集めるための主題を12個",
                "主題は「hens」です。",
            ),
        ],
    )
    def test_values_are_asked_for_in_the_language(
        self, language: str, begins: str, ends: str
    ) -> None:
        settings = BootstrapSettings.of(
            model="openai:m", axes={"topic": 12}, language=language, topic="hens"
        )
        prompts = make_prompts(settings)
        assert isinstance(prompts, ChatPrompts)
        request = prompts.values(parse_axes(settings.axes)[0])
        text = texts_of(request)
        assert text.startswith(begins)
        assert text.split("\n\n")[0].endswith(ends)
        assert text.endswith('{"values": ["...", "..."]}')
        assert request.purpose == "values of topic"
        assert request.schema
        assert request.sampling.max_tokens == 680

    def test_a_base_model_goes_on_with_a_list_of_values(self) -> None:
        settings = BootstrapSettings.of(prompt_style="completion", axes={"taste": 3})
        request = make_prompts(settings).values(parse_axes(settings.axes)[0])
        assert texts_of(request).startswith("Name 3 values of 'taste' for")
        assert texts_of(request).endswith("\n1.")
        assert request.sampling.stop == ("\n\n",)


@pytest.mark.parametrize(
    ("reply", "cut", "values"),
    [
        ('{"values": ["law", " sport.", "Law", 7, ""]}', False, ("law", "sport")),
        ('```json\n{"values": ["law", "spo', True, ("law",)),
        (" law\n2. **sport**\n3. sea\n", False, ("law", "sport", "sea")),
        (" law\n2. sport\n3. se", True, ("law", "sport")),
        ("Sure! Here they are:\n\n1. law\n2. sport", False, ("law", "sport")),
        ("Topics:\n- law\n- sport", False, ("law", "sport")),
        ('{"values": ["法律", "天気。"]}', False, ("法律", "天気")),
        ("I'm sorry, but I can't help with that.", False, ()),
        (json.dumps({"values": ["x" * 101, "a"]}), False, ("a",)),
        ("", False, ()),
    ],
)
def test_values_are_read_from_json_and_lists(
    reply: str,
    cut: bool,
    values: tuple[str, ...],
) -> None:
    assert read_values(reply, cut=cut) == values
