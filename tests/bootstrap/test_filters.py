"""The filters on instructions and instances, reason by reason."""

import string
from collections import Counter
from itertools import groupby, starmap
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedstep import BootstrapSettings, Instance, Task
from seedstep.bootstrap.filters import FILTERS
from seedstep.bootstrap.instances import CandidateReply
from seedstep.bootstrap.pool import Pool, is_novel
from seedstep.bootstrap.records import Candidate, RejectedInstance
from seedstep.bootstrap.rules import KEYWORDS
from seedstep.bootstrap.sifting import instruction_fault
from seedstep.novelty import Neighbor
from seedstep.text import lcs_f1
from support.read_replies import as_pairs, pair
from support.sifting import sifted

PAPERS = "gguf:model.gguf"
"""A model that is asked in the paper's way."""

INSTRUCTIONS: dict[str, tuple[str, str | None]] = {
    "good": ("Sort the words by length.", None),
    "no-words": ("", "too_short"),
    "3-words": ("Tell a story.", "too_short"),
    "4-words": ("Tell a short story.", None),
    "4-words-hyphenated": ("Write a well-known half-sentence.", None),
    "3-words-and-white-space": ("Tell   a \t story.", "too_short"),
    "150-words": ("word " * 150, None),
    "151-words": ("word " * 151, "too_long"),
    "keyword-first": ("Plot the numbers by year.", "keyword"),
    "keyword-last": ("Tell what is in the picture", "keyword"),
    "keyword-before-a-dot": ("Say what is in the image.", "keyword"),
    "keyword-in-quotes": ('Explain the word "map" to me.', "keyword"),
    "keyword-with-hyphen": ("Explain a file-system to me.", "keyword"),
    "keyword-with-apostrophe": ("Say the picture's year of origin.", "keyword"),
    "keyword-upper-case": ("Say what this FILE is about.", "keyword"),
    "keyword-capitalised": ("Go to the market and buy.", "keyword"),
    "go-to": ("Say how I go to Rome.", "keyword"),
    "going-to": ("Say who is going to Rome.", None),
    "go-too": ("Say whether I may go too.", None),
    "cargo-to": ("Say who ships cargo to Rome.", None),
    "go-together": ("Say which colours go together well.", None),
    "filed": ("Say who filed the complaint.", None),
    "mapping": ("Explain a mapping between two sets.", None),
    "photograph": ("Describe an old photograph in words.", None),
    "paragraphs": ("Shorten the paragraphs by half.", None),
    "imagery": ("Name the imagery of the poem.", None),
    "imagine": ("Imagine a town without cars.", None),
    "drawer": ("Say what is in a drawer.", None),
    "plots": ("Compare the plots of two novels.", None),
    "underscore": ("Explain what file_name stands for.", None),
    "write-a-program": ("Write a program that adds numbers.", "write_a_program"),
    "write-a-programme": ("Write a programme for the concert.", "write_a_program"),
    "write-a-program-lower-case": ("write a program that adds numbers.", None),
    "write-a-program-later": ("Do not Write a program, explain.", None),
    "write-the-program": ("Write the program in pseudo code.", None),
    "quote": ('"Sort" means what in French?', "starts_with_punctuation"),
    "bracket": ("(Sort) the words by length.", "starts_with_punctuation"),
    "dash": ("- Sort the words by length.", "starts_with_punctuation"),
    "digit": ("5 words for being happy, please.", None),
    "letter-with-accent": ("Écrivez une phrase sur Paris.", "starts_with_non_ascii"),
    "chinese": ("把 这 句话 翻译 成 英语", "starts_with_non_ascii"),
    "emoji": ("👍 means what to most people?", "starts_with_non_ascii"),
    "accent-later": ("Write about the café nearby.", None),
    "short-comes-first": ("- image", "too_short"),
    "keyword-comes-before-program": ("Write a program that reads files.", "keyword"),
}


@pytest.mark.parametrize(("text", "reason"), INSTRUCTIONS.values(), ids=INSTRUCTIONS)
def test_instruction_fault(text: str, reason: str | None) -> None:
    fault = instruction_fault(text, english=True)
    assert (fault and fault[0]) == reason


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_every_keyword_is_found_in_any_case(keyword: str) -> None:
    for word in (keyword, keyword.upper(), keyword.title()):
        fault = instruction_fault(f"Please use the {word} here.", english=True)
        assert fault == ("keyword", keyword)


def test_keywords_are_those_of_the_released_code() -> None:
    expected = "image images graph graphs picture pictures file files map maps draw plot"
    assert set(KEYWORDS) == {*expected.split(), "go to"}


