"""Table 1 for tasks of our own."""

from seedstep.runs import Entry
from seedstep.steps import Finding, Judgement, WrittenSteps, statistics

GOOD = WrittenSteps("a", (), steps=("Read it twice.", "Answer."), chosen=0)
FAULTY = WrittenSteps(
    "b",
    (),
    steps=("Read.", "Look.", "Say it.", "Stop."),
    findings=(Finding("iterates", "x"), Finding("iterates", "y"), Finding("repeats", "")),
    chosen=0,
    judgement=Judgement(True, False, "key"),
)
FAILED = WrittenSteps("c", (), failure="prose")


def test_all_and_each_category() -> None:
    rows = statistics(
        [
            Entry(0, "t", "Titles", "one two three", GOOD),
            Entry(0, "t", "", "one", FAILED),
            Entry(0, "t", "Titles", "one two three four five", FAULTY),
        ]
    )
    everything, titles, without = rows
    assert [row.group for row in rows] == ["all", "Titles", "no category"]
    assert (everything.tasks, everything.categories) == (3, 2)
    assert everything.definition_words == 3
    assert everything.words == (4 + 5) / 2
    assert everything.steps == 3
    assert everything.findings == {"iterates": 1, "repeats": 1}
    assert everything.faulty == 1
    assert everything.failures == {"prose": 1}
    assert (everything.judged, everything.correct, everything.complete) == (1, 1, 0)
    assert (titles.tasks, titles.faulty, titles.definition_words) == (2, 1, 4)
    assert (without.words, without.steps, without.faulty) == (None, None, 0)


def test_a_judge_without_an_answer_counts_for_nothing() -> None:
    written = WrittenSteps("a", (), steps=("x",), judgement=Judgement(None, None, "key", "prose"))
    (row, _) = statistics([Entry(0, "t", "", "x", written)])
    assert (row.judged, row.correct, row.complete) == (0, 0, 0)


def test_nothing_at_all() -> None:
    assert statistics([]) == ()
