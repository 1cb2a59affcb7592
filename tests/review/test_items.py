"""What a run gives to look at, drawn and dealt out by commands."""

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from seedstep.review.export import export_review
from seedstep.review.items import names_in
from seedstep.runs.reviews import Review
from support.answer_files import (
    run_with_predictions,
    steps_run,
    write_lines,
    write_tasks,
)
from support.command_line import seedstep
from support.reviewing import label_all


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    return write_tasks(tmp_path / "tasks.jsonl")


@pytest.fixture
def predicted(tmp_path: Path, tasks: Path) -> Path:
    run_with_predictions(tmp_path / "test", tasks)
    return tmp_path / "test"


def test_tasks_with_one_instance_each(tmp_path: Path, tasks: Path) -> None:
    made = tmp_path / "review"
    done = seedstep(
        "review",
        "new",
        made,
        "--form",
        "data",
        "--run",
        tasks,
        "--sample",
        5,
        "--raters",
        "ann,bob",
        "--seed",
        3,
    )
    assert "5 items of the form 'data', 5 of them seen by every rater" in done.words
    with Review.open(made) as review:
        shown = [[field.label for field in item.fields] for item in review.items.values()]
        assert shown == [["Instruction", "Input", "Output"]] * 5
        assert len({item.task for item in review.items.values()}) == 5
        for rater in review.raters:
            assert {assigned.item for assigned in review.assigned(rater)} == set(review.items)


def test_the_same_seed_draws_the_same_and_another_does_not(tmp_path: Path, tasks: Path) -> None:
    def drawn(name: str, *flags: object) -> list[str]:
        made = tmp_path / name
        done = seedstep("review", "new", made, "--run", tasks, "--sample", 4, *flags)
        assert done.code == 0, done.err
        with Review.open(made) as review:
            return [item.instance for item in review.items.values()]

    assert drawn("a", "--seed", 1) == drawn("b", "--seed", 1)
    assert len({tuple(drawn(f"c{seed}", "--seed", seed)) for seed in range(5)}) > 1
    first = drawn("d")
    assert drawn("d") == first, "a secret seed is kept"


def test_steps_with_a_shared_part_of_each_version(tmp_path: Path, tasks: Path) -> None:
    run = steps_run(tmp_path, tasks)
    made = tmp_path / "review"
    done = seedstep(
        "review", "new", made, "--form", "steps", "--run", run, "--raters", "a,b,c", "--shared", "2"
    )
    assert done.code == 0, done.err
    with Review.open(made) as review:
        counts = Counter(
            assigned.item for rater in review.raters for assigned in review.assigned(rater)
        )
        assert sorted(counts.values()) == [1] * 6 + [3] * 2
        assert {review.items[item].shared for item, count in counts.items() if count == 3} == {True}
        labels = [field.label for field in next(iter(review.items.values())).fields]
        assert labels == ["Task definition", "Positive example 1", "Step-by-step instruction"]
    again = ("review", "new", made, "--form", "steps", "--run", run, "--raters", "a,b,c")
    error = seedstep(*again, "--shared", "1").error
    assert "shared: [2] there, [1] asked" in error
    assert "or name another directory." in " ".join(error.split())
    wrong = seedstep(
        "review", "new", tmp_path / "x", "--form", "steps", "--run", run, "--shared", "1,2"
    )
    assert "names 2 numbers, and there are 1 groups" in wrong.error
    assert not (tmp_path / "x").exists()


def test_all_answers_to_an_instance_go_to_the_same_raters(tmp_path: Path, predicted: Path) -> None:
    made = tmp_path / "review"
    seedstep(
        "review",
        "new",
        made,
        "--form",
        "rating",
        "--run",
        predicted,
        "--raters",
        "a,b",
        "--shared",
        4,
    )
    with Review.open(made) as review:
        assert len(review.items) == 32
        for rater in review.raters:
            seen = Counter(
                review.items[assigned.item].instance for assigned in review.assigned(rater)
            )
            assert set(seen.values()) == {2}
            assert len(seen) == 4 + 6


def test_an_export_without_labels_says_so(tmp_path: Path, predicted: Path) -> None:
    made = tmp_path / "review"
    seedstep("review", "new", made, "--form", "rating", "--run", predicted, "--raters", "ann")
    done = seedstep("review", "export", made, "--to", tmp_path / "labels.jsonl")
    assert done.code == 0
    assert "Nobody has labelled anything yet" in done.words


