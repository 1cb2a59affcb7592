"""Every table of every command is readable in a terminal of 80 columns, and of 60."""

import io
import random
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from seedstep.cli import terminal
from seedstep.cli.bootstrap import _finished
from seedstep.cli.terminal import TableLine, fold, table_lines
from seedstep.data import Instance, Task
from seedstep.runs import Rows
from support.answer_files import right, write_predictions, write_tasks
from support.command_line import seedstep

FIXTURES = Path(__file__).parents[1] / "fixtures" / "v0.1.0"
TASKS = 16
LONG = "openai:some-rather-long-name-of-a-model-2026-11-28"
NUMBER = re.compile(r"\[[-+.,\d]+, [-+.,\d]+\]|[-+$(]*\d[\d.,%/)~]*")
"""An interval, or a number with its signs."""

Tables = list[tuple[Rows, list[TableLine]]]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of each stage, and the predictions of three systems, of which two have long names."""
    folder = tmp_path_factory.mktemp("prepared") / "made"
    shutil.copytree(FIXTURES, folder)
    write_tasks(folder / "tasks.jsonl", tasks=TASKS)
    random.seed(1)
    for name in ("good", "a-system-with-a-rather-long-name", LONG):
        texts = {key: text if random.random() < 0.6 else "x" for key, text in right(TASKS).items()}
        write_predictions(folder / f"{name}.jsonl", texts)
    return folder


@pytest.fixture
def tables(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> Tables:
    """The tables that are printed while a test runs, and their lines."""
    monkeypatch.chdir(prepared)
    seen: Tables = []

    def noted(table: Rows, width: int) -> Iterator[TableLine]:
        lines = list(table_lines(table, width))
        seen.append((table, lines))
        return iter(lines)

    monkeypatch.setattr(terminal, "table_lines", noted)
    return seen


PROSE = "The seeds are written in Japanese. They are compared by character, as words need spaces."
ADDRESS = "http://127.0.0.1:8090/rater/" + 60 * "a"


def printed(text: str, *, is_terminal: bool) -> list[str]:
    file = io.StringIO()
    shown = terminal._Terminal(file=file, force_terminal=is_terminal, width=60, no_color=True)
    shown.print(terminal.plain(text), soft_wrap=True)
    return file.getvalue().splitlines()


def test_on_a_terminal_a_message_is_wrapped_between_words() -> None:
    lines = printed(PROSE, is_terminal=True)
    assert len(lines) == 2
    assert max(map(cell_len, lines)) <= 60
    assert " ".join(line.rstrip() for line in lines) == PROSE
    assert printed(PROSE, is_terminal=False) == [PROSE]


@pytest.mark.parametrize(
    "text",
    [
        "  seedstep export runs/a-run-with-a-long-name --format alpaca --out data/for-tuning",
        f"ann: {ADDRESS}",
        "Wrote runs/first.yaml. Next: seedstep bootstrap --config first.yaml --out runs/first",
        "Look at what the server said to the last of them: `seedstep requests runs/first --failed`",
        f"A prompt of two lines:\n{PROSE}",
    ],
)
def test_what_is_copied_from_a_terminal_is_left_as_it_is(text: str) -> None:
    assert printed(text, is_terminal=True) == text.splitlines()


SYSTEMS = ("good.jsonl", "a-system-with-a-rather-long-name.jsonl", f"{LONG}.jsonl")
COMMANDS = {
    "bootstrap": ("status", "bootstrap"),
    "steps": ("steps", "stats", "steps"),
    "examples": ("status", "examples"),
    "predict": ("status", "predict"),
    "judge": ("status", "judge"),
    "judge-pairwise": ("status", "judge-pairwise"),
    "tune": ("status", "tuned"),
    "tune show": ("show", "tuned"),
    "requests": ("requests", "bootstrap"),
    "checks": ("steps", "checks"),
    "evaluate": ("evaluate", *SYSTEMS, "--tasks", "tasks.jsonl"),
    "evaluate by task": ("evaluate", *SYSTEMS, "--tasks", "tasks.jsonl", "--by", "task"),
    "compare": ("compare", *SYSTEMS, "--tasks", "tasks.jsonl"),
    "agreement": ("agreement", "judge", "judge"),
}
WITHOUT_TABLE = ("examples", "requests")
"""These print lists of lines, which are to fit all the same."""


def fits(table: Rows, lines: list[TableLine], width: int) -> None:
    """Assert that no line is too long, and that all numbers are there whole."""
    assert [line.text for line in lines if cell_len(line.text) > width] == []
    wanted = Counter(
        number for row in table.rows for cell in row for number in NUMBER.findall(cell)
    )
    shown = Counter(number for line in lines for number in NUMBER.findall(line.text))
    in_names = Counter(number for row in table.rows for number in NUMBER.findall(row[0]))
    assert wanted - in_names - shown == Counter()


@pytest.mark.parametrize("width", [80, 60])
@pytest.mark.parametrize("name", COMMANDS)
def test_tables_fit(name: str, width: int, tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    done = seedstep(*COMMANDS[name])
    assert done.code == 0, done.err
    assert bool(tables) is (name not in WITHOUT_TABLE)
    for table, lines in tables:
        fits(table, lines, width)
        assert all(line.text in done.lines for line in lines)
    if name in WITHOUT_TABLE:
        assert [line for line in done.lines if cell_len(line) > width] == []


@pytest.mark.parametrize("width", [80, 60])
def test_the_suites_table_fits(
    width: int, tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert seedstep("suite", tmp_path / "suite").code == 0
    ((table, lines),) = tables
    fits(table, lines, width)
    assert lines[-1].text.split()[1:] == ["categories", *table.rows[-1][2:]]


def test_a_comparison_keeps_an_interval_whole(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    cell = "+34.9 [+22.3, +49.9]"
    head = ("", "metric", "A", "B", "A - B", "win/lose/tie", "instances")
    row = ("Textual Entailment", "exact match", "84.9", "50.0", cell, "12/3/5", "1,024")
    terminal.print_rows(Rows((row,), head))
    ((_, lines),) = tables
    shown = [line.text for line in lines]
    assert any("[+22.3, +49.9]" in line for line in shown)


def test_no_command_prints_a_table_of_its_own() -> None:
    folder = Path(terminal.__file__).parent
    used = [
        path.name
        for path in folder.glob("*.py")
        if re.search(r"from rich.table import|\.add_column\(", path.read_text())
    ]
    assert set(used) <= {"bootstrap.py", "progress.py"}  # live displays, cut to the terminal


CELLS = st.text(alphabet="ab_-/ 翻訳é", max_size=60)
FIGURES = st.sampled_from(["1,024", "-", "41.2 [39.0, 43.5]", "+100.0 [-100.0, +100.0]", "$0.12"])


@given(
    st.lists(st.tuples(CELLS, FIGURES, FIGURES, CELLS, FIGURES), min_size=1, max_size=5),
    st.integers(40, 120),
)
def test_any_table_fits(rows: list[tuple[str, ...]], width: int) -> None:
    table = Rows(tuple(rows), ("system", "score", "second score", "why", "instances"))
    lines = list(table_lines(table, width))
    fits(table, lines, width)
    texts = sorted("".join(line.text for line in lines).replace(" ", ""))
    for row in rows:
        for cell in row:
            assert not Counter(cell.replace(" ", "")) - Counter(texts)


def test_words_are_broken_where_they_are_joined_and_wide_characters_count_twice() -> None:
    assert fold("task1234_of_something", 12) == ["task1234_of_", "something"]
    assert fold("  of them", 20) == ["  of them"]
    assert fold("one\ntwo three", 9) == ["one", "two three"]
    assert fold("one\ntwo three", 5) == ["one", "two", "three"]
    assert fold("翻訳してください", 8) == ["翻訳して", "ください"]


@pytest.mark.parametrize("width", [80, 60])
@pytest.mark.parametrize("text", ["Begründe, warum Quitten kümmern. " * 3, "梅の剪定の時期。" * 9])
def test_of_a_finished_task_the_instruction_is_cut_alone(width: int, text: str) -> None:
    task = Task("g12.3", text, (Instance("", ("a",)),), is_classification=True)
    line = _finished(task, width).plain
    assert width - 1 <= cell_len(line) <= width
    assert line.startswith("  g12.3  ")
    assert line.endswith("…  (classification, 1 instance)")
    assert text in _finished(task).plain


def test_a_column_of_phrases_that_begin_with_numbers_is_text() -> None:
    table = Rows((("too_short", "1", "3 words or fewer"),), ("reason", "count", "meaning"))
    head, row = (line.text for line in table_lines(table, 80))
    assert head.index("meaning") == row.index("3 words")
