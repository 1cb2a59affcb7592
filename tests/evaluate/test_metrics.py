"""Marks of a prediction, against rouge-score and an exact match written anew."""

import json
import random
import string
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from seedstep.evaluate import Marks, PredictionMarker, stemmed_tokens, without_space_marks
from seedstep.evaluate import tokens as module
from seedstep.text import normal_answer
from support.metrics import PUBLISHED

many = settings(max_examples=400)

SCORER = RougeScorer(["rougeL", "rouge1"], use_stemmer=True)

ANY_CHARACTER = st.characters(exclude_categories=())
"""Lone surrogates too, which `st.text()` leaves out."""

PIECES = (
    *("the", "The", "THE", "running", "runs", "ran", "generalization", "skies", "dying", "yyyy"),
    *("a", "I", "1999", "3rd", "naïve", "ß", "İstanbul", "ıslak", "ﬁre", "ＡＢＣ", "K", "日本語"),
    *("한국어", "ไทย", "हिन्दी", "اكتب", "٣٤", "é", "e\u0301", "👩\u200d👧🏽", "\u200b", "\u202e"),
    *("\ud83d", "\x00", "\x1b[31m", "\x85", "\u2028", "'", "’", "“", "-", "–", "_", "+", "++"),
    *(".", "...", "!", "<b>", "\\", "/", "{}", "[]", "|", "~", "`", "^", "$", "@", "#"),
)
SPACES = (" ", "", "\n", "\t", "\u3000", "\xa0", "\x1c")
TEXTS = st.lists(st.sampled_from([*PIECES, *SPACES]), max_size=15).map(" ".join)


def rouge_score(prediction: str, references: Sequence[str]) -> tuple[float, float]:
    """The best ROUGE-L and ROUGE-1 by rouge-score."""
    found = [SCORER.score(reference, prediction) for reference in references]
    return (
        max(score["rougeL"].fmeasure for score in found),
        max(score["rouge1"].fmeasure for score in found),
    )


MARKER = PredictionMarker(metrics=PUBLISHED)


def published(rouge_l: float, rouge_1: float, exact_match: float) -> Marks:
    return {"rouge_l": rouge_l, "rouge_1": rouge_1, "exact_match": exact_match}


def rouges(marks: Marks) -> tuple[float, float]:
    return marks["rouge_l"], marks["rouge_1"]


def hostile_text(chance: random.Random) -> str:
    parts = chance.choices(PIECES, k=chance.choice([0, 1, 1, 2, 3, 5, 8, 13, 21]))
    return "".join(part + chance.choice(SPACES) for part in parts)


def test_rouge_of_20_000_hostile_pairs_is_exactly_that_of_rouge_score() -> None:
    chance, marker = random.Random(7), PredictionMarker()
    pairs = [(hostile_text(chance), hostile_text(chance)) for _ in range(20_000)]
    assert (
        sum(marker.mark(prediction, [reference])["rouge_l"] > 0 for prediction, reference in pairs)
        >= 3_000
    )
    for prediction, reference in pairs:
        expected = rouge_score(prediction, [reference])
        assert rouges(marker.mark(prediction, [reference])) == expected, (prediction, reference)


@many
@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=5))
def test_the_best_of_several_references_is_that_of_rouge_score(
    prediction: str, references: list[str]
) -> None:
    assert rouges(PredictionMarker().mark(prediction, references)) == rouge_score(
        prediction, references
    )


@many
@given(st.text(ANY_CHARACTER), st.text(ANY_CHARACTER))
def test_any_two_texts_score_as_with_rouge_score(prediction: str, reference: str) -> None:
    shared = f"{prediction} {reference}"
    assert rouges(PredictionMarker().mark(prediction, [shared])) == rouge_score(
        prediction, [shared]
    )


