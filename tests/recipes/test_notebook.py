"""What notebooks show: runs, tasks, scores and comparisons as HTML, and progress."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch
from xml.etree import ElementTree as ET

import pytest

from seedstep import (
    Instance,
    Task,
    compare_systems,
    evaluate_systems,
    filter_file,
    judge,
    open_run,
    self_instruct,
    write_instructions,
)
from seedstep.data.records import Problem, Tabulated, TaskList, task_record
from seedstep.recipes import Agreement, Calibration, MergeReport, notebook
from seedstep.recipes.notebook import NotebookWatch, notebook_tuning_watch, notebook_watch
from seedstep.report.page import Report
from seedstep.runs import Line
from seedstep.stages import STAGES
from seedstep.tune import EvaluationLoss, OptimizerStep, Preflight, TuneSettings
from seedstep.tune.data import EffectiveBatch
from support.answer_files import right, write_predictions, write_tasks
from support.judging import by_length
from support.scripted_server import ScriptedServer
from support.step_server import STEPS, chat, numbered

pytestmark = pytest.mark.usefixtures("empty_directory")

FIXTURES = Path(__file__).parents[1] / "fixtures" / "v0.1.0"
HOSTILE = "<script>alert('x')</script>\u202e\x1b[31m & <b>"


TAGS = frozenset(("div", "b", "table", "caption", "thead", "tbody", "tr", "th", "td", "ol", "li"))
TAGS |= {"br", "h4", "progress"}


def parsed(html: str) -> ET.Element:
    """The HTML as a tree, which is well formed, and has nothing in it that acts."""
    tree = ET.fromstring(f"<div>{html}</div>")
    for element in tree.iter():
        assert element.tag in TAGS
        assert set(element.attrib) <= {"value", "max"}
    text = "".join(tree.itertext())
    assert "\x1b" not in text
    assert "\u202e" not in text
    return tree


def shown(value: Any) -> str:
    return "".join(parsed(value._repr_html_()).itertext())


class TestTasks:
    def test_a_task_with_steps_and_instances(self) -> None:
        instances = tuple(Instance(f"in {n}", (f"out {n}", "or")) for n in range(7))
        text = shown(Task("t1", "Sort it.", instances, steps=("Read.", "Sort.")))
        assert "t1 Sort it.Read.Sort.inputoutputin 0out 0 | or" in text.replace("\n", "")
        assert "and 2 more instances" in text
        assert "in 5" not in text

    def test_markup_is_text(self) -> None:
        html = Task(HOSTILE, HOSTILE, (Instance(HOSTILE, (HOSTILE,)),))._repr_html_()
        assert "<script>" not in html
        assert "<script>alert('x')</script>" in "".join(parsed(html).itertext())

    def test_a_task_without_anything(self) -> None:
        assert shown(Task("t", "Do.", ())) == "t Do."

    def test_of_many_tasks_only_those_that_are_shown_become_rows(self) -> None:
        tasks = TaskList(tuple(Task(f"t{n}", "Do.", ()) for n in range(1000)))
        with patch("seedstep.data.records.task_record", side_effect=task_record) as made:
            text = shown(tasks)
        assert made.call_count == 20
        assert "t19" in text
        assert "and 980 more rows" in text

    def test_a_list_is_told_in_a_few_words(self) -> None:
        tasks = tuple(Task(f"t{n}", "Do.", ()) for n in range(1000))
        problem = Problem(Path("a"), 1, "", "bad", "mend it")
        assert repr(TaskList(tasks)) == "<TaskList of 1,000 tasks>"
        assert repr(TaskList(tasks[:1], (problem,))) == "<TaskList of 1 task, 1 problem>"


class TestRuns:
    @pytest.mark.parametrize(
        "name", ["bootstrap", "steps", "examples", "predict", "judge", "tuned"]
    )
    def test_a_run_of_each_stage(self, name: str) -> None:
        shutil.copytree(FIXTURES, ".", dirs_exist_ok=True)
        with open_run(name) as run:
            text = shown(run)
            assert text.startswith(f"{name} seedstep {run.stage.name}")
            assert run.stage is STAGES[run.stage.name]
            blocks = run.stage.status(run)
            assert all(block.parts[0].text in text for block in blocks if isinstance(block, Line))

    def test_a_closed_run_says_so(self) -> None:
        shutil.copytree(FIXTURES / "bootstrap", "run")
        with open_run("run") as run:
            assert "3 of 3 tasks" in shown(run)
        assert shown(run) == "run seedstep bootstrap: run is closed"

    def test_a_closed_run_without_a_database_says_so_too(self) -> None:
        shutil.copytree(FIXTURES / "tuned", "run")
        with open_run("run") as run:
            pass
        assert shown(run) == "run seedstep tune: run is closed"


class TestScores:
    def test_scores_and_comparisons(self) -> None:
        tasks = write_tasks(Path("tasks.jsonl"), tasks=8)
        good = write_predictions(Path("a<b>.jsonl"), right(8))
        poor = write_predictions(Path("poor.jsonl"), dict.fromkeys(right(8), "no"))
        done = evaluate_systems([good, poor], tasks=tasks, grouping="category")
        assert "a<b>" in shown(done)
        assert "Title Generation" in shown(done)
        assert "100.0" in shown(done.systems[0])
        pairings = compare_systems(done)
        (pairing,) = pairings
        rows = done.to_records()
        assert rows == [row for system in done.systems for row in system.to_records()]
        assert {row["system"] for row in rows} == {"a<b>", "poor"}
        assert [*done.to_dataset()] == rows
        assert shown(pairing).startswith("A: a<b>, B: poor")
        for found in (pairing, pairing.comparison, *done.systems):
            assert [*found.to_dataset()] == found.to_records()
        assert "+100.0" in shown(pairing.comparison)
        assert shown(pairings) == shown(pairing)
        assert pairings.to_records() == pairing.to_records()
        assert [*pairings.to_dataset()] == pairings.to_records()


@dataclass(frozen=True)
class Rows(Tabulated):
    rows: int

    def to_records(self) -> list[dict[str, Any]]:
        return [{"text": HOSTILE, "score": place / 3, "none": None} for place in range(self.rows)]


class TestTables:
    """What has rows, and no table of its own."""

    def test_a_bounded_number_of_rows_whose_texts_are_no_markup(self) -> None:
        html = Rows(1000)._repr_html_()
        tree = parsed(html)
        assert len(tree.findall(".//tbody/tr")) == 20
        assert [cell.text for cell in tree.findall(".//th")] == ["text", "score", "none"]
        assert [cell.text for cell in tree.findall(".//tr[2]/td")][1:] == ["0.3333", None]
        assert "and 980 more rows" in html
        assert "<script>" not in html
        assert len(Rows(100_000)._repr_html_()) < 10_000

    def test_without_rows_only_the_name(self) -> None:
        assert shown(Rows(0)) == "Rows"

    def test_long_texts_are_cut(self) -> None:
        class Long(Rows):
            def to_records(self) -> list[dict[str, Any]]:
                return [{"text": "a" * 100_000}]

        assert len(Long(1)._repr_html_()) < 1000

    @pytest.mark.parametrize("kind", [Agreement, Calibration, MergeReport])
    def test_all_that_has_rows_has_a_table(self, kind: type) -> None:
        assert kind._repr_html_ is Tabulated._repr_html_  # type: ignore[attr-defined]

    def test_a_filter_shows_counts_and_the_first_rejections(self) -> None:
        report = filter_file([{"instruction": HOSTILE + " a b c"}] * 9 + [{"instruction": "Sing."}])
        rows = parsed(report._repr_html_()).findall(".//tr")
        cells = [[cell.text for cell in row] for row in rows]
        assert cells[:3] == [["rows", "10"], ["kept", "2"], ["not_novel", "8"]]
        assert len(cells) == 3 + 1 + 5
        assert "<script>" not in report._repr_html_()

    def test_a_report_is_a_link(self) -> None:
        report = Report(Path.cwd() / 'a "b" <c>:d' / "index.html", 3, (HOSTILE,))
        html = report._repr_html_()
        (link,) = ET.fromstring(f"<p>{html}</p>").iter("a")
        assert link.get("href") == "a%20%22b%22%20%3Cc%3E%3Ad/index.html"
        assert link.text == str(report.page)
        assert "<script>" not in html


class Display:
    """IPython's `display`, which keeps what it was given."""

    def __init__(self) -> None:
        self.pages: list[str] = []
        self.handles = 0

    def __call__(self, page: Any, display_id: bool = False) -> "Display":
        assert display_id
        self.handles += 1
        self.update(page)
        return self

    def update(self, page: Any) -> None:
        self.pages.append(page._repr_html_())
        parsed(self.pages[-1])


