"""Axes: how they are written, and the sentences that ask for what lies along them."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from seedstep import BootstrapSettings, Task
from seedstep.bootstrap.axes import Cell, cell_lines, parse_axes
from seedstep.bootstrap.parse import read_values
from seedstep.bootstrap.prompting import ChatPrompts, make_prompts
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
