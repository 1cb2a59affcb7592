"""The best of the versions of an instruction, by measurements, judges and checks."""

import json
from pathlib import Path
from typing import Any

import pytest

from seedstep.data import TaskChoice
from seedstep.errors import InputError
from seedstep.evaluate.gains import changes_since, read_measured
from seedstep.recipes.measuring import measure_steps
from seedstep.recipes.selecting import select_steps
from seedstep.recipes.steps import write_instructions
from seedstep.runs.directory import digest
from support.command_line import chat_reply, seedstep
from support.measuring import FIRST, STEPS, write_steps, written_measures
from support.scripted_server import ScriptedServer
from support.tuning_things import save_llama, write_tasks


def test_candidates_of_a_run_are_measured_and_selected(
    tmp_path: Path,
) -> None:
    def answer(number: int, body: dict[str, Any]) -> Any:
        draw = body.get("seed", 0)
        return chat_reply(f"1. Find the thing.\n2. Name kind number {draw if draw != 1 else 0}.")

    tasks = str(write_tasks(tmp_path / "tasks.jsonl", 1, 6))
    out = tmp_path / "steps"
    with ScriptedServer(answer) as server:
        write_instructions(
            out, model="openai:m", tasks=tasks, base_url=server.url, refine="none", candidates=4
        ).close()
    measured = tmp_path / "measured.jsonl"
    model = save_llama(tmp_path / "llama")
    asked = {"model": model, "tasks": tasks, "instances": 2, "skip": 3}
    measure_steps([str(out)], measured, asked)
    versions = read_measured(measured)[1][0].versions
    assert list(versions) == ["none", "candidate 3", "candidate 4", "refined", "shuffled"]
    best = tmp_path / "best.jsonl"
    nats = {"things_0": {name: [float(name != "candidate 3")] for name in versions}}
    done = select_steps(
        [str(out)],
        best,
        by="measured",
        tasks=TaskChoice(path=tasks),
        measured=written_measures(tmp_path / "m", 100, nats),
    )
    assert done.counts == {"candidate 3": 1}
    assert json.loads(best.read_text())["steps"][1] == "Name kind number 2."


def test_the_command_tells_how_differences_changed(tmp_path: Path) -> None:
    tasks = str(write_tasks(tmp_path / "tasks.jsonl", 3, 6))
    model = save_llama(tmp_path / "llama")
    steps = write_steps(tmp_path / "steps.jsonl")
    before, out = tmp_path / "before.jsonl", tmp_path / "measured.jsonl"
    other = save_llama(tmp_path / "other", hidden_size=48)
    measure_steps([steps], before, {"model": other, "tasks": tasks, "instances": 2, "skip": 3})
    flags = ["--tasks", tasks, "--instances", "2", "--skip", "3", "--by", "overall"]
    flags += ["--model", model, "--out", str(out), "--against", str(before)]
    done = seedstep("steps", "measure", steps, *flags)
    assert done.code == 0, done.err
    files = read_measured(before), read_measured(out)
    row, *_ = changes_since(before, *files, seed=42)
    start = done.words.index("Changes of these differences since")
    assert f"none {row.difference.value:+.4f} {row.likelier} 3" in done.words[start:]
    missing = tmp_path / "missing.jsonl"
    flags = [str(missing) if flag in (str(before), str(out)) else flag for flag in flags]
    assert "missing.jsonl" in seedstep("steps", "measure", steps, *flags).error
    assert not missing.exists(), "it is read before anything is measured"


