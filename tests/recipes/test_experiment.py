"""Experiments: a list of commands in a file, run and gone on with."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from seedstep.errors import InputError
from seedstep.recipes import read_experiment
from seedstep.stages.directories import PlannedStage, keep_plan, planned_stages
from support.command_line import environment, program, seed_line, seedstep
from support.forking import forked
from support.predicting import write_word_tasks
from support.scripted_server import Fault, ScriptedServer

TWO = """
values: {tokens: latin}
stages:
  - name: first
    novelty: {arguments: "{here}/texts.jsonl", out: first.jsonl, tokens: "{tokens}", annotate: true}
  - name: second
    novelty: {arguments: first.jsonl, out: second.jsonl}
    after: [first]
  - name: apart
    novelty: {arguments: "{here}/texts.jsonl", out: apart.jsonl, nearest: false}
"""

PLACES = (("first", "one"), ("second", "one"), ("apart", "another"))


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "two.yaml"
    path.write_text(TWO)
    Path("texts.jsonl").write_bytes(seed_line() + seed_line(instruction="Count the ducks by lake."))
    return path


def test_stages_run_in_order_and_say_what_they_are(experiment: Path) -> None:
    done = subprocess.run(
        forked("run", experiment, "--out", "out"),
        env=environment(COLUMNS="200"),
        capture_output=True,
    )
    shown = done.stdout.decode()
    assert done.returncode == 0, done.stderr
    starts = [shown.index(f"{n}/3 $ seedstep novelty") for n in (1, 2, 3)]
    assert starts == sorted(starts)
    assert "--out first.jsonl --tokens latin --annotate" in " ".join(shown.split())
    assert len(Path("out/second.jsonl").read_text().splitlines()) == 2


def test_nothing_in_the_directory_is_run_as_code(experiment: Path) -> None:
    experiment.write_text(TWO[: TWO.index("  - name: second")])
    Path("out").mkdir()
    Path("out/typer.py").write_text("raise SystemExit('executed')")
    assert seedstep("run", experiment, "--out", "out").code == 0


@pytest.mark.usefixtures("quick_stages")
def test_finished_stages_do_not_run_again(experiment: Path) -> None:
    assert seedstep("run", experiment, "--out", "out").code == 0
    Path("out/second.jsonl").unlink()
    again = seedstep("run", experiment, "--out", "out")
    assert again.words.count("finished before") == 3
    assert not Path("out/second.jsonl").exists()


@pytest.mark.usefixtures("quick_stages")
def test_a_changed_stage_runs_again_with_what_needs_it(experiment: Path) -> None:
    assert seedstep("run", experiment, "--out", "out").code == 0
    for name in ("first", "second", "apart"):
        Path(f"out/{name}.jsonl").unlink()
    assert seedstep("run", experiment, "--out", "out", "--set", "tokens=unicode").code == 0
    assert Path("out/first.jsonl").exists()
    assert Path("out/second.jsonl").exists()
    assert not Path("out/apart.jsonl").exists()


@pytest.mark.usefixtures("quick_stages")
def test_a_stage_that_fails_ends_it_and_the_next_run_goes_on_there(experiment: Path) -> None:
    texts = Path("texts.jsonl")
    good = texts.read_bytes()
    experiment.write_text(TWO.replace("first.jsonl, out: second", "later.jsonl, out: second"))
    failed = seedstep("run", experiment, "--out", "out")
    assert failed.error.startswith("error: stage 'second' ended with status 1")
    assert not Path("out/apart.jsonl").exists()
    Path("out/later.jsonl").write_bytes(good)
    again = seedstep("run", experiment, "--out", "out")
    assert again.code == 0
    assert again.words.count("finished before") == 1
    assert Path("out/apart.jsonl").exists()


def test_the_list_says_what_is_independent(experiment: Path) -> None:
    found = read_experiment(experiment)
    assert found.independents() == [("apart",), ("apart",), ("first", "second")]
    listed = seedstep("run", experiment, "--list")
    assert "seedstep novelty" in listed.words
    assert not Path("runs").exists()


def test_stages_that_write_to_one_run_are_not_independent(tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    stages = [f"{{name: {place}, predict: {{name: {place}, out: {out}}}}}" for place, out in PLACES]
    path.write_text(f"stages: [{', '.join(stages)}]")
    assert read_experiment(path).independents() == [("apart",), ("apart",), ("first", "second")]


@pytest.mark.parametrize(
    "text, what",
    [
        ("stages: []", "no stages"),
        ("values: {}", "no stages"),
        ("values: 3\nstages: [{novelty: {}}]", "`values` is not a mapping"),
        ("stages: [3]", "stage 1: not a stage"),
        ("stages: [{name: a}]", "not one command"),
        ("stages: [{novelty: {}, steps: {}}]", "not one command"),
        ("stages: [{'--version': {}}]", "not one command"),
        ("stages: [{novelty: [1]}]", "flags are not a mapping"),
        ("stages: [{novelty: {}, after: [b]}]", "no earlier stage 'b'"),
        ("stages: [{novelty: {}}, {novelty: {}}]", "a second 'novelty'"),
        ("stages: [{novelty: {out: '{x}'}}]", "no value 'x'"),
        ("values: {x: '{x}'}\nstages: [{novelty: {out: a}}]", "the value 'x' names itself"),
        (
            "values: {x: 'a{y}', y: '{x}'}\nstages: [{novelty: {}}]",
            "the value 'x' names itself through 'y'",
        ),
    ],
)
def test_a_file_that_is_no_experiment_is_refused(text: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=what):
        read_experiment(path)


def test_a_value_may_be_made_of_values_that_are_made_of_others(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        "values: {a: '{b}-a', b: '{c}-b', c: 1}\nstages: [{novelty: {arguments: '{a}'}}]"
    )
    (stage,) = read_experiment(path).stages
    assert stage.command == ("novelty", "1-b-a")


def test_values_that_are_not_known_are_refused(experiment: Path) -> None:
    assert "no value 'token'" in seedstep("run", experiment, "--set", "token=latin").error
    assert "no value" in seedstep("run", experiment, "--set", "tokens").error


MODELS = """
values: {model: local, judge: local, tokenizer: local}
stages:
  - novelty: {arguments: "{cwd}/texts.jsonl", out: first.jsonl}
  - tune: {model: "{model}", data: first.jsonl, out: tuned}
  - name: answer
    predict: {model: "hf:tuned/model", tokenizer: "{tokenizer}", tasks: tasks, out: answers}
  - steps: {model: "hf:tuned/model", judge: "{judge}", tasks: tasks, out: steps}
