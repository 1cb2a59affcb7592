"""Entries of a module that the environment names are known in each process."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seedstep.errors import InputError
from seedstep.plugins import PLUGINS, load_plugins
from support.predicting import write_word_tasks

FIXTURES = Path(__file__).parent / "fixtures" / "v0.1.0"

Done = subprocess.CompletedProcess[str]

ENTRIES = """
import typer
from seedstep.cli import app
from seedstep.encode import Encoding, Layout, add_encoding, add_layout
from seedstep.evaluate import Metric, add_metric
from seedstep.exports import ExportFormat, add_export_format, write_lines
from seedstep.llm import Provider, add_provider


def last_word(task, instance, seed):
    return instance.input.split()[-1]


add_provider(Provider(prefix="words", meaning="copies a word", copies={"last": last_word}))

add_layout(Layout("shouted", "in capitals", str, str.upper))
add_encoding("two-shouted", Encoding("shouted", positive=2))

add_metric(Metric("half", "one half", "half a point for all", lambda pair: 0.5))


def requests(source, folder):
    return write_lines((row.request for row in source.rows()), folder / "requests.jsonl")


add_export_format(ExportFormat("requests", "the request alone", requests))


@app.command("greet")
def greet() -> None:
    \"\"\"Say hello.\"\"\"
    typer.echo("Hello.")
