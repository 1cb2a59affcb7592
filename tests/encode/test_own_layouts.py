"""Layouts and encodings from outside the package."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast
from unittest.mock import patch

import pytest

from seedstep import Instance, Task
from seedstep.data import Example
from seedstep.encode import (
    ENCODINGS,
    LAYOUTS,
    Elements,
    Encoding,
    Layout,
    Pair,
    add_encoding,
    add_layout,
    encode_task,
    make_encoding,
)
from seedstep.errors import EntryError, InputError
from seedstep.infer.likelihood import MeasureStepsSettings
from seedstep.infer.predict import TaskWork, ask_checkpoint, ask_server, preview_answers
from seedstep.infer.settings import PredictSettings
from seedstep.settings import make_settings
from seedstep.tune.settings import TuneSettings
from support.made_tokenizers import byte_level

SORT = Task(
    "sort",
    "Sort the words.",
    (Instance("b a", ("a b",)),),
    positive_examples=(Example("d c", "c d"), Example("f e", "e f")),
)


def questions(elements: Elements) -> str:
    return "".join(f"Q: {example.input}\nA: {example.output}\n\n" for example in elements.positive)


def head(elements: Elements) -> str:
    return f"{elements.definition}\n\n{questions(elements)}"


class TestALayout:
    @pytest.fixture(autouse=True)
    def qa(self) -> Iterator[None]:
        """A layout of our own, for one test."""
        with patch.dict(LAYOUTS), patch.dict(ENCODINGS):
            add_layout(
                Layout(
                    "qa", "questions", head, lambda text: f"Q: {text}\nA: ", stop_texts=("\nQ:",)
                )
            )
            yield

    def test_prompts_are_written_in_it(self) -> None:
        encoded = encode_task(SORT, SORT.instances[0], Encoding("qa", positive=1))
        assert encoded.prompt == "Sort the words.\n\nQ: d c\nA: c d\n\nQ: b a\nA: "
        assert encoded.target == "a b"
        assert make_encoding("definition", {"layout": "qa"}) == Encoding("qa", positive=0)

    def test_its_name_is_an_encoding(self) -> None:
        assert make_encoding("qa") == ENCODINGS["qa"] == Encoding("qa", positive=2)
        assert (
            make_settings(PredictSettings, {"encoding": "qa"}, "settings").encoding.layout == "qa"
        )
        assert make_settings(TuneSettings, {"encoding": "qa"}, "settings").encoding.make().positive
        assert make_settings(MeasureStepsSettings, {"encoding": "qa"}, "settings").encoding == "qa"
        with pytest.raises(InputError, match=r"(?i)known are .*qa"):
            make_encoding("other")

    def test_an_encoding_of_it_has_a_name(self) -> None:
        add_encoding("qa-1", Encoding("qa", positive=1))
        assert make_encoding("qa-1", {"max_source": 99}) == Encoding(
            "qa", positive=1, max_source=99
        )
        add_encoding("qa-1", Encoding("qa", positive=0))
        assert make_encoding("qa-1").positive == 0, "added again, it replaces the earlier"
        for taken in ("qa", "steps"):
            with pytest.raises(InputError, match=f"there is an encoding '{taken}' already"):
                add_encoding(taken, Encoding("qa"))
        with pytest.raises(InputError, match="there is no layout 'other'"):
            add_encoding("mine", Encoding("other"))
        with pytest.raises(InputError, match="there is an encoding 'qa-1' already"):
            add_layout(Layout("qa-1", "", head, str))

    def test_it_can_write_the_definition_last(self) -> None:
        """With all parts as elsewhere; of a prompt that is too long, the same is left out."""

        def write(elements: Elements, text: str) -> str:
            return f"{questions(elements)}Q: {text}\n{elements.definition}\nA: "

        add_layout(Layout("last", "the definition last", prompt=write))
        whole = encode_task(SORT, SORT.instances[0], make_encoding("last"), byte_level())
        shown = "Q: d c\nA: c d\n\nQ: f e\nA: e f\n\n"
        assert whole.prompt == f"{shown}Q: b a\nSort the words.\nA: "
        count = len(byte_level().ids(whole.prompt))
        some = make_encoding("last", {"max_source": count})
        cut = encode_task(SORT, SORT.instances[0], some, byte_level())
        assert cut.dropped.positive == 1
        assert cut.prompt == "Q: d c\nA: c d\n\nQ: b a\nSort the words.\nA: "
        long = Instance("b a " * 90, ("a b",))
        least = encode_task(SORT, long, make_encoding("last", {"max_source": 60}), byte_level())
        assert least.dropped.positive == 2
        assert least.dropped.input_tokens > 0
        assert least.prompt.startswith("Q: b a b a")
        assert least.prompt.endswith("\nSort the words.\nA: ")

    def test_a_prediction_stops_as_it_says(self) -> None:
        """After examples too, unless the layout has other texts for them."""
        add_layout(replace(LAYOUTS["qa"], name="qb", stop_after_examples=("\n\n",)))
        for encoding, stops in (
            ({"layout": "qa", "positive": 0}, ("\nQ:",)),
            ("qa", ("\nQ:",)),
            ({"layout": "qb", "positive": 0}, ("\nQ:",)),
            ({"layout": "qb", "positive": 0, "negative": 1}, ("\n\n",)),
            ("qb", ("\n\n",)),
        ):
            for model in ({"model": "hf:somewhere"}, {"model": "local"}):
                asked = {**model, "encoding": encoding}
                assert make_settings(PredictSettings, asked, "settings").stop_texts == stops

    def test_one_that_raises_ends_a_prediction(self) -> None:
        """An instance that can't be encoded is a failed prediction; a faulty layout is not."""

        def write(elements: Elements, text: str) -> str:
            raise ValueError("the reason")

        add_layout(Layout("faulty", "raises", prompt=write))
        work = [TaskWork(SORT, ((0, SORT.instances[0]),))]
        asked = {"model": "hf:somewhere", "encoding": {"layout": "faulty", "positive": 0}}
        settings = make_settings(PredictSettings, asked, "settings")
        none = cast("Any", None)

        async def ask() -> None:
            async for _ in ask_server(settings, work, none):
                pass

        told = "the layout 'faulty' raised ValueError: the reason"
        with pytest.raises(EntryError, match=told):
            asyncio.run(ask())
        with pytest.raises(EntryError, match=told):
            list(ask_checkpoint(settings, work, none, byte_level()))
        with pytest.raises(EntryError, match=told):
            preview_answers(settings, work)

    def test_what_it_has_no_place_for_is_refused(self) -> None:
        add_layout(Layout("whole", "", whole=lambda definition, text, out, key: Pair(text, out)))
        assert encode_task(SORT, SORT.instances[0], Encoding("whole", positive=0)).prompt == "b a"
        with pytest.raises(InputError, match="whole has no place for examples"):
            encode_task(SORT, SORT.instances[0], Encoding("whole", positive=1))
        with pytest.raises(InputError, match="qa has no fit fidelity"):
            make_encoding("definition", {"layout": "qa", "fit": "fidelity"})

    def test_what_can_t_be_a_layout_is_refused(self) -> None:
        with pytest.raises(InputError, match="there is a layout 'chat' already"):
            add_layout(Layout("chat", "", head, str))
        with pytest.raises(InputError, match="there is an encoding 'steps' already"):
            add_layout(Layout("steps", "", head, str))
        with pytest.raises(InputError, match="'blind' shows no input"):
            add_layout(Layout("blind", "", head))
        with pytest.raises(InputError, match="can't have the fit fidelity"):
            add_layout(Layout("cut", "", head, str, fits=("fidelity",)))


def test_a_layout_that_is_not_there_is_told() -> None:
    with pytest.raises(InputError, match="there is no layout 'qa'"):
        make_encoding("definition", {"layout": "qa"})
