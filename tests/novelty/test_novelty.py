"""The novelty index, against brute force with rouge-score."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer

from seedstep.bootstrap.pool import is_novel
from seedstep.novelty import Neighbor, NoveltyIndex
from seedstep.text import TOKENIZERS, latin_tokens, rouge_l, unicode_tokens

SCORER = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
THRESHOLD = 0.7

TEXTS = st.lists(st.sampled_from(["ab", "c,", "D", "-", "1"]), max_size=14).map(" ".join)
POOLS = st.lists(TEXTS, max_size=12)


def index_of(pool: list[str]) -> NoveltyIndex:
    index = NoveltyIndex(latin_tokens)
    for number, text in enumerate(pool):
        index.add(str(number), text)
    return index


def brute_force(pool: list[str], text: str) -> Neighbor | None:
    """The first of the texts with the highest score, by rouge-score."""
    scores = [float(SCORER.score(known, text)["rougeL"].fmeasure) for known in pool]
    best = max(scores, default=0.0)
    return Neighbor(str(scores.index(best)), best) if best else None


def by_rapidfuzz(pool: list[str], text: str) -> Neighbor:
    new = latin_tokens(text)
    scores = [rouge_l(latin_tokens(known), new) for known in pool]
    return Neighbor(str(scores.index(max(scores))), max(scores))


def decisions(neighbor: Neighbor | None) -> tuple[bool, bool]:
    return is_novel(neighbor, THRESHOLD, "paper"), is_novel(neighbor, THRESHOLD, "released")


@settings(max_examples=500)
@given(POOLS, TEXTS)
def test_nearest_and_decision_are_those_of_brute_force(pool: list[str], text: str) -> None:
    nearest = index_of(pool).nearest(text)
    expected = brute_force(pool, text)
    assert nearest == expected
    assert decisions(nearest) == decisions(expected)


@settings(max_examples=100)
@given(POOLS)
def test_an_index_that_grows_decides_as_brute_force_does(pool: list[str]) -> None:
    index = NoveltyIndex(latin_tokens)
    for number, text in enumerate(pool):
        assert index.nearest(text) == brute_force(pool[:number], text)
        index.add(str(number), text)
        assert len(index) == number + 1


@settings(max_examples=100)
@given(POOLS)
def test_a_known_text_is_compared_with_those_that_it_follows(pool: list[str]) -> None:
    index = index_of(pool)
    for row, text in enumerate(pool):
        assert index.nearest_before(row) == brute_force(pool[:row], text)


@settings(max_examples=200)
@given(POOLS, TEXTS, st.integers(0, 14))
def test_the_pool_as_it_was_at_an_earlier_position(pool: list[str], text: str, known: int) -> None:
    assert index_of(pool).nearest(text, known=known) == brute_force(pool[:known], text)


@settings(max_examples=200)
@given(POOLS, TEXTS, st.sampled_from([0.3, 0.5, 0.7, 1.0]))
def test_only_scores_that_reach_the_least_are_told(
    pool: list[str], text: str, least: float
) -> None:
    nearest = brute_force(pool, text)
    expected = nearest if nearest and nearest.score >= least else None
    assert index_of(pool).nearest(text, least=least) == expected


def test_a_pool_of_thousands_is_searched_as_brute_force_does() -> None:
    chance = random.Random(0)
    words = [f"w{n}" for n in range(60)]
    pool = [" ".join(chance.choices(words, k=chance.randrange(3, 40))) for _ in range(3000)]
    index = index_of(pool)
    for text in pool[::300]:
        changed = " ".join(chance.sample(text.split(), len(text.split()) * 3 // 4))
        assert index.nearest(changed) == by_rapidfuzz(pool, changed)


@pytest.mark.parametrize(
    ("shared", "known", "new", "novel"),
    [
        pytest.param(7, 10, 10, (False, True), id="exactly-the-threshold"),
        pytest.param(7, 8, 12, (False, False), id="rounded-above-it"),
        pytest.param(21, 23, 37, (True, True), id="rounded-below-it"),
        pytest.param(6, 10, 10, (True, True), id="below"),
        pytest.param(8, 10, 10, (False, False), id="above"),
    ],
)
def test_a_score_at_the_threshold_is_decided_as_rouge_score_rounds_it(
    shared: int, known: int, new: int, novel: tuple[bool, bool]
) -> None:
    common = [f"w{n}" for n in range(shared)]
    text = " ".join(common + [f"k{n}" for n in range(known - shared)])
    other = " ".join(common + [f"n{n}" for n in range(new - shared)])
    nearest = index_of([text]).nearest(other)
    assert nearest == brute_force([text], other)
    assert decisions(nearest) == novel


def test_real_instructions_are_compared_as_brute_force_does(shared_data: Path) -> None:
    with (shared_data / "instructions" / "instructions_52k.jsonl").open("rb") as file:
        texts = [json.loads(next(file))["instruction"] for _ in range(250)]
    index = NoveltyIndex(latin_tokens)
    for number, text in enumerate(texts):
        assert index.nearest(text) == brute_force(texts[:number], text)
        index.add(str(number), text)


def test_the_first_added_of_equals_is_nearest() -> None:
    assert index_of(["x y", "a b", "a b"]).nearest("A b!") == Neighbor("1", 1.0)


def test_ids_may_repeat_and_be_anything() -> None:
    index = NoveltyIndex(latin_tokens)
    index.add("", "a b")
    index.add("", "c d")
    assert index.nearest("c d") == Neighbor("", 1.0)


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@pytest.mark.parametrize("text", ["", " \n", "?!", "👍"], ids=["empty", "blank", "marks", "emoji"])
def test_a_text_without_tokens_is_near_to_nothing(tokenizer: str, text: str) -> None:
    index = NoveltyIndex(TOKENIZERS[tokenizer])
    assert index.nearest(text) is None
    for known in (text, "Sort the list."):
        index.add(known, known)
    assert index.nearest(text) is None
    assert index.nearest("Sort the list.") == Neighbor("Sort the list.", 1.0)


def test_other_scripts_are_compared_in_unicode_only() -> None:
    known, new = "把这句话翻译成英语", "请把这句话翻译成法语"
    for tokenizer, near in ((latin_tokens, False), (unicode_tokens, True)):
        index = NoveltyIndex(tokenizer)
        index.add("known", known)
        assert (index.nearest(new) is not None) == near


def test_more_distinct_tokens_than_fit_below_the_surrogates() -> None:
    """A token is one code point inside the index, and surrogates are none."""
    words = [f"w{number}" for number in range(0x10000)]
    index = NoveltyIndex(latin_tokens)
    for start in range(0, len(words), 64):
        index.add(words[start], " ".join(words[start : start + 64]))
    for start in (0, 0xD7C0, 0xD800, 0xDFC0, 0xFFC0):
        assert index.nearest(" ".join(words[start : start + 64])) == Neighbor(words[start], 1.0)