"""


@pytest.mark.parametrize(
    "value, said",
    [
        ("model=nosuch:x", "stage 'tune': model 'nosuch:x' can't be tuned. Use local"),
        ("model=baseline:copy-input", "stage 'tune': model 'baseline:copy-input' can't be tuned"),
        ("judge=nosuch:x", "stage 'steps': model 'nosuch:x' is not of a known kind. Use local"),
        ("tokenizer=gpt2", "stage 'answer': model 'gpt2' is not of a known kind. Use "),
    ],
)
def test_a_model_of_no_known_kind_is_refused_before_the_first_stage(
    experiment: Path, value: str, said: str
) -> None:
    experiment.write_text(MODELS)
    assert said in seedstep("run", experiment, "--set", value).error
    assert not Path("runs").exists()
    assert seedstep("run", experiment, "--list").code == 0  # hf:tuned/model is made by a stage


def interrupt(process: subprocess.Popen[bytes]) -> None:
    """As a terminal does: the experiment and its stage are told."""
    os.killpg(process.pid, signal.SIGINT)


@pytest.mark.parametrize("stop", [interrupt, subprocess.Popen.terminate])
def test_an_interruption_lets_the_stage_end_in_its_own_way(
    tmp_path: Path, stop: Callable[[subprocess.Popen[bytes]], None]
) -> None:
    path = tmp_path / "slow.yaml"
    with ScriptedServer(lambda number, body: Fault(delay=0.3)) as server:
        flags = f"model: 'openai:m', base-url: '{server.url}', tasks: 500, out: grown"
        path.write_text(f"stages: [{{bootstrap: {{{flags}}}}}]")
        process = subprocess.Popen(
            program("run", path, "--out", tmp_path / "out"),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        while not server.requests:
            time.sleep(0.05)
        stop(process)
        shown = process.communicate(timeout=60)[0].decode()  # both have let go of it
    assert process.returncode == 130, shown
    assert "All replies are kept" in shown
    assert "The same command goes on from here" in shown


@pytest.mark.usefixtures("quick_stages")
def test_an_experiment_that_makes_a_table_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_word_tasks(tmp_path, tasks=8)
    text = """
