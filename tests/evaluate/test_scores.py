"""Predictions joined to references, and their means."""

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedstep.errors import InputError
from seedstep.evaluate import (
    Prediction,
    PredictionMarker,
    Reference,
    Scores,
    category_metric,
    score,
)
from support.metrics import PUBLISHED

many = settings(max_examples=200)

REFERENCES = {
    "t1-a": Reference("t1", "Title Generation", ("Rivers of Europe", "European rivers")),
    "t1-b": Reference("t1", "Title Generation", ("A short walk",)),
    "t2-a": Reference("t2", "Textual Entailment", ("Yes", "True")),
    "t3-a": Reference("t3", "Textual Entailment", ("No",)),
    "t3-b": Reference("t3", "Textual Entailment", ("Yes",)),
}
RIGHT = {name: instance.outputs[-1] for name, instance in REFERENCES.items()}


def predictions(texts: dict[str, str]) -> list[Prediction]:
    return [Prediction("", name, text) for name, text in texts.items()]


def test_all_right_is_100_everywhere() -> None:
    scores = score(predictions(RIGHT), REFERENCES)
    for means in (scores.overall, *scores.categories.values(), *scores.tasks.values()):
        assert (means.of("rouge_l"), means.of("rouge_1"), means.of("exact_match")) == (
            100.0,
            100.0,
            100.0,
        )
        assert (means.missing, means.failed) == (0, 0)
    assert scores.overall.instances == 5
    assert {name: task.instances for name, task in scores.tasks.items()} == {
        "t1": 2,
        "t2": 1,
        "t3": 2,
    }
    assert list(scores.categories) == ["Textual Entailment", "Title Generation"]


def test_means_are_over_instances_not_over_tasks() -> None:
    scores = score(predictions({**RIGHT, "t1-b": "no idea", "t3-a": "yes"}), REFERENCES)
    assert scores.overall.of("exact_match") == pytest.approx(60.0)
    assert scores.overall.of("rouge_l") == pytest.approx(60.0)
    assert scores.categories["Textual Entailment"].of("exact_match") == pytest.approx(200 / 3)
    assert scores.tasks["t3"].of("exact_match") == 50.0
    assert scores.tasks["t2"].of("exact_match") == 100.0


def test_order_and_task_of_predictions_do_not_matter() -> None:
    given = [Prediction("another name", name, text) for name, text in RIGHT.items()]
    random.Random(1).shuffle(given)
    assert score(given, REFERENCES) == score(predictions(RIGHT), REFERENCES)


def test_missing_and_failed_count_as_empty_and_are_named() -> None:
    given = [
        Prediction("t1", "t1-a", "Rivers of Europe"),
        Prediction("t3", "t3-a", "No", failed="the server gave up"),
    ]
    scores = score(given, REFERENCES)
    assert scores.missing == ("t1-b", "t2-a", "t3-b")
    assert scores.failed == {"t3-a": "the server gave up"}
    assert scores.overall.instances == 5
    assert (scores.overall.missing, scores.overall.failed) == (3, 1)
    assert scores.overall.of("rouge_l") == pytest.approx(20.0)
    assert [result.status for result in scores.results] == [
        *("predicted", "missing", "missing"),
        *("failed", "missing"),
    ]
    empty = score(
        predictions(dict.fromkeys(REFERENCES, "") | {"t1-a": "Rivers of Europe"}), REFERENCES
    )
    assert scores.overall.of("rouge_l") == empty.overall.of("rouge_l")
    assert scores.overall.of("exact_match") == empty.overall.of("exact_match")


def test_no_predictions_at_all() -> None:
    scores = score([], REFERENCES)
    assert scores.overall.of("rouge_l") == scores.overall.of("exact_match") == 0.0
    assert scores.overall.missing == scores.overall.instances == 5


def test_unknown_predictions_are_named_and_change_nothing() -> None:
    unknown = [Prediction("t1", "t1-z", "x"), Prediction("t9", "", "y"), Prediction("", "t1-z", "")]
    scores = score([*unknown, *predictions(RIGHT)], REFERENCES)
    assert scores.unknown == ("t1-z", "", "t1-z")
    assert scores.duplicates == ()
    assert scores.overall == score(predictions(RIGHT), REFERENCES).overall


