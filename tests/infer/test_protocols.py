"""The papers' ways to evaluate: how systems are asked, and which instances are used."""

from pathlib import Path

import pytest
import yaml

from seedstep import TaskChoice, predict
from seedstep.data import load_tasks
from seedstep.errors import InputError, RunMismatchError
from seedstep.infer.settings import PROTOCOLS, PredictSettings
from seedstep.runs import Run
from seedstep.stages import JUDGE, PREDICT
from support.command_line import seedstep
from support.growing import text_of
from support.predicting import asked_of, word_model, write_word_tasks
from support.scripted_server import ScriptedServer
from support.task_files import write_split

COPY = {"model": "baseline:copy-input"}


@pytest.fixture
def many(tmp_path: Path) -> str:
    """Two task files of 120 instances, and a split that names both."""
    folder = write_word_tasks(tmp_path / "ni", tasks=2, instances=120)
    write_split(Path(folder), "test", "task000_capitals\ntask001_capitals\n")
    return folder


def test_self_instructs_prompt_is_asked_as_published(tmp_path: Path) -> None:
    tasks = write_word_tasks(tmp_path / "ni", tasks=1, instances=1)
    with ScriptedServer(word_model()) as server:
        asked = asked_of(server, tasks, prompt_style="completion", protocol="self-instruct")
        predict(tmp_path / "run", **asked).close()
        (body,) = server.bodies
        assert text_of(body) == (
            "Write the word in capitals, as rule 0 says.\n\nInput: word0x0\nOutput:"
        )
        assert body["max_tokens"] == 1024
        assert not body.get("stop")
        assert body["temperature"] == 0
        predict(tmp_path / "run", model="openai:scripted", base_url=server.url).close()
        with pytest.raises(RunMismatchError, match="protocol"):
            predict(tmp_path / "run", **{**asked, "protocol": "superni"})
        assert server.requests == 1


def test_single_settings_change_a_protocol() -> None:
    settings = PredictSettings.of(
        protocol="superni", max_new_tokens=7, encoding={"positive": 1}, model="openai:m"
    )
    assert settings.max_new_tokens == 7
    assert (settings.encoding.layout, settings.encoding.positive) == ("tk-instruct", 1)
    assert settings.encoding.max_source == 1024
    chosen = PredictSettings.of(protocol="step-by-step", encoding="chat")
    assert chosen.encoding.layout == "chat"
    assert PredictSettings.of(protocol="step-by-step").encoding.max_source == 1224
    with pytest.raises(InputError, match="self-instruct"):
        PredictSettings.of(protocol="self-instrukt")


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_is_complete(name: str) -> None:
    settings = PredictSettings.of(protocol=name)
    for key, value in PROTOCOLS[name].settings.items():
        if key != "encoding":
            assert getattr(settings, key) == value


def test_the_first_100_instances_of_a_split_are_used_and_that_is_said(
    many: str, tmp_path: Path
) -> None:
    flags = ("--tasks", many, "--split", "test", "--model", COPY["model"])
    done = seedstep("predict", *flags, "--out", tmp_path / "run")
    assert "the first 100 instances of each task" in done.words
    assert "200 of 200 instances predicted" in done.words
    stored = yaml.safe_load((tmp_path / "run" / "run.yaml").read_text())
    assert stored["limit_instances"] == 100
    again = seedstep("predict", "--out", tmp_path / "run", "--model", COPY["model"])
    assert "first 100 instances" not in again.words
    with predict(tmp_path / "all", tasks=many, **COPY) as run:  # type: ignore[arg-type]
        assert len(run.records.references()) == 240
    with predict(
        tmp_path / "more",
        tasks=many,
        split="test",
        limit_instances=110,
        **COPY,  # type: ignore[arg-type]
    ) as run:
        assert len(run.records.references()) == 220


def test_a_run_that_began_with_all_instances_goes_on_with_them(many: str, tmp_path: Path) -> None:
    chosen = {"tasks": many, "split": "test", "limit_instances": None}
    Run.start(PREDICT, tmp_path / "run", chosen).close()
    with predict(tmp_path / "run", tasks=many, split="test", **COPY) as run:  # type: ignore[arg-type]
        assert len(run.records.references()) == 240


def test_instances_are_drawn_by_a_seed_among_the_official_ones(many: str) -> None:
    def drawn(**asked: object) -> list[list[int]]:
        choice = TaskChoice(many, **asked)  # type: ignore[arg-type]
        return [
            [int(each.input.partition("x")[2]) for each in task.instances]
            for task in choice.load().tasks
        ]

    ours = drawn(split="test", limit_instances=10, instances_seed=1)
    assert [len(each) for each in ours] == [10, 10]
    assert ours[0] != ours[1]
    assert all(each == sorted(each) and max(each) < 100 for each in ours)
    assert ours == drawn(split="test", limit_instances=10, instances_seed=1)
    assert ours != drawn(split="test", limit_instances=10, instances_seed=2)
    of_all = [drawn(limit_instances=60, instances_seed=seed) for seed in range(3)]
    assert max(max(each) for found in of_all for each in found) >= 100
    few = set(drawn(limit_instances=3, instances_seed=1)[0])
    assert few <= set(drawn(limit_instances=5, instances_seed=1)[0])


def test_a_run_of_drawn_instances_goes_on_with_the_same(many: str, tmp_path: Path) -> None:
    asked = {"tasks": many, "split": "test", "limit_instances": 3, "instances_seed": 5, **COPY}
    with predict(tmp_path / "run", **asked) as run:  # type: ignore[arg-type]
        names = set(run.records.references())
    assert len(names) == 6
    first = {each.id for task in load_tasks(many, limit=3).tasks for each in task.instances}
    assert names != first
    with predict(tmp_path / "run", **COPY) as run:  # type: ignore[arg-type]
        assert set(run.records.references()) == names
    with pytest.raises(RunMismatchError, match="instances_seed"):
        predict(tmp_path / "run", **{**asked, "instances_seed": 6})  # type: ignore[arg-type]


def test_a_judge_draws_instances_of_a_run(many: str, tmp_path: Path) -> None:
    predict(tmp_path / "run", tasks=many, limit_instances=9, **COPY).close()  # type: ignore[arg-type]
    asked = {
        "sources": [str(tmp_path / "run")],
        "model": "openai:m",
        "base_url": "http://x.invalid",
    }
    drawn: list[list[str]] = []
    for seed in (1, 1, 2):
        chosen = {**asked, "limit_instances": 3, "instances_seed": seed}
        with Run.start(JUDGE, tmp_path / f"judged{len(drawn)}", chosen) as run:
            drawn.append([task.id for task in run.inputs().tasks])
    assert drawn[0] == drawn[1] != drawn[2]
    assert [len(each) for each in drawn] == [6, 6, 6]
