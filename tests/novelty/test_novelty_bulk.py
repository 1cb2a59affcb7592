"""Whole files are decided as brute force decides them, one text after the other."""

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz import process
from rapidfuzz.distance import LCSseq
from rouge_score import rouge_scorer

from seedstep.novelty import IndexedTexts, TokenNumbers, decide, encode, nearest_known, ranks
from seedstep.text import TOKENIZERS, Tokenizer, latin_tokens, lcs_f1, unicode_tokens

Row = tuple[bool, int, float]
"""Whether a text is kept, the row of the kept text it is nearest to (or -1), and their score."""

TOKENS = st.integers(0, 6).map(str)
TEXTS = st.lists(TOKENS, max_size=14)
FAMILIES = st.tuples(TEXTS, st.lists(st.tuples(st.integers(0, 13), TOKENS), max_size=3))
"""A text, and changes that make another one of it that is near."""
POOLS = st.lists(FAMILIES, max_size=25).map(
    lambda families: [text for family in families for text in varied(*family)]
)
THRESHOLDS = st.sampled_from([0.05, 0.3, 0.5, 2 / 3, 0.7, 0.8, 0.9, 1.0])


def varied(text: list[str], changes: list[tuple[int, str]]) -> Iterator[str]:
    yield " ".join(text)
    changed = list(text)
    for place, token in changes:
        changed[place : place + 1] = [token]
    yield " ".join(changed)


def encoded(texts: Sequence[str], tokenizer: Tokenizer = latin_tokens) -> IndexedTexts:
    vocabulary = TokenNumbers(tokenizer)
    numbered = vocabulary.number(texts)
    return encode(numbered, ranks(numbered.counts(len(vocabulary))))


def decided(
    texts: Sequence[str], threshold: float, tokenizer: Tokenizer = latin_tokens
) -> list[Row]:
    decisions = decide(encoded(texts, tokenizer), threshold)
    nearest = decisions.nearest
    columns = (decisions.kept.tolist(), nearest.numbers.tolist(), nearest.scores.tolist())
    return list(zip(*columns, strict=True))


def brute_force(
    texts: Sequence[str], threshold: float, tokenizer: Tokenizer = latin_tokens
) -> list[Row]:
    """Each text against all kept before, with rapidfuzz."""
    vocabulary: dict[str, str] = {}
    lists = [
        "".join(vocabulary.setdefault(token, chr(len(vocabulary))) for token in tokenizer(text))
        for text in texts
    ]
    kept: list[int] = []
    rows: list[Row] = []
    for row, new in enumerate(lists):
        best, best_score = -1, 0.0
        for known in kept:
            common = LCSseq.similarity(lists[known], new)
            score = lcs_f1(common, len(lists[known]), len(new))
            if score > best_score:
                best, best_score = known, score
        if best_score < threshold:
            kept.append(row)
            rows.append((True, -1, 0.0))
        else:
            rows.append((False, best, best_score))
    return rows


