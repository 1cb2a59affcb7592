"""The stemmer decides as NLTK's does, with which rouge-score measures."""

import random
import re
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedstep.text.tokens import IRREGULAR, STEP_1A, STEP_2, STEP_3, STEP_4, stem

porter = pytest.importorskip("nltk.stem.porter")
NLTK = porter.PorterStemmer()

ENDS = sorted(
    {
        *(suffix for rules in (STEP_1A, STEP_2, STEP_3) for suffix, _ in rules),
        *(other for rules in (STEP_1A, STEP_2, STEP_3) for _, other in rules),
        *STEP_4,
        *("ed", "ing", "eed", "ied", "ies", "ly", "y", "e", "ll", "lle", "ying", "yed"),
    }
)
STARTS = ("", "b", "a", "y", "ay", "by", "tr", "oat", "trouble", "hop", "hopp", "fizz", "c9", "syz")


def test_all_ends_after_all_starts() -> None:
    words = [start + first + second for start, first, second in product(STARTS, ENDS, ENDS)]
    assert len(words) > 20_000
    assert [word for word in words if stem(word) != NLTK.stem(word)] == []


def test_words_that_people_write() -> None:
    pages = Path(__file__).parents[2].glob("docs/**/*.md")
    text = " ".join(page.read_text() for page in pages)
    words = {*re.findall(r"[a-z0-9]+", text.lower()), *IRREGULAR}
    assert len(words) > 1000
    assert [word for word in words if stem(word) != NLTK.stem(word)] == []


@settings(max_examples=500)
@given(st.text("aeiouybcdlstz9", max_size=12), st.sampled_from(ENDS))
def test_words_that_nobody_writes(start: str, end: str) -> None:
    assert stem(start + end) == NLTK.stem(start + end)


def test_a_long_word_takes_as_long_as_it_is() -> None:
    assert stem("y" * 200_000 + "ing")
    assert stem("".join(random.Random(1).choices("aybc", k=200_000)))


def test_many_alli() -> None:
    assert stem("b" + "alli" * 30) == NLTK.stem("b" + "alli" * 30)
