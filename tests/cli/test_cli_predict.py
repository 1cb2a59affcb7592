"""`seedstep predict` as a user runs it: served models, baselines, and what is told."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from seedstep.evaluate import score
from seedstep.recipes import predict
from seedstep.runs import Run
from seedstep.stages import PREDICT
from support.command_line import UNSAFE, seedstep
from support.predicting import forget_predictions, texts, word_model, write_word_tasks
from support.scripted_server import Fault, ScriptedServer, error


@pytest.fixture
def model() -> Iterator[ScriptedServer]:
    refused = Fault(400, error("the \x1b[31mword\x1b[0m is [bold]refused"))
    with ScriptedServer(word_model({"word1x2": refused})) as server:
        yield server


def test_a_served_model(model: ScriptedServer, tmp_path: Path) -> None:
    tasks = write_word_tasks(tmp_path / "ni")
    out = tmp_path / "run"
    command = ("predict", "--out", out, "--name", "big model", "--base-url", model.url)
    done = seedstep(*command, "--model", "openai:scripted", "--tasks", tasks, "--encoding", "chat")
    assert done.code == 0
    assert f"{out}, big model: 12 instances, model openai:scripted" in done.words
    assert "big model: 12 of 12 instances predicted" in done.lines
    assert "  1 failed, which count as empty" in done.lines
    assert "is [bold]refused" in done.out
    assert not UNSAFE.search(done.out.replace("\n", ""))
    assert f"  seedstep evaluate {out}" in done.lines
    assert seedstep("status", out).lines[:2] == [
        "big model: 12 of 12 instances predicted",
        "  1 failed, which count as empty",
    ]
    assert "12 requests" in seedstep("requests", out, "--export", tmp_path / "all.jsonl").out
    asked = model.requests
    assert seedstep(*command).code == 0
    assert model.requests == asked


def test_it_says_how_to_go_on(model: ScriptedServer, tmp_path: Path) -> None:
    tasks = write_word_tasks(tmp_path / "ni")
    flags = ("--model", "openai:scripted", "--base-url", model.url, "--tasks", tasks)
    stopped = seedstep("predict", "--out", tmp_path / "run", *flags, "--max-requests", 3)
    assert stopped.code == 1
    assert "openai:scripted: 3 of 12 instances predicted" in stopped.lines
    again = f"seedstep predict --out {tmp_path / 'run'} --name openai:scripted"
    assert f"Go on: {again} --max-requests ..." in stopped.words
    goes_on = seedstep(*again.split()[1:], "--max-requests", 99)
    assert goes_on.code == 0
    assert "12 instances, 3 of them predicted before" in goes_on.words


def test_steps_that_are_missing_or_not_shown_are_told(
    model: ScriptedServer, tmp_path: Path
) -> None:
    tasks = write_word_tasks(tmp_path / "ni", 3, 1)
    steps = tmp_path / "steps.jsonl"
    steps.write_text(json.dumps({"task": "task000_capitals", "steps": ["Read."]}))
    flags = ("--model", "openai:scripted", "--base-url", model.url, "--tasks", tasks)
    shown = (*flags, "--steps", steps, "--name", "shown", "--encoding", "steps")
    done = seedstep("predict", "--out", tmp_path / "run", *shown)
    assert "2 of 3 tasks have no step-by-step instruction to show" in done.lines
    unshown = (*flags, "--steps", steps, "--name", "unshown")
    assert (
        "the encoding shows no steps"
        in seedstep("predict", "--out", tmp_path / "run", *unshown).out
    )


def test_flags_turn_the_knobs_of_an_encoding(model: ScriptedServer, tmp_path: Path) -> None:
    tasks = write_word_tasks(tmp_path / "ni", 1, 1)
    flags = ("--model", "openai:scripted", "--base-url", model.url, "--tasks", tasks)
    knobs = ("--encoding", "definition", "--positive", 1, "--max-source", 300, "--style", "chat")
    assert seedstep("predict", "--out", tmp_path / "run", *flags, *knobs).code == 0
    with Run.read(PREDICT, tmp_path / "run") as run:
        settings = run.records.settings_of("openai:scripted")
    assert (settings.encoding.positive, settings.encoding.max_source) == (1, 300)
    assert model.bodies[0]["messages"][0]["content"].count("Positive Example") == 1
    wrong = seedstep("predict", "--out", tmp_path / "run", "--name", "x", "--encoding", "stepz")
    assert "no encoding 'stepz'" in wrong.error


def test_settings_in_a_file(model: ScriptedServer, tmp_path: Path) -> None:
    tasks = write_word_tasks(tmp_path / "ni", 1, 1)
    config = tmp_path / "predict.yaml"
    values = {"model": "openai:scripted", "base_url": model.url, "encoding": "definition"}
    config.write_text(yaml.safe_dump({**values, "stop": ["END"], "prompt_style": "completion"}))
    flags = ("--config", config, "--tasks", tasks)
    assert seedstep("predict", "--out", tmp_path / "run", *flags).code == 0
    assert model.bodies[0]["stop"] == ["END"]
    config.write_text("encoding: {layout: round}")
    assert str(config) in seedstep("predict", "--out", tmp_path / "two", *flags).error


@pytest.mark.parametrize(
    "flag", ["--limit-tasks", "--limit-instances", "--max-requests", "--batch"]
)
def test_a_limit_is_at_least_one(tmp_path: Path, flag: str) -> None:
    tasks = write_word_tasks(tmp_path / "ni", 1, 1)
    wrong = seedstep("predict", "--out", tmp_path / "run", "--tasks", tasks, flag, 0).error
    assert flag[2:].replace("-", "_") in wrong
    assert ">= 1" in wrong


@pytest.mark.parametrize("flags", [("--tasks", "x"), ("--out", "run")])
def test_what_is_needed(flags: tuple[str, str], empty_directory: None) -> None:
    error = seedstep("predict", *flags).error
    assert "--out DIR" in error or "--tasks PATH" in error


class TestBaselines:
    def test_copy_the_input_or_a_demonstration(self, tmp_path: Path) -> None:
        tasks = write_word_tasks(tmp_path / "ni", 2, 6)
        for number, flags in enumerate(
            (
                ("--model", "baseline:copy-input", "--tasks", tasks),
                ("--model", "baseline:copy-demonstration"),
                ("--model", "baseline:copy-demonstration", "--seed", 0),
                ("--model", "baseline:copy-demonstration", "--seed", 1),
            )
        ):
            done = seedstep("predict", "--out", tmp_path / "run", "--name", number, *flags)
            assert done.code == 0
        found = [texts(tmp_path / "run", str(number)) for number in range(4)]
        assert found[0][:2] == ["word0x0", "word0x1"]
        assert found[1] == ["SUN"] * 12
        assert set(found[2]) == set(found[3]) == {"SUN", "MOON"}
        assert found[2] != found[3]

    def test_fail_where_a_task_has_no_demonstration(self, tmp_path: Path) -> None:
        path = tmp_path / "tasks.jsonl"
        path.write_text(
            json.dumps({"definition": "Go.", "instances": [{"input": "a", "output": "b"}]})
        )
        flags = ("--model", "baseline:copy-demonstration", "--tasks", path)
        done = seedstep("predict", "--out", tmp_path / "run", *flags)
        assert done.code == 1
        assert "1 failed" in done.out
        assert "no demonstration" in done.out
        assert "1 of 1 predictions failed." in done.words

    @pytest.mark.parametrize(
        "baseline, rouge_l", [("copy-input", 15.84), ("copy-demonstration", 28.05)]
    )
    def test_score_what_they_do_on_the_test_tasks(
        self, shared_data: Path, tmp_path: Path, baseline: str, rouge_l: float
    ) -> None:
        tasks = str(shared_data / "superni")
        model = f"baseline:{baseline}"
        with predict(tmp_path / "run", tasks=tasks, split="test", model=model) as run:
            scores = score(run.predictions(model), run.records.references())
        assert scores.overall.instances == 6284
        assert round(scores.overall.of("rouge_l"), 2) == rouge_l


def test_many_systems_side_by_side(model: ScriptedServer, tmp_path: Path) -> None:
    tasks = write_word_tasks(tmp_path / "ni", 2, 3)
    served: dict[str, Any] = {"model": "openai:scripted", "base_url": model.url}
    predict(tmp_path / "run", name="served", tasks=tasks, **served).close()
    seedstep("predict", "--out", tmp_path / "run", "--model", "baseline:copy-input")
    assert [line for line in seedstep("status", tmp_path / "run").lines if "of 6" in line] == [
        "served: 6 of 6 instances predicted",
        "baseline:copy-input: 6 of 6 instances predicted",
    ]


def test_what_systems_scored_is_told_until_they_predict_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    tasks, run = write_word_tasks(tmp_path / "ni"), tmp_path / "run"
    command = ("predict", "--out", run, "--tasks", tasks, "--model", "baseline:copy-input")
    assert seedstep(*command).code == 0
    assert "ROUGE-L" not in seedstep("status", run).out
    scored = seedstep("evaluate", run).lines[1].split()
    *_, head, told, _ = seedstep("status", run).lines
    assert head.split()[:3] == ["system", "tokenizer", "ROUGE-L"]
    assert told.replace("rouge-score's", "").split() == scored
    forget_predictions(run / "run.db", 2)
    assert seedstep(*command).code == 0
    assert "ROUGE-L" not in seedstep("status", run).out
    seedstep("evaluate", run)
    assert told in seedstep("status", run).lines
