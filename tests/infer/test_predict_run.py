"""Runs of predictions: what is asked, what is kept, going on, and several systems in one."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest

from seedstep.errors import DeniedError, InputError, RunError, RunMismatchError
from seedstep.evaluate import Reference, score
from seedstep.recipes import predict
from seedstep.runs import PredictionCounts, Run
from seedstep.stages import PREDICT
from support.command_line import environment
from support.forking import ended_by, forked
from support.growing import text_of, times_asked
from support.predicting import asked_of, predicted, texts, word_model, words, write_word_tasks
from support.scripted_server import Fault, ScriptedServer, error
from support.step_server import slowly


@pytest.fixture
def model() -> Iterator[ScriptedServer]:
    with ScriptedServer(word_model()) as server:
        yield server


def test_every_instance_is_predicted_in_order(model: ScriptedServer, tmp_path: Path) -> None:
    tasks = write_word_tasks(tmp_path / "ni")
    with predict(tmp_path / "run", **asked_of(model, tasks)) as run:
        found = list(run.predictions("openai:scripted"))
        references = run.records.references()
        assert run.records.names() == ("openai:scripted",)
        assert run.records.counts("openai:scripted") == PredictionCounts(12, 0, 0, 0, 0)
        assert score(found, references).overall.of("exact_match") == 100
    assert [prediction.instance for prediction in found] == list(references)
    assert [prediction.text for prediction in found] == [
        word.upper() for task in range(3) for word in words(task, 4)
    ]
    assert references["task0-word0x1"] == Reference(
        "task000_capitals", "Textual Entailment", ("WORD0X1",)
    )


def test_a_base_model_is_given_a_text_to_continue(model: ScriptedServer, tmp_path: Path) -> None:
    tasks = write_word_tasks(tmp_path / "ni", 1, 1)
    predict(tmp_path / "run", **asked_of(model, tasks, prompt_style="completion")).close()
    (body,) = model.bodies
    assert body["prompt"] == (
        "Definition: Write the word in capitals, as rule 0 says.\n\n"
        " Positive Example 1 -\nInput: sun.\n Output: SUN.\n\n"
        " Positive Example 2 -\nInput: moon.\n Output: MOON.\n\n"
        "Now complete the following example -\nInput: word0x0.\nOutput:"
    )
    assert body["max_tokens"] == 128
    assert body["temperature"] == 0
    assert body["stop"] == ["\n\n", "\nInput:", "\nNow complete", "\n Positive Example"]


def test_a_chat_model_is_given_a_message(model: ScriptedServer, tmp_path: Path) -> None:
    tasks = write_word_tasks(tmp_path / "ni", 1, 1)
    for layout in ("tk-instruct", "chat"):
        settings = asked_of(model, tasks, encoding=layout, max_new_tokens=7)
        predict(tmp_path / layout, **settings).close()
    tk_instruct, chat = model.bodies
    assert tk_instruct == chat
    (message,) = chat["messages"]
    assert message["role"] == "user"
    assert message["content"].startswith("Definition: Write the word")
    assert message["content"].endswith("Input: word0x0.\nOutput:")
    assert chat["max_tokens"] == 7
    assert not chat.get("stop")


def test_without_examples_an_answer_may_have_blank_lines(
    model: ScriptedServer, tmp_path: Path
) -> None:
    tasks = write_word_tasks(tmp_path / "ni", 1, 1)
    asked = asked_of(model, tasks, prompt_style="completion", encoding="definition")
    predict(tmp_path / "run", **asked).close()
    (body,) = model.bodies
    assert "Positive Example" not in body["prompt"]
    assert body["stop"] == ["\nDefinition:", "\nInput:", "\nNow complete"]


def test_a_tasks_instances_are_asked_together(tmp_path: Path) -> None:
    tasks = write_word_tasks(tmp_path / "ni", 4, 8)
    with ScriptedServer(slowly(word_model(), 0.02)) as server:
        predict(tmp_path / "run", **asked_of(server, tasks, in_flight=2)).close()
        asked = [text_of(body).partition("rule ")[2][0] for body in server.bodies]
        assert server.most_in_flight == 2
    wanted = sorted(asked)
    places = zip(asked, [wanted[0], *wanted], [*wanted[1:], wanted[-1]], strict=False)
    assert all(low <= word <= high for word, low, high in places), "two at once may change places"


def test_what_fails_is_kept_as_failed_and_counts_as_empty(tmp_path: Path) -> None:
    tasks = write_word_tasks(tmp_path / "ni", 2, 4)
    refused = Fault(400, error("too \x1b[31mlong"))
    with ScriptedServer(word_model({"word0x1": refused, "word1x0": refused})) as server:
        with predict(tmp_path / "run", **asked_of(server, tasks)) as run:
            found = {
                prediction.instance: prediction for prediction in run.predictions("openai:scripted")
            }
            overall = score(found.values(), run.records.references()).overall
            assert run.records.counts("openai:scripted") == PredictionCounts(8, 2, 0, 0, 0)
            ((reason, count),) = run.records.failures("openai:scripted").items()
        asked = server.requests
        predict(tmp_path / "run", **asked_of(server, tasks)).close()
        assert server.requests == asked
    assert "long" in reason
    assert "\x1b" not in reason
    assert count == 2
    assert found["task0-word0x1"].failed == reason
    assert found["task0-word0x1"].text == ""
    assert (overall.of("exact_match"), overall.failed, overall.missing) == (75.0, 2, 0)


def test_empty_and_cut_answers_are_counted(tmp_path: Path) -> None:
    tasks = write_word_tasks(tmp_path / "ni", 1, 3)
    empty = Fault(body=json.dumps({"choices": [{"text": " \n", "finish_reason": "stop"}]}).encode())
    cut = Fault(body=json.dumps({"choices": [{"text": "AB", "finish_reason": "length"}]}).encode())
    with ScriptedServer(word_model({"word0x0": empty, "word0x2": cut})) as server:
        asked = asked_of(server, tasks, prompt_style="completion")
        with predict(tmp_path / "run", **asked) as run:
            assert run.records.counts("openai:scripted") == PredictionCounts(3, 0, 1, 1, 0)
    assert texts(tmp_path / "run") == ["", "WORD0X1", "AB"]


def test_killed_at_any_moment_it_ends_in_the_same_predictions(tmp_path: Path) -> None:
    tasks = write_word_tasks(tmp_path / "ni", 4, 6)
    with ScriptedServer(word_model()) as server:
        predict(tmp_path / "whole", **asked_of(server, tasks)).close()
    model = word_model()
    with ScriptedServer(lambda number, body: replace(model(number, body), delay=0.2)) as server:
        flags = ("--tasks", tasks, "--model", "openai:scripted", "--base-url", server.url)
        command = forked("predict", *flags, "--out", tmp_path / "run", "--in-flight", 2)
        for asked in (3, 8, 16):
            # After the pause what came back is on the disk, and what is asked has not come.
            ended_by(SIGKILL, command, lambda: server.requests, asked, pause=0.1)
        before = predicted(tmp_path / "run")
        done = subprocess.run(command, env=environment(), capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        again = sum(count - 1 for count in times_asked(server.bodies).values())
        assert again <= 3 * 2  # what each kill found in flight
    assert 0 < len(before) < 24
    assert predicted(tmp_path / "run") == predicted(tmp_path / "whole")


def test_a_budget_stops_a_system_and_a_larger_one_goes_on(
    model: ScriptedServer, tmp_path: Path
) -> None:
    tasks = write_word_tasks(tmp_path / "ni")
    asked = asked_of(model, tasks)
    predict(tmp_path / "run", **asked, max_requests=5).close()
    assert model.requests == 5
    assert texts(tmp_path / "run") == [word.upper() for word in [*words(0, 4), *words(1, 1)]]
    predict(tmp_path / "run", max_requests=100).close()
    assert len(texts(tmp_path / "run")) == 12
    assert max(times_asked(model.bodies).values()) == 1


class TestSystems:
    def test_several_predict_the_same_tasks(self, model: ScriptedServer, tmp_path: Path) -> None:
        tasks = write_word_tasks(tmp_path / "ni")
        predict(tmp_path / "run", name="few", **asked_of(model, tasks)).close()
        zero: dict[str, Any] = {
            "encoding": "definition",
            "model": "openai:scripted",
            "base_url": model.url,
        }
        predict(tmp_path / "run", name="zero", **zero).close()
        predict(tmp_path / "run", model="baseline:copy-input").close()
        with Run.read(PREDICT, tmp_path / "run") as run:
            assert run.records.names() == ("few", "zero", "baseline:copy-input")
            assert run.records.settings_of("few").encoding.positive == 2
            assert run.records.settings_of("zero").encoding.positive == 0
            assert run.records.settings_of("zero").model.name == "openai:scripted"
            scores = [
                score(run.predictions(name), run.records.references())
                for name in run.records.names()
            ]
        assert [score.overall.of("exact_match") for score in scores] == [100, 100, 100]
        with pytest.raises(InputError, match="no system 'many'"):
            predicted(tmp_path / "run", "many")

    def test_one_goes_on_with_its_own_settings_only(
        self, model: ScriptedServer, tmp_path: Path
    ) -> None:
        tasks = write_word_tasks(tmp_path / "ni")
        asked = asked_of(model, tasks, name="one", encoding="definition", max_requests=5)
        predict(tmp_path / "run", **asked).close()
        for other, named in (
            ({"encoding": "tk-instruct"}, "encoding.positive: 0 there, 2 asked"),
            ({"encoding": {"negative": 1}}, "encoding.negative: 0 there, 1 asked"),
            ({"bf16": True}, "bf16: False there, True asked"),
            ({"model": "baseline:copy-input"}, "model: 'openai:scripted' there"),
            ({"stop": ["."]}, "stop"),
        ):
            with pytest.raises(RunMismatchError, match="--name") as refused:
                predict(tmp_path / "run", name="one", **other)
            assert named in str(refused.value)
        predict(tmp_path / "run", name="one", max_requests=99, in_flight=1, batch=3).close()
        with Run.read(PREDICT, tmp_path / "run") as run:
            assert run.records.counts("one").predictions == 12
            assert run.records.settings_of("one").encoding.positive == 0
        assert max(times_asked(model.bodies).values()) == 1

    def test_a_server_may_move(self, model: ScriptedServer, tmp_path: Path) -> None:
        tasks = write_word_tasks(tmp_path / "ni")
        predict(tmp_path / "run", **asked_of(model, tasks, max_requests=5)).close()
        with ScriptedServer(word_model()) as moved:
            asked = asked_of(moved, tasks, max_requests=99)
            with pytest.raises(RunMismatchError, match="--same-model"):
                predict(tmp_path / "run", **asked)
            predict(tmp_path / "run", same_model=True, **asked).close()
            assert moved.requests == 7
        assert len(texts(tmp_path / "run")) == 12

    def test_one_that_has_predicted_nothing_may_change(
        self, model: ScriptedServer, tmp_path: Path
    ) -> None:
        tasks = write_word_tasks(tmp_path / "ni", 1, 2)
        with ScriptedServer(lambda number, body: Fault(401)) as closed, pytest.raises(DeniedError):
            predict(tmp_path / "run", name="one", **asked_of(closed, tasks))
        predict(tmp_path / "run", name="one", **asked_of(model, tasks)).close()
        assert texts(tmp_path / "run", "one") == ["WORD0X0", "WORD0X1"]

    def test_which_one_goes_on_is_to_be_said(self, model: ScriptedServer, tmp_path: Path) -> None:
        tasks = write_word_tasks(tmp_path / "ni", 1, 2)
        for name in ("one", "two"):
            predict(tmp_path / "run", name=name, **asked_of(model, tasks)).close()
        with pytest.raises(InputError, match="one, two"):
            predict(tmp_path / "run")

    @pytest.mark.parametrize("name", ["  ", "a\nb", "x" * 101, "\x1b[31m"])
    def test_a_name_is_printable(self, model: ScriptedServer, tmp_path: Path, name: str) -> None:
        tasks = write_word_tasks(tmp_path / "ni", 1, 1)
        with pytest.raises(InputError, match="--name"):
            predict(tmp_path / "run", name=name, **asked_of(model, tasks))


class TestTasks:
    def test_are_the_runs_own(self, model: ScriptedServer, tmp_path: Path) -> None:
        tasks = write_word_tasks(tmp_path / "ni")
        limits = {"limit_tasks": 2, "limit_instances": 3}
        predict(tmp_path / "run", **asked_of(model, tasks, **limits)).close()
        assert texts(tmp_path / "run") == [
            word.upper() for task in range(2) for word in words(task, 3)
        ]
        others = write_word_tasks(tmp_path / "others", 5)
        for number in range(3):
            (tmp_path / f"others/tasks/task{number:03}_capitals.json").unlink()
        with pytest.raises(RunMismatchError, match="tasks: "):
            predict(tmp_path / "run", name="two", model="baseline:copy-input", tasks=others)

    def test_that_have_changed_are_no_references(
        self, model: ScriptedServer, tmp_path: Path
    ) -> None:
        tasks = write_word_tasks(tmp_path / "ni", 2, 2)
        predict(tmp_path / "run", **asked_of(model, tasks)).close()
        write_word_tasks(tmp_path / "ni", 2, 3)
        with Run.read(PREDICT, tmp_path / "run") as run:
            with pytest.raises(RunError, match="has changed"):
                run.records.references()
            with pytest.raises(RunError, match="has changed"):
                list(run.predictions("openai:scripted"))

    def test_with_the_same_instance_ids_are_told_apart(self, tmp_path: Path) -> None:
        lines = [
            {"id": task, "definition": "Copy.", "instances": [shared, {**own, "id": f"own-{task}"}]}
            for task in ("first", "second")
            for shared in [{"id": "1", "input": task, "output": task}]
            for own in [{"input": "same", "output": "same"}]
        ]
        path = tmp_path / "tasks.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        with predict(tmp_path / "run", tasks=str(path), model="baseline:copy-input") as run:
            found = list(run.predictions("baseline:copy-input"))
            references = run.records.references()
        assert list(references) == ["first/1", "own-first", "second/1", "own-second"]
        assert [(prediction.instance, prediction.text) for prediction in found] == [
            ("first/1", "first"),
            ("own-first", "same"),
            ("second/1", "second"),
            ("own-second", "same"),
        ]
        assert score(found, references).overall.of("exact_match") == 100

    def test_written_for_users_are_predicted_by_their_instruction(
        self, model: ScriptedServer, tmp_path: Path
    ) -> None:
        lines = [
            {
                "id": f"user_{number}",
                "motivation_app": "Mail",
                "instruction": f"Answer letter {number}.",
                "instances": [{"input": "" if number else "Dear Ann", "output": "Yes."}],
            }
            for number in range(2)
        ]
        path = tmp_path / "users.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        asked = asked_of(model, str(path), encoding="definition", prompt_style="completion")
        with predict(tmp_path / "run", **asked) as run:
            assert list(run.records.references()) == ["user_0-1", "user_1-1"]
        assert {body["prompt"] for body in model.bodies} == {
            "Definition: Answer letter 0.\n\nNow complete the following example -\n"
            "Input: Dear Ann.\nOutput:",
            "Definition: Answer letter 1.\n\nNow complete the following example -\n"
            "Input: .\nOutput:",
        }

    @pytest.mark.parametrize(
        "settings, message",
        [
            ({}, "no tasks"),
            ({"tasks": "nowhere"}, "nowhere"),
            ({"model": "baseline:copy"}, "copy-input and baseline:copy-demonstration"),
            ({"model": "hf"}, "not of a known kind"),
            ({"model": "openai:m", "backend": "transformers"}, "can't be loaded"),
            ({"model": "hf:x", "sampling": {"prediction": {"top_p": 0.5}}}, "greedily"),
            ({"encoding": "twisted"}, "no encoding 'twisted'"),
            ({"encoding": {"positive": -1}}, "positive"),
            ({"encoding": {"layout": "self-instruct"}}, "self-instruct"),
            ({"max_usd": 1.0, "model": "openai:m"}, "price"),
            ({"steps": "nowhere.jsonl"}, "nowhere.jsonl"),
            ({"windows": 3}, "no setting 'windows'"),
        ],
    )
    def test_and_settings_that_can_not_be_used(
        self, tmp_path: Path, settings: dict[str, Any], message: str
    ) -> None:
        tasks = {"tasks": write_word_tasks(tmp_path / "ni", 1, 1)} if settings else {}
        with pytest.raises(InputError) as refused:
            predict(tmp_path / "run", **{**tasks, **settings})
        assert message in str(refused.value)


def test_hostile_answers_are_kept_as_harmless_text(tmp_path: Path) -> None:
    tasks = write_word_tasks(tmp_path / "ni", 1, 3)
    special = {
        "word0x0": "\x1b[2J\x00 A \u202e\r\nB",
        "word0x1": "x" * 1_000_000,
        "word0x2": "\\ud800 <script>",
    }
    faults = {
        word: Fault(
            body=json.dumps({"choices": [{"text": text, "finish_reason": "stop"}]}).encode()
        )
        for word, text in special.items()
    }
    with ScriptedServer(word_model(faults)) as server:
        predict(tmp_path / "run", **asked_of(server, tasks, prompt_style="completion")).close()
    first, second, third = texts(tmp_path / "run")
    assert first == "[2J A \u202e\nB"
    assert len(second) == 1_000_000
    assert third == "\\ud800 <script>"
