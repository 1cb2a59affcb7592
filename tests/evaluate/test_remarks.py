"""What is said beside scores: references without tokens, and answers that are empty or cut."""

import asyncio
import csv
from dataclasses import replace
from pathlib import Path

import pytest

from seedstep.evaluate import Prediction, PredictionMarker, Reference, score
from seedstep.evaluate.compare import compare_systems, evaluated
from seedstep.evaluate.metrics import Metric
from seedstep.evaluate.tokens import load_tokenizer
from seedstep.infer.predict import InstanceAnswer
from seedstep.runs import Run
from seedstep.stages import PREDICT
from seedstep.stages.predict import begin_system
from support.answer_files import write_lines, write_predictions, write_tasks
from support.command_line import json_of, seedstep
from support.metrics import EXACT_MATCH, ROUGE_L

ANSWERS = {
    "Chinese": "三只灰猫在屋顶上",
    "Japanese": "猫は屋根の上です",
    "Korean": "고양이는 지붕 위에 있다",
    "Thai": "แมวอยู่บนหลังคา",
    "Russian": "кошка на крыше",
    "Greek": "η γάτα στη στέγη",
    "Arabic": "القطة على السطح",
    "Hebrew": "החתול על הגג",
    "Hindi": "बिल्ली छत पर है",
    "Amharic": "ድመቷ ጣሪያ ላይ",
    "full width": "ｔｈｅ　ｃａｔ",
    "with a digit": "屋顶上有3只灰猫",
    "with a Latin name": "Анна сидит на крыше (OK)",
    "marks": "+ / -",
}
MEASURED = ("the cat", "3", "une été près de là", "übermäßig schön", "Anna — 猫", "C++")


@pytest.mark.parametrize("text", ANSWERS.values(), ids=ANSWERS)
def test_references_without_tokens_are_counted_and_the_way_out_measures_them(text: str) -> None:
    references = {"a": Reference("t", "", (text,)), "b": Reference("t", "", ("the cat", "cat"))}
    given = [Prediction("t", "a", text), Prediction("t", "b", "the cat")]
    said, *more = evaluated("x", score(given, references)).remarks
    assert said.startswith("1 of 3 references have no tokens, or hardly any")
    assert "`--tokenizer unicode`" in said
    assert "exact match" in said
    if any(char.isalpha() for char in text):
        unicode = evaluated("x", score(given, references, load_tokenizer("unicode")))
        assert unicode.overall.of("rouge_l").value == 100
        assert unicode.remarks == ()
        assert not more
    assert score(given, references).overall.of("exact_match") == 100


@pytest.mark.parametrize("text", MEASURED)
def test_what_has_tokens_is_not_spoken_of(text: str) -> None:
    assert not PredictionMarker().is_tokenless(text)


def test_scores_by_tokens_carry_it_and_others_do_not() -> None:
    references = {f"{n}": Reference(f"t{n}", "", ("да" if n else "yes",)) for n in range(8)}
    right = [Prediction("", name, instance.outputs[0]) for name, instance in references.items()]
    system = evaluated("x", score(right, references))
    share = "7 of 8 references have no tokens, or hardly any"
    assert system.overall.of("rouge_l").reason == system.overall.of("rouge_1").reason == share
    assert system.overall.of("exact_match").reason == ""
    (pairing,) = compare_systems([system, evaluated("y", score([], references))])
    assert pairing.comparison.overall.difference.reason == share
    assert pairing.comparison.by("exact_match").difference.reason == ""
    assert [remark[:12] for remark in pairing.remarks] == ["7 of 8 refer", "y: 8 predict"]
    assert share in evaluated("x", score(right, references))._repr_html_()


def test_remarks_speak_of_the_metrics_that_were_measured() -> None:
    references = {"a": Reference("t", "", ("да",)), "b": Reference("t", "", ("+",))}
    length = Metric("length", "length", "1 where both are as long", lambda pair: 1.0)
    words = replace(length, name="words", title="shared words", of_tokens=True)
    pairs = replace(words, name="pairs", title="shared pairs")
    rouge, exact = ROUGE_L, EXACT_MATCH
    share = "2 of 2 references have no tokens, or hardly any, so that"
    way_out = "can't score them: `--tokenizer unicode` knows the letters of all scripts"
    blank = "1 of 2 references are ASCII punctuation alone, which exact match"
    flaws = ("of 2 answers 2 are empty",)
    given = [Prediction("t", name, "") for name in references]

    def said(*metrics: Metric) -> tuple[str, ...]:
        return evaluated("x", score(given, references, metrics=metrics)).remarks

    assert said(length) == flaws
    assert said(words) == (f"{share} shared words {way_out}", *flaws)
    assert said(words, pairs) == (f"{share} shared words and shared pairs {way_out}", *flaws)
    assert (
        said(words, pairs, rouge)[0] == f"{share} shared words, shared pairs and ROUGE-L {way_out}"
    )
    assert said(rouge, length) == (f"{share} ROUGE-L {way_out}", *flaws)
    first, second, *rest = said(rouge, exact)
    assert first == f"{share} ROUGE-L {way_out}, and exact match needs no tokens"
    assert second.startswith(blank)
    assert rest == [*flaws]
    (only, *_) = said(exact, length)
    assert only.startswith(blank)


