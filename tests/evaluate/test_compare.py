"""Two systems compared: differences, their intervals, McNemar's test."""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from seedstep.errors import InputError
from seedstep.evaluate import METRICS, InstanceResult, Metric, Prediction, Reference, score
from seedstep.evaluate.compare import compare, compare_systems, compare_with_first, evaluated
from seedstep.evaluate.intervals import MIN_UNITS, Value, mcnemar, resample
from seedstep.evaluate.metrics import compared_metrics
from seedstep.evaluate.scores import Scores, means
from seedstep.evaluate.systems import EvaluatedSystem, Pairing
from seedstep.recipes import Evaluation
from support.metrics import marks_of
from support.values import numbers

CATEGORIES = ("Title Generation", "Word Analogy")


def results(
    marks: Mapping[str, Sequence[float]], exact: Sequence[str] = (), category: str = ""
) -> list[InstanceResult]:
    """ROUGE-L marks by task; `exact` names the tasks whose instances all match exactly."""
    return [
        InstanceResult(
            f"{task}-{number}",
            task,
            category or CATEGORIES[len(task) % 2],
            marks_of(mark, mark, float(task in exact)),
            "predicted",
        )
        for task, several in marks.items()
        for number, mark in enumerate(several)
    ]


def random_marks(seed: int, tasks: int, instances: int = 10) -> dict[str, list[float]]:
    chance = random.Random(seed)
    return {f"t{n}": [chance.random() for _ in range(instances)] for n in range(tasks)}


def test_rows_say_what_was_found() -> None:
    first, second = (results(random_marks(seed, tasks=8), exact=("t3",)) for seed in (1, 2))
    found = compare(first, second)
    overall, *others = found.to_records()
    assert json.loads(json.dumps(overall)) == overall
    assert [(row["category"], row["metric"]) for row in (overall, *others)] == [
        *(("", metric.name) for metric in compared_metrics(METRICS)),
        (CATEGORIES[0], "rouge_l"),
    ]
    low, value, high = numbers(found.overall.difference)
    assert (overall["low"], overall["difference"], overall["high"]) == (low, value, high)
    assert overall["first"] - overall["second"] == pytest.approx(value)
    assert overall["wins"] + overall["losses"] + overall["ties"] == overall["instances"] == 80
    pairing = Pairing("a", "b", found)
    assert pairing.to_records()[0] == {"first_system": "a", "second_system": "b", **overall}
    scored = Scores((), tuple(first), means(first), {}, {}, (), {}, (), ())
    whole, group = (
        row for row in evaluated("a", scored, "category").to_records() if row["metric"] == "rouge_l"
    )
    assert whole["score"] == group["score"] == pytest.approx(overall["first"])
    assert (whole["system"], whole["group"], group["group"]) == ("a", "", CATEGORIES[0])
    assert whole["low"] < whole["score"] < whole["high"]
    assert (whole["instances"], whole["tasks"], whole["missing"]) == (80, 8, 0)


def test_a_model_does_not_differ_from_itself() -> None:
    same = results(random_marks(1, tasks=20))
    found = compare(same, same)
    for difference in (*found.differences, *found.categories.values()):
        assert difference.difference == Value(0.0, 0.0, 0.0)
        assert (difference.wins, difference.losses) == (0, 0)
        assert difference.ties == difference.instances
        assert difference.first == difference.second
    assert found.mcnemar
    assert found.mcnemar.p_value == 1.0
    assert (found.first_unpaired, found.second_unpaired) == ((), ())


def test_a_difference_in_one_task_only_is_no_proof() -> None:
    base = random_marks(2, tasks=20)
    better = base | {"t3": [1.0] * 10}
    found = compare(results(better), results(base)).overall
    low, value, high = numbers(found.difference)
    assert low == 0.0 < value < high
    assert found.wins == 10
    assert found.ties == 190


def test_a_difference_in_every_task_is_found() -> None:
    base = {task: [mark / 2 for mark in marks] for task, marks in random_marks(3, 20).items()}
    better = {task: [mark + 0.2 for mark in marks] for task, marks in base.items()}
    found = compare(results(better), results(base)).overall
    assert found.difference.value == pytest.approx(20.0)
    assert found.difference.low == pytest.approx(20.0)
    assert (found.wins, found.losses, found.ties) == (200, 0, 0)
    reverse = compare(results(base), results(better)).overall
    assert reverse.difference.value == pytest.approx(-20.0)
    assert (reverse.wins, reverse.losses, reverse.ties) == (0, 200, 0)