def test_pairs_and_the_preferences_that_come_of_them(tmp_path: Path, predicted: Path) -> None:
    made = tmp_path / "review"
    flags = ("--form", "pairs", "--run", predicted, "--raters", "ann", "--per-task", 1, "--seed", 5)
    assert seedstep("review", "new", made, *flags).code == 0
    with Review.open(made, write=True) as review:
        items = list(review.items.values())
        assert Counter(item.task for item in items) == {f"t{n}": 1 for n in range(8)}
        assert {item.systems for item in items} == {("base", "tuned")}
        shown = {assigned.item: assigned.shown for assigned in review.assigned("ann")}
        better = {
            item.id: {
                "better": "same" if place < 2 else ("first" if shown[item.id][0] else "second")
            }
            for place, item in enumerate(items)
        }
        label_all(review, {"ann": better})
        found = export_review(review, "preferences", tmp_path / "pairs.jsonl")
    assert (found.lines, found.left_out) == (6, 2)
    pairs = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text().splitlines()]
    last = next(item for item in items if item.task == "t7")
    expected = {
        "prompt": f"{last.fields[0].text}\n\nInput: {last.fields[-1].text}\nOutput:",
        "chosen": last.answers[1],
        "rejected": "",
    }
    assert pairs[-1] == expected
    everything = tmp_path / "items.jsonl"
    assert "Nobody has labelled" not in seedstep("review", "export", made, "--to", everything).out
    line = json.loads(everything.read_text().splitlines()[-1])
    assert line["labels"]["ann"]["answers"] == {"better": "lose"}
    assert line["settled"] == {"better": "lose"}
    history = tmp_path / "history.jsonl"
    seedstep("review", "export", made, "--to", history, "--format", "history")
    assert len(history.read_text().splitlines()) == 8


def test_trl_takes_the_preferences(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    trl_data = pytest.importorskip("trl.data_utils", exc_type=ImportError)
    path = write_lines(tmp_path / "p.jsonl", [{"prompt": "a", "chosen": "b", "rejected": "c"}])
    found = datasets.Dataset.from_json(str(path), cache_dir=str(tmp_path))
    assert not trl_data.is_conversational(found[0])
    assert set(found.column_names) == {"prompt", "chosen", "rejected"}


@pytest.mark.parametrize(
    "systems, answers, names",
    [
        (("tuned-one",), ("As ChatGPT, I say R0",), ("ChatGPT",)),
        (("tuned-one",), ("I am the tuned-one.",), ("tuned-one",)),
        (("base", "t"), ("a base of t", "at"), ("base",)),
        (("x",), ("plain",), ()),
    ],
)
def test_an_answer_that_names_its_model_is_marked(
    systems: tuple[str, ...], answers: tuple[str, ...], names: tuple[str, ...]
) -> None:
    assert names_in(systems, answers) == names


def test_what_can_not_be_reviewed(tmp_path: Path, tasks: Path, predicted: Path) -> None:
    steps = steps_run(tmp_path, tasks)
    cases: dict[str, tuple[object, ...]] = {
        "there is only one system": ("--form", "pairs", "--run", predicted, "--name", "base"),
        "keeps no predictions": ("--form", "pairs", "--run", steps),
        "run of `seedstep predict`": ("--form", "steps", "--run", predicted),
        "'ann' is named twice": ("--run", tasks, "--raters", "ann,bob,ann"),
        "there is no rater": ("--run", tasks, "--raters", " , "),
        "'stars'": ("--run", tasks, "--form", "stars"),
        "not a number": ("--run", tasks, "--shared", "many"),
        "no such file": ("--run", tmp_path / "nothing.jsonl"),
    }
    for said, flags in cases.items():
        assert said in seedstep("review", "new", tmp_path / "x", *flags).error, said
    assert not (tmp_path / "x").exists()


def test_status_and_show_and_report_know_reviews(tmp_path: Path, predicted: Path) -> None:
    made = tmp_path / "review"
    seedstep("review", "new", made, "--form", "rating", "--run", predicted, "--raters", "ann,bob")
    with Review.open(made, write=True) as review:
        for rater in review.raters:
            said = {
                assigned.item: {
                    "rating": "A" if "tuned" in review.items[assigned.item].systems else "D"
                }
                for assigned in review.assigned(rater)
            }
            label_all(review, {rater: said})
    assert "ann: 32 of 32 done" in seedstep("review", "status", made).words
    assert "accepted 16, rejected 16" in seedstep("status", made).words
    listed = seedstep("show", made, "--rejected").lines
    assert len([line for line in listed if "rating: D" in line]) == 16
    item = listed[0].split()[0]
    shown = seedstep("show", made, item).words
    assert "ann: rating D" in shown
    assert "what counts: rating: D" in shown
    assert "has no item 'nothing'" in seedstep("show", made, "nothing").error


@pytest.mark.parametrize("form", ["pairs", "rating"])
def test_a_prediction_that_is_not_there_is_told_and_is_no_empty_answer(
    tmp_path: Path, predicted: Path, form: str
) -> None:
    with closing(sqlite3.connect(predicted / "run.db")) as database, database:
        database.execute("DELETE FROM predictions WHERE system = 'tuned' AND place > 13")
    done = seedstep("review", "new", tmp_path / "review", "--form", form, "--run", predicted)
    assert done.code == 1
    assert "tuned has no prediction for 2 of 16 instances, such as t7-0" in done.error
    assert "seedstep predict" in done.error
    assert not (tmp_path / "review").exists()


def test_the_directory_may_be_named_as_that_of_other_commands(tmp_path: Path, tasks: Path) -> None:
    flags = ("--form", "data", "--run", tasks, "--raters", "ann")
    done = seedstep("review", "new", "--out", tmp_path / "made", *flags)
    assert done.code == 0, done.err
    assert f"review serve {tmp_path / 'made'}" in done.words
    neither = seedstep("review", "new", *flags)
    assert neither.code == 1
    assert "no directory" in neither.err
    both = seedstep("review", "new", tmp_path / "a", "--out", tmp_path / "b", *flags)
    assert both.code == 1
    assert "two directories" in both.err
    assert not (tmp_path / "a").exists()
