"""`seedstep compare`: differences in a table, and drawn."""

import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from seedstep.data import TaskChoice
from seedstep.evaluate.compare import compare_with_first
from seedstep.evaluate.systems import EvaluatedSystem
from seedstep.recipes import evaluate_systems, predict
from seedstep.report.figures import category_figure, drawn, overall_figure, save_figures
from support.answer_files import (
    CATEGORIES,
    right,
    run_with_predictions,
    write_lines,
    write_predictions,
    write_tasks,
)
from support.command_line import UNSAFE, json_of, seedstep
from support.predicting import write_word_tasks

TASKS = 12


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    return write_tasks(tmp_path / "tasks.jsonl", TASKS)


class TestDifferences:
    def test_a_system_does_not_differ_from_itself(self, tasks: Path, tmp_path: Path) -> None:
        texts = {**right(TASKS), "t3-0": "R3", "t5-1": "no"}
        file = write_predictions(tmp_path / "one.jsonl", texts)
        same = write_predictions(tmp_path / "same.jsonl", dict(reversed(texts.items())))
        (found,) = json_of("compare", file, same, "--tasks", tasks)
        every = found["comparison"]
        for difference in (every["overall"], every["exact_match"], *every["categories"].values()):
            assert difference["difference"] == {"value": 0, "low": 0, "high": 0, "reason": ""}
            assert (difference["wins"], difference["losses"]) == (0, 0)
        assert every["mcnemar"]["p_value"] == 1.0

    def test_one_task_alone_is_no_proof(self, tasks: Path, tmp_path: Path) -> None:
        first = write_predictions(tmp_path / "one.jsonl", right(TASKS))
        other = {**right(TASKS), "t3-0": "no", "t3-1": "no"}
        second = write_predictions(tmp_path / "two.jsonl", other)
        (found,) = json_of("compare", first, second, "--tasks", tasks)
        overall = found["comparison"]["overall"]
        assert overall["difference"]["low"] == 0 < overall["difference"]["value"]
        assert (overall["wins"], overall["losses"], overall["ties"]) == (2, 0, 22)

    def test_the_first_against_each_of_the_others(self, tasks: Path, tmp_path: Path) -> None:
        chance = random.Random(5)
        paths = []
        for name, share in (("best", 1.0), ("fair", 0.6), ("poor", 0.2)):
            texts = {i: t if chance.random() < share else "no" for i, t in right(TASKS).items()}
            paths.append(write_predictions(tmp_path / f"{name}.jsonl", texts))
        found = json_of("compare", *paths, "--tasks", tasks)
        assert [(pair["first"], pair["second"]) for pair in found] == [
            ("best", "fair"),
            ("best", "poor"),
        ]
        fair, poor = (pair["comparison"]["overall"]["difference"]["value"] for pair in found)
        assert 0 < fair < poor
        assert found[1]["comparison"]["overall"]["difference"]["low"] > 0

    def test_systems_of_a_run_come_in_the_order_in_which_they_are_named(
        self, tmp_path: Path
    ) -> None:
        run = tmp_path / "run"
        for model in ("baseline:copy-input", "baseline:copy-demonstration"):
            predict(run, model=model, tasks=write_word_tasks(tmp_path / "ni", 6)).close()
        names = ["baseline:copy-input", "baseline:copy-demonstration"]
        for first, second in (names, reversed(names)):
            done = seedstep("compare", run, "--name", first, "--name", second)
            assert done.lines[0] == f"A: {first}, B: {second}"

    def test_a_named_system_is_the_one_that_all_others_are_compared_with(
        self, tasks: Path, tmp_path: Path
    ) -> None:
        poor = dict(list(right(TASKS).items())[6:])
        paths = [
            write_predictions(tmp_path / "fair.jsonl", dict(list(right(TASKS).items())[2:])),
            write_predictions(tmp_path / "poor.jsonl", poor),
            write_predictions(tmp_path / "best.jsonl", right(TASKS)),
        ]
        found = json_of("compare", *paths, "--tasks", tasks, "--against", "poor")
        assert [(pair["first"], pair["second"]) for pair in found] == [
            ("fair", "poor"),
            ("best", "poor"),
        ]
        gains = [pair["comparison"]["overall"]["difference"]["value"] for pair in found]
        assert gains == pytest.approx([100 * 4 / 24, 100 * 6 / 24])

    def test_several_baselines_make_no_comparison_twice(self, tasks: Path, tmp_path: Path) -> None:
        answers = list(right(TASKS).items())
        fair, poor, best = (
            write_predictions(tmp_path / f"{name}.jsonl", dict(answers[left:]))
            for name, left in (("fair", 2), ("poor", 6), ("best", 0))
        )
        against = ("--against", "poor", "--against", "fair")
        found = json_of("compare", fair, poor, best, "--tasks", tasks, *against)
        pairs = [(pairing["first"], pairing["second"]) for pairing in found]
        assert pairs == [("fair", "poor"), ("best", "poor"), ("best", "fair")]
        gains = [pairing["comparison"]["overall"]["difference"]["value"] for pairing in found]
        assert gains == pytest.approx([100 * 4 / 24, 100 * 6 / 24, 100 * 2 / 24])

    def test_a_baseline_is_there_without_being_named_twice(self, tmp_path: Path) -> None:
        run = run_with_predictions(tmp_path / "run", write_tasks(tmp_path / "eight.jsonl"))
        for names in ((), ("tuned",), ("base", "tuned"), ("tuned", "base")):
            flags = [flag for name in names for flag in ("--name", name)]
            done = seedstep("compare", run, *flags, "--against", "base")
            assert done.lines[0] == "A: tuned, B: base"
            assert done.lines[2].split()[4] == "+12.5"
            assert re.fullmatch(r" +\[[-+]\d+\.\d, [-+]\d+\.\d\]", done.lines[3])

    def test_an_unknown_system_is_told_with_those_there(self, tmp_path: Path) -> None:
        run = run_with_predictions(tmp_path / "run", write_tasks(tmp_path / "eight.jsonl"))
        for flags in (
            ("--against", "untuned"),
            ("--name", "tuned", "--against", "untuned"),
            ("--name", "untuned"),
        ):
            error = seedstep("compare", run, *flags).error
            assert "there is no system 'untuned'" in error
            assert "known are base, tuned" in error
        error = seedstep("compare", run, "--name", "base", "--against", "base").error
        assert "nothing to compare with base" in error

    def test_what_is_printed(self, tasks: Path, tmp_path: Path) -> None:
        first = write_predictions(tmp_path / "one.jsonl", right(TASKS))
        part = dict(list(right(TASKS).items())[4:])
        second = write_predictions(tmp_path / "two.jsonl", part)
        done = seedstep("compare", first, second, "--tasks", tasks)
        assert done.code == 0
        rows = [line.split() for line in done.lines]
        assert done.lines[0] == "A: one, B: two"
        assert rows[2][:4] == ["all", "ROUGE-L", "100.0", "83.3"]
        assert "4/0/20" in rows[2]
        assert all(
            name in " ".join(line[:14].strip() for line in done.lines) for name in CATEGORIES
        )
        assert "Differences with 95% intervals over tasks." in done.out
        assert "Exact matches: 4 only A, 0 only B; McNemar's test p = 0.12 (exact)." in done.out
        assert "two: 4 predictions missing or failed, counted as empty" in done.out
        markdown = seedstep("compare", first, second, "--tasks", tasks, "--format", "markdown").out
        assert "| all | ROUGE-L | 100.0 | 83.3 | +16.7 [" in markdown

    def test_one_system_is_no_comparison(self, tasks: Path, tmp_path: Path) -> None:
        file = write_predictions(tmp_path / "one.jsonl", right(TASKS))
        assert "only one system" in seedstep("compare", file, "--tasks", tasks).error