@pytest.fixture
def jupyter(monkeypatch: pytest.MonkeyPatch) -> Display:
    """A notebook: its packages as far as they are used."""
    display = Display()
    shell = type("ZMQInteractiveShell", (), {"kernel": object()})()
    package, module = ModuleType("IPython"), ModuleType("IPython.display")
    package.get_ipython = lambda: shell  # type: ignore[attr-defined]
    module.display = display  # type: ignore[attr-defined]
    for name, made in (("IPython", package), ("IPython.display", module)):
        monkeypatch.setitem(sys.modules, name, made)
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    return display


class TestProgress:
    def test_of_a_bootstrap(self, jupyter: Display, server: ScriptedServer) -> None:
        self_instruct("run", model="openai:scripted", tasks=3).close()
        assert jupyter.handles == 1
        assert '<progress value="0" max="3"></progress> 0 of 3' in jupyter.pages[0]
        assert '<progress value="3" max="3"></progress> 3 of 3' in jupyter.pages[-1]
        assert "<td>g0." in jupyter.pages[-1]

    def test_of_instructions_whose_names_are_markup(
        self, jupyter: Display, server: ScriptedServer
    ) -> None:
        server.script = lambda number, body: chat(numbered(*STEPS))
        task = Task(HOSTILE, "Write a title for boat 1.", ())
        write_instructions("run", tasks=[task], model="openai:scripted").close()
        assert "1 of 1" in jupyter.pages[-1]
        assert "<script>" not in jupyter.pages[-1]
        assert "good" in jupyter.pages[-1]

    def test_of_verdicts(self, jupyter: Display, server: ScriptedServer) -> None:
        server.script = by_length
        tasks = write_tasks(Path("tasks.jsonl"), tasks=1)
        answers = write_predictions(Path("a.jsonl"), right(1))
        judge("run", sources=[answers], tasks=tasks, model="openai:scripted").close()
        assert "2 of 2" in jupyter.pages[-1]

    def test_at_the_end_nothing_is_under_way_and_notes_are_told(
        self, jupyter: Display, server: ScriptedServer
    ) -> None:
        server.script = lambda number, body: chat(numbered(*STEPS))
        tasks = [Task(f"t{n}", f"Write a title for boat {n}.", ()) for n in range(3)]
        write_instructions("run", tasks=tasks[:1], model="openai:scripted").close()
        assert "in flight" in jupyter.pages[0]
        assert "in flight" not in jupyter.pages[-1]
        most = server.requests + 1
        grown = write_instructions("run", tasks=tasks, model="openai:scripted", max_requests=most)
        grown.close()
        assert "to do: 2 tasks" in jupyter.pages[-1]
        assert "stopped: " in jupyter.pages[-1]

    def test_notes_name_keywords_where_commands_name_flags(
        self, jupyter: Display, server: ScriptedServer
    ) -> None:
        server.script = lambda number, body: chat(numbered(*STEPS))
        definition = "Schreibe eine kurze Überschrift für den Bericht über das Boot {}."
        tasks = [Task(f"t{n}", definition.format(n), ()) for n in range(3)]
        write_instructions("run", tasks=tasks, model="openai:scripted").close()
        assert "language=&#x27;German&#x27;" in jupyter.pages[-1]
        assert "--language" not in jupyter.pages[-1]

    def test_a_watcher_of_the_users_own_stays(
        self, jupyter: Display, server: ScriptedServer
    ) -> None:
        own = Display()
        self_instruct("run", model="openai:scripted", tasks=1, watch=NotebookWatch(own)).close()
        assert own.handles == 1
        assert jupyter.handles == 0

    def test_of_a_tuning(self, jupyter: Display) -> None:
        watch = notebook_tuning_watch()
        assert watch
        counts = Preflight(2, 8, 0, 0, 0, 9, 9, {}, 0, (), EffectiveBatch(4, 1, 1), 1, 2, ())
        watch.counted(TuneSettings(), counts, (*[HOSTILE] * 5, "six", "seven"))
        assert "8 examples of 2 tasks, 2 steps" in jupyter.pages[-1]
        assert "left out: 2 more" in jupyter.pages[-1]
        watch.stepped(OptimizerStep(1, 2, 0.5, 1.25, 1e-3, 1.0, 1.0, 60.0))
        assert '<progress value="1" max="2"></progress> step 1 of 2' in jupyter.pages[-1]
        assert "loss 1.2500 · 1:00 left" in jupyter.pages[-1]
        watch.evaluated(EvaluationLoss(2, 1.125))
        watch.warned("--bf16 is not used")
        assert "held-out loss 1.1250 at step 2" in jupyter.pages[-1]
        assert "bf16 is not used" in jupyter.pages[-1]
        assert jupyter.handles == 1

    def test_of_a_job_at_a_server(self, jupyter: Display) -> None:
        watch = notebook_tuning_watch()
        assert watch
        watch.moved(HOSTILE, "running")
        watch.happened(HOSTILE)
        assert "running" in jupyter.pages[-1]
        assert "<script>" not in jupyter.pages[-1]

    def test_nothing_is_shown_elsewhere(self, server: ScriptedServer) -> None:
        assert notebook_watch() is None
        assert notebook_tuning_watch() is None
        assert "IPython" not in notebook.__dict__