@pytest.mark.parametrize("first", ["Yes", "wrong", ""])
def test_of_duplicates_the_first_counts(first: str) -> None:
    given = [Prediction("t3", "t3-b", text) for text in (first, "Yes", "also wrong")]
    scores = score(given, REFERENCES)
    assert scores.duplicates == ("t3-b", "t3-b")
    assert scores.overall == score(given[:1], REFERENCES).overall


def test_a_failed_prediction_is_not_replaced_by_a_later_one() -> None:
    given = [Prediction("t3", "t3-b", "", failed="timed out"), Prediction("t3", "t3-b", "Yes")]
    scores = score(given, REFERENCES)
    assert scores.failed == {"t3-b": "timed out"}
    assert scores.duplicates == ("t3-b",)
    assert scores.tasks["t3"].of("exact_match") == 0.0


IDS = st.sampled_from([*REFERENCES, "t9-a", ""])
ANSWERS = st.sampled_from(["Yes", "no", "European river", "", "A walk", "+"])
GIVEN = st.lists(
    st.builds(Prediction, st.just("t"), IDS, ANSWERS, st.sampled_from(["", "", "failed"])),
    max_size=12,
)


@many
@given(GIVEN)
def test_every_prediction_is_used_or_named_once(given: list[Prediction]) -> None:
    scores = score(given, REFERENCES)
    used = scores.overall.instances - scores.overall.missing
    assert used + len(scores.unknown) + len(scores.duplicates) == len(given)
    assert scores.overall.instances == len(REFERENCES) == len(scores.results)
    assert len(scores.failed) == scores.overall.failed
    assert len(scores.missing) == scores.overall.missing


def rounded_mean(marks: Sequence[float]) -> float:
    return float(round(100 * np.mean(marks), 4))


@many
@given(GIVEN)
def test_means_are_those_of_the_marks(given: list[Prediction]) -> None:
    scores = score(given, REFERENCES)
    marker = PredictionMarker()
    first = {prediction.instance: prediction for prediction in reversed(given)}
    expected = []
    for name, reference in REFERENCES.items():
        found = first.get(name)
        text = found.text if found and not found.failed else ""
        expected.append(marker.mark(text, reference.outputs))
    assert [result.marks for result in scores.results] == expected
    assert round(scores.overall.of("rouge_l"), 4) == rounded_mean(
        [marks["rouge_l"] for marks in expected]
    )
    assert round(scores.overall.of("rouge_1"), 4) == rounded_mean(
        [marks["rouge_1"] for marks in expected]
    )
    titles = [marks["exact_match"] for marks in expected[:2]]
    assert round(scores.categories["Title Generation"].of("exact_match"), 4) == rounded_mean(titles)


def test_the_tokenizer_can_be_chosen() -> None:
    references = {"a": Reference("t", "", ("日本 語",))}
    given = [Prediction("t", "a", "日本 人")]
    assert score(given, references).overall.of("rouge_l") == 0.0
    assert score(given, references, str.split).overall.of("rouge_l") == 50.0


def test_scores_without_references_are_refused() -> None:
    with pytest.raises(InputError, match="no references"):
        score([], {})


def test_an_instance_without_outputs_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="t1-x"):
        score([], REFERENCES | {"t1-x": Reference("t1", "", ())})


def test_published_metrics_of_categories() -> None:
    rouge_l, rouge_1, exact_match = PUBLISHED
    assert set(exact_match.categories) == {
        "Textual Entailment",
        "Cause Effect Classification",
        "Coreference Resolution",
        "Dialogue Act Recognition",
        "Answerability Classification",
        "Word Analogy",
    }
    assert len({*rouge_l.categories, *rouge_1.categories, *exact_match.categories}) == 12
    assert not rouge_1.categories
    assert category_metric("Word Analogy") is exact_match
    assert category_metric("Data to Text") is category_metric("Program Execution") is rouge_l


def test_means_by_metric() -> None:
    scores: Scores = score(predictions({"t1-a": "rivers Europe"}), REFERENCES)
    title = scores.tasks["t1"]
    assert title.marks["rouge_l"] == title.of("rouge_l") > title.of("exact_match") == 0.0
    assert title.of("rouge_1") == title.marks["rouge_1"] > 0.0