class TestSelect:
    def select(self, tmp_path: Path, **named: Any) -> tuple[Any, dict[str, Any]]:
        steps = write_steps(tmp_path / "steps.jsonl")
        tasks = TaskChoice(path=str(write_tasks(tmp_path / "tasks.jsonl", 4, 2)))
        out = tmp_path / "best.jsonl"
        done = select_steps([steps], out, tasks=tasks, **named)
        return done, {line["task"]: line for line in map(json.loads, out.read_text().splitlines())}

    def test_the_likeliest_version_is_kept(self, tmp_path: Path) -> None:
        nats = {
            "things_0": {"none": [0.1], "refined": [2.0], "unrefined": [1.0], "shuffled": [0.0]},
            "things_1": {"none": [1.0], "refined": [2.0]},
        }
        measured = written_measures(tmp_path / "m", 100, nats)
        done, found = self.select(tmp_path, by="measured", measured=measured)
        assert done.counts == {"unrefined": 1, "refined": 2}
        assert (done.undecided, done.without) == (1, 1)
        assert found["things_0"]["steps"] == list(FIRST["things_0"])
        assert found["things_0"]["selected"] == {
            "version": "unrefined",
            "by": "measured",
            "value": -1.0,
        }
        assert found["things_2"]["steps"] == list(STEPS["things_2"])
        assert "things_3" not in found

    def test_a_version_that_was_shortened_more_often_is_not_compared(self, tmp_path: Path) -> None:
        nats = {
            "things_0": {"none": [1.0] * 2, "refined": [0.1] * 2, "unrefined": [2.0] * 2},
            "things_1": {"none": [1.0] * 2, "refined": [2.0] * 2},
        }
        shortened = {"things_0": {"refined": 2}, "things_1": {"refined": 1}}
        measured = written_measures(tmp_path / "m", 100, nats, shortened)
        done, found = self.select(tmp_path, by="measured", measured=measured)
        assert found["things_0"]["selected"]["version"] == "unrefined"
        assert done.shortened == 1, "things_1 has no version that was shortened less"
        assert done.undecided == 1
        shortened["things_0"]["unrefined"] = 2
        measured = written_measures(tmp_path / "m", 100, nats, shortened)
        done, found = self.select(tmp_path, by="measured", measured=measured)
        assert found["things_0"]["selected"]["version"] == "refined"
        assert done.shortened == 0

    def test_the_command_says_for_how_many_tasks_a_version_was_not_compared(
        self, tmp_path: Path
    ) -> None:
        nats = {"things_0": {"none": [1.0], "refined": [0.1], "unrefined": [2.0]}}
        measured = written_measures(tmp_path / "m", 100, nats, {"things_0": {"refined": 1}})
        steps = write_steps(tmp_path / "steps.jsonl")
        tasks = write_tasks(tmp_path / "tasks.jsonl", 4, 2)
        flags = ["--by", "measured", "--measured", measured, "--tasks", tasks]
        done = seedstep("steps", "select", steps, *flags, "--out", tmp_path / "best.jsonl")
        assert done.code == 0, done.err
        assert "more of its prompts did not fit and were shortened: 1" in done.words

    def test_nothing_measured_on_evaluated_instances_is_used(self, tmp_path: Path) -> None:
        measured = written_measures(tmp_path / "m", 20, {"things_0": {"none": [1.0]}})
        with pytest.raises(InputError, match="the first 100 are those that an evaluation uses"):
            self.select(tmp_path, by="measured", measured=measured)
        with pytest.raises(InputError, match="nothing is known of any of these instructions"):
            self.select(tmp_path, by="measured", measured=measured, evaluated=20)

    def test_a_measurement_of_other_instructions_says_nothing(self, tmp_path: Path) -> None:
        nats = {"things_0": {"none": [1.0], "refined": [0.5], "unrefined": [2.0]}}
        measured = written_measures(tmp_path / "m", 100, nats)
        text = measured.read_text().replace(digest([STEPS["things_0"], False]), "0" * 16)
        measured.write_text(text)
        done, found = self.select(tmp_path, by="measured", measured=measured)
        assert found["things_0"]["selected"]["version"] == "unrefined"
        assert done.undecided == 2

    def test_what_is_selected_from_is_not_overwritten(self, tmp_path: Path) -> None:
        steps = write_steps(tmp_path / "best.jsonl")
        tasks = TaskChoice(path=str(write_tasks(tmp_path / "tasks.jsonl", 1, 2)))
        with pytest.raises(InputError, match="is what is selected from"):
            select_steps([steps], tmp_path / "best.jsonl", by="checks", tasks=tasks)

    def test_the_version_with_the_fewest_faults_is_kept(self, tmp_path: Path) -> None:
        steps = {"things_0": ("Read the input carefully.", "Read the input carefully.")}
        path = write_steps(tmp_path / "steps.jsonl", steps)
        tasks = TaskChoice(path=str(write_tasks(tmp_path / "tasks.jsonl", 1, 2)))
        done = select_steps([path], tmp_path / "best.jsonl", by="checks", tasks=tasks)
        assert done.counts == {"unrefined": 1}

    def test_as_a_control_each_task_gets_the_instruction_of_another_one_once(
        self, tmp_path: Path
    ) -> None:
        texts = {f"things_{place}": [f"Step of {place}.", "Answer."] for place in range(5)}
        tasks = TaskChoice(path=str(write_tasks(tmp_path / "tasks.jsonl", 5, 2)))
        source, out = tmp_path / "all.jsonl", tmp_path / "other.jsonl"
        source.write_text(
            "".join(
                json.dumps({"task": task, "steps": steps}) + "\n" for task, steps in texts.items()
            )
        )
        done = select_steps([source], out, by="exchanged", tasks=tasks)
        found = {
            line["task"]: line["steps"] for line in map(json.loads, out.read_text().splitlines())
        }
        assert done.counts == {"another task's": 5}
        assert set(found) == set(texts)
        assert sorted(found.values()) == sorted(texts.values())
        assert all(found[task] != steps for task, steps in texts.items())
        select_steps([source], tmp_path / "more.jsonl", by="exchanged", tasks=tasks, seed=1)
        assert (tmp_path / "more.jsonl").read_text() != out.read_text()

    def test_as_a_control_each_task_gets_neutral_text_of_the_same_length(
        self, tmp_path: Path
    ) -> None:
        """As many steps, of as many characters and a word, and no word of the instruction."""
        texts = {
            "things_0": ["Recognise creatures.", "Answer insect, fish, flower; else tree."],
            "things_1": ["Word " * 400, "识别生物。把它们分成两类。" * 20, "Answer."],
            "things_2": [],
        }
        tasks = TaskChoice(path=str(write_tasks(tmp_path / "tasks.jsonl", 3, 2)))
        source, out = tmp_path / "all.jsonl", tmp_path / "neutral.jsonl"
        source.write_text(
            "".join(
                json.dumps({"task": task, "steps": steps}) + "\n"
                for task, steps in texts.items()
                if steps
            )
        )
        done = select_steps([source], out, by="neutral", tasks=tasks)
        found = {
            line["task"]: line["steps"] for line in map(json.loads, out.read_text().splitlines())
        }
        assert done.counts == {"neutral": 2}
        assert done.without == 1
        for task, steps in found.items():
            for step, real in zip(steps, texts[task], strict=True):
                assert len(real) <= len(step) <= len(real) + 12
        assert not {"insect", "fish", "flower", "Answer"} & set(" ".join(found["things_0"]).split())

    def test_what_there_is_to_select_by_has_to_be_named(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="nothing was measured"):
            self.select(tmp_path, by="measured")
        with pytest.raises(InputError, match="has no judgements"):
            self.select(tmp_path, by="judge")

    def test_the_command_says_how_many_of_each(self, tmp_path: Path) -> None:
        steps = write_steps(tmp_path / "steps.jsonl")
        tasks = write_tasks(tmp_path / "tasks.jsonl", 4, 2)
        out = tmp_path / "best.jsonl"
        done = seedstep("steps", "select", steps, "--by", "checks", "--tasks", tasks, "--out", out)
        assert done.code == 0, done.err
        assert "refined: 3" in done.lines
        assert "tasks without an instruction, left out: 1" in done.lines