def systems_of(
    folder: Path, names: tuple[str, ...], category: str = ""
) -> tuple[EvaluatedSystem, ...]:
    """Systems with these names, each worse than the one before, on tasks of two categories."""
    tasks = write_tasks(folder / "tasks.jsonl", TASKS)
    if category:
        task = {
            "definition": "Sort.",
            "category": category,
            "instances": [{"id": f"c{n}", "input": "b", "output": "b"} for n in range(3)],
        }
        write_lines(tasks, [task])
    texts = {f"c{n}": "b" for n in range(3)} if category else right(TASKS)
    found = []
    for number, name in enumerate(names):
        kept = dict(list(texts.items())[2 * number :])
        path = write_predictions(folder / "p.jsonl", kept)
        (system,) = evaluate_systems(
            [path], tasks=TaskChoice(str(tasks)), grouping="category"
        ).systems
        found.append(replace(system, name=name))
    return tuple(found)


class TestFigures:
    def test_they_are_written_as_svg_and_png(self, tasks: Path, tmp_path: Path) -> None:
        first = write_predictions(tmp_path / "one.jsonl", right(TASKS))
        second = write_predictions(tmp_path / "two.jsonl", {**right(TASKS), "t1-0": "R1"})
        plots = tmp_path / "new" / "plots"
        done = seedstep("compare", first, second, "--tasks", tasks, "--plots", plots)
        assert done.code == 0
        names = sorted(path.name for path in plots.iterdir())
        assert names == ["categories.png", "categories.svg", "overall.png", "overall.svg"]
        assert all(str(plots / name) in done.err for name in names)
        for name in ("categories", "overall"):
            texts = svg_texts((plots / f"{name}.svg").read_bytes())
            assert (plots / f"{name}.png").read_bytes().startswith(b"\x89PNG")
            assert "score, with 95% intervals over tasks" in texts
            assert {"one", "two"} <= set(texts)

    def test_a_bar_and_a_whisker_for_each_score(self, tmp_path: Path) -> None:
        systems = systems_of(tmp_path, ("one", "two", "three"))
        (axes,) = overall_figure(systems).axes
        bars = [bar.get_width() for bar in axes.patches]
        expected = [system.overall.of("rouge_l").value for system in systems]
        assert bars[:3] == pytest.approx(expected)
        assert [text.get_text() for text in axes.get_yticklabels()] == ["one", "two", "three"]
        whiskers = axes.containers[0].lines[2][0].get_segments()
        assert [whisker[0][0] for whisker in whiskers] == pytest.approx(
            [system.overall.of("rouge_l").low for system in systems]
        )

    def test_categories_are_grouped_with_their_metric(self, tmp_path: Path) -> None:
        systems = systems_of(tmp_path, ("one", "two"))
        (axes,) = category_figure(systems).axes
        labels = [text.get_text() for text in axes.get_xticklabels()]
        assert labels == ["Title Generation\n(ROUGE-L)", "Textual Entailment\n(exact match)"]
        assert len(axes.patches) == 4
        tops = [bar.get_height() for bar in axes.patches]
        assert tops[2] == pytest.approx(systems[1].groups["Title Generation"].of("rouge_l").value)

    def test_a_score_without_an_interval_has_no_whisker(self, tmp_path: Path) -> None:
        systems = systems_of(tmp_path, ("one", "two"), category="Sorting")
        (axes,) = category_figure(systems).axes
        segments = axes.containers[0].lines[2][0].get_segments()
        assert sum(segment.size for segment in segments) == 0

    @pytest.mark.parametrize(
        "name", ["$\\frac{1}{0}$", "<script>x</script>", "\x1b[31m\u202eab", "赤い船", "x" * 5000]
    )
    def test_names_are_text_and_nothing_else(self, name: str, tmp_path: Path) -> None:
        systems = systems_of(tmp_path, (name, "other"), category=name)
        for draw in (overall_figure, category_figure):
            image = drawn(draw, systems, "svg")
            texts = svg_texts(image)
            assert any(
                text[:3] in name.replace("\x1b", " ").replace("\u202e", " ") for text in texts
            )
            assert not any(UNSAFE.search(text) for text in texts)
            assert b"<script>" not in image
            assert max(map(len, texts)) < 60

    def test_the_same_scores_give_the_same_bytes(self, tmp_path: Path) -> None:
        systems = systems_of(tmp_path, ("one", "two"))
        assert drawn(overall_figure, systems, "svg") == drawn(overall_figure, systems, "svg")

    def test_a_directory_that_can_not_be_made(self, tasks: Path, tmp_path: Path) -> None:
        first = write_predictions(tmp_path / "one.jsonl", right(TASKS))
        second = write_predictions(tmp_path / "two.jsonl", right(TASKS))
        done = seedstep("compare", first, second, "--tasks", tasks, "--plots", first)
        assert done.code == 1
        assert f"error: {first}: " in done.err

    def test_many_systems_on_one_figure(self, tmp_path: Path) -> None:
        systems = systems_of(tmp_path, tuple(f"model {n}" for n in range(11)))
        assert len(compare_with_first(systems)) == 10
        assert len(save_figures(systems, tmp_path / "plots")) == 4

    def test_no_figure_loads_no_matplotlib(self) -> None:
        code = "import sys, seedstep.cli; sys.exit('matplotlib' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def svg_texts(image: bytes) -> list[str]:
    return [
        element.text or ""
        for element in ET.fromstring(image).iter("{http://www.w3.org/2000/svg}text")
    ]
