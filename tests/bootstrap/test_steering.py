"""What each request asks for along axes: shares that are met, and values that are set aside."""

import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import pytest

from seedstep.bootstrap.axes import Cell, cell_text, parse_axes
from seedstep.bootstrap.steering import TRIES, Coverage, Steering


def steered(
    written: Mapping[str, Any],
    made: Callable[[dict[str, str], int], int],
    *,
    requests: int = 200,
    window: int = 8,
    seed: int = 1,
) -> tuple[list[Cell], Coverage]:
    """The cells of some requests, each of which gives as many tasks as `made` says."""
    steering = Steering(parse_axes(written), seed, window)
    under_way: deque[tuple[int, Cell]] = deque()
    cells = []
    for index in range(requests):
        cells.append(steering.choose(index))
        under_way.append((index, cells[-1]))
        if len(under_way) == window:
            place, cell = under_way.popleft()
            labels = [dict(cell).get("classification") == "yes"] * made(dict(cell), place)
            steering.retire(cell, labels)
    return cells, steering.coverage()


def by_chance(_: dict[str, str], place: int) -> int:
    """Up to three tasks, without a pattern."""
    return sha256(str(place).encode()).digest()[0] % 4


def shares(found: Coverage) -> dict[tuple[str, str], float]:
    return {(each.axis, each.value): each.tasks / found.tasks for each in found.values}


@contextmanager
def calls_counted() -> Iterator[list[int]]:
    """Count the calls of functions inside."""
    counted = [0]

    def count(frame: object, event: str, _: object) -> None:
        counted[0] += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        yield counted
    finally:
        sys.setprofile(None)


SPREAD: dict[str, Any] = {
    "topic": [f"t{number}" for number in range(5)],
    "difficulty": {"easy": 0.5, "fair": 0.3, "hard": 0.2},
    "classification": {"yes": 0.4, "no": 0.6},
}


