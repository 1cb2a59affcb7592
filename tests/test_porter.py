"""The stemmer, against the one that rouge-score takes from NLTK."""

import json
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.stem.porter import PorterStemmer

from seedstep.data import seed_tasks
from seedstep.text import latin_tokens, stem

nltk_stem = PorterStemmer().stem

ENDINGS = (
    *("s", "ss", "sses", "ies", "ied", "eed", "ed", "ing", "at", "bl", "iz", "y", "ay", "e", "ll"),
    *("ational", "tional", "enci", "anci", "izer", "bli", "abli", "alli", "entli", "eli", "ousli"),
    *("ization", "ation", "ator", "alism", "iveness", "fulness", "ousness", "aliti", "iviti"),
    *("biliti", "fulli", "logi", "icate", "ative", "alize", "iciti", "ical", "ful", "ness", "al"),
    *("ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "sion", "tion"),
    *("ion", "ou", "ism", "ate", "iti", "ous", "ive", "ize", "tt", "zz", "w", "x"),
)
LETTERS = "aeiouybdklstzwxgn19"
STARTS = st.text(st.sampled_from(LETTERS), max_size=6)
WORDS = st.builds(
    lambda start, endings: start + "".join(endings),
    STARTS,
    st.lists(st.sampled_from(ENDINGS), max_size=3),
)


def assert_same_stems(words: set[str]) -> None:
    assert [(one, stem(one)) for one in words] == [(one, nltk_stem(one)) for one in words]


@settings(max_examples=3000, deadline=None)
@given(WORDS)
def test_stems_are_those_of_nltk(word: str) -> None:
    assert stem(word) == nltk_stem(word)


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_ending_after_short_starts(ending: str) -> None:
    starts = ("".join(one) for size in range(4) for one in product("aybtl", repeat=size))
    assert_same_stems({start + ending for start in starts})


def test_words_of_up_to_three_characters() -> None:
    assert_same_stems({"".join(one) for size in range(4) for one in product(LETTERS, repeat=size)})


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("generalizations", "gener"),
        ("sky", "sky"),
        ("skies", "sky"),
        ("dying", "die"),
        ("dies", "die"),
        ("flies", "fli"),
        ("enjoyed", "enjoy"),
        ("happy", "happi"),
        ("hopping", "hop"),
        ("falling", "fall"),
        ("filing", "file"),
        ("proceeds", "proce"),
        ("proceed", "proceed"),
        ("geologi", "geolog"),
        ("controll", "control"),
    ],
)
def test_well_known_words(word: str, expected: str) -> None:
    assert stem(word) == expected == nltk_stem(word)


@pytest.mark.parametrize("word", ["y" * 5000, "ay" * 5000 + "ing", "alli" * 3000, "1" * 5000])
def test_words_that_are_none(word: str) -> None:
    assert stem(word) == nltk_stem(word)


def test_words_of_the_seed_tasks() -> None:
    assert_same_stems({word for task in seed_tasks() for word in latin_tokens(task.definition)})


def test_words_of_many_instructions(shared_data: Path) -> None:
    with (shared_data / "instructions" / "instructions_52k.jsonl").open() as lines:
        texts = [str(json.loads(line)) for line in lines]
    assert_same_stems({word for text in texts for word in latin_tokens(text)})
