"""Agreement of raters, against scikit-learn, statsmodels and scipy."""

import random
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss

from seedstep.errors import InputError
from seedstep.evaluate.agreement import (
    ACCEPTABLE,
    LEVELS,
    cohen_kappa,
    fleiss_kappa,
    label_agreement,
    raw_agreement,
    spearman,
)
from seedstep.evaluate.intervals import Value
from support.values import numbers

some = settings(max_examples=60)

rating_agreement = partial(label_agreement, levels=tuple(LEVELS), acceptable=tuple(ACCEPTABLE))

LEVEL = st.sampled_from("ABCD")
PAIRS = st.lists(st.tuples(LEVEL, LEVEL), min_size=2, max_size=30)
RANKED = st.lists(
    st.tuples(st.integers(-3, 3), st.floats(-2, 2).map(lambda number: round(number, 1))),
    min_size=2,
    max_size=30,
)


def sides(pairs: list[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [level for level, _ in pairs], [other for _, other in pairs]


def like_raters(items: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Two raters who agree on about two items of three."""
    chance = random.Random(seed)
    first = [chance.choice("AABCD") for _ in range(items)]
    return first, [level if chance.random() < 0.6 else chance.choice("ABCD") for level in first]


@some
@given(PAIRS)
def test_cohen_kappa_is_that_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    first, second = sides(pairs)
    assume(len({*first, *second}) > 1)
    assert cohen_kappa(first, second).value == pytest.approx(
        cohen_kappa_score(first, second), abs=1e-12
    )


@some
@given(PAIRS)
def test_raw_agreement_is_the_share_of_equal_ratings(pairs: list[tuple[str, str]]) -> None:
    expected = sum(first == second for first, second in pairs) / len(pairs)
    assert raw_agreement(*sides(pairs)).value == pytest.approx(expected)


@some
@given(st.integers(2, 5).flatmap(lambda n: st.lists(st.lists(LEVEL, min_size=n, max_size=n))))
def test_fleiss_kappa_is_that_of_statsmodels(items: list[list[str]]) -> None:
    assume(len({level for ratings in items for level in ratings}) > 1)
    table, _ = aggregate_raters(np.array(items))
    expected = statsmodels_fleiss(table, method="fleiss")
    assert fleiss_kappa(items).value == pytest.approx(expected, abs=1e-12)


@some
@given(RANKED)
def test_spearman_is_that_of_scipy(pairs: list[tuple[int, float]]) -> None:
    ranks, other_ranks = [first for first, _ in pairs], [second for _, second in pairs]
    assume(len(set(ranks)) > 1)
    assume(len(set(other_ranks)) > 1)
    expected = stats.spearmanr(ranks, other_ranks).statistic
    assert spearman(ranks, other_ranks).value == pytest.approx(expected, abs=1e-12)


def test_spearman_without_ties() -> None:
    chance = random.Random(1)
    values = [chance.random() for _ in range(300)]
    other_values = [value + chance.random() for value in values]
    low, value, high = numbers(spearman(values, other_values))
    assert value == pytest.approx(stats.spearmanr(values, other_values).statistic, abs=1e-12)
    assert low < value < high


def test_fleiss_kappa_does_not_ask_who_gave_a_rating() -> None:
    items = [["A", "B", "A"], ["B", "B", "B"], ["C", "A", "C"]] * 4
    assert fleiss_kappa(items) == fleiss_kappa([sorted(levels, reverse=True) for levels in items])


def brute_force(
    first: list[str], second: list[str], statistic: Callable[[list[str], list[str]], float]
) -> tuple[float, float]:
    """The interval of a statistic, items drawn one by one."""
    chance = random.Random(5)
    places = range(len(first))
    found = []
    for _ in range(1500):
        drawn = chance.choices(places, k=len(first))
        found.append(statistic([first[n] for n in drawn], [second[n] for n in drawn]))
    units = len(first)
    tail = stats.norm.cdf(-stats.t.ppf(0.975, units - 1) * (units / (units - 1)) ** 0.5)
    low, high = np.quantile(found, [tail, 1 - tail])
    return float(low), float(high)


def spearman_of_levels(first: list[str], second: list[str]) -> float:
    return float(stats.spearmanr([ord(x) for x in first], [ord(x) for x in second]).statistic)


def check_interval(found: Value, expected: tuple[float, float]) -> None:
    low, _, high = numbers(found)
    assert (low, high) == pytest.approx(expected, abs=0.12 * (expected[1] - expected[0]))


def test_intervals_are_those_of_drawing_items_one_by_one() -> None:
    first, second = like_raters(60)
    ranks, other_ranks = ([ord(level) for level in each] for each in (first, second))
    check_interval(cohen_kappa(first, second), brute_force(first, second, cohen_kappa_score))
    check_interval(spearman(ranks, other_ranks), brute_force(first, second, spearman_of_levels))
    shares = brute_force(
        first, second, lambda a, b: float(np.mean([x == y for x, y in zip(a, b, strict=True)]))
    )
    check_interval(raw_agreement(first, second), shares)


def test_the_interval_of_fleiss_kappa_is_that_of_drawing_items_one_by_one() -> None:
    levels, other_levels = like_raters(50, seed=3)

    def fleiss(first: list[str], second: list[str]) -> float:
        table, _ = aggregate_raters(np.array([first, second]).T)
        return float(statsmodels_fleiss(table))

    found = fleiss_kappa(list(zip(levels, other_levels, strict=True)))
    check_interval(found, brute_force(levels, other_levels, fleiss))


def test_rating_agreement_takes_four_levels_and_two() -> None:
    first, second = like_raters(200)
    found = rating_agreement(first, second)
    good, other_good = ([level in "AB" for level in each] for each in (first, second))
    assert found.items == 200
    assert found.kappa.value == pytest.approx(cohen_kappa_score(first, second))
    assert found.kappa_acceptable.value == pytest.approx(cohen_kappa_score(good, other_good))
    assert found.raw_acceptable.value == pytest.approx(np.mean(np.equal(good, other_good)))
    assert found.spearman.value == pytest.approx(spearman_of_levels(first, second))
    assert found.raw == raw_agreement(first, second)
    assert rating_agreement(first, second, seed=1).kappa != found.kappa


def test_equal_raters_agree_fully() -> None:
    levels, _ = like_raters(30)
    found = rating_agreement(levels, levels)
    assert found.kappa.value == found.spearman.value == found.raw.value == 1.0
    reverse = spearman([ord(level) for level in levels], [-ord(level) for level in levels])
    assert reverse.value == -1.0


SAME = ["A"] * 20


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(cohen_kappa([], []), "no items", id="no-items"),
        pytest.param(raw_agreement([], []), "no items", id="raw-no-items"),
        pytest.param(spearman([], []), "no items", id="spearman-no-items"),
        pytest.param(fleiss_kappa([]), "no items", id="fleiss-no-items"),
        pytest.param(cohen_kappa(SAME, SAME), "every rating is the same", id="one-level"),
        pytest.param(fleiss_kappa([SAME, SAME]), "every rating is the same", id="fleiss-one-level"),
        pytest.param(fleiss_kappa([["A"], ["B"]]), "items have 1 ratings", id="one-rater"),
        pytest.param(fleiss_kappa([[], []]), "items have 0 ratings", id="no-rater"),
        pytest.param(fleiss_kappa(["AB", "ABB"]), "items have 2 or 3 ratings", id="ragged"),
        pytest.param(spearman([1, 1, 1], [1, 2, 3]), "the same rank", id="constant"),
        pytest.param(spearman([1, 2, 3], [1, 1, 1]), "the same rank", id="other-constant"),
        pytest.param(spearman([1, float("nan")], [1, 2]), "not a number", id="nan"),
    ],
)
def test_what_is_undefined_is_none_with_a_reason(value: Value, reason: str) -> None:
    assert (value.value, value.low, value.high) == (None, None, None)
    assert reason in value.reason


def test_few_items_have_a_value_but_no_interval() -> None:
    found = cohen_kappa(["A", "B", "A", "B", "B"], ["A", "B", "B", "B", "A"])
    assert found.value is not None
    assert (found.low, found.high) == (None, None)
    assert found.reason.startswith("5 items")


def test_no_interval_where_many_resamples_are_undefined() -> None:
    """Without the one other item, a third of the resamples, kappa is undefined."""
    found = cohen_kappa(["A"] * 19 + ["B"], ["A"] * 19 + ["B"])
    assert found.value == 1.0
    assert (found.low, found.high) == (None, None)
    assert "undefined in 3" in found.reason


def test_raters_must_rate_the_same_items() -> None:
    for statistic in (raw_agreement, cohen_kappa, rating_agreement):
        with pytest.raises(ValueError, match="zip"):
            statistic(["A"], ["A", "B"])
    with pytest.raises(ValueError, match="zip"):
        spearman([1], [1, 2])


@pytest.mark.parametrize("level", ["E", "", "a", "AB", "A "])
def test_a_rating_that_is_no_level_is_refused(level: str) -> None:
    with pytest.raises(InputError, match="item 2"):
        rating_agreement(["A", "B"], ["A", level])