class TestSteering:
    @pytest.mark.parametrize("window", [1, 8])
    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_every_axis_gets_its_shares(self, window: int, seed: int) -> None:
        _, found = steered(SPREAD, by_chance, window=window, seed=seed)
        for each in found.values:
            assert each.tasks / found.tasks == pytest.approx(each.wanted, abs=0.03)
        assert found.aside == ()

    def test_values_of_different_axes_are_met_together(self) -> None:
        cells, _ = steered(SPREAD, lambda *_: 3, requests=300)
        pairs = Counter((dict(cell)["topic"], dict(cell)["difficulty"]) for cell in cells)
        for (_, difficulty), number in pairs.items():
            assert number == pytest.approx(300 / 5 * SPREAD["difficulty"][difficulty], rel=0.35)
        assert len(pairs) == 15

    def test_what_is_most_under_its_share_comes_first(self) -> None:
        steering = Steering(parse_axes({"topic": {"a": 0.6, "b": 0.4}}), 1)
        for _ in range(3):
            steering.retire((("topic", "b"),), [False])
        assert dict(steering.choose(3))["topic"] == "a"

    def test_what_is_under_way_counts(self) -> None:
        steering = Steering(parse_axes({"topic": ["a", "b", "c", "d"]}), 1, window=4)
        assert {dict(steering.choose(index))["topic"] for index in range(4)} == set("abcd")

    @pytest.mark.parametrize("retired", [0, 1, 7, 8, 30, 99])
    def test_a_run_that_goes_on_chooses_what_it_would_have_chosen(self, retired: int) -> None:
        window = 8
        cells, _ = steered(SPREAD, by_chance, requests=100 + window, window=window)
        labels = [
            [dict(cell)["classification"] == "yes"] * by_chance({}, index)
            for index, cell in enumerate(cells)
        ]
        steering = Steering(parse_axes(SPREAD), 1, window)
        for index in range(retired):
            steering.retire(cells[index], labels[index])
        for index in range(retired, 100):
            assert steering.choose(index) == cells[index]
            if index - window + 1 >= retired:
                steering.retire(cells[index - window + 1], labels[index - window + 1])

    def test_the_choice_depends_on_what_was_retired_and_on_nothing_else(self) -> None:
        made = [steered(SPREAD, lambda _, place: place % 3) for _ in range(2)]
        assert made[0] == made[1]
        assert made[0][0] != steered(SPREAD, lambda _, place: place % 3, seed=2)[0]

    def test_without_axes_there_is_nothing_to_ask_for(self) -> None:
        cells, found = steered({}, lambda *_: 0, requests=30)
        assert cells == [()] * 30
        assert found == Coverage((), (), 0)

    @pytest.mark.parametrize("window", [1, 8])
    def test_a_value_that_is_never_met_is_set_aside_and_the_others_have_its_share(
        self, window: int
    ) -> None:
        written = {"topic": {"a": 0.5, "b": 0.25, "never": 0.25}, "tone": ["x", "y"]}
        cells, found = steered(
            written, lambda cell, _: 2 * (cell["topic"] != "never"), window=window
        )
        never = found.values[2]
        assert (never.value, never.aside, never.tasks) == ("never", True, 0)
        assert TRIES <= never.requests < TRIES + window
        assert shares(found)["topic", "a"] == pytest.approx(2 / 3, abs=0.02)
        assert found.aside == ()
        assert all(dict(cell)["topic"] != "never" for cell in cells[150:])

    def test_values_that_are_never_met_together_are_told_as_such(self) -> None:
        written = {**SPREAD, "persona": [f"p{number}" for number in range(6)]}

        def made(cell: dict[str, str], place: int) -> int:
            impossible = cell["topic"] == "t1" and cell["difficulty"] == "hard"
            return 0 if impossible else 1 + place % 3

        _, found = steered(written, made, requests=400)
        assert [cell_text(cell) for cell in found.aside] == ["topic: t1, difficulty: hard"]
        assert not any(each.aside for each in found.values)
        assert shares(found)["difficulty", "hard"] == pytest.approx(0.2, abs=0.03)

    def test_a_choice_looks_at_few_values_though_many_pairs_are_aside(self) -> None:
        sizes = {"topic": 100, "persona": 50, "length": 3, "difficulty": 2}
        axes = parse_axes({name: [f"{name}{n}" for n in range(sizes[name])] for name in sizes})
        steering = Steering(axes, 7)
        most = 0
        for index in range(600):
            with calls_counted() as counted:
                cell = steering.choose(index)
            most = max(most, counted[0])
            steering.retire(cell, [True] * (by_chance({}, index) == 1 and index % 5 < 4))
        assert any(each.aside for each in steering.coverage().values)
        assert most < 100 * sum(sizes.values())

    def test_of_an_axis_a_value_is_always_left(self) -> None:
        cells, found = steered({"topic": ["a", "b", "c"]}, lambda *_: 0)
        assert sum(each.aside for each in found.values) == 2
        assert len(cells) == 200

    def test_what_is_met_after_all_is_asked_for_again(self) -> None:
        steering = Steering(parse_axes({"topic": ["a", "b"]}), 1)
        for _ in range(TRIES):
            steering.retire((("topic", "a"),), [])
        assert [each.aside for each in steering.coverage().values] == [True, False]
        assert dict(steering.choose(TRIES))["topic"] == "b"
        steering.retire((("topic", "b"),), [False])
        steering.retire((("topic", "a"),), [False])
        assert [each.aside for each in steering.coverage().values] == [False, False]

    def test_whether_it_is_classification_is_what_the_model_says(self) -> None:
        steering = Steering(parse_axes({"classification": ["yes", "no"]}), 1)
        for _ in range(TRIES):
            steering.retire((("classification", "yes"),), [False])
        yes, no = steering.coverage().values
        assert (yes.tasks, yes.requests, yes.aside) == (0, TRIES, True)
        assert (no.tasks, no.requests, no.aside) == (TRIES, 0, False)