@pytest.mark.parametrize("mark", string.punctuation)
def test_every_ascii_punctuation_mark_is_refused_at_the_start(mark: str) -> None:
    """Python's `string.punctuation`, as in the released code: signs such as < and ` too."""
    fault = instruction_fault(f"{mark}x means what in this text?", english=True)
    assert fault == ("starts_with_punctuation", mark)


@pytest.mark.parametrize("mark", ["“", "«", "¿", "—", "「"])
def test_other_marks_are_refused_at_the_start_in_english(mark: str) -> None:
    assert instruction_fault(f"{mark}x means what in this text?", english=True)


OTHER_LANGUAGES: dict[str, tuple[str, str | None]] = {
    "chinese": ("把这句话翻译成英语", None),
    "chinese-3-characters": ("翻译它", "too_short"),
    "chinese-6-characters": ("翻译这个句子", "too_short"),
    "chinese-7-characters": ("翻译这三个句子", None),
    "chinese-300-characters": ("字" * 300, None),
    "chinese-301-characters": ("字" * 301, "too_long"),
    "thai-13-letters": ("เขียนกลอนสั้นเกี่ยวกับทะเล", None),
    "japanese": ("文章を短くしてください。", None),
    "japanese-quote": ("「猫」を英語に訳してください。", None),
    "french": ("Écrivez une phrase sur Paris.", None),
    "french-quote": ("« Bonjour » veut dire quoi ?", None),
    "spanish-question": ("¿Cuál es la capital de Francia?", None),
    "spanish-exclamation": ("¡Escribe un poema sobre el mar!", None),
    "arabic": ("اكتب جملة عن البحر", None),
    "hindi-3-words": ("एक वाक्य लिखो।", "too_short"),
    "hindi-4-words": ("समुद्र पर वाक्य लिखो।", None),
    "keyword": ("Zeige mir eine Map davon.", "keyword"),
    "ascii-punctuation": ("- écrivez une phrase courte", "starts_with_punctuation"),
    "emoji-are-no-words": ("❤️ ☀️ ✈️ ☎️", "too_short"),
}


@pytest.mark.parametrize(("text", "reason"), OTHER_LANGUAGES.values(), ids=OTHER_LANGUAGES)
def test_instruction_fault_in_other_languages(text: str, reason: str | None) -> None:
    fault = instruction_fault(text, english=False)
    assert (fault and fault[0]) == reason


@given(st.text(), st.booleans())
def test_any_text_can_be_judged(text: str, english: bool) -> None:
    fault = instruction_fault(text, english=english)
    assert fault is None or fault[0]


@pytest.mark.parametrize(
    ("score", "paper", "released"),
    [(0.0, True, True), (0.6999, True, True), (0.7, False, True), (0.7001, False, False)],
)
def test_novelty_at_the_threshold(score: float, paper: bool, released: bool) -> None:
    neighbor = Neighbor("seed_1", score)
    assert is_novel(neighbor, 0.7, "paper") is paper
    assert is_novel(neighbor, 0.7, "released") is released


@pytest.mark.parametrize("fidelity", ["paper", "released"])
def test_what_resembles_nothing_is_novel(fidelity: str) -> None:
    assert is_novel(None, 0.1, fidelity)


SEED = Task("s1", "a b c d e f g h i j", (Instance("", ("x",)),))
AT_THRESHOLD = "a b c d e f g x y z"
ABOVE_THRESHOLD = "a b c d e f g h y z"


@pytest.mark.parametrize(("fidelity", "reason"), [("paper", "not_novel"), ("released", None)])
def test_the_pool_decides_a_score_of_exactly_the_threshold(
    fidelity: Literal["paper", "released"], reason: str | None
) -> None:
    pool = Pool([SEED], BootstrapSettings.of(model=PAPERS, fidelity=fidelity))
    fault, neighbor = pool.judge("g0.1", AT_THRESHOLD)
    assert neighbor == Neighbor("s1", 0.7)
    assert (fault and fault[0]) == reason


def test_the_pool_grows_by_what_it_accepts_and_by_nothing_else() -> None:
    pool = Pool([SEED], BootstrapSettings.of(model=PAPERS))
    assert pool.judge("g0.1", ABOVE_THRESHOLD)[0] == ("not_novel", "ROUGE-L 0.80 with s1")
    assert pool.judge("g0.2", "k l m n o p") == (None, None)
    assert pool.judge("g0.3", "K, l, m, n, o!") == (
        ("not_novel", "ROUGE-L 0.91 with g0.2"),
        Neighbor("g0.2", lcs_f1(5, 5, 6)),
    )
    fault, neighbor = pool.judge("g0.4", "f g h y z w")
    assert fault is None
    assert neighbor == Neighbor("s1", lcs_f1(3, 6, 10))