def test_the_difference_is_that_of_the_means_over_instances() -> None:
    first = results(random_marks(4, 8) | {"t1": [1.0] * 9, "t2": [0.0]})
    second = results(random_marks(5, 8) | {"t1": [0.5] * 9, "t2": [1.0]})
    found = compare(first, second).overall
    expected = 100 * np.mean([result.marks["rouge_l"] for result in first])
    assert found.first == pytest.approx(expected)
    assert found.difference.value == pytest.approx(found.first - found.second)
    assert (found.instances, found.tasks) == (70, 8)


def brute_force_interval(
    first: list[InstanceResult], second: list[InstanceResult]
) -> tuple[float, float]:
    """The same interval, one task drawn at a time, with the t distribution of scipy."""
    tasks: dict[str, list[float]] = {}
    for ours, theirs in zip(first, second, strict=True):
        tasks.setdefault(ours.task, []).append(
            100 * (ours.marks["rouge_l"] - theirs.marks["rouge_l"])
        )
    chance = random.Random(0)
    units = len(tasks)
    means = []
    for _ in range(10_000):
        drawn = chance.choices(list(tasks.values()), k=units)
        flat = [difference for several in drawn for difference in several]
        means.append(sum(flat) / len(flat))
    width = stats.t.ppf(0.975, units - 1) * (units / (units - 1)) ** 0.5
    tail = stats.norm.cdf(-width)
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


@pytest.mark.parametrize("tasks", [6, 12, 60])
def test_the_interval_is_that_of_drawing_tasks_one_by_one(tasks: int) -> None:
    sizes = random.Random(tasks)
    base = {f"t{n}": [sizes.random()] * sizes.randint(1, 9) for n in range(tasks)}
    better = {task: [sizes.random()] * len(marks) for task, marks in base.items()}
    first, second = results(better), results(base)
    low, high = brute_force_interval(first, second)
    found_low, _, found_high = numbers(compare(first, second).overall.difference)
    assert (found_low, found_high) == pytest.approx((low, high), abs=0.06 * (high - low))


def test_instances_that_repeat_each_other_make_no_interval_narrower() -> None:
    once, other = random_marks(6, 15, instances=1), random_marks(7, 15, instances=1)
    tenfold, other_tenfold = (
        {task: list(marks) * 10 for task, marks in each.items()} for each in (once, other)
    )
    few = compare(results(once), results(other)).overall.difference
    many = compare(results(tenfold), results(other_tenfold)).overall.difference
    assert numbers(many) == pytest.approx(numbers(few))


def test_the_seed_decides_the_interval() -> None:
    first, second = results(random_marks(8, 15)), results(random_marks(9, 15))
    assert compare(first, second, seed=1) == compare(first, second, seed=1)
    drawn, drawn_again = (compare(first, second, seed=n).overall.difference for n in (1, 2))
    assert drawn.value == drawn_again.value
    assert (drawn.low, drawn.high) != (drawn_again.low, drawn_again.high)


@pytest.mark.parametrize("tasks", range(1, MIN_UNITS))
def test_few_tasks_have_no_interval_and_say_so(tasks: int) -> None:
    found = compare(results(random_marks(1, tasks)), results(random_marks(2, tasks))).overall
    assert found.difference.value == pytest.approx(found.first - found.second)
    assert (found.difference.low, found.difference.high) == (None, None)
    assert found.difference.reason.startswith(f"{tasks} task{'s' if tasks > 1 else ''}:")
    enough = compare(results(random_marks(1, 6)), results(random_marks(2, 6))).overall.difference
    assert numbers(enough)
    assert not enough.reason


