"""Word-level differences between two turns."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from seedstep.steps import TextRun, differences

WORDS = st.lists(
    st.sampled_from(["Read ", "the ", "text", ". ", "\n", "Say ", "é", "2", "  "]), max_size=40
)
TEXTS = st.one_of(st.text(), WORDS.map("".join))


@given(TEXTS, TEXTS)
def test_the_runs_make_up_both_texts(earlier: str, later: str) -> None:
    runs = differences(earlier, later)
    assert "".join(run.text for run in runs if run.kind != "added") == earlier
    assert "".join(run.text for run in runs if run.kind != "removed") == later
    assert all(run.text for run in runs)
    kinds = [run.kind for run in runs]
    assert all(kind != following for kind, following in pairwise(kinds))


@given(TEXTS)
def test_equal_texts_are_one_run(text: str) -> None:
    assert differences(text, text) == ([TextRun("same", text)] if text else [])


def test_a_word_that_was_added() -> None:
    assert differences("Read the text.", "Read the whole text.") == [
        TextRun("same", "Read the "),
        TextRun("added", "whole "),
        TextRun("same", "text."),
    ]


def test_a_step_that_was_replaced() -> None:
    earlier = "1. Read it with care.\n2. Repeat this for all.\n3. Output the label."
    later = "1. Read it with care.\n2. Find its mood.\n3. Output the label."
    assert differences(earlier, later) == [
        TextRun("same", "1. Read it with care.\n2. "),
        TextRun("removed", "Repeat this for all"),
        TextRun("added", "Find its mood"),
        TextRun("same", ".\n3. Output the label."),
    ]


def test_what_two_changes_leave_between_them_is_shown_as_changed() -> None:
    """Single words that chance to be the same would make the display hard to read."""
    assert differences("one two three four five", "1 two 3 four 5") == [
        TextRun("removed", "one two three four five"),
        TextRun("added", "1 two 3 four 5"),
    ]


def test_steps_that_were_dropped_at_either_end() -> None:
    text = "Read the text with care."
    assert differences(f"Hm. {text}", text) == [TextRun("removed", "Hm. "), TextRun("same", text)]
    assert differences(text, f"{text} Go.") == [TextRun("same", text), TextRun("added", " Go.")]


def test_huge_texts_are_compared_as_a_whole() -> None:
    earlier, later = "a b " * 200_000, "b a " * 200_000
    assert differences(earlier, later) == [TextRun("removed", earlier), TextRun("added", later)]
    assert differences(earlier, earlier) == [TextRun("same", earlier)]


def test_long_texts_of_the_same_words_are_compared() -> None:
    earlier, later = "x " * 2000, "x y " * 2000
    runs = differences(earlier, later)
    assert "".join(run.text for run in runs if run.kind != "added") == earlier