def test_the_pool_takes_the_threshold_and_the_tokens_of_the_settings() -> None:
    strict = Pool([SEED], BootstrapSettings.of(model=PAPERS, novelty_threshold=0.3))
    assert strict.judge("g0.1", "f g h y z w")[0]
    chinese = Task("s2", "把这句话翻译成英语", (Instance("", ("x",)),))
    fault, _ = Pool([chinese], BootstrapSettings.of(model=PAPERS, tokens="unicode")).judge(
        "g0.1", "把这句话翻译成英语。"
    )
    assert fault == ("not_novel", "ROUGE-L 1.00 with s2")


def test_a_filtered_instruction_is_not_compared() -> None:
    fault, neighbor = Pool([SEED], BootstrapSettings.of(model=PAPERS)).judge("g0.1", "a b c")
    assert fault == ("too_short", "3 words")
    assert neighbor is None


DUPLICATE = "duplicate_instance"
CONFLICT = "conflicting_outputs"
EMPTY = "empty_output"
REPEATS = "output_repeats_input"
COLON = "ends_with_colon"

SIFTED: dict[str, tuple[list[tuple[str, str]], list[str], list[str]]] = {
    "good": ([("a", "b"), ("c", "d")], ["", ""], ["", ""]),
    "none": ([], [], []),
    "empty-output": ([("a", ""), ("", "")], [EMPTY, EMPTY], [EMPTY, EMPTY]),
    "repeats-input": ([("a", "a")], [REPEATS], [REPEATS]),
    "differs-by-case": ([("a", "A")], [""], [""]),
    "input-ends-with-colon": ([("a:", "b")], [COLON], [COLON]),
    "output-ends-with-colon": ([("a", "b:")], [COLON], [COLON]),
    "colon-inside": ([("a: x", ":b")], [""], [""]),
    "duplicates": ([("a", "b")] * 3, ["", DUPLICATE, DUPLICATE], ["", DUPLICATE, DUPLICATE]),
    "duplicates-without-input": ([("", "b")] * 2, ["", DUPLICATE], ["", DUPLICATE]),
    "bad-duplicates": ([("a", "a")] * 2, [REPEATS] * 2, [REPEATS] * 2),
    "same-output": ([("a", "b"), ("c", "b")], ["", ""], ["", ""]),
    "empty-inputs-never-conflict": ([("", "b"), ("", "c")], ["", ""], ["", ""]),
    "conflict": (
        [("x", "y"), ("a", "b"), ("a", "c"), ("", "d")],
        ["", CONFLICT, CONFLICT, ""],
        [CONFLICT, CONFLICT, CONFLICT, CONFLICT],
    ),
    "conflict-of-three": ([("a", o) for o in "bcd"], [CONFLICT] * 3, [CONFLICT] * 3),
    "conflict-and-duplicate": (
        [("a", "b"), ("a", "c"), ("a", "b")],
        [CONFLICT, CONFLICT, DUPLICATE],
        [CONFLICT, CONFLICT, DUPLICATE],
    ),
    "conflict-beside-other-faults": (
        [("a", "b"), ("a", "c"), ("d", "d"), ("e", "f")],
        [CONFLICT, CONFLICT, REPEATS, ""],
        [CONFLICT, CONFLICT, REPEATS, CONFLICT],
    ),
    "no-conflict-with-a-bad-one": (
        [("a", "b"), ("a", ""), ("a", "a"), ("a", "c:")],
        ["", EMPTY, REPEATS, COLON],
        ["", EMPTY, REPEATS, COLON],
    ),
}
"""What was written; the reason for each under `paper` and `released`, empty for what is kept."""


def by_papers_filters(reply: CandidateReply, fidelity: str) -> Candidate:
    """What the paper's filters make of the instances of a reply."""
    ends = reply.unfinished
    return sifted("", *reply.instances, unfinished=ends, fidelity=fidelity, extra=False)


def check_sifted(reply: CandidateReply, fidelity: str, reasons: list[str]) -> None:
    """Assert that each was kept, or rejected for its reason, in the order they were written."""
    decided = list(zip(reply.instances, reasons, strict=True))
    kept = tuple(instance for instance, why in decided if not why)
    rejected = tuple(RejectedInstance(instance, why) for instance, why in decided if why)
    done = by_papers_filters(reply, fidelity)
    assert (done.task.instances, done.rejected_instances) == (kept, rejected)


@pytest.mark.parametrize(("written", "paper", "released"), SIFTED.values(), ids=SIFTED)
def test_sift_instances(
    written: list[tuple[str, str]], paper: list[str], released: list[str]
) -> None:
    reply = CandidateReply("", tuple(starmap(pair, written)))
    check_sifted(reply, "paper", paper)
    check_sifted(reply, "released", released)


@pytest.mark.parametrize("fidelity", ["paper", "released"])
def test_an_unfinished_instance_is_rejected_and_conflicts_with_nothing(fidelity: str) -> None:
    reply = CandidateReply("", (pair("a", "b"), pair("a", "c")), unfinished=True)
    check_sifted(reply, fidelity, ["", "unfinished"])


