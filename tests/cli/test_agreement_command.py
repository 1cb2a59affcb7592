"""`seedstep agreement`: judges and people on the same answers."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from seedstep import agreement
from seedstep.errors import InputError
from seedstep.evaluate.agreement import labels_of
from seedstep.inputs.labels import read_labels
from seedstep.inputs.scales import LabelScale, common_scale, scale_of_words
from support.answer_files import write_lines
from support.command_line import seedstep
from support.judging import Answered, by_length
from support.scripted_server import ScriptedServer


@pytest.fixture
def model() -> Iterator[ScriptedServer]:
    with ScriptedServer(by_length) as server:
        yield server


def people_file(path: Path, labels: dict[tuple[str, str], str], *more: Any) -> Path:
    lines = [
        {"id": instance, "system": system, "label": label}
        for (instance, system), label in labels.items()
    ]
    return write_lines(path, [*lines, *more])


def test_a_judge_and_people(model: ScriptedServer, tmp_path: Path) -> None:
    judged = Answered(tmp_path, model, t0_0="prose").judged()
    labels = {item: label for item, label in labels_of(judged).items() if label}
    assert len(labels) == 31
    theirs = {item: "b" if item[0] == "t5-1" else label for item, label in labels.items()}
    del theirs["t7-1", "secret-good"]
    bad = {"id": "t1-0", "system": "secret-good", "label": "E"}
    again = {"id": "t1-0", "system": "secret-good", "label": "A"}
    people = people_file(tmp_path / "people.jsonl", theirs, bad, again, b"{")
    done = seedstep("agreement", tmp_path / "run", people)
    assert done.code == 0
    assert "people.jsonl, 30 items" in done.words
    assert "raw agreement 0.93" in done.words
    assert "run: 1 of its 31 items not rated by all" in done.words
    assert "run: 1 without a label: secret-good on t0-0" in done.words
    for place in ("line 31, field 'label': 'E' is no label", "line 32", "line 33"):
        assert place in done.words
    found = json.loads(seedstep("agreement", tmp_path / "run", people, "--format", "json").out)
    assert found["items_of_all"] == 30
    assert found["pairs"][0]["agreement"]["raw"]["value"] == pytest.approx(28 / 30)
    rows = agreement([tmp_path / "run", people]).to_records()
    assert [row["measure"] for row in rows][-2:] == ["spearman", "fleiss"]
    assert rows[0]["measure"] == "raw"
    assert rows[0]["items"] == 30
    assert rows[0]["value"] == pytest.approx(28 / 30)
    assert found["raters"][0]["missing"] == [["t0-0", "secret-good"]]


def test_a_rater_agrees_with_itself(model: ScriptedServer, tmp_path: Path) -> None:
    Answered(tmp_path, model).judged()
    run = tmp_path / "run"
    (pair,) = json.loads(seedstep("agreement", run, run, "--format", "json").out)["pairs"]
    assert pair["agreement"]["kappa"]["value"] == 1.0
    assert pair["agreement"]["kappa_acceptable"]["value"] is None
    assert "every rating is the same" in pair["agreement"]["kappa_acceptable"]["reason"]
    assert "every rating is the same" in seedstep("agreement", run, run).out


def test_three_raters(tmp_path: Path) -> None:
    labels = {(f"i{n}", "s"): "ABCD"[n % 4] for n in range(12)}
    paths = [people_file(tmp_path / f"{name}.jsonl", labels) for name in "xyz"]
    people_file(paths[2], {**labels, ("i0", "s"): "D"})
    found = json.loads(seedstep("agreement", *paths, "--format", "json").out)
    assert len(found["pairs"]) == 3
    assert found["fleiss_kappa"]["value"] < 1
    assert found["fleiss_kappa"]["low"] is not None


def test_comparisons_agree_without_ranks(model: ScriptedServer, tmp_path: Path) -> None:
    made = Answered(tmp_path, model, t0_0="no", t1_1="x")
    labels = labels_of(made.judged(mode="pairwise"))
    assert Counter(labels.values()) == {"win": 14, "tie": 1, "lose": 1}
    people = people_file(tmp_path / "people.jsonl", {**labels, ("t2-0", "x / y"): "WIN"})
    shown = seedstep("agreement", tmp_path / "run", people).words
    assert "raw agreement 1.00 [1.00, 1.00]" in shown
    assert "Spearman" not in shown, "which only levels have"
    assert "acceptable" not in shown
    levels = people_file(tmp_path / "levels.jsonl", {("t2-0", "x"): "A"})
    error = seedstep("agreement", people, levels).error
    assert "ratings and comparisons" in error


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "no labels"),
        ([{"id": "a", "system": "s", "label": 3}], "line 1, field 'label'"),
        ([{"id": "a", "label": "A"}], "line 1, field 'system': missing"),
        (
            [{"id": n, "system": "s", "label": n} for n in ("A", "win")],
            "both levels and wins",
        ),
        ([{"id": "other", "system": "s", "label": "A"}], "rated nothing in common"),
    ],
)
def test_files_that_can_not_be_used(lines: list[Any], message: str, tmp_path: Path) -> None:
    good = people_file(tmp_path / "good.jsonl", {("a", "s"): "A"})
    bad = write_lines(tmp_path / "bad.jsonl", lines)
    assert message in seedstep("agreement", good, bad).error


def test_one_rater_is_none(tmp_path: Path) -> None:
    path = people_file(tmp_path / "one.jsonl", {("a", "s"): "A"})
    assert "only one rater" in seedstep("agreement", path).error
    assert read_labels(path).labels == {("a", "s"): "A"}


TONE = LabelScale("answers to tone", ("yes", "unclear", "no"), is_ordered=True, is_stated=True)


def common(scales: Sequence[LabelScale], *labels: str) -> LabelScale:
    """The common scale of labels that the last rater gave, whatever the order of the raters."""
    given = [("the last", label) for label in labels]
    (found,) = {common_scale(order, given) for order in permutations(scales)}
    return found


def test_labels_of_a_run_are_on_the_scale_of_a_form_that_has_them_all() -> None:
    given = scale_of_words("answers to tone", ["yes", "no"])
    assert given.name == "answers of yes and no"
    assert common([TONE, given], "yes", "no", "unclear") == TONE
    assert common([TONE, given], "yes", "no") == TONE
    own = scale_of_words("answers to tone", ["unclear", "no"])
    assert common([TONE, own], "no") == TONE
    with pytest.raises(InputError, match="can't be compared"):
        common([TONE, scale_of_words("", ["A", "B"])], "A", "B", "no")


def test_the_larger_of_two_scales_that_forms_state_is_that_of_all() -> None:
    few = replace(TONE, labels=("no", "yes"))
    assert common([few, TONE], "no", "yes") == TONE
    other = replace(few, labels=("later", "no", "unclear", "yes"))
    assert common([few, other, TONE], "yes", "later") == other
    assert common([replace(TONE, is_ordered=False), TONE], "yes") == TONE
    wide, wider = (LabelScale(name, tuple(name)) for name in ("abc", "abcd"))
    assert common([wide, wider], "a", "b") == wider


def test_labels_that_a_form_does_not_have_are_told_with_their_rater() -> None:
    tone = LabelScale("answers to tone", ("formal", "plain", "casual"), False, ("formal", "plain"))
    form = replace(tone, is_stated=True)
    own = scale_of_words("answers to tone", ["formal", "polite", "rude"])
    said = "gave 'polite', 'rude', and the answers to tone are formal, plain, casual"
    with pytest.raises(InputError, match=f"^the last {said}. Compare raters who had the same"):
        common([form, own], "formal", "rude", "polite")
    with pytest.raises(InputError, match=r"^the last gave 'polite'"):
        common([replace(form, acceptable=()), own], "plain", "polite")
    assert common([replace(tone, acceptable=()), own], "plain", "polite").name == tone.name