@pytest.fixture(scope="class", params=["as-shipped", "cramped"])
def limits(request: pytest.FixtureRequest) -> Iterator[None]:
    """As it is, and with limits so low that small files take every path of large ones."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "cramped":
            patch.setattr("seedstep.novelty.bulk.FEW_HITS", 4)
            patch.setattr("seedstep.novelty.bulk.HITS_PER_TEXT", 0)
            patch.setattr("seedstep.novelty.bulk.MAX_KEYS", 20)
            patch.setattr("seedstep.novelty.join.MAX_KEYS", 20)
            patch.setattr("seedstep.novelty.join.MAX_HITS", 3)
            patch.setattr("seedstep.novelty.join.PAIRED_LENGTH", 6)
        yield


@pytest.mark.usefixtures("limits")
class TestEqualToBruteForce:
    @settings(max_examples=400)
    @given(POOLS, THRESHOLDS)
    def test_made_up_texts(self, texts: list[str], threshold: float) -> None:
        assert decided(texts, threshold) == brute_force(texts, threshold)

    @settings(max_examples=40)
    @given(
        st.lists(st.tuples(st.integers(0, 3), st.integers(0, 400)), max_size=8),
        st.sampled_from([1, 3, 50]),
        THRESHOLDS,
    )
    def test_texts_of_hundreds_of_tokens(
        self, shapes: list[tuple[int, int]], vocabulary: int, threshold: float
    ) -> None:
        texts = []
        for seed, length in shapes:
            chance = random.Random(seed)
            texts.append(" ".join(str(chance.randrange(vocabulary)) for _ in range(length)))
        assert decided(texts, threshold) == brute_force(texts, threshold)

    @pytest.mark.parametrize("length", range(1, 24))
    def test_every_pair_of_lengths_at_every_number_of_common_tokens(self, length: int) -> None:
        for other_length in range(1, 24):
            for common in range(min(length, other_length) + 1):
                shared = [f"s{n}" for n in range(common)]
                texts = [
                    " ".join(shared + [f"a{n}" for n in range(length - common)]),
                    " ".join([f"b{n}" for n in range(other_length - common)] + shared),
                ]
                assert decided(texts, 0.7) == brute_force(texts, 0.7)

    def test_a_thousand_variations_of_one_sentence(self) -> None:
        texts = [f"Write {n} short lines about the {n % 7} cats of my aunt" for n in range(1000)]
        assert decided(texts, 0.7) == brute_force(texts, 0.7)


def real_instructions(shared_data: Path, count: int) -> list[str]:
    with (shared_data / "instructions" / "instructions_52k.jsonl").open("rb") as file:
        return [json.loads(next(file))["instruction"] for _ in range(count)]


@pytest.mark.parametrize("tokens", TOKENIZERS)
def test_real_instructions_are_decided_as_rouge_score_does(tokens: str, shared_data: Path) -> None:
    tokenizer = TOKENIZERS[tokens]
    scorer = rouge_scorer.RougeScorer(["rougeL"], tokenizer=SimpleNamespace(tokenize=tokenizer))
    texts = real_instructions(shared_data, 300)
    kept: list[int] = []
    for row, found in enumerate(decided(texts, 0.5, tokenizer)):
        scores = [scorer.score(texts[earlier], texts[row])["rougeL"].fmeasure for earlier in kept]
        best = max(scores, default=0.0)
        if best >= 0.5:
            assert found == (False, kept[scores.index(best)], best)
        else:
            assert found == (True, -1, 0.0)
            kept.append(row)
    assert 0 < len(kept) < len(texts)


def test_twenty_thousand_real_instructions(shared_data: Path) -> None:
    found = encoded(real_instructions(shared_data, 20_000))
    decisions = decide(found, 0.7)
    kept = np.zeros(len(found), bool)
    for start in range(0, len(found), 500):
        rows = found.sequences[start : start + 500]
        # Only what is kept is compared with, and nothing behind these rows is kept yet.
        numbers = np.append(np.flatnonzero(kept), np.arange(start, start + len(rows)))
        known = [found.sequences[number] for number in numbers.tolist()]
        common = process.cdist(rows, known, scorer=LCSseq.similarity, dtype=np.int32)
        precision = common / found.lengths[numbers]
        recall = common / found.lengths[start:, None][:500]
        scores = np.where(common, 2 * precision * recall / (precision + recall + (common == 0)), 0)
        for row, score in enumerate(scores, start):
            score[~kept[numbers]] = 0
            kept[row] = score.max() < 0.7
            nearest = (-1, 0.0) if kept[row] else (numbers[score.argmax()], score.max())
            assert decisions.nearest.numbers[row] == nearest[0]
            assert decisions.nearest.scores[row] == nearest[1]
    assert (decisions.kept == kept).all()


def test_the_nearest_of_known_texts() -> None:
    known = ["a b c d", "a b c d", "x y z", "", "a b c e"]
    new = ["a b c d", "a b x", "b c e", "", "x y z w v u t"]
    texts = encoded([*known, *new])
    found = nearest_known(texts.part(0, 5), texts.part(5, 10), 0.61)
    assert found.numbers.tolist() == [0, -1, 4, -1, -1]
    assert found.scores.tolist() == pytest.approx([1, 0, 6 / 7, 0, 0])


def test_a_million_lines_that_are_the_same() -> None:
    decisions = decide(encoded(["Sort the list of numbers."] * 1_000_000), 0.7)
    assert decisions.kept.sum() == 1
    assert decisions.kept[0]
    assert (decisions.nearest.numbers[1:] == 0).all()


def test_texts_of_a_megabyte() -> None:
    long = " ".join(f"w{n % 30_000}" for n in range(150_000))
    other = " ".join(f"w{n % 1000} v{n}" for n in range(75_000))
    rows = decided([long, f"{long} end", other, "w1 w2", long], 0.7)
    assert [row[:2] for row in rows] == [(True, -1), (False, 0), (True, -1), (True, -1), (False, 0)]


@pytest.mark.parametrize(("shared", "is_kept"), [(6999, True), (7000, False)])
def test_a_long_text_at_the_threshold(shared: int, is_kept: bool) -> None:
    words = [f"w{n}" for n in range(10_000)]
    other_words = words[:shared] + [f"v{n}" for n in range(10_000 - shared)]
    assert decided([" ".join(words), " ".join(other_words)], 0.7)[1][0] == is_kept


def test_more_distinct_tokens_than_there_are_code_points() -> None:
    many = [
        " ".join(f"t{n}" for n in range(start, start + 100)) for start in range(0, 1_200_000, 100)
    ]
    rows = decided([*many, many[0], many[-1]], 0.7)
    assert rows[-2:] == [(False, 0, 1.0), (False, len(many) - 1, 1.0)]
    assert all(row == (True, -1, 0.0) for row in rows[:-2])


def test_texts_without_tokens_are_like_nothing() -> None:
    assert decided(["", "?", "", "a"], 0.05) == [(True, -1, 0.0)] * 4


def test_nothing_at_all() -> None:
    assert decided([], 0.7) == []


def test_progress_is_told() -> None:
    told: list[int] = []
    decide(encoded([f"w{n}" for n in range(100)]), 0.7, told.append)
    assert told[-1] == 100
    assert told == sorted(told)


def test_other_scripts_are_like_each_other_in_unicode_only() -> None:
    texts = ["把这句话翻译成英语", "请把这句话翻译成法语"]
    assert decided(texts, 0.7, latin_tokens) == [(True, -1, 0.0)] * 2
    assert decided(texts, 0.7, unicode_tokens)[1][:2] == (False, 0)