@many
@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=5))
def test_each_metric_takes_its_own_best_reference(prediction: str, references: list[str]) -> None:
    single = [PredictionMarker().mark(prediction, [reference]) for reference in references]
    best = published(
        max(marks["rouge_l"] for marks in single),
        max(marks["rouge_1"] for marks in single),
        max(marks["exact_match"] for marks in single),
    )
    assert MARKER.mark(prediction, references) == best


def test_the_best_reference_may_differ_by_metric() -> None:
    precision, recall = 4 / 4, 4 / 5
    best_1 = 2 * precision * recall / (precision + recall)
    references = ["one two three", "four three two one five", "ones, twos! Fours?"]
    assert MARKER.mark("one two four three", references) == published(6 / 7, best_1, 0.0)
    assert rouge_score("one two four three", references) == (6 / 7, best_1)


@pytest.mark.parametrize(
    ("prediction", "reference"),
    [
        pytest.param("", "", id="both-empty"),
        pytest.param("", "Yes", id="empty-prediction"),
        pytest.param("Yes", "", id="empty-reference"),
        pytest.param("+", "+", id="punctuation"),
        pytest.param("?!", "…", id="other-punctuation"),
        pytest.param("日本語", "日本語", id="no-latin-letters"),
        pytest.param("\ud800", "\udfff", id="lone-surrogates"),
    ],
)
def test_a_side_without_tokens_scores_0(prediction: str, reference: str) -> None:
    marks = PredictionMarker().mark(prediction, [reference])
    assert rouges(marks) == (0.0, 0.0) == rouge_score(prediction, [reference])


def test_no_references_are_refused() -> None:
    with pytest.raises(ValueError, match="no reference"):
        PredictionMarker().mark("x", [])


def test_a_very_long_text_against_a_short_one() -> None:
    chance = random.Random(3)
    words = [f"{chance.choice('abc')}{number}ing" for number in range(200)]
    long = " ".join(chance.choices(words, k=50_000))
    short = " ".join(chance.choices(words, k=30))
    assert rouges(PredictionMarker().mark(long, [short])) == rouge_score(long, [short])
    assert rouges(PredictionMarker().mark(short, [long])) == rouge_score(short, [long])


def test_two_very_long_texts() -> None:
    """Every second word is shared, in order; then the halves change places."""
    words = [f"w{number}" for number in range(50_000)]
    other = [word if number % 2 else f"x{number}" for number, word in enumerate(words)]
    shared = MARKER.mark(" ".join(words), [" ".join(other)])
    assert shared == published(0.5, 0.5, 0.0)
    swapped = MARKER.mark(" ".join(words), [" ".join(other[25_000:] + other[:25_000])])
    assert swapped == published(0.25, 0.5, 0.0)


def test_references_against_inputs_of_real_tasks(shared_data: Path) -> None:
    tasks = sorted((shared_data / "superni" / "tasks").glob("*.json"))[::6]
    assert len(tasks) > 100
    marker = PredictionMarker()
    for path in tasks:
        for instance in json.loads(path.read_text())["Instances"][:8]:
            expected = rouge_score(instance["input"], instance["output"])
            assert rouges(marker.mark(instance["input"], instance["output"])) == expected


def test_an_answer_is_marked_alike_whether_it_is_remembered_or_not() -> None:
    marker = PredictionMarker()
    for _ in range(2):
        for text in ("He sleeps", "He sleeps " * 50, "y" * 100):
            expected = rouge_score(text, ["he is sleeping"])
            assert rouges(marker.mark(text, ["he is sleeping"])) == expected


def test_what_is_remembered_is_bounded() -> None:
    memo = module.Memo(str.upper, longest=3, most=2)
    made = [memo[key] for key in ("a", "long", "b", "c", "a", "c")]
    assert made == ["A", "LONG", "B", "C", "A", "C"]
    assert dict(memo) == {"c": "C", "a": "A"}


def test_stemmed_tokens() -> None:
    assert stemmed_tokens("The skies were darkening, DAY by day.") == [
        *("the", "sky", "were", "darken"),
        *("day", "by", "day"),
    ]


# Exact match


