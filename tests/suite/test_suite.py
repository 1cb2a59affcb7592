"""The suite of tasks: what is written, its splits, its texts, and its examples."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seedstep.data import STEPS_FIELD, Example, Task, load_tasks
from seedstep.errors import InputError, RunError
from seedstep.steps import check, parse, render
from seedstep.suite import INSTANCES, SPLITS, categories, write_suite
from seedstep.suite.spec import TaskSpec
from support.command_line import seedstep
from support.disk import no_space

SPECS = [spec for specs in SPLITS.values() for spec in specs]
BENCHMARK = {
    *("Textual Entailment", "Cause Effect Classification", "Coreference Resolution"),
    *("Dialogue Act Recognition", "Answerability Classification", "Word Analogy"),
    *("Overlap Extraction", "Keyword Tagging", "Question Rewriting", "Title Generation"),
    *("Data to Text", "Grammar Error Correction"),
}
"""The categories of the benchmark's English test tasks."""


def named(spec: TaskSpec) -> str:
    return spec.name


every_task = pytest.mark.parametrize("spec", SPECS, ids=named)
classifications = pytest.mark.parametrize("spec", [s for s in SPECS if s.labels], ids=named)


def read(suite: Path, spec: TaskSpec) -> dict[str, Any]:
    (path,) = suite.glob(f"tasks/*_{spec.name}.json")
    record: dict[str, Any] = json.loads(path.read_bytes())
    return record


def split(suite: Path, name: str) -> tuple[Task, ...]:
    found = load_tasks(suite, name)
    assert found.problems == ()
    return found.tasks


# what is written


def test_both_splits_are_read_without_problems(suite: Path) -> None:
    train, test = split(suite, "train"), split(suite, "test")
    assert (len(train), len(test)) == (44, 20)
    assert {len(task.instances) for task in (*train, *test)} == {INSTANCES}
    written = {path.stem for path in suite.glob("tasks/*.json")}
    assert [task.id for task in (*train, *test)] == sorted(written)


def test_a_category_is_in_one_split_only(suite: Path) -> None:
    train = {task.category for task in split(suite, "train")}
    test = {task.category for task in split(suite, "test")}
    assert not train & test
    assert len(train) == 22
    assert test == BENCHMARK


def test_ids_names_and_definitions_are_unique(suite: Path) -> None:
    tasks = (*split(suite, "train"), *split(suite, "test"))
    ids = [instance.id for task in tasks for instance in task.instances]
    assert len(set(ids)) == len(ids) == 64 * INSTANCES
    assert len({spec.name for spec in SPECS}) == len({task.definition for task in tasks}) == 64


def test_the_suite_is_the_same_everywhere(suite: Path, golden: Callable[[str, str], None]) -> None:
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}  {path.relative_to(suite)}\n"
        for path in sorted(suite.rglob("*"))
        if path.is_file()
    ]
    golden("suite", "".join(lines))


def test_the_readme_says_who_wrote_what(suite: Path) -> None:
    text = " ".join((suite / "README.md").read_text().split())
    assert "step-by-step instructions are written and reviewed by the authors" in text
    assert "Instances are generated" in text
    assert "Apache-2.0" in text


def test_fields_are_those_of_the_benchmark_and_the_steps(suite: Path) -> None:
    record = read(suite, SPECS[0])
    assert list(record)[-1] == STEPS_FIELD
    assert {"Definition", "Categories", "Positive Examples", "Instances"} < record.keys()
    assert record["Instance License"] == ["Apache 2.0"]
    assert record["Instances"][0].keys() == {"id", "input", "output"}


def test_a_directory_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        write_suite(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_suite_that_is_there_is_left_as_it_is(suite: Path, tmp_path: Path) -> None:
    copy = tmp_path / "suite"
    assert write_suite(copy)
    modified = (copy / "README.md").stat().st_mtime_ns
    told = seedstep("suite", copy)
    assert told.code == 0
    assert f"The suite is in {copy} already" in told.words
    assert (copy / "README.md").stat().st_mtime_ns == modified
    (copy / "notes.txt").write_text("mine")
    assert "is there already" in seedstep("suite", copy).error
    (copy / "notes.txt").unlink()
    assert not write_suite(copy)
    with (copy / "README.md").open("ab") as card:
        card.write(b"mine")
    with pytest.raises(InputError, match="is there already"):
        write_suite(copy)
    assert (copy / "README.md").read_bytes() == (suite / "README.md").read_bytes() + b"mine"


def test_a_directory_below_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError):
        write_suite(tmp_path / "file" / "suite")


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    with no_space(5_000), pytest.raises(RunError):
        write_suite(tmp_path / "new" / "suite")
    assert list((tmp_path / "new").iterdir()) == []


