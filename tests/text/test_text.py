"""Tokenisation and ROUGE-L, against rouge-score."""

import json
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer, tokenize

from seedstep.text import TOKENIZERS, latin_tokens, lcs_f1, rouge_l, unicode_tokens, visible

many = settings(max_examples=400)

ANY_CHARACTER = st.characters(exclude_categories=())
"""Lone surrogates too, which `st.text()` leaves out."""

ASSIGNED = st.characters(exclude_categories=["Cn"])
"""What this Python's Unicode tables know; those of `regex` may be newer."""

DIRECTION = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}

MOSTLY_LATIN = st.text(st.sampled_from("abcXYZ019 .,-_'\n\té ßİıſKＡ１漢"), max_size=60)
TOKEN_LISTS = st.lists(st.sampled_from(["a", "b", "c", "the", "list", "1", "10"]), max_size=40)
ODD_TOKEN_LISTS = st.lists(st.text(min_size=1, max_size=3), max_size=12)


class JsonTokenizer:
    """Hands rouge-score token lists as they are."""

    def tokenize(self, text: str) -> list[str]:
        tokens: list[str] = json.loads(text)
        return tokens


def rouge_score(text: str, reference: str, tokenizer: JsonTokenizer | None = None) -> float:
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False, tokenizer=tokenizer)
    return float(scorer.score(text, reference)["rougeL"].fmeasure)


@many
@given(st.text(ANY_CHARACTER) | MOSTLY_LATIN)
def test_latin_tokens_are_those_of_rouge_score(text: str) -> None:
    assert latin_tokens(text) == tokenize.tokenize(text, None)


@many
@given(TOKEN_LISTS, TOKEN_LISTS)
def test_rouge_l_of_token_lists_is_exactly_that_of_rouge_score(
    tokens: list[str], other_tokens: list[str]
) -> None:
    assert rouge_l(tokens, other_tokens) == rouge_score(
        json.dumps(tokens), json.dumps(other_tokens), JsonTokenizer()
    )


@many
@given(ODD_TOKEN_LISTS, ODD_TOKEN_LISTS)
def test_rouge_l_takes_tokens_of_any_script(tokens: list[str], other_tokens: list[str]) -> None:
    shared = [*tokens, *other_tokens]
    expected = rouge_score(json.dumps(tokens), json.dumps(shared), JsonTokenizer())
    assert rouge_l(tokens, shared) == expected


@many
@given(MOSTLY_LATIN, MOSTLY_LATIN)
def test_rouge_l_of_texts_is_exactly_that_of_rouge_score(text: str, reference: str) -> None:
    assert rouge_l(latin_tokens(text), latin_tokens(reference)) == rouge_score(text, reference)