def test_95_of_100_intervals_hold_the_true_difference() -> None:
    """12 tasks of unequal sizes, whose effects are drawn around 0."""
    chance = np.random.default_rng(11)
    simulations, tasks = 400, 12
    held = 0
    for number in range(simulations):
        sizes = chance.choice([20, 100], tasks)
        sums = sizes * (chance.normal(0, 3, tasks) + chance.normal(0, 30, tasks) / np.sqrt(sizes))

        def mean(
            drawn: np.ndarray, sums: np.ndarray = sums, sizes: np.ndarray = sizes
        ) -> np.ndarray:
            return np.asarray((drawn @ sums) / (drawn @ sizes))

        low, _, high = numbers(resample(np.ones(tasks, int), mean, "task", seed=number))
        held += low <= 0 <= high
    assert 0.925 <= held / simulations <= 0.975


def test_categories_are_compared_by_their_published_metric() -> None:
    first = results({"t1": [0.2] * 4}, exact=["t1"], category="Word Analogy")
    first += results({"t2": [0.6] * 2}, exact=["t2"], category="Title Generation")
    second = results({"t1": [0.9] * 4}, category="Word Analogy")
    second += results({"t2": [0.5] * 2}, category="Title Generation")
    found = compare(first, second)
    assert list(found.categories) == ["Title Generation", "Word Analogy"]
    analogy, titles = found.categories["Word Analogy"], found.categories["Title Generation"]
    assert (analogy.metric.name, analogy.first, analogy.second) == ("exact_match", 100.0, 0.0)
    assert titles.metric.name == "rouge_l"
    assert titles.difference.value == pytest.approx(10.0)
    assert (analogy.instances, analogy.wins, titles.instances, titles.wins) == (4, 4, 2, 2)
    assert found.by("exact_match").difference.value == 100.0
    assert found.mcnemar
    assert (found.mcnemar.first_only, found.mcnemar.second_only) == (6, 0)


def test_only_pairs_are_compared_and_the_rest_is_named() -> None:
    first = results({"t1": [0.5, 0.5], "t2": [0.9]})
    second = results({"t3": [0.1], "t1": [0.4]})
    found = compare(first, second)
    assert found.overall.instances == 1
    assert found.first_unpaired == ("t1-1", "t2-0")
    assert found.second_unpaired == ("t3-0",)


def test_pairs_are_joined_by_instance_id() -> None:
    first, second = results(random_marks(1, 9)), results(random_marks(2, 9))
    mixed = second[:]
    random.Random(3).shuffle(mixed)
    assert compare(first, mixed) == compare(first, second)


def test_missing_and_failed_predictions_are_counted_on_either_side() -> None:
    references = {f"t-{n}": Reference("t", "", ("Yes",)) for n in range(5)}
    given = [Prediction("t", f"t-{n}", "Yes") for n in range(4)]
    failed = [Prediction("t", f"t-{n}", "Yes", failed="broken") for n in range(3)]
    found = compare(score(given, references).results, score(failed, references).results)
    assert (found.first_absent, found.second_absent) == (1, 5)
    assert found.overall.difference.value == 80.0
    assert (found.overall.wins, found.overall.ties) == (4, 1)


def test_nothing_in_common_is_refused() -> None:
    with pytest.raises(InputError, match="no instance in common"):
        compare(results({"t1": [1.0]}), results({"t2": [1.0]}))


def test_names_of_any_length_and_kind() -> None:
    marks = {name: [0.5] for name in ("x" * 100_000, "a", "a\x00", "\ud800", "", "b", "c")}
    found = compare(results(marks), results(marks)).overall
    assert found.tasks == 7


# McNemar


def statsmodels_p(first_only: int, second_only: int) -> float:
    exact = first_only + second_only < 25
    table = [[5, first_only], [second_only, 5]]
    return float(statsmodels_mcnemar(table, exact=exact, correction=True).pvalue)


