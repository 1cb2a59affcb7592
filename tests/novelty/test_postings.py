"""Counts of common tokens, and the novelty index on them, with limits that small pools reach."""

import random
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer

from seedstep.novelty import Neighbor, NoveltyIndex, index
from seedstep.novelty.index import Postings, elements
from seedstep.text import latin_tokens, rouge_l

SCORER = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)

TOKENS = st.lists(st.integers(0, 4), max_size=14)
SHORT = st.lists(st.sampled_from(["ab", "c,", "D", "-", "1"]), max_size=14).map(" ".join)
FREQUENT = st.lists(st.sampled_from(["the", "of"]), min_size=1, max_size=5).map(" ".join)
REPEATED = st.builds(lambda word, times: f"{word} " * times, st.sampled_from("abc"), st.just(300))
LONG = st.builds(
    lambda seed, size: " ".join(random.Random(seed).choices("abcdefgh", k=size)),
    st.integers(0, 3),
    st.integers(200, 400),
)
LEASTS = st.sampled_from([0.0, 0.0, 0.3, 0.5, 0.7, 1.0, 1.5, 3.0])


@pytest.fixture(scope="module", autouse=True)
def _low_limits() -> Iterator[None]:
    """Columns for elements of two texts, in small parts, and few texts compared at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "MANY_ROWS", 2)
        patch.setattr(index, "SHARE", 3)
        patch.setattr(index, "MOST_COLUMNS", 3)
        patch.setattr(index, "ROOM", 2)
        patch.setattr(index, "MOST_HITS", 3)
        patch.setattr(index, "_FIRST", 1)
        patch.setattr(index, "_CAP", 6)
        yield


def brute_force(pool: list[str], text: str, least: float = 0.0) -> Neighbor | None:
    """The first of the texts with the highest score, by rouge-score."""
    scores = [float(SCORER.score(known, text)["rougeL"].fmeasure) for known in pool]
    best = max(scores, default=0.0)
    return Neighbor(str(scores.index(best)), best) if best and best >= least else None


def by_rapidfuzz(pool: list[str], text: str) -> Neighbor | None:
    new = latin_tokens(text)
    scores = [rouge_l(latin_tokens(known), new) for known in pool]
    best = max(scores, default=0.0)
    return Neighbor(str(scores.index(best)), best) if best else None


@settings(max_examples=300)
@given(st.lists(TOKENS, max_size=12), TOKENS)
def test_common_tokens_are_counted_as_multisets(known: list[list[int]], new: list[int]) -> None:
    counted = Postings()
    for before, tokens in enumerate(known):
        expected = [(Counter(text) & Counter(new)).total() for text in known[:before]]
        for count in {0, before // 2, before}:
            assert counted.common(elements(new), count).tolist() == expected[:count]
        counted.add(elements(tokens))
    expected = [(Counter(text) & Counter(new)).total() for text in known]
    assert counted.common(elements(new), len(known)).tolist() == expected


def test_more_common_tokens_than_a_byte_can_count() -> None:
    counted = Postings()
    for length in (255, 256, 300, 70_000):
        counted.add(elements(list(range(length))))
        counted.add(elements([7] * length))
    assert counted.common(elements(list(range(300))), 8).tolist() == [
        255,
        1,
        256,
        1,
        300,
        1,
        300,
        1,
    ]
    assert counted.common(elements([7] * 256), 8).tolist() == [1, 255, 1, 256, 1, 256, 1, 256]
    assert counted.common(elements(list(range(70_000))), 8).tolist()[6:] == [70_000, 1]


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(st.booleans(), SHORT | FREQUENT, st.none() | st.integers(0, 14), LEASTS),
        max_size=24,
    )
)
def test_what_is_asked_between_additions_is_answered_as_by_brute_force(
    work: list[tuple[bool, str, int | None, float]],
) -> None:
    found, pool = NoveltyIndex(latin_tokens), list[str]()
    for adds, text, known, least in work:
        nearest = found.nearest(text, known=known, least=least)
        assert nearest == brute_force(pool[:known], text, least)
        if adds:
            found.add(str(len(pool)), text)
            pool.append(text)
    for row, text in enumerate(pool):
        assert found.nearest_before(row) == brute_force(pool[:row], text)


SAME = " ".join(f"w{number}" for number in range(200))


@settings(max_examples=150)
@example([f"{SAME} x", f"{SAME} x", SAME, SAME, SAME])  # twice 200 is more than a byte can hold
@given(st.lists(LONG | REPEATED | SHORT | FREQUENT, max_size=10))
def test_long_texts_among_short_ones_are_compared_as_brute_force_does(pool: list[str]) -> None:
    found = NoveltyIndex(latin_tokens)
    for row, text in enumerate(pool):
        expected = by_rapidfuzz(pool[:row], text)
        assert found.nearest(text) == expected
        found.add(str(row), text)
        assert found.nearest_before(row) == expected


@pytest.mark.parametrize("words", [60, 2000])
def test_a_pool_of_thousands_is_searched_as_brute_force_does(words: int) -> None:
    chance = random.Random(0)
    pool = [
        " ".join(f"w{int(words * chance.random() ** 3)}" for _ in range(chance.randrange(1, 30)))
        for _ in range(2000)
    ]
    found = NoveltyIndex(latin_tokens)
    found.add_all((str(number), text) for number, text in enumerate(pool))
    for row in range(0, 2000, 100):
        assert found.nearest_before(row) == by_rapidfuzz(pool[:row], pool[row])
        changed = " ".join(chance.sample(pool[row].split(), len(pool[row].split()) * 3 // 4))
        assert found.nearest(changed) == by_rapidfuzz(pool, changed)
        assert found.nearest(changed, known=row) == by_rapidfuzz(pool[:row], changed)