@pytest.mark.parametrize("answer", ["-", "", "?!", None])
def test_references_of_punctuation_alone_are_counted_where_exact_match_matches_all(
    answer: str | None,
) -> None:
    references = {"a": Reference("t", "", ("+",)), "b": Reference("t", "", ("C++",))}
    given = [Prediction("t", "a", answer)] if answer is not None else []
    system = evaluated("x", score(given, references))
    share = "1 of 2 references are ASCII punctuation alone"
    assert system.overall.of("exact_match").value == 50
    assert system.overall.of("exact_match").reason.endswith(share)
    assert any(said.startswith(f"{share}, which exact match") for said in system.remarks)
    (pairing,) = compare_systems([system, evaluated("y", score([], references))])
    assert pairing.comparison.by("exact_match").difference.reason.endswith(share)


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    tasks = [
        {
            "id": f"t{n}",
            "definition": "Say it.",
            "instances": [{"id": f"t{n}-0", "input": "x", "output": "да" if n else "yes"}],
        }
        for n in range(8)
    ]
    return write_lines(tmp_path / "foreign.jsonl", tasks)


@pytest.mark.usefixtures("quick_figures")
def test_every_command_says_it_and_a_run_keeps_it(foreign: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with Run.start(PREDICT, run, {"tasks": str(foreign)}) as opened:
        for name in ("good", "poor"):
            system = begin_system(opened, name, {"model": "baseline:copy-input"}, {})
            answers = [InstanceAnswer(n, "да" if name == "good" else "x") for n in range(8)]
            asyncio.run(opened.records.record(system, answers))
    said = "7 of 8 references have no tokens, or hardly any"
    assert said not in seedstep("status", run).out
    for command in ("evaluate", "compare"):
        for form in ("table", "markdown", "json"):
            assert seedstep(command, run, "--format", form).out.count(said) >= 1, (command, form)
    assert said in seedstep("evaluate", run, "--format", "csv").out
    assert seedstep("status", run).out.count(said) == 2
    done = seedstep("report", run, "--out", tmp_path / "report")
    assert done.code == 0, done.err
    assert said in (tmp_path / "report" / "index.html").read_text()
    found = json_of("evaluate", run, "--tokenizer", "unicode")
    assert [system["overall"]["rouge_l"]["value"] for system in found] == [87.5, 0]
    assert not any("remarks" in system for system in found)
    assert "unicode" in seedstep("status", run).out


def test_an_unknown_tokenizer_names_the_one_that_comes_along(foreign: Path, tmp_path: Path) -> None:
    path = write_predictions(tmp_path / "p.jsonl", {"t0-0": "yes"})
    error = seedstep("evaluate", path, "--tasks", foreign, "--tokenizer", tmp_path / "no").error
    assert "Name unicode" in error


@pytest.mark.usefixtures("quick_figures")
def test_answers_that_are_empty_or_cut_are_counted_at_the_figure(tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path / "tasks.jsonl")
    run = tmp_path / "run"
    with Run.start(PREDICT, run, {"tasks": str(tasks)}) as opened:
        for name in ("untuned", "tuned"):
            system = begin_system(opened, name, {"model": "baseline:copy-input"}, {})
            answers = [InstanceAnswer(n, f"R{n // 2} B{n % 2}") for n in range(16)]
            if name == "untuned":
                answers[:5] = [InstanceAnswer(n, " \n" * (n % 2)) for n in range(5)]
                answers[5] = InstanceAnswer(5, "", failed="refused")
                answers[6] = InstanceAnswer(6, "R", cut=True)
            asyncio.run(opened.records.record(system, answers))
    said = "untuned: of 16 answers 5 are empty and 1 is cut at the length limit"
    assert "worded as" not in seedstep("status", run).out
    for command in ("evaluate", "compare"):
        for form in ("table", "markdown"):
            words = seedstep(command, run, "--format", form).words
            assert said in words, (command, form)
            assert "tuned: of 16" not in words.replace(said, "")
        remarks = [each.get("remarks", []) for each in json_of(command, run)]
        absent = "untuned: 1 prediction missing or failed, counted as empty"
        named = [said, absent] if command == "compare" else [said.removeprefix("untuned: ")]
        assert [each for each in remarks if each] == [named]
    untuned = json_of("evaluate", run)[0]["overall"]
    assert (untuned["empty"], untuned["cut"], untuned["failed"]) == (5, 1, 1)
    rows = [*csv.DictReader(seedstep("evaluate", run, "--format", "csv").out.splitlines())]
    assert {(row["empty"], row["cut"]) for row in rows if not row["grouping"]} == {
        ("5", "1"),
        ("0", "0"),
    }
    done = seedstep("report", run, "--out", tmp_path / "report")
    assert done.code == 0, done.err
    page = (tmp_path / "report" / "index.html").read_text()
    assert page.count(said) == 3  # in the headline, at the scores, at the comparison


def test_refusals_and_notices_that_are_kept_as_predictions_are_counted(tmp_path: Path) -> None:
    """They are scored as they are; a refusal that the references ask for is an answer."""
    outputs = ["I'm sorry, but I can't help with that.", *["yes"] * 5]
    instances = [{"input": f"i{n}", "output": [output]} for n, output in enumerate(outputs)]
    task = {"id": "t", "definition": "Reply to it.", "instances": instances}
    tasks = write_lines(tmp_path / "tasks.jsonl", [task])
    run = tmp_path / "run"
    notice = "This response was blocked by our content policy."
    texts = ["I'm sorry, but I can't do it.", "I'm unable to assist with that.", notice, "no"]
    with Run.start(PREDICT, run, {"tasks": str(tasks)}) as opened:
        system = begin_system(opened, "served", {"model": "baseline:copy-input"}, {})
        answers = [InstanceAnswer(n, text) for n, text in enumerate([*texts, "yes", ""])]
        asyncio.run(opened.records.record(system, answers))
        assert [each.text for each in opened.predictions("served")] == [*texts, "yes", ""]
    assert "2 worded as a refusal or as a server's notice" in seedstep("status", run).out
    said = "of 6 answers 1 is empty and 2 are worded as a refusal or as a server's notice"
    assert said in seedstep("evaluate", run).words