@pytest.mark.parametrize("discordant", [*range(1, 40), 100, 999])
def test_mcnemar_is_that_of_statsmodels(discordant: int) -> None:
    for first_only in {0, 1, discordant // 3, discordant // 2 - 1, discordant - 1, discordant}:
        second_only = discordant - first_only
        if first_only < 0 or (first_only == second_only and discordant >= 25):
            continue
        found = mcnemar(first_only, second_only)
        assert found.p_value == pytest.approx(statsmodels_p(first_only, second_only), rel=1e-9)


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_mcnemar_is_symmetric_and_a_probability(better: int, worse: int) -> None:
    found = mcnemar(better, worse)
    assert 0 <= found.p_value <= 1
    assert found.p_value == mcnemar(worse, better).p_value
    assert found.method == ("exact" if better + worse < 25 else "chi-squared")


@pytest.mark.parametrize("equal", [0, 1, 12, 13, 500])
def test_equal_counts_have_a_p_value_of_1(equal: int) -> None:
    """statsmodels lets the correction pass zero, and gives less than 1 from 13 on."""
    assert mcnemar(equal, equal).p_value == 1.0


class TestWhatIsCompared:
    """Systems wherever they are: in an evaluation, a list, a generator; or the scores alone."""

    def evaluation(self, *names: str) -> Evaluation:
        references = {f"i{n}": Reference("t", "", ("yes",)) for n in range(6)}

        def system(place: int, name: str) -> EvaluatedSystem:
            answers = ["yes" if n > place else "no" for n in range(6)]
            given = [Prediction("t", f"i{n}", text) for n, text in enumerate(answers)]
            return evaluated(name, score(given, references))

        return Evaluation(tuple(map(system, range(len(names)), names)), ())

    def test_an_evaluation_goes_where_its_systems_do(self) -> None:
        done = self.evaluation("a", "b", "c")
        assert [system.name for system in done] == ["a", "b", "c"]
        firsts = compare_with_first(done.systems)
        assert [(each.first, each.second) for each in firsts] == [("a", "b"), ("a", "c")]
        for systems in (done, list(done), iter(done)):
            assert compare_with_first(systems) == firsts
            assert compare_systems(done, against=iter(["a"]))[0].second == "a"
        assert firsts[0].comparison.overall.difference.value == pytest.approx(100 / 6)

    def test_comparisons_are_a_tuple_with_rows(self) -> None:
        firsts = compare_with_first(self.evaluation("a", "b", "c"))
        assert (len(firsts), firsts[1], firsts[:1]) == (2, tuple(firsts)[1], (firsts[0],))
        rows = firsts.to_records()
        assert rows == [*firsts[0].to_records(), *firsts[1].to_records()]
        assert {row["second_system"] for row in rows} == {"b", "c"}
        assert [*firsts.to_dataset()] == rows

    def test_two_systems_scores_or_evaluations_of_one(self) -> None:
        done = self.evaluation("a", "b")
        first, second = done
        wanted = compare(first.scores.results, second.scores.results)
        assert compare(*done) == wanted
        assert compare(first.scores, second.scores) == wanted
        assert compare(Evaluation((first,), ()), [second]) == wanted

    def test_metrics_are_those_of_the_first(self) -> None:
        start = Metric("start", "same start", "1 where both begin alike", lambda pair: 1.0)
        references = {"i": Reference("t", "", ("yes",))}
        scores = score([Prediction("t", "i", "yea")], references, metrics=[start])
        assert compare(scores, scores).overall.metric is start
        assert compare(scores.results, scores.results, metrics=[start]).overall.metric is start
        usual = score([Prediction("t", "i", "yea")], references)
        cases: list[tuple[Any, Any, str]] = [
            (scores, usual, "second system has no score by 'start', but by .*exact_match"),
            (usual, scores, "second system has no score by 'rouge_l', but by start"),
            (scores.results, scores.results, "first system has no score by 'rouge_l'"),
        ]
        for first, second, told in cases:
            with pytest.raises(InputError, match=rf"{told}.*metrics="):
                compare(first, second)

    @pytest.mark.parametrize("given", [Path("runs/a"), "runs/a", 3, [Path("runs/a")]])
    def test_what_is_not_scored_is_told(self, given: Any) -> None:
        calls: list[Callable[[], object]] = [
            lambda: compare(given, given),
            lambda: compare_systems(given),
            lambda: compare_with_first(given),
        ]
        for call in calls:
            with pytest.raises(InputError, match="has no scores to compare") as raised:
                call()
            assert "evaluate_systems" in raised.value.remedy

    def test_several_systems_are_not_one(self) -> None:
        done = self.evaluation("a", "b")
        with pytest.raises(InputError, match="a and b are two systems"):
            compare(done, done)