# instances


@every_task
def test_inputs_are_short_different_and_not_those_of_examples(suite: Path, spec: TaskSpec) -> None:
    record = read(suite, spec)
    inputs = [instance["input"] for instance in record["Instances"]]
    shown = {example.input for example in (*spec.positive, *spec.negative)}
    assert len(set(inputs)) == INSTANCES
    assert len(shown) == 4
    assert not shown & set(inputs)
    assert max(len(text.split()) for text in inputs) < 60


@every_task
def test_outputs_are_short_plain_and_without_slots(suite: Path, spec: TaskSpec) -> None:
    for instance in read(suite, spec)["Instances"]:
        assert instance["output"]
        assert len(set(instance["output"])) == len(instance["output"])
        for text in (instance["input"], *instance["output"]):
            assert text == text.strip() != ""
            assert not set(text) & set("{}")
        assert all(len(text.split()) < 20 for text in instance["output"])


@classifications
def test_labels_are_named_and_balanced(suite: Path, spec: TaskSpec) -> None:
    counts = Counter(instance["output"][0] for instance in read(suite, spec)["Instances"])
    assert counts.keys() == set(spec.labels)
    assert min(counts.values()) >= 0.6 * INSTANCES / len(spec.labels)
    assert all(label in spec.definition for label in spec.labels)


def test_no_answer_fits_most_instances_of_other_tasks(suite: Path) -> None:
    for spec in SPECS:
        counts = Counter(instance["output"][0] for instance in read(suite, spec)["Instances"])
        assert max(counts.values()) <= 0.65 * INSTANCES, spec.name


# examples and step-by-step instructions


@every_task
def test_examples_are_explained(spec: TaskSpec) -> None:
    assert len(spec.positive) == len(spec.negative) == 2
    assert all(
        example.explanation.endswith((".", "?")) for example in (*spec.positive, *spec.negative)
    )


@classifications
def test_positive_examples_of_classifications_have_a_label_each(spec: TaskSpec) -> None:
    assert {example.output for example in spec.positive} <= set(spec.labels)
    assert len({example.output for example in spec.positive}) == 2


def test_examples_agree_with_the_rule_behind_the_task() -> None:
    ruled = [spec for spec in SPECS if spec.solve]
    assert len(ruled) >= 40
    for spec in ruled:
        assert [example_is_right(spec, example) for example in spec.positive] == [True, True], (
            spec.name
        )
        assert [example_is_right(spec, example) for example in spec.negative] == [False] * 2, (
            spec.name
        )


def example_is_right(spec: TaskSpec, example: Example) -> bool:
    assert spec.solve is not None
    return example.output in spec.solve(example.input)


@every_task
def test_steps_pass_the_checks_and_the_round_trip(suite: Path, spec: TaskSpec) -> None:
    text = read(suite, spec)[STEPS_FIELD]
    assert text == render(spec.steps)
    parsed = parse(text)
    assert parsed.steps == spec.steps
    assert 3 <= len(spec.steps) <= 7
    task = Task(spec.name, spec.definition, (), positive_examples=spec.positive)
    assert check(parsed, task) == ()


# the command


def test_the_command_writes_the_suite_and_lists_its_categories(tmp_path: Path, suite: Path) -> None:
    out = tmp_path / "new" / "suite"
    done = seedstep("suite", out)
    assert (done.code, done.err) == (0, "")
    files = [path.relative_to(suite) for path in sorted(suite.rglob("*")) if path.is_file()]
    assert all((out / file).read_bytes() == (suite / file).read_bytes() for file in files)
    assert "Sentiment Analysis            train      3        180" in done.lines
    assert "34 categories                           64       3840" in done.lines
    assert len(done.lines) == len(categories()) + 3
    assert str(out) in done.words


def test_the_command_names_a_directory_that_is_there(tmp_path: Path) -> None:
    assert "name a new directory" in seedstep("suite", tmp_path).error.lower()


def test_the_documentation_lists_the_categories() -> None:
    text = (Path(__file__).parents[2] / "docs" / "suite.md").read_text()
    listed = [line.split(" | ")[:3] for line in text.splitlines() if line.startswith("| t")]
    rows = [
        [f"| {category.split}", category.name, str(category.tasks)] for category in categories()
    ]
    assert listed == rows