@pytest.mark.parametrize("length", range(1, 41))
def test_f1_is_exactly_that_of_rouge_score_for_every_pair_of_lengths(length: int) -> None:
    """Most of these lengths have a common subsequence that scores about 0.7."""
    for other_length in range(length, 41):
        for common in {round(0.35 * (length + other_length)), length // 2} - {0}:
            shared = min(common, length)
            left = [f"l{n}" for n in range(length - shared)] + ["same"] * shared
            right = ["same"] * shared + [f"r{n}" for n in range(other_length - shared)]
            expected = rouge_score(json.dumps(left), json.dumps(right), JsonTokenizer())
            assert lcs_f1(shared, length, other_length) == expected


@given(TOKEN_LISTS, TOKEN_LISTS)
def test_rouge_l_is_symmetric_and_between_0_and_1(
    tokens: list[str], other_tokens: list[str]
) -> None:
    assert rouge_l(tokens, other_tokens) == rouge_l(other_tokens, tokens)
    assert 0 <= rouge_l(tokens, other_tokens) <= 1


@pytest.mark.parametrize(
    ("tokens", "other_tokens", "score"),
    [
        pytest.param([], [], 0.0, id="both-empty"),
        pytest.param(["a"], [], 0.0, id="one-empty"),
        pytest.param(["a"], ["b"], 0.0, id="nothing-shared"),
        pytest.param(["a", "b"], ["b", "a"], 0.5, id="order-counts"),
        pytest.param(["a", "b"], ["a", "b"], 1.0, id="equal"),
    ],
)
def test_rouge_l_of_plain_cases(tokens: list[str], other_tokens: list[str], score: float) -> None:
    assert rouge_l(tokens, other_tokens) == score


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        pytest.param("Sort the list, twice!", ["sort", "the", "list", "twice"], id="english"),
        pytest.param("把这句话翻译成英语。", list("把这句话翻译成英语"), id="chinese"),
        pytest.param("人々は〇", list("人々は〇"), id="iteration-mark-and-zero"),
        pytest.param("日本語のテスト、どう?", list("日本語のテストどう"), id="japanese"),
        pytest.param("コーヒーを飲む", list("コーヒーを飲む"), id="long-vowel-mark"),
        pytest.param("サーバー1台", list("サーバー1台"), id="long-vowel-mark-before-a-digit"),
        pytest.param("ﾊﾝｶｸ", list("ハンカク"), id="half-width-katakana"),
        pytest.param("AIを使う2人", ["ai", "を", "使", "う", "2", "人"], id="mixed-scripts"),
        pytest.param("한국어 문장", ["한국어", "문장"], id="korean"),
        pytest.param("ภาษาไทย", list("ภาษาไทย"), id="thai"),
        pytest.param("ที่นี่", ["ที่", "นี่"], id="thai-marks-stay-with-their-letter"),
        pytest.param("हिन्दी में लिखो।", ["हिन्दी", "में", "लिखो"], id="hindi"),
        pytest.param("اكتب جملة، من فضلك؟", ["اكتب", "جملة", "من", "فضلك"], id="arabic"),
        pytest.param("كِتَابٌ", ["كِتَابٌ"], id="arabic-vowel-marks"),
        pytest.param("İstanbul", ["i̇stanbul"], id="turkish-dotted-capital"),
        pytest.param("ılık IŞIK", ["ılık", "işik"], id="turkish-dotless"),
        pytest.param("Straße STRASSE", ["strasse", "strasse"], id="casefolded"),
        pytest.param("ＡＢＣ　１２", ["abc", "12"], id="full-width"),
        pytest.param("don't l'eau", ["don", "t", "l", "eau"], id="apostrophes"),
        pytest.param("snake_case x-ray", ["snake", "case", "x", "ray"], id="underscore"),
        pytest.param("👍🎉😀", [], id="emoji-only"),
        pytest.param("❤️ ☀️ ✈️", [], id="emoji-with-variation-selector"),
        pytest.param("👩‍👩‍👧🏽 🇫🇷", [], id="emoji-sequences-and-flags"),
        pytest.param("\u0301 \u20e3", [], id="marks-without-a-letter"),
        pytest.param("សួស្តី។", ["សួ", "ស្", "តី"], id="khmer-full-stop"),
        pytest.param("བོད་ཡིག", ["བོ", "ད", "ཡི", "ག"], id="tibetan-syllable-dot"),
        pytest.param("မာ။", ["မာ"], id="burmese-full-stop"),
        pytest.param("?! … — «»", [], id="punctuation-only"),
        pytest.param("", [], id="empty"),
    ],
)
def test_unicode_tokens(text: str, tokens: list[str]) -> None:
    expected = [unicodedata.normalize("NFKC", token) for token in tokens]
    assert unicode_tokens(text) == expected


@many
@given(st.text(ASSIGNED))
def test_unicode_tokens_hold_a_letter_or_a_digit_each(text: str) -> None:
    for token in unicode_tokens(text):
        assert any(unicodedata.category(character)[0] in "LN" for character in token), ascii(token)


@many
@given(st.text())
def test_unicode_tokens_are_the_same_composed_or_not(text: str) -> None:
    composed = unicodedata.normalize("NFC", text)
    assert unicode_tokens(composed) == unicode_tokens(unicodedata.normalize("NFD", text))


@given(st.text(st.sampled_from("abcXYZ019 .,-\n"), max_size=60))
def test_both_tokenizers_agree_on_ascii(text: str) -> None:
    assert unicode_tokens(text) == latin_tokens(text)


def test_tokenizers_are_known_by_name() -> None:
    assert dict(TOKENIZERS) == {"latin": latin_tokens, "unicode": unicode_tokens}


@given(st.text(ANY_CHARACTER))
def test_what_is_shown_can_be_written_and_hides_nothing(text: str) -> None:
    shown = visible(text)
    assert len(shown) == len(text)
    shown.encode()
    hidden = {"Cc", "Cs"}
    assert not [
        character
        for character in shown
        if unicodedata.category(character) in hidden and character not in "\t\n"
    ]
    assert visible(shown) == shown


def test_marks_of_direction_are_not_shown() -> None:
    characters = map(chr, range(0x110000))
    marks = [
        character for character in characters if unicodedata.bidirectional(character) in DIRECTION
    ]
    assert marks
    assert visible("".join(marks)) == "\ufffd" * len(marks)
    assert visible("אבג, é\tfine\n") == "אבג, é\tfine\n"
