"""Experiments that a file makes without an end: they are refused, or come to one."""

import os
from pathlib import Path

import pytest

from seedstep.errors import InputError, RunError
from seedstep.recipes import read_experiment, run_experiment
from support.command_line import run_process
from support.forking import forked

pytestmark = pytest.mark.usefixtures("empty_directory")


def test_an_experiment_that_runs_itself_comes_to_an_end() -> None:
    here = Path("self.yaml").absolute()
    here.write_text(
        f"stages:\n- {{name: a, run: {{arguments: ['{here}'], out: again}}}}\n"
        f"- {{name: b, run: {{arguments: ['{here}'], out: more}}}}\n"
    )
    done = run_process("run", here, "--out", "out", line=forked)
    assert done.code == 1
    assert "3 experiments run within each other already" in done.err
    assert "Traceback" not in done.err
    assert len(list(Path("out").rglob("again"))) <= 3


@pytest.mark.parametrize("depth", ["3", "99", "many", "9" * 6000, "-1"])
def test_a_depth_that_is_none_is_no_way_around(depth: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("c.yaml").write_text("stages: [{name: a, suite: {arguments: [suite]}}]")
    monkeypatch.setenv("SEEDSTEP_EXPERIMENT_DEPTH", depth)
    with pytest.raises(RunError, match="within each other"):
        run_experiment(read_experiment(Path("c.yaml")), Path("out"), lambda *_: None)
    assert os.environ["SEEDSTEP_EXPERIMENT_DEPTH"] == depth


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (r'stages: [{name: a, suite: {arguments: ["a\0b"]}}]', "characters that none can have"),
        (r'stages: [{name: a, suite: {"a\0b": c}}]', "characters that none can have"),
        (f"stages: [{{name: a, suite: {{arguments: [{'x' * 200_000}]}}}}]", "200,000 characters"),
        (
            f"values: {{a: {'x' * 50_000}}}\n"
            f"stages: [{{name: a, suite: {{arguments: ['{'{a}' * 50_000}']}}}}]",
            "2,500,150,000 characters",
        ),
        (f"stages: [{'{name: a, suite: {}},' * 1001}]", "1,001 stages"),
    ],
    ids=["zero", "a flag's zero", "long", "long when filled in", "many stages"],
)
def test_what_no_process_can_be_given_is_refused(text: str, said: str) -> None:
    Path("c.yaml").write_text(text)
    with pytest.raises(InputError, match=said):
        read_experiment(Path("c.yaml"))


def test_more_than_a_process_can_be_given_is_one_line() -> None:
    words = ", ".join(["x" * 900] * 1100)
    Path("c.yaml").write_text(
        f"stages: [{{name: a, suite: {{arguments: [{words}, {words[:1]}]}}}}]"
    )
    many = "values: {a: " + "x" * 90_000 + "}\nstages: [{name: a, suite: {arguments: ["
    Path("c.yaml").write_text(many + ", ".join(["'{a}'"] * 100) + "]}}]")
    with pytest.raises(RunError, match="stage 'a' can't be started"):
        run_experiment(read_experiment(Path("c.yaml")), Path("out"), lambda *_: None)


def test_many_stages_that_need_many_are_listed() -> None:
    """Each needs the two before it, so that there are more ways to the first than can be gone."""
    stages = []
    for number in range(1000):
        before = ", ".join(f"s{other}" for other in (number - 2, number - 1) if other >= 0)
        flags = f"suite: {{arguments: d{number}}}, after: [{before}]"
        stages.append(f"- {{name: s{number}, {flags}}}")
    Path("many.yaml").write_text("stages:\n" + "\n".join(stages))
    experiment = read_experiment(Path("many.yaml"))
    assert experiment.independents() == [()] * 1000
    assert experiment.answering == ()


@pytest.mark.parametrize(
    "text",
    [
        "stages: [{name: a, bootstrap: {base-url: 'http://me:hidden@h/v1'}}]",
        "stages: [{name: a, bootstrap: {arguments: ['--base-url=http://me:hidden@h/v1']}}]",
        "values: {url: 'http://me:hidden@h/v1'}\nstages: [{name: a, suite: {arguments: x}}]",
    ],
)
def test_a_password_in_an_experiment_is_neither_printed_nor_kept(text: str) -> None:
    Path("c.yaml").write_text(text)
    with pytest.raises(InputError, match="an address with a password") as raised:
        read_experiment(Path("c.yaml"))
    assert "hidden" not in str(raised.value)
