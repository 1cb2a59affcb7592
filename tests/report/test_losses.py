"""A tuning's losses: read, smoothed, and drawn."""

import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread

from seedstep.errors import InputError, MissingExtraError, RunError
from seedstep.report.figures import loss_chart, plot_losses, smoothed
from seedstep.tune.records import read_losses


def written(path: Path, *lines: object) -> Path:
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_text("".join(f"{text}\n" for text in texts))
    return path


def test_both_pictures_are_drawn(tmp_path: Path) -> None:
    lines = [{"step": step, "loss": 3 / step, "learning_rate": 1e-4} for step in range(1, 80)]
    metrics = written(tmp_path / "metrics.jsonl", *lines, {"step": 79, "held_out_loss": 0.5})
    plot_losses(metrics, tmp_path / "losses.v2")
    height, width, _ = imread(tmp_path / "losses.v2.png").shape
    assert (width, height) == (960, 540)
    picture = ET.parse(tmp_path / "losses.v2.svg").getroot()
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    assert {path.name for path in tmp_path.iterdir()} == {
        "metrics.jsonl",
        "losses.v2.png",
        "losses.v2.svg",
    }


def test_the_same_losses_give_the_same_files(tmp_path: Path) -> None:
    metrics = written(tmp_path / "metrics.jsonl", {"step": 1, "loss": 2.0})
    plot_losses(metrics, tmp_path / "one")
    plot_losses(metrics, tmp_path / "two")
    for ending in ("png", "svg"):
        assert (tmp_path / f"one.{ending}").read_bytes() == (
            tmp_path / f"two.{ending}"
        ).read_bytes()


def test_a_run_with_many_steps_stays_a_small_file(tmp_path: Path) -> None:
    lines = [{"step": step, "loss": step % 7} for step in range(20_000)]
    plot_losses(written(tmp_path / "metrics.jsonl", *lines), tmp_path / "losses")
    assert (tmp_path / "losses.svg").stat().st_size < 1 << 20


def test_steps_taken_again_count_once_and_what_is_no_loss_is_left_out(tmp_path: Path) -> None:
    metrics = written(
        tmp_path / "metrics.jsonl",
        {"step": 1, "loss": 4.0},
        {"step": 2, "loss": 3.0},
        {"step": 2, "held_out_loss": 3.5},
        {"step": 2, "loss": 2.9},
        {"step": 1, "loss": 3.9},
        '{"step": 3, "loss": NaN}',
        {"step": 3, "examples_per_second": 7.0},
        {"step": "3", "loss": 1.0},
        {"step": 4, "loss": [1.0]},
        '{"step": 5, "lo',
    )
    assert read_losses(metrics) == ({1: 3.9, 2: 2.9}, {2: 3.5})
    assert list(read_losses(metrics)[0]) == [1, 2]


def test_a_file_without_losses_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no losses"):
        plot_losses(written(tmp_path / "empty.jsonl"), tmp_path / "losses")
    with pytest.raises(InputError, match="no such file"):
        plot_losses(tmp_path / "missing.jsonl", tmp_path / "losses")
    assert [path.name for path in tmp_path.iterdir()] == ["empty.jsonl"]


def test_without_matplotlib_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = written(tmp_path / "metrics.jsonl", {"step": 1, "loss": 2.0})
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"seedstep\[report\]"):
        plot_losses(metrics, tmp_path / "losses")


def test_a_place_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    metrics = written(tmp_path / "metrics.jsonl", {"step": 1, "held_out_loss": 2.0})
    with pytest.raises(RunError, match="nowhere"):
        plot_losses(metrics, tmp_path / "nowhere" / "losses")


def test_a_smoothed_line_joins_where_there_are_many_steps() -> None:
    few, many = (loss_chart({n: 1 / (n + 1) for n in range(count)}, {5: 1.0}) for count in (30, 31))
    assert few
    assert many
    assert {row[0] for row in few.table.rows} == {"training", "held-out tasks"}
    assert {row[0] for row in many.table.rows} == {
        "training",
        "training, smoothed",
        "held-out tasks",
    }


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_a_smoothed_loss_lies_among_those_so_far(values: list[float]) -> None:
    means = smoothed(values)
    assert means[0] == values[0]
    for number, mean in enumerate(means, start=1):
        slack = 1e-6 + 1e-9 * max(map(abs, values))
        assert min(values[:number]) - slack <= mean <= max(values[:number]) + slack