table: {printed: ss-table-2, predictions: predictions}
stages:
  - name: predict
    for: {system: [copy-input, copy-demonstration]}
    predict: {model: "baseline:{system}", tasks: "{cwd}/tasks", name: "{system}", out: predictions}
"""
    (tmp_path / "mine.yaml").write_text(text)
    done = seedstep("run", "mine.yaml")
    assert done.code == 0, done.err
    assert "Copying Instance Input 100.0 [100.0, 100.0] 14.2" in done.words
    assert done.words.endswith("Again: seedstep table runs/mine")
    assert "Copying Demo Output 0.0 [0.0, 0.0] 28.5" in seedstep("table", "mine.yaml").words


GROWN = """
values: {address: "", tasks: 3}
stages:
  - name: grow
    bootstrap: {model: "openai:scripted", base-url: "{address}", tasks: "{tasks}", out: grown}
  - name: look
    status: {arguments: grown}
    after: [grow]
  - name: write
    steps:
      {tasks: grown, model: "openai:scripted", base-url: "{address}", max-requests: 1, out: written}
    after: [grow]
  - name: report
    report: {arguments: [grown, written], out: page}
    after: [write]
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of an experiment of which a stage is not finished."""
    folder = tmp_path_factory.mktemp("ran")
    (folder / "mine.yaml").write_text(GROWN)
    with ScriptedServer() as server:
        words = forked("run", "mine.yaml", "--out", "out", "--set", f"address={server.url}")
        done = subprocess.run(words, env=environment(), cwd=folder, capture_output=True)
        assert done.returncode == 1, done.stdout
    return folder


class TestTheStatusOfAnExperiment:
    @pytest.fixture
    def out(self, ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        shutil.copytree(ran, tmp_path, dirs_exist_ok=True)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COLUMNS", "80")
        return Path("out")

    def test_it_has_a_line_for_each_stage(self, out: Path) -> None:
        done = seedstep("status", out)
        assert done.code == 0, done.err
        assert done.lines[0] == "2 of 4 stages finished"
        told = {line.split()[0]: line.split()[1:] for line in done.lines[2:] if line}
        assert told["grow"] == ["finished", "bootstrap", "grown"]
        assert told["look"] == ["finished", "status"]
        assert told["write"] == ["begun", "steps", "written"]
        assert told["report"] == ["not", "begun", "report", "page"]
        assert max(map(len, done.lines)) <= 80

    def test_a_changed_stage_is_not_finished(self, out: Path) -> None:
        kept = planned_stages(out)
        changed = PlannedStage("bootstrap", "grown", "another")
        keep_plan(out, (kept | {"grow": changed}).items())
        assert seedstep("status", out).lines[0] == "1 of 4 stages finished"

    @pytest.mark.parametrize("command", ["show", "requests", "report"])
    def test_other_commands_name_its_runs(self, out: Path, command: str) -> None:
        error = seedstep(command, out).error
        assert "out is an experiment" in error
        assert "out/grown, out/written" in error

    def test_a_directory_with_runs_names_them(self, out: Path) -> None:
        (out / "plan.json").unlink()
        (out / "stages.json").unlink()
        assert "out is not a run, but has some" in seedstep("status", out).error
        assert "out/grown, out/written" in seedstep("show", out).error

    def test_one_of_an_earlier_version_has_the_finished_ones(self, out: Path) -> None:
        (out / "plan.json").unlink()
        done = seedstep("status", out)
        assert done.lines[0] == "2 of 2 stages finished"
        assert "see one: seedstep status out/grown" in done.words.lower()
