"""`seedstep verdicts`, rubrics of one's own, and what is shown while a judge works."""

import csv
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from rich.cells import cell_len

from support.command_line import Outcome, seedstep
from support.judging import Answered, by_length, prompt_of
from support.scripted_server import ScriptedServer

pytestmark = pytest.mark.usefixtures("empty_directory")

GOOD, POOR = "secret-good", "secret-poor"


@pytest.fixture
def answered(server: ScriptedServer, tmp_path: Path) -> Answered:
    """Answers of two systems to 16 instances; one of them gets no verdict."""
    server.script = by_length
    return Answered(tmp_path, server, t0_0="prose", t1_0="a much longer answer")


def judged(answered: Answered, *flags: object) -> Outcome:
    return seedstep(*answered.flags(), "--out", "run", *flags)


def listed(*flags: object) -> list[dict[str, object]]:
    done = seedstep("verdicts", "run", *flags, "--format", "jsonl")
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


class TestRatings:
    def test_each_answer_has_a_row_with_all_that_is_known(self, answered: Answered) -> None:
        assert judged(answered).code == 0
        rows = listed()
        assert len(rows) == 32
        assert [row["systems"] for row in rows[:2]] == [[GOOD], [POOR]]
        missing = rows[0]
        assert (missing["label"], missing["answers"]) == ("", ["prose"])
        assert "could not be read" in str(missing["failure"])
        assert missing["replies"] == ["Both have their merits."]
        best = next(row for row in rows if row["instance"] == "t1-0")
        assert best["label"] == "A"
        assert best["references"]
        assert best["input"]

    @pytest.mark.parametrize(
        ("flags", "count"),
        [
            (("--label", "D"), 16),
            (("--label", "D", "--label", "A"), 17),
            (("--label", "missing"), 1),
            (("--system", GOOD), 16),
            (("--system", GOOD, "--label", "D"), 0),
            (("--category", "Title Generation"), 16),
        ],
    )
    def test_rows_are_chosen(self, answered: Answered, flags: tuple[str, ...], count: int) -> None:
        judged(answered)
        assert len(listed(*flags)) == count

    def test_the_table_fits_and_names_how_to_see_one(
        self, answered: Answered, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        judged(answered)
        for width in (80, 60):
            monkeypatch.setenv("COLUMNS", str(width))
            done = seedstep("verdicts", "run", "--label", "A", "--limit", 5)
            assert done.code == 0
            assert [line for line in done.lines if cell_len(line) > width] == []
            assert done.lines[1].split()[:3] == ["t1-0", GOOD, "A"]
            assert "1 of 32 verdicts" in done.out
            assert "  seedstep show run t1-0" in done.lines
        shown = seedstep("show", "run", "t1-0").lines
        assert f"{GOOD}: A" in shown[:4]

    def test_more_than_the_limit_is_said(self, answered: Answered) -> None:
        judged(answered)
        said = seedstep("verdicts", "run", "--limit", 3).out
        assert "32 of 32 verdicts, of which 3 are listed; --limit 32 lists all" in said

    def test_intervals_are_named_where_there_are_some(self, answered: Answered) -> None:
        assert "Shares in percent with 95% intervals over tasks" in judged(answered).words
        lines = answered.tasks.read_text().splitlines(keepends=True)
        answered.tasks.write_text("".join(lines[:3]))
        few = judged(answered, "--out", "few").words
        assert "Shares in percent without intervals, which need 6 tasks at least" in few
        page = seedstep("report", "few", "--out", "page").code
        assert page == 0
        assert "in percent without intervals" in Path("page/index.html").read_text()

    def test_a_file(self, answered: Answered) -> None:
        judged(answered)
        for name, form in (("v.jsonl", "jsonl"), ("v.csv", "csv")):
            done = seedstep("verdicts", "run", "--format", form, "--out", name, "--label", "D")
            assert f"16 verdicts in {name}" in done.out
        with Path("v.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        lines = [json.loads(line) for line in Path("v.jsonl").read_text().splitlines()]
        assert [row["instance"] for row in rows] == [line["instance"] for line in lines]
        assert {row["label"] for row in rows} == {"D"}
        assert {row["answers"] for row in rows} == {"no"}

    @pytest.mark.parametrize(
        ("flag", "value", "known"),
        [("--label", "E", "A, B, C, D"), ("--system", "x", GOOD), ("--category", "x", "Title")],
    )
    def test_what_is_not_there_is_told(
        self, answered: Answered, flag: str, value: str, known: str
    ) -> None:
        judged(answered)
        error = seedstep("verdicts", "run", flag, value).error
        assert f"there is no {flag[2:]} '{value}'" in error
        assert known in error

    def test_without_the_predictions_verdicts_are_still_listed(self, answered: Answered) -> None:
        judged(answered)
        for path in answered.systems:
            Path(path).unlink()
        rows = listed("--label", "A")
        assert [row["instance"] for row in rows] == ["t1-0"]
        assert rows[0]["answers"] == []

    def test_no_verdict_is_shown_on_an_answer_that_changed(self, answered: Answered) -> None:
        judged(answered)
        path = Path(answered.systems[0])
        path.write_text(path.read_text().replace("a much longer answer", "no"))
        rows = listed("--system", GOOD)
        (row,) = (row for row in rows if row["instance"] == "t1-0")
        assert (row["label"], row["definition"] != "") == ("A", True)
        assert (row["input"], row["references"], row["answers"]) == ("", [], [])
        assert all(row["answers"] for row in rows if row["instance"] != "t1-0")

    def test_records_of_0_1_0_are_of_the_answers_that_were_judged(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """They have no fingerprints of their own: all of the answers have to be as they were."""
        shutil.copytree(Path(__file__).parents[1] / "fixtures/v0.1.0", tmp_path / "runs")
        monkeypatch.chdir(tmp_path / "runs")
        Path("judge").rename("run")
        before = listed()
        assert any(row["answers"] for row in before)
        with closing(sqlite3.connect("predict/run.db")) as database, database:
            database.execute("UPDATE predictions SET text = 'another answer'")
        after = listed()
        assert [row["label"] for row in after] == [row["label"] for row in before]
        assert not any(row["answers"] or row["input"] for row in after)

    def test_another_stage_is_refused(self) -> None:
        fixtures = Path(__file__).parents[1] / "fixtures" / "v0.1.0"
        shutil.copytree(fixtures / "bootstrap", "run")
        assert "bootstrap" in seedstep("verdicts", "run").error


class TestPairs:
    def test_both_orders_make_a_verdict(self, answered: Answered) -> None:
        assert judged(answered, "--mode", "pairwise").code == 0
        rows = listed()
        assert len(rows) == 16
        won = next(row for row in rows if row["instance"] == "t1-0")
        assert (won["systems"], won["label"]) == ([GOOD, POOR], "win")
        assert won["said"] == ["first", "second"]
        assert len(won["answers"]) == len(won["replies"]) == 2  # type: ignore[arg-type]
        assert len(listed("--label", "missing")) == 1
        assert (
            "Known are win, lose, tie, missing" in seedstep("verdicts", "run", "--label", "A").error
        )


class TestProgress:
    def test_instances_are_counted_and_each_verdict_is_told(self, answered: Answered) -> None:
        done = judged(answered)
        assert "run: 16 instances, model openai:scripted" in done.out
        assert f"t1-0: {GOOD} A; {POOR} D" in done.out
        assert f"t0-0: {GOOD} no verdict; {POOR} D" in done.out
        assert ": good" not in done.out

    def test_of_two_answers_the_better_one_is_told(self, answered: Answered) -> None:
        done = judged(answered, "--mode", "pairwise")
        better = f"{GOOD} / {POOR}: {GOOD} is better; {POOR} / {GOOD}: {GOOD} is better"
        assert f"t1-0: {better}" in done.out
        assert "  seedstep verdicts run" in done.lines


RUBRIC = """A: fit for the boat's owner, and kind.
B: fit, with a slip.
C: about the boat.
D: anything else."""


class TestRubrics:
    @pytest.fixture(autouse=True)
    def _written(self, empty_directory: None) -> None:
        Path("rubric.txt").write_text(RUBRIC)

    def test_a_rubric_stands_in_place_of_the_papers(
        self, answered: Answered, server: ScriptedServer
    ) -> None:
        assert judged(answered, "--rubric", "rubric.txt").code == 0
        for body in server.bodies:
            prompt = prompt_of(body)
            head, _, rest = prompt.partition("\n\nInstruction:\n")
            assert head.endswith(f"on a level from A (best) to D:\n\n{RUBRIC}")
            assert "valid and satisfying" not in prompt
            assert rest.endswith('where LEVEL is "A", "B", "C" or "D"')
        written = yaml.safe_load(Path("run/run.yaml").read_text())
        assert written["rubric"] == "rubric.txt"

    def test_of_pairs(self, answered: Answered, server: ScriptedServer) -> None:
        Path("rubric.txt").write_text("The kinder one is better.")
        assert judged(answered, "--mode", "pairwise", "--rubric", "rubric.txt").code == 0
        head = prompt_of(server.bodies[0]).partition("\n\nTask definition:\n")[0]
        assert head.endswith("\n\nThe kinder one is better.")
        assert "determine by the rubric below" in head

    def test_another_rubric_judges_anew(self, answered: Answered, server: ScriptedServer) -> None:
        judged(answered, "--rubric", "rubric.txt")
        asked = server.requests
        judged(answered)
        assert server.requests == asked
        Path("rubric.txt").write_text(f"{RUBRIC}\nBe strict.")
        assert seedstep("judge", "--out", "run").code == 0
        assert server.requests == 2 * asked

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("A: good\nB: fair\nC: bad", "no line says what level D means"),
            ("", "a rubric of 0 characters"),
            ("A B C D " * 9999, "characters"),
        ],
    )
    def test_one_that_can_not_be_used_is_told(
        self, answered: Answered, text: str, said: str
    ) -> None:
        Path("rubric.txt").write_text(text)
        assert said in judged(answered, "--rubric", "rubric.txt").error
        assert "no such file" in judged(answered, "--rubric", "nowhere.txt").error