@pytest.mark.parametrize("fidelity", ["paper", "released"])
def test_of_a_whole_and_an_unfinished_copy_the_whole_one_is_kept(fidelity: str) -> None:
    copies = (pair("a", "b"), pair("a", "b"))
    check_sifted(CandidateReply("", copies, unfinished=True), fidelity, ["", "unfinished"])
    check_sifted(CandidateReply("", copies), fidelity, ["", "duplicate_instance"])


def test_without_the_filter_of_unfinished_ones_an_unfinished_copy_is_a_duplicate() -> None:
    copies = (pair("a", "b"), pair("a", "b"))
    filters = [each for each in FILTERS if each.name != "unfinished"]
    done = sifted("", *copies, unfinished=True, filters=filters)
    assert [each.reason for each in done.rejected_instances] == ["duplicate_instance"]


PARTS = st.sampled_from(["", "a", "b", "c:", "d"])
READ = st.lists(st.builds(pair, PARTS, PARTS), max_size=10).map(tuple)
REPLIES = st.builds(CandidateReply, st.just(""), READ, st.booleans())
FIDELITIES = st.sampled_from(["paper", "released"])


@settings(max_examples=300)
@given(REPLIES, FIDELITIES)
def test_sifting_parts_all_that_was_found_and_keeps_the_order(
    reply: CandidateReply, fidelity: str
) -> None:
    written = as_pairs(reply)
    parted = by_papers_filters(reply, fidelity)
    kept = [(instance.input, instance.output) for instance in parted.task.instances]
    rejected = [(bad.instance.input, bad.instance.output) for bad in parted.rejected_instances]
    assert Counter(kept) + Counter(rejected) == Counter(written)
    for part in (kept, rejected):
        rest = iter(written)
        assert all(pair in rest for pair in part)


@settings(max_examples=300)
@given(REPLIES, FIDELITIES)
def test_kept_instances_have_no_fault_no_copy_and_no_conflict(
    reply: CandidateReply, fidelity: str
) -> None:
    parted = by_papers_filters(reply, fidelity)
    kept = [(instance.input, instance.output) for instance in parted.task.instances]
    whole = as_pairs(reply)[: -1 if reply.unfinished else None]
    assert len(set(kept)) == len(kept)
    for text, output in kept:
        assert (text, output) in whole
        assert output
        assert output != text
        assert not text.endswith(":")
        assert not output.endswith(":")
    for text, group in groupby(sorted(kept), key=lambda pair: pair[0]):
        assert not text or len(list(group)) == 1
    assert all(rejected.reason for rejected in parted.rejected_instances)


@given(REPLIES)
def test_released_keeps_all_that_paper_keeps_or_nothing(reply: CandidateReply) -> None:
    paper = by_papers_filters(reply, "paper")
    released = by_papers_filters(reply, "released")
    conflict = any(bad.reason == "conflicting_outputs" for bad in paper.rejected_instances)
    assert released.task.instances == (() if conflict else paper.task.instances)


@pytest.mark.parametrize("text", ["write a program that adds numbers.", "WRITE A PROGRAM, please."])
def test_the_released_code_knows_programs_in_any_case(text: str) -> None:
    assert instruction_fault(text, english=True) is None
    assert instruction_fault(text, english=True, fidelity="released") == ("write_a_program", "")


@pytest.mark.parametrize(("fidelity", "kept"), [("paper", 8), ("released", 5)])
def test_the_released_code_draws_five_instances(
    fidelity: Literal["paper", "released"], kept: int
) -> None:
    pool = Pool([SEED], BootstrapSettings.of(model=PAPERS, fidelity=fidelity))

    def drawn(name: str) -> Candidate:
        read = tuple(pair(f"in {n}", f"out {n}") for n in range(8))
        sort = Candidate(Task(name, "Sort it.", ()))
        return pool.draw(pool.sift(sort, CandidateReply("Sort it.", read)))

    done = drawn("g0.1")
    assert len(done.task.instances) == kept
    assert [bad.reason for bad in done.rejected_instances] == ["beyond_five"] * (8 - kept)
    assert done == drawn("g0.1")
    if fidelity == "released":
        assert len({drawn(f"g{n}.1").task.instances for n in range(20)}) > 10


def test_a_text_without_tokens_is_compared_by_its_wording() -> None:
    chinese = Task("s2", "把这句话翻译成英语", (Instance("", ("x",)),))
    lenient = Pool([chinese], BootstrapSettings.of(model=PAPERS, tokens="latin"), filters=())
    assert lenient.judge("g0.1", f"{chinese.definition}。")[0] == ("not_novel", "the wording of s2")
