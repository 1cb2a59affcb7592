"""Sections from plain records: what they say, and that they say nothing about nothing."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from seedstep.data import Example, Instance, Prediction, Task
from seedstep.evaluate import score
from seedstep.evaluate.compare import evaluated
from seedstep.evaluate.judge import FIRST, SAME, SECOND, Judged, JudgeVerdict
from seedstep.evaluate.scores import references_of
from seedstep.evaluate.systems import EvaluatedSystem
from seedstep.inputs import SystemPredictions
from seedstep.llm import Price, Pricing
from seedstep.llm.budget import UNPRICED
from seedstep.report.records import (
    Chart,
    Headline,
    Paragraph,
    Section,
    Specimens,
    Table,
    number,
)
from seedstep.report.sections.grown import (
    examples_section,
    labels_section,
    lengths_section,
    novelty_section,
    overlap_section,
    rejections_section,
    structure_section,
    tasks_section,
)
from seedstep.report.sections.making import losses_section, spending_section, steps_sections
from seedstep.report.sections.results import results_sections, verdicts_section
from seedstep.report.statistics import NearestText, label_balance, lengths
from seedstep.runs import BootstrapStatus, Entry, ReplyUsage
from seedstep.runs.requests import PAUSE_SECONDS
from seedstep.steps import ExampleSet, Finding, Judgement, Turn, WrittenSteps


def charts(section: Section | None) -> dict[str, Chart]:
    assert section
    return {block.name: block for block in section.blocks if isinstance(block, Chart)}


def text(section: Section | None) -> str:
    assert section
    return " ".join(block.text for block in section.blocks if isinstance(block, Paragraph))


def test_nothing_is_said_about_nothing() -> None:
    assert lengths_section(lengths(())) is None
    assert labels_section(label_balance(())) is None
    assert tasks_section(()) is None
    assert novelty_section([], []) is None
    assert overlap_section({"tests": {"Seeds": [], "Tasks": []}}) is None
    assert spending_section((), (), UNPRICED) is None
    assert steps_sections(()) == []
    assert examples_section(()) is None
    assert verdicts_section("rating", ()) is None
    assert text(losses_section({}, {1: math.nan})) == "No step was taken yet."
    assert text(structure_section(Counter(), 0)).startswith("0 of 0 instructions (0%)")
    status = BootstrapStatus(9, 0, 0, 0, 0, False, {}, {}, {}, None)
    assert len(rejections_section(status, (), (), {}).blocks) == 1


class TestSpending:
    ANSWERS = (ReplyUsage(1000.0, 100, 10), ReplyUsage(1060.0, 300, 20))

    def test_seconds_of_work_have_no_rate(self) -> None:
        section = spending_section(self.ANSWERS[:1], [1000.5], UNPRICED)
        assert section
        table = section.blocks[0]
        assert isinstance(table, Table)
        assert ("finished tasks a minute", "") in table.rows

    def test_totals_and_lines_over_the_time_of_work(self) -> None:
        late = 1060.0 + PAUSE_SECONDS + 1
        answers = (*self.ANSWERS, ReplyUsage(late, 1, 0), ReplyUsage(late + 240, 1, 0))
        section = spending_section(answers, [1030.0, late + 240], Pricing(Price(1.0, 10.0)))
        assert section
        table = section.blocks[0]
        assert isinstance(table, Table)
        assert table.rows == (
            ("requests answered", "4"),
            ("tokens of prompts", "402"),
            ("tokens of replies", "30"),
            ("minutes of work", "5.0"),
            ("finished tasks a minute", "0.4"),
            ("tokens for a finished task", "216"),
            ("US dollars", "0.0007"),
            ("US dollars for a finished task", "0.0004"),
        )
        found = charts(section)
        assert list(found) == ["speed", "tokens", "cost"]
        assert found["speed"].table.head == ("line", "minutes", "tasks")
        assert found["speed"].table.rows == (("tasks", "0.5", "1"), ("tasks", "5", "2"))

    def test_the_time_before_the_first_answer_of_a_start_is_work_and_between_starts_is_none(
        self,
    ) -> None:
        starts = (940.0, 1050.0)
        section = spending_section(self.ANSWERS, [1060.0], UNPRICED, (), starts)
        assert section
        table = section.blocks[0]
        assert isinstance(table, Table)
        assert ("minutes of work", "1.2") in table.rows
        assert ("finished tasks a minute", "0.9") in table.rows

    def test_without_a_price_there_is_no_cost(self) -> None:
        section = spending_section(self.ANSWERS, (), UNPRICED)
        assert list(charts(section)) == ["tokens"]
        assert charts(section)["tokens"].table.rows[-1] == ("replies", "60", "30")


class TestNovelty:
    FOUND = (
        NearestText(("g1", "Sort the list."), ("s1", "Sort a list."), 0.7),
        NearestText(("g2", "Sing."), None, 0.0),
    )

    def test_both_distributions_and_the_closest_pairs(self) -> None:
        section = novelty_section(self.FOUND, self.FOUND[1:])
        rows = charts(section)["novelty"].table.rows
        assert [row[2] for row in rows] == ["1", "1", "1"]
        assert section
        seeds, earlier = (block for block in section.blocks if isinstance(block, Specimens))
        assert [field.text for field in seeds.items[0].fields] == ["Sort the list.", "Sort a list."]
        assert earlier.items == ()

    def test_the_first_screen_says_how_new_they_are_and_shows_it(self) -> None:
        section = novelty_section(self.FOUND, self.FOUND[1:])
        assert section
        assert section.figure
        assert [row[0] for row in section.figure.table.rows] == ["To the nearest seed"] * 2
        (headline,) = section.headlines
        assert "to the nearest seed" in headline.found
        read = novelty_section((), self.FOUND, grown=False)
        assert read
        assert "to the nearest task before" in read.headlines[0].found

    def test_a_chart_for_each_test_set(self) -> None:
        found: dict[str, dict[str, tuple[NearestText, ...]]] = {
            "a": {"Seeds": self.FOUND},
            "b": {"Seeds": self.FOUND, "Tasks": ()},
        }
        assert list(charts(overlap_section(found))) == ["overlap-1", "overlap-2"]


def entry(position: int, written: WrittenSteps, category: str = "Sorting") -> Entry[WrittenSteps]:
    return Entry(position, written.task_id, category, "Sort the words.", written)


class TestSteps:
    ENTRIES = (
        entry(
            0,
            WrittenSteps("a", (), steps=("Read.", "Sort."), judgement=Judgement(True, False, "k")),
        ),
        entry(
            1, WrittenSteps("b", (), steps=("Go.", "Go."), findings=(Finding("repeats", "Go."),))
        ),
        entry(2, WrittenSteps("c", (Turn("obtain", "k", "p", "No."),), failure="refusal"), "Other"),
    )

    def test_counts_by_category_beside_the_papers(self) -> None:
        sections = {section.title: section for section in steps_sections(self.ENTRIES)}
        assert list(sections) == [
            "What was written",
            "Lengths",
            "Failed checks",
            "Tasks without an instruction",
            "Some of the instructions",
        ]
        (table,) = sections["What was written"].blocks
        assert isinstance(table, Table)
        assert table.rows[0] == ("all", "3", "2", "3.0", "2.0", "2.0", "1", "1", "1 and 0 of 1")
        assert [row[0] for row in table.rows[3:]] == ["Other", "Sorting"]
        assert table.rows[3][4] == ""

    def test_faults_and_failures_have_examples(self) -> None:
        sections = {section.title: section for section in steps_sections(self.ENTRIES)}
        (faults,) = (
            block for block in sections["Failed checks"].blocks if isinstance(block, Specimens)
        )
        assert faults.summary == "repeats (1 of 1)"
        assert [field.text for field in faults.items[0].fields] == ["Go.", "1. Go.\n2. Go."]
        failed = sections["Tasks without an instruction"].blocks[-1]
        assert isinstance(failed, Specimens)
        assert failed.items[0].fields[-1].text == "No."

    def test_where_nothing_was_written_nothing_was_checked(self) -> None:
        failed = [entry for entry in self.ENTRIES if not entry.result.steps]
        sections = {section.title: section for section in steps_sections(failed)}
        assert "nothing to check" in text(sections["Failed checks"])
        assert "no fault" not in text(sections["Failed checks"])

    def test_no_fault_is_said(self) -> None:
        sections = {section.title: section for section in steps_sections(self.ENTRIES[:1])}
        assert text(sections["Failed checks"]) == "The checks found no fault."
        assert "Tasks without an instruction" not in sections


def test_generated_examples_with_those_that_were_chosen() -> None:
    candidates = tuple(Example(f"in {n}", f"out {n}") for n in range(3))
    good = ExampleSet("a", (), candidates, drawn=(0, 2), ranked=(2, 1))
    unranked = ExampleSet("b", (), candidates, drawn=(0, 1), ranking_failure="unmatched")
    none = ExampleSet("c", (), failure="no_examples")
    found = [
        Entry(n, result.task_id, "", "Do it.", result)
        for n, result in enumerate((good, unranked, none))
    ]
    section = examples_section(found)
    assert "2 of 3 tasks have generated examples; of 1 the model" in text(section)
    rows = charts(section)["example-failures"].table.rows
    assert set(rows) == {("unmatched", "1"), ("no_examples", "1")}
    assert section
    shown = section.blocks[-1]
    assert isinstance(shown, Specimens)
    texts = [field.text for field in shown.items[0].fields]
    assert texts == ["Do it.", "in 0", "out 0", "in 2", "out 2", "in 2", "out 2", "in 1", "out 1"]


class TestVerdicts:
    def test_levels_of_each_system_and_why_some_are_missing(self) -> None:
        labels = (("A", "D"), ("A", ""), ("C", "B"), ("B", ""))
        judged = [
            Judged(
                f"i{n}",
                f"t{n // 2}",
                (
                    JudgeVerdict(("new",), label),
                    JudgeVerdict(("old",), other, failure="" if other else "mute"),
                ),
            )
            for n, (label, other) in enumerate(labels)
        ]
        section = verdicts_section("rating", judged)
        assert section
        assert (section.title, text(section)[:25]) == ("Ratings", "4 instances of 2 tasks. A")
        table = section.blocks[1]
        assert isinstance(table, Table)
        assert table.head == ("system", "A", "B", "C", "D", "missing", "A or B")
        assert [row[:6] for row in table.rows] == [
            ("new", "2", "1", "1", "0", "0"),
            ("old", "0", "1", "0", "1", "2"),
        ]
        found = charts(section)
        assert found["levels"].table.rows[:2] == (
            ("new", "A", "2", "50.0"),
            ("new", "B", "1", "25.0"),
        )
        assert found["missing-verdicts"].table.rows == (("mute", "2"),)

    def test_wins_losses_and_ties_of_each_pair(self) -> None:
        labels = ((FIRST, SECOND), (SECOND, FIRST), (FIRST, SECOND), (SAME, SAME), (FIRST, FIRST))
        judged = [
            Judged(f"i{n}", "t", (JudgeVerdict(("a", "b"), there), JudgeVerdict(("b", "a"), back)))
            for n, (there, back) in enumerate(labels)
        ]
        section = verdicts_section("pairwise", judged)
        assert section
        assert section.title == "Preferences"
        table = section.blocks[1]
        assert isinstance(table, Table)
        assert table.rows[0][:6] == ("a / b", "2", "1", "2", "1", "1")
        assert charts(section)["outcomes"].table.rows == (
            ("a / b", "win", "2", "40.0"),
            ("a / b", "lose", "1", "20.0"),
            ("a / b", "tie", "2", "40.0"),
        )
        assert "missing-verdicts" not in charts(section)


def test_labels_and_how_many_a_task_has() -> None:
    tasks = [
        Task("a", "Judge.", tuple(Instance(x, (x,)) for x in ("yes", "no", "yes")), True),
        Task("b", "Judge.", (Instance("x", ("yes",)), Instance("y", ("Yes",))), True),
    ]
    section = labels_section(label_balance(tasks))
    assert charts(section)["labels"].table.rows == (("yes", "4"), ("no", "1"))
    assert charts(section)["labels-of-a-task"].table.rows == (("1 label", "1"), ("2 labels", "1"))
    assert "1 of the tasks use one label" in text(section)


@pytest.mark.parametrize("count", [1, 10, 11, 1000])
def test_some_of_the_tasks_from_first_to_last(count: int) -> None:
    section = tasks_section([Task(str(n), "Do.", (Instance("", ("x",)),)) for n in range(count)])
    assert section
    (shown,) = section.blocks
    assert isinstance(shown, Specimens)
    assert len(shown.items) == min(count, 10)
    assert shown.items[-1].title == f"task {count - 1}"


def test_numbers_have_three_digits_unless_they_are_whole() -> None:
    values = (0, 7, 52445, 15.92, 0.21349, 3.0, 118.24, 100_000.5, -2.346, None)
    assert [number(value) for value in values] == [
        "0",
        "7",
        "52,445",
        "15.9",
        "0.213",
        "3",
        "118",
        "100,000",
        "-2.35",
        "",
    ]


WORDS = "one two three four"

Made = tuple[SystemPredictions, EvaluatedSystem]


def _system(name: str, marks: Sequence[float]) -> Made:
    """A system with these scores, one instance of one task each."""
    tasks = [
        Task(
            f"t{place}", "Do it.", (Instance("in", ("one two three four",), f"t{place}-0"),), False
        )
        for place in range(len(marks))
    ]
    words = [WORDS[: round(len(WORDS) * mark)] for mark in marks]
    predictions = [Prediction(f"t{place}", f"t{place}-0", word) for place, word in enumerate(words)]
    references = references_of(tasks)
    read = SystemPredictions(name, Path("p"), tuple(tasks), references, tuple(predictions))
    return read, evaluated(name, score(predictions, references), "category", ())


def _scores(systems: Sequence[Made], against: str = "") -> Section:
    read, scored = zip(*systems, strict=True)
    return results_sections(read, scored, against)[0]


class TestHeadlines:
    """The first screen: what was asked, what was found, how sure that is."""

    def headlines(self, *systems: Made, against: str = "") -> tuple[Headline, ...]:
        return _scores(systems, against).headlines

    def test_a_sure_gain_and_a_sure_loss(self) -> None:
        good, bad = _system("good", [1.0] * 8), _system("bad", [0.0] * 8)
        (headline,) = self.headlines(good, bad)
        assert headline.asked == "Does good do better than bad?"
        assert headline.certainty == "better"
        assert headline.found.startswith("Yes, as far as these tasks tell: ROUGE-L 100.0 against")
        (headline,) = self.headlines(good, bad, against="good")
        assert headline.asked == "Does bad do better than good?"
        assert headline.certainty == "worse"

    def test_an_interval_that_includes_zero_is_not_sure(self) -> None:
        first, second = _system("first", [1.0, 0.0] * 4), _system("second", [0.0, 1.0] * 4)
        (headline,) = self.headlines(first, second)
        assert headline.certainty == "unsure"
        assert "Not sure" in headline.found
        assert "The interval over 8 tasks includes zero." in headline.found

    def test_too_few_tasks_for_an_interval_are_not_sure(self) -> None:
        (headline,) = self.headlines(_system("a", [1.0, 1.0]), _system("b", [0.0, 0.0]))
        assert headline.certainty == "unsure"
        assert "There is no interval (2 tasks: an interval needs 6 or more)" in headline.found
        assert "holds zero" not in headline.found

    def test_one_system_is_told(self) -> None:
        (headline,) = self.headlines(_system("alone", [1.0] * 8))
        assert headline.asked == "How well does alone answer?"
        assert "ROUGE-L 100.0" in headline.found

    def test_each_comparison_is_a_row_of_the_figure(self) -> None:
        systems = [_system(name, [share] * 8) for name, share in (("a", 0), ("b", 1), ("c", 1))]
        figure = _scores(systems, "a").figure
        assert figure
        assert [row[0] for row in figure.table.rows] == ["b", "c"]
        assert "from a" in figure.title
        figure = _scores(systems).figure
        assert figure
        assert [row[0] for row in figure.table.rows] == ["against b", "against c"]