def written_anew(text: str) -> list[str]:
    kept = [character for character in text.lower() if character not in string.punctuation]
    return "".join(kept).split()


@many
@given(st.text(ANY_CHARACTER) | TEXTS)
def test_normal_answer_is_what_its_definition_says(text: str) -> None:
    assert normal_answer(text) == " ".join(written_anew(text))


@many
@given(TEXTS, TEXTS)
def test_exact_match_compares_normal_answers(prediction: str, reference: str) -> None:
    expected = float(written_anew(prediction) == written_anew(reference))
    assert PredictionMarker().mark(prediction, [reference])["exact_match"] == expected
    assert PredictionMarker().mark(prediction, [reference, prediction])["exact_match"] == 1.0


@pytest.mark.parametrize(
    ("prediction", "reference", "same"),
    [
        pytest.param("Yes", " yes. ", True, id="case-punctuation-space"),
        pytest.param("a  b\n\tc", "A B C", True, id="white-space"),
        pytest.param("a\u3000b\xa0c", "a b c", True, id="other-white-space"),
        pytest.param("don't", "dont", True, id="apostrophe"),
        pytest.param("x-ray", "xray", True, id="hyphen"),
        pytest.param("x-ray", "x ray", False, id="a-hyphen-is-no-space"),
        pytest.param("the cat", "cat", False, id="articles-count"),
        pytest.param("“yes”", "yes", False, id="only-ascii-punctuation"),
        pytest.param("+", "", True, id="punctuation-only"),
        pytest.param("cats", "cat", False, id="no-stems"),
        pytest.param("ÉCOLE", "école", True, id="case-in-all-scripts"),
        pytest.param("Straße", "STRASSE", False, id="lowercased-not-casefolded"),
        pytest.param("\ud83d", "\ude00", False, id="lone-surrogates"),
    ],
)
def test_exact_match(prediction: str, reference: str, same: bool) -> None:
    assert PredictionMarker().mark(prediction, [reference])["exact_match"] == float(same)
    assert PredictionMarker().mark(reference, [prediction])["exact_match"] == float(same)


# The cross-lingual track


class JsonTokenizer:
    """Hands rouge-score the token lists of GPT-2, their space marks cut."""

    def tokenize(self, text: str) -> list[str]:
        return [token.lstrip("Ġ") for token in json.loads(text)]


def json_tokens(text: str) -> list[str]:
    tokens: list[str] = json.loads(text)
    return tokens


TOKENS = st.lists(
    st.sampled_from(["Ġ", "ĠĠ", "Ġa", "a", "A", "running", "Ġruns", "æĹ¥"]), max_size=12
)


@many
@given(TOKENS, TOKENS)
def test_cross_lingual_rouge_is_that_of_rouge_score_on_the_same_tokens(
    tokens: list[str], other_tokens: list[str]
) -> None:
    scorer = RougeScorer(["rougeL", "rouge1"], tokenizer=JsonTokenizer())
    found = scorer.score(json.dumps(other_tokens), json.dumps(tokens))
    marks = PredictionMarker(without_space_marks(json_tokens)).mark(
        json.dumps(tokens), [json.dumps(other_tokens)]
    )
    assert rouges(marks) == (found["rougeL"].fmeasure, found["rouge1"].fmeasure)


def test_cross_lingual_tokens_keep_case_and_endings() -> None:
    marker = PredictionMarker(without_space_marks(str.split))
    assert marker.mark("ĠRuns Ġhome", ["runs Ġhome"])["rouge_l"] == 0.5
    assert marker.mark("Ġhome", ["home"])["rouge_l"] == 1.0
    assert marker.mark("日 本", ["日 本"])["rouge_l"] == 1.0


def test_scores_need_no_package_that_takes_long_to_load() -> None:
    code = (
        "import sys; from seedstep.evaluate.metrics import stemmed_tokens; "
        "assert stemmed_tokens('Unseen wordlings') == ['unseen', 'wordl']; "
        "assert not {'nltk', 'scipy'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