"""


def run(
    folder: Path, *words: object, plugins: str = "my_entries", search: str = ""
) -> subprocess.CompletedProcess[str]:
    (folder / search / "my_entries.py").write_text(ENTRIES)
    path = os.pathsep.join((search or str(folder), *sys.path))
    return subprocess.run(
        [sys.executable, "-P", "-m", "seedstep", *map(str, words)],
        cwd=folder,
        env={**os.environ, PLUGINS: plugins, "PYTHONPATH": path, "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )


def test_its_commands_and_models_are_listed(tmp_path: Path) -> None:
    assert run(tmp_path, "greet").stdout == "Hello.\n"
    assert "Say hello." in run(tmp_path, "--help").stdout
    assert "words:last" in run(tmp_path, "predict", "--help").stdout
    encode = " ".join(run(tmp_path, "encode", "--help").stdout.replace("│", "").split())
    assert "shouted (in capitals)" in encode
    assert "two-shouted" in encode
    export_help = " ".join(run(tmp_path, "export", "--help").stdout.replace("│", "").split())
    assert "requests (the request alone)" in export_help
    assert "one half" in run(tmp_path, "evaluate", "--help").stdout


def test_its_formats_and_metrics_are_used(tmp_path: Path) -> None:
    for name in ("bootstrap", "predict", "words"):
        shutil.copytree(FIXTURES / name, tmp_path / name)
    done = run(tmp_path, "export", "bootstrap", "--format", "requests")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "bootstrap" / "exports" / "requests" / "requests.jsonl").stat().st_size
    assert "one half" in run(tmp_path, "evaluate", "predict", "--by", "overall").stdout


@pytest.mark.parametrize(
    ("does", "status", "told"),
    [
        ("sys.exit()", 1, b"error: the metric 'mine' raised SystemExit. Correct its function, or "),
        ("print('scored', flush=True)", 0, b""),
    ],
)
def test_only_a_command_ends_where_its_output_has_no_reader(
    does: str, status: int, told: bytes, tmp_path: Path
) -> None:
    for name in ("predict", "words"):
        shutil.copytree(FIXTURES / name, tmp_path / name)
    (tmp_path / "my_metric.py").write_text(
        "import sys\nfrom seedstep.evaluate import Metric, add_metric\n\n"
        f"def measure(pair):\n    {does}\n    return 1\n\n"
        "add_metric(Metric('mine', 'mine', '', measure))\n"
    )
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "seedstep", "evaluate", "predict"],
        cwd=tmp_path,
        env={**os.environ, PLUGINS: "my_metric", "PYTHONPATH": os.pathsep.join([".", *sys.path])},
        stdout=writer,
        stderr=subprocess.PIPE,
    )
    os.close(writer)
    assert done.returncode == status
    assert done.stderr.startswith(told)
    assert told or not done.stderr


def test_the_stages_of_an_experiment_know_them(tmp_path: Path) -> None:
    tasks = write_word_tasks(tmp_path / "tasks")
    flags = f"{{tasks: {tasks}, model: 'words:last', out: answers}}"
    (tmp_path / "experiment.yaml").write_text(f"stages: [{{predict: {flags}}}]")
    done = run(tmp_path, "run", "experiment.yaml", "--out", "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out" / "answers" / "run.db").exists()
    without = run(tmp_path, "run", "experiment.yaml", "--out", "other", plugins="")
    assert without.returncode == 1
    assert "words:last" in without.stderr


def test_relative_directories_of_modules_are_not_those_of_the_run(tmp_path: Path) -> None:
    """Stages run in the directory of the experiment, from which no module is imported."""
    tasks = write_word_tasks(tmp_path / "tasks")
    flags = f"{{tasks: {tasks}, model: 'words:last', out: answers}}"
    (tmp_path / "experiment.yaml").write_text(f"stages: [{{predict: {flags}}}]")
    for folder in ("out", "out/lib", "lib"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "my_entries.py").write_text("raise SystemExit('it was run')")
    done = run(tmp_path, "run", "experiment.yaml", "--out", "out", search="lib")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out" / "answers" / "run.db").exists()


@pytest.mark.parametrize(
    ("plugins", "told"),
    [
        ("not_there", "No module named 'not_there'"),
        ("my_faulty, my_other", "division by zero"),
        ("my_script", "it ends the process: 0"),
    ],
)
def test_one_that_can_t_be_imported_is_told(plugins: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "my_faulty.py").write_text("1 / 0")
    (tmp_path / "my_script.py").write_text("import sys\nsys.exit(0)")
    done = run(tmp_path, "--help", plugins=plugins)
    name = plugins.partition(",")[0]
    assert done.returncode == 1
    assert f"SEEDSTEP_PLUGINS: module '{name}' can't be imported ({told})" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_entry_that_can_t_be_added_is_told_with_the_module(tmp_path: Path) -> None:
    own = "from seedstep.evaluate import METRICS, add_metric\nadd_metric(METRICS[0])\n"
    (tmp_path / "my_metrics.py").write_text(own)
    told = "module 'my_metrics': seedstep has a metric 'rouge_l' already. Give yours another name."
    assert run(tmp_path, "--help", plugins="my_metrics").stderr.endswith(f"{PLUGINS}: {told}\n")


ADDED = """
import typer
from seedstep.cli import app

below = typer.Typer()
{}

@below.command("say")
def first() -> None:
    typer.echo("mine")


@app.command({!r})
def second_one() -> None:
    typer.echo("mine")
"""


@pytest.mark.parametrize(
    ("group", "name", "told"),
    [
        ("", "status", "seedstep has a command 'status' already"),
        ("app.add_typer(below, name='steps')", "mine", "seedstep has a command 'steps' already"),
        ("app.add_typer(below, name='mine')", "mine", "two commands are called 'mine'"),
        ("app.add_typer(below)", "say", "two commands are called 'say'"),
        ("app.command('second-one')(print)", None, "two commands are called 'second-one'"),
    ],
)
def test_a_command_with_a_name_that_is_taken_is_refused(
    group: str, name: str | None, told: str, tmp_path: Path
) -> None:
    (tmp_path / "my_commands.py").write_text(ADDED.format(group, name))
    done = run(tmp_path, "status", "--help", plugins="my_commands")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: {told}. Give ")
    assert done.stderr.count("\n") == 1


def test_none_is_named_usually(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("", " , "):
        monkeypatch.setenv(PLUGINS, value)
        load_plugins()
    monkeypatch.setenv(PLUGINS, ".relative")
    with pytest.raises(InputError, match=r"'\.relative' can't be imported"):
        load_plugins()
