"""Verbs and their objects: the rule on parses written by hand, and a real parser."""

import sys
from collections import Counter
from typing import Any

import pytest
import spacy
from spacy.tokens import Doc

from seedstep.errors import MissingExtraError
from seedstep.report.parsing import structure, top_verbs, verb_and_noun
from support.forking import forked_python

Word = tuple[str, str, str, int]
"""Text, part of speech, relation, and the place of what it depends on."""


def parsed(*words: Word) -> Any:
    """A document as spaCy's parser would make it; lemmas are the words in lower case."""
    return Doc(
        spacy.blank("en").vocab,
        words=[text for text, *_ in words],
        lemmas=[text.lower() for text, *_ in words],
        pos=[tag for _, tag, _, _ in words],
        deps=[relation for _, _, relation, _ in words],
        heads=[head for *_, head in words],
    )


WRITE_STORY = (
    ("Write", "VERB", "ROOT", 0),
    ("a", "DET", "det", 3),
    ("short", "ADJ", "amod", 3),
    ("story", "NOUN", "dobj", 0),
    ("and", "CCONJ", "cc", 3),
    ("poem", "NOUN", "conj", 3),
)


class TestRule:
    def test_the_verb_at_the_root_with_its_object(self) -> None:
        assert verb_and_noun(parsed(*WRITE_STORY)) == ("write", "story")

    def test_the_verb_nearest_to_a_root_that_is_none(self) -> None:
        found = verb_and_noun(
            parsed(
                ("Is", "AUX", "ROOT", 0),
                ("it", "PRON", "nsubj", 0),
                ("fair", "ADJ", "acomp", 0),
                ("to", "PART", "aux", 4),
                ("sell", "VERB", "xcomp", 2),
                ("Rome", "PROPN", "dobj", 4),
            )
        )
        assert found == ("sell", "rome")

    @pytest.mark.parametrize(
        "words",
        [
            [("Sing", "VERB", "ROOT", 0)],
            [("Find", "VERB", "ROOT", 0), ("it", "PRON", "dobj", 0)],
            [("Rivers", "NOUN", "ROOT", 0), ("of", "ADP", "prep", 0)],
            [("Come", "VERB", "ROOT", 0), ("help", "VERB", "conj", 0), ("me", "NOUN", "dobj", 1)],
        ],
    )
    def test_no_verb_or_no_object_of_it(self, words: list[Word]) -> None:
        assert verb_and_noun(parsed(*words)) is None

    def test_a_later_sentence_counts_where_the_first_has_no_verb(self) -> None:
        second = [(text, tag, relation, head + 1) for text, tag, relation, head in WRITE_STORY]
        document = parsed(("Task", "NOUN", "ROOT", 0), *second)
        assert [sentence.root.text for sentence in document.sents] == ["Task", "Write"]
        assert verb_and_noun(document) == ("write", "story")


def test_a_real_parser_finds_most_of_them() -> None:
    instructions = [
        "Write a short story about a lighthouse.",
        "Translate the sentence into French.",
        "Write a poem about the sea.",
        "Which of these animals can fly?",
        "Classify whether the review is positive or not.",
        "x" * 1_000_000,
        "",
    ]
    told: list[int] = []
    found = structure(instructions, told.append)
    assert told == [1, 2, 3, 4, 5, 6, 7]
    assert found[("write", "story")] == 1
    assert found[("write", "poem")] == 1
    assert found[("translate", "sentence")] == 1
    assert found.total() <= 4


def test_verbs_by_how_often_they_have_an_object() -> None:
    pairs = Counter(
        {("write", noun): n for noun, n in (("ode", 1), ("story", 5), ("poem", 3))}
        | {("give", "list"): 9, ("ask", "question"): 9, ("sing", "song"): 1}
    )
    first, *others = top_verbs(pairs, verbs=3, nouns=2)
    assert (first.verb, first.count, first.nouns) == ("ask", 9, (("question", 9),))
    assert [row.verb for row in others] == ["give", "write"]
    assert others[1].count == 9
    assert others[1].nouns == (("story", 5), ("poem", 3))


@pytest.mark.parametrize("missing", ["package", "model"])
def test_what_is_missing_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if missing == "package":
        monkeypatch.setitem(sys.modules, "spacy", None)
    else:
        monkeypatch.setattr(spacy.util, "get_installed_models", lambda: ["de_core_news_sm"])
    with pytest.raises(MissingExtraError, match="spacy download en_core_web_sm"):
        structure(["Write a story."])


TEXTS = [
    f"{verb} a {noun} about river {number}."
    for number, (verb, noun) in enumerate(
        [("Write", "poem"), ("Name", "city"), ("Explain", "joke"), ("Blue", "sky")] * 30
    )
]


@pytest.mark.parametrize("interpreter", ["python", "/bin/false", "/nowhere/python"])
def test_many_instructions_are_parsed_in_processes_with_the_same_result(
    interpreter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if interpreter == "python":  # one that has loaded spaCy
        (interpreter,) = forked_python()
    alone = structure(TEXTS)
    monkeypatch.setattr("seedstep.report.parsing.MANY", 100)
    monkeypatch.setattr("seedstep.report.parsing.os.cpu_count", lambda: 2)
    monkeypatch.setattr(sys, "executable", interpreter)
    told: list[int] = []
    assert structure(TEXTS, told.append) == alone
    assert told[-1] == len(TEXTS)
