"""The model card: what it says, and that names in it stay names."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from seedstep.encode import Encoding
from seedstep.llm import ModelRef
from seedstep.tune.outputs import CardFacts, CardSource, render_card, write_card
from seedstep.tune.records import Training

FACTS = CardFacts(
    name="tuned",
    base_model=ModelRef.parse("local"),
    sources=(
        CardSource("first", 120, 1480, "self-instruct"),
        CardSource("superni_train", 1, 1, "steps"),
    ),
    encodings={
        "self-instruct": Encoding(layout="self-instruct", positive=0),
        "steps": Encoding(steps="refined", max_source=1224),
    },
    training=Training(learning_rate=1e-4),
    effective_batch=16,
    processes=2,
    steps=1100,
    first_loss=2.41236,
    last_loss=1.3,
    held_out_tasks=10,
    held_out_first=2.2,
    held_out_last=1.75,
    versions={"torch": "2.13.0+cpu", "seedstep": "0.1.0"},
)


def header(card: str) -> dict[str, Any]:
    values = yaml.safe_load(card.split("\n---\n")[0])
    assert isinstance(values, dict)
    return values


def test_a_card(golden: Callable[[str, str], None]) -> None:
    golden("model_card", render_card(FACTS))


def test_a_card_of_an_encoder_decoder_with_a_licence(golden: Callable[[str, str], None]) -> None:
    facts = replace(
        FACTS,
        base_model=ModelRef.parse("hf:google/t5-small-lm-adapt"),
        sources=(CardSource("first", 120, 480, "plain"),),
        encodings={"plain": Encoding()},
        encoder_decoder=True,
        license="apache-2.0",
        held_out_tasks=0,
        held_out_first=None,
        held_out_last=None,
        first_loss=None,
        processes=1,
    )
    golden("model_card_encoder_decoder", render_card(facts))


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("hf:org/model", "org/model"),
        ("hf:/home/someone/secret/tuned", "tuned"),
        ("hf:../runs/tuned/", "tuned"),
        ("gguf:/models/base.gguf", "base.gguf"),
        ("hf:a/b/c", "c"),
    ],
)
def test_ways_to_files_are_left_out(model: str, name: str) -> None:
    card = render_card(replace(FACTS, base_model=ModelRef.parse(model)))
    assert header(card)["base_model"] == name
    assert "someone" not in card


HOSTILE = (
    "x\n---\n# Big\n<script>alert(1)</script>[a](javascript:b)|`rm`\u202e\x1b[31m\ud800: !!python"
)


@given(st.text())
@example(HOSTILE)
@example("- a: &b *b")
@example("---")
def test_names_stay_names(name: str) -> None:
    facts = replace(
        FACTS,
        name=name,
        base_model=ModelRef("hf", name),
        sources=(CardSource(name, 1, 1, name),),
        encodings={name: Encoding()},
        versions={name: name},
        license=name,
    )
    card = render_card(facts)
    calm = render_card(FACTS)
    card.encode()
    assert "\x1b" not in card
    assert "\u202e" not in card
    values = header(card)
    assert isinstance(values["base_model"], str)
    assert [type(dataset) for dataset in values["datasets"]] == [str]
    assert {*values} <= {*header(calm), "license"}
    shown, expected = shape(card), shape(calm)
    assert {*shown} <= {*expected, "inline "}, "names are text or nothing"
    assert shown.count("heading_open h1") == 1
    assert shown.count("heading_open h2") == expected.count("heading_open h2")
    assert shown.count("table_open table") == expected.count("table_open table")


def shape(card: str) -> list[str]:
    """What Markdown reads in a card, without the texts."""
    found = []
    for token in MarkdownIt("commonmark").enable("table").parse(card.split("\n---\n", 1)[1]):
        found += [child.type for child in token.children or ()] or [f"{token.type} {token.tag}"]
    return [kind for kind in found if not kind.startswith("softbreak")]


def test_a_name_is_shown_as_it_is() -> None:
    name = "a_b*c* [d](e) <f> `g` | h & i # j!"
    tokens = MarkdownIt("commonmark").parse(
        render_card(replace(FACTS, name=name)).split("---\n")[2]
    )
    assert tokens[1].children is not None
    assert "".join(child.content for child in tokens[1].children) == name


def test_a_long_name_is_cut() -> None:
    assert len(render_card(replace(FACTS, name="n" * 100_000))) < 10_000


def test_a_card_is_written(tmp_path: Path) -> None:
    write_card(tmp_path / "README.md", FACTS)
    assert (tmp_path / "README.md").read_text("utf-8") == render_card(FACTS)
