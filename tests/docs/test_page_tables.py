"""The tables of the pages have what the tables of the source have."""

import re
import shlex

import typer

from seedstep.bootstrap import REASONS
from seedstep.cli import app
from seedstep.evaluate import METRICS
from seedstep.exports import EXPORT_FORMATS
from seedstep.recipes import read_experiment, shipped_experiments
from seedstep.report.paper_tables import printed_table
from seedstep.steps import CHECKS
from support.pages import ROOT
from test_modules import LONGEST_FILE


def rows_of(page: str, head: str) -> dict[str, str]:
    """The second column of the table on a page under this head, by the first."""
    text = ROOT.joinpath(page).read_text(encoding="utf-8")
    table = text.partition(f"{head}\n|---|---|\n")[2].partition("\n\n")[0]
    return dict(re.findall(r"^\| (.*?) \| (.*) \|$", table, re.MULTILINE))


def test_the_readme_says_what_each_format_is() -> None:
    wanted = {f"`{name}`": export_format.meaning for name, export_format in EXPORT_FORMATS.items()}
    assert rows_of("README.md", "| `--format` | a record |") == wanted


def test_the_guide_names_each_reason() -> None:
    page = ROOT.joinpath("docs", "self-instruct.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert set(REASONS) <= named


def test_the_guide_says_what_each_metric_is() -> None:
    found = rows_of("docs/evaluation.md", "| metric | a score |")
    assert found == {metric.title: metric.meaning for metric in METRICS}


def test_the_guide_names_each_check() -> None:
    named = {
        name
        for names in rows_of("docs/step-by-step.md", "| check | finds |")
        for name in re.findall(r"`(\w+)`", names)
    }
    assert named == set(CHECKS) - {"no_steps"}, "a text without steps is a failure of its own"


def test_the_files_to_change_are_there_and_an_entry_fits() -> None:
    page = ROOT.joinpath("docs", "extending.md").read_text(encoding="utf-8")
    files = re.findall(r"^\| (?:a|an) [^|]*\| (.*?) \|", page, re.MULTILINE)
    names = [name for cell in files for name in re.findall(r"`([\w/]+(?:\.py)?)`", cell)]
    assert len(names) >= len(files) == 10
    for name in names:
        file = ROOT.joinpath("src", "seedstep", name)
        assert file.exists(), name
        if name.endswith(".py"):
            room = LONGEST_FILE - len(file.read_text(encoding="utf-8").splitlines())
            least = 120 if name == "encode/layouts.py" else 30
            assert room >= least, f"{name} has {room} lines left: move something elsewhere"


def lines_of_papers() -> list[tuple[str, list[str]]]:
    """What is printed, and the words of the command that makes ours, for each row of the page."""
    page = ROOT.joinpath("docs", "papers.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| `seedstep ([^`]+)` \|$", page, re.MULTILINE)
    return [(printed, shlex.split(line)) for printed, line in rows]


def test_the_papers_page_has_each_experiment_with_its_table() -> None:
    named = {words[1]: printed for printed, words in lines_of_papers() if words[0] == "run"}
    made = {name: read_experiment(path).table for name, path in shipped_experiments().items()}
    tables = {name: printed_table(found.printed).table for name, found in made.items() if found}
    assert named == tables
    assert len(named) == 9


def test_each_line_of_the_papers_page_is_a_command_with_its_flags() -> None:
    commands = typer.main.get_command(app)
    lines = lines_of_papers()
    assert len(lines) > 20
    for _, words in lines:
        found = commands.commands[words[0]]  # type: ignore[attr-defined]
        if words[1:] and words[1] in getattr(found, "commands", {}):
            found = found.commands[words[1]]
        flags = {flag for parameter in found.params for flag in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= flags, words
