"""Versions of instructions are compared by measurements, with intervals over tasks."""

from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from seedstep.errors import InputError
from seedstep.evaluate.gains import (
    changes_since,
    finds_right,
    gain_rows,
    read_measured,
    version_differences,
)
from seedstep.evaluate.intervals import mean_over_tasks
from seedstep.evaluate.tables import difference_table
from seedstep.report.figures import gain_figure
from support.measuring import written_measures


class TestStatistics:
    def test_gains_are_differences_of_means_over_tasks(self, tmp_path: Path) -> None:
        nats = {
            f"t{number}": {
                "none": [2.0, 3.0],
                "refined": [2.0 - number / 10, 3.0],
                "another task's": [1.9, 3.0],
            }
            for number in range(8)
        }
        tasks = read_measured(written_measures(tmp_path / "m", 0, nats))[1]
        none, refined, _ = gain_rows(tasks, by="overall", seed=7)
        gains = [number / 20 for number in range(8)]
        assert none.nats == 2.5
        assert refined.nats == pytest.approx(2.5 - fmean(gains))
        wanted = mean_over_tasks(gains, list(nats), seed=7)
        assert refined.gain.value == pytest.approx(fmean(gains))
        assert refined.gain.low == pytest.approx(wanted.low)
        assert refined.gain.high == pytest.approx(wanted.high)
        assert refined.better == 7
        assert finds_right(tasks, "refined", seed=7).value == 6.5 / 8, "equal ones count half"

    def test_an_interval_is_over_instances_only_for_rows_by_task(self, tmp_path: Path) -> None:
        gains = [0.1 * place for place in range(8)]
        nats = {"t": {"none": [2.0] * 8, "refined": [2.0 - gain for gain in gains]}}
        tasks = read_measured(written_measures(tmp_path / "m", 0, nats))[1]
        for by in ("overall", "category"):
            row = gain_rows(tasks, by=by, seed=7)[1]
            assert row.gain.value == pytest.approx(fmean(gains))
            assert row.gain.low is None, by
            assert row.gain.high is None, by
        row = gain_rows(tasks, by="task", seed=7)[1]
        wanted = mean_over_tasks(gains, [str(place) for place in range(8)], seed=7)
        assert (row.gain.low, row.gain.high) == pytest.approx((wanted.low, wanted.high))

    def test_numbers_that_are_not_whole_are_refused(self, tmp_path: Path) -> None:
        nats = {"t": {"none": [1.0, 2.0], "refined": [1.0]}}
        with pytest.raises(InputError, match="task t, refined, are not whole"):
            read_measured(written_measures(tmp_path / "m", 0, nats))


def test_the_figure_says_where_there_are_no_intervals(tmp_path: Path) -> None:
    nats = {"t": {"none": [2.0] * 8, "refined": [1.0 + place / 10 for place in range(8)]}}
    for many, words in ((1, "without intervals"), (8, "with 95% intervals over tasks")):
        named = {f"t{number}": nats["t"] for number in range(many)}
        tasks = read_measured(written_measures(tmp_path / "m", 0, named))[1]
        figure = gain_figure(gain_rows(tasks, by="overall", seed=7)[1:])
        assert words in figure.axes[0].get_xlabel()


def likelier(by: float, other: float = 0.05) -> dict[str, dict[str, list[float]]]:
    """Losses with which references are likelier with the right instruction, unequally by task."""
    nats = {
        f"t{number}": {
            "none": [2.0, 3.0],
            "unrefined": [1.9, 2.9],
            "refined": [2.0 - by * number, 3.0],
            "another task's": [2.0 - other, 3.0 - other],
        }
        for number in range(8)
    }
    del nats["t7"]["unrefined"], nats["t6"]["another task's"]
    return nats


class TestDifferences:
    def read(self, path: Path, nats: Any) -> Any:
        return read_measured(written_measures(path, 0, nats))

    def test_the_right_instruction_is_compared_with_each_other_version_task_by_task(
        self, tmp_path: Path
    ) -> None:
        tasks = self.read(tmp_path / "m", likelier(0.1))[1]
        none, unrefined, other = version_differences(tasks, seed=7)
        assert [row.other for row in (none, unrefined, other)] == [
            "none",
            "unrefined",
            "another task's",
        ]
        assert {row.right for row in (none, unrefined, other)} == {"refined"}
        gain = gain_rows(tasks, by="overall", seed=7)[2]
        assert none.difference.value == pytest.approx(gain.gain.value)
        assert none.difference.low == pytest.approx(gain.gain.low)
        assert (none.likelier, none.tasks) == (gain.better, 8)
        against = {f"t{n}": n / 20 - 0.1 for n in range(7)}
        wanted = mean_over_tasks(list(against.values()), list(against), seed=7)
        assert unrefined.difference.value == pytest.approx(fmean(against.values()))
        assert unrefined.difference.high == pytest.approx(wanted.high)
        assert (unrefined.likelier, unrefined.tasks) == (4, 7), "of t2 both are equal"
        assert (other.likelier, other.tasks) == (5, 7)

    def test_of_several_runs_each_right_instruction_is_compared(self, tmp_path: Path) -> None:
        nats = {"t": {"none": [2.0], "a: refined": [1.0], "b: unrefined": [3], "b: refined": [1.5]}}
        rows = version_differences(self.read(tmp_path / "m", nats)[1], seed=7)
        assert [(row.right, row.other, row.difference.value) for row in rows] == [
            ("a: refined", "none", 1.0),
            ("a: refined", "b: unrefined", 2.0),
            ("a: refined", "b: refined", 0.5),
            ("b: refined", "none", 0.5),
            ("b: refined", "a: refined", -0.5),
            ("b: refined", "b: unrefined", 1.5),
        ]
        head, (first, *_) = difference_table(rows)
        assert head == ("with", "against", "likelier by", "better on", "tasks")
        assert first == ("a: refined", "none", "+1.0000", "1", "1")

    def test_a_change_is_paired_over_the_tasks_of_both(self, tmp_path: Path) -> None:
        before = self.read(tmp_path / "before", {**likelier(0.1), "elsewhere": {"none": [1.0]}})
        nats = likelier(0.2)
        del nats["t0"]
        now = self.read(tmp_path / "now", nats)
        none, *_ = changes_since(tmp_path / "before", before, now, seed=7)
        changes = {f"t{n}": n / 20 for n in range(1, 8)}
        wanted = mean_over_tasks(list(changes.values()), list(changes), seed=7)
        assert (none.right, none.other, none.tasks, none.likelier) == ("refined", "none", 7, 7)
        assert none.difference.value == pytest.approx(wanted.value)
        assert none.difference.low == pytest.approx(wanted.low)

    def test_what_can_not_be_paired_is_refused(self, tmp_path: Path) -> None:
        now = self.read(tmp_path / "now", likelier(0.1))
        path = tmp_path / "before"
        text = written_measures(path, 0, likelier(0.1)).read_text()
        for old, new, words in (
            ('"encoding":"steps"', '"encoding":"definition"', "another encoding or seed"),
            ('"seed":1', '"seed":2', "another encoding or seed"),
            ('"tokens":[1,1]', '"tokens":[1,2]', "no task with the same instances"),
            ("-1", "-2", "no task with the same instances"),
        ):
            changed = text.replace(": ", ":").replace(", ", ",").replace(old, new)
            assert changed != text.replace(": ", ":").replace(", ", ",")
            path.write_text(changed)
            with pytest.raises(InputError, match=words):
                changes_since(path, read_measured(path), now, seed=7)
