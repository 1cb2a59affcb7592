"""A checkpoint asked through the request engine: the same answers however they are asked."""

import asyncio
import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from seedstep.errors import InputError, ModelError
from seedstep.infer.asking import open_asked
from seedstep.infer.generate import Draw, _Drawing
from seedstep.llm import Answer, Engine, MemoryLedger, Message, Reply, Request, Sampling
from seedstep.recipes import (
    distill,
    import_instructions,
    judge,
    make_examples,
    self_instruct,
    write_instructions,
)
from support.answer_files import right, write_predictions, write_tasks
from support.answering_models import save_model
from support.step_server import boat_task

GREEDY = Sampling(max_tokens=8)
DRAWN = Sampling(max_tokens=8, temperature=1.0)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints with random weights, and tasks."""
    made = tmp_path_factory.mktemp("asked")
    for family in ("Llama", "T5"):
        save_model(family, made / family, **({} if family == "T5" else LONG))
    lines = [
        {"id": f"task{number}", "definition": boat_task(number).definition} for number in range(4)
    ]
    (made / "tasks.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return made


LONG = {"max_position_embeddings": 4096}


def replies(model: Path, requests: Sequence[Request], in_flight: int, **how: Any) -> list[Answer]:
    async def ask() -> list[Answer]:
        async with (
            open_asked(f"hf:{model}", None, in_flight, **how) as endpoint,
            Engine(endpoint, MemoryLedger(), in_flight) as engine,
        ):
            return await asyncio.gather(*map(engine.ask, requests))

    return asyncio.run(ask())


def texts(answers: Sequence[Answer]) -> list[str]:
    assert all(isinstance(each, Reply) for each in answers), answers
    return [each.text for each in answers if isinstance(each, Reply)]


def asked(sampling: Sampling) -> list[Request]:
    """Requests of two kinds: texts that are continued, and conversations."""
    words = ("boats", "a harbour", "the sea", "ships in the night", "rain")
    plain = [Request("text", f"Write of {word}.", sampling) for word in words]
    said = (Message("user", "Hello."), Message("assistant", "Who is there?"))
    talks = [Request("talk", (*said, Message("user", word)), sampling) for word in words]
    drawn = [Request("text", "Write of boats.", sampling, draw=number) for number in range(1, 4)]
    return [*plain, *talks, *drawn]


@pytest.mark.parametrize("sampling", [GREEDY, DRAWN])
@pytest.mark.parametrize("family", ["Llama", "T5"])
def test_an_answer_depends_on_its_request_alone(
    models: Path, family: str, sampling: Sampling
) -> None:
    requests = asked(sampling)
    if family == "T5":
        requests = [each for each in requests if isinstance(each.prompt, str)]
    alone = texts(replies(models / family, requests, 1))
    together = texts(replies(models / family, requests, 8))
    assert alone == together
    if family == "Llama" or sampling == GREEDY:  # the random T5 is sure of its tokens
        assert (set(alone[-3:]) == {alone[0]}) == (sampling == GREEDY)


@pytest.mark.usefixtures("quick_workers")
def test_workers_answer_as_one_process_though_one_is_killed(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []
    popen = subprocess.Popen

    def noting(*words: Any, **options: Any) -> Any:
        started.append(popen(*words, **options))
        if len(started) == 1:
            os.kill(started[0].pid, signal.SIGKILL)
        return started[-1]

    monkeypatch.setattr("seedstep.infer.workers.subprocess.Popen", noting)
    requests = asked(DRAWN)
    alone = replies(models / "Llama", requests, 2)
    assert not started
    beside = replies(models / "Llama", requests, 2, workers=2)
    assert texts(beside) == texts(alone)
    assert len(started) == 3
    assert all(process.poll() is not None for process in started)


def test_tokens_are_drawn_by_their_chances() -> None:
    chances = torch.tensor([0.5, 0.3, 0.15, 0.05])
    for top_p, expected in ((1.0, chances), (0.7, torch.tensor([0.625, 0.375, 0, 0]))):
        drawing = _Drawing([Draw(7, top_p=top_p), None])
        logits = chances.log().expand(2, -1)
        drawn = torch.stack([drawing.shift(logits, [0, 1]).argmax(-1) for _ in range(4000)])
        counts = Counter(drawn[:, 0].tolist())
        for token, chance in enumerate(expected.tolist()):
            assert counts[token] / 4000 == pytest.approx(chance, abs=0.03)
        assert set(drawn[:, 1].tolist()) == {0}, "one that is not drawn is the likeliest"


def test_what_a_checkpoint_cannot_read_fails_alone(models: Path) -> None:
    long = Request("text", "word " * 5000, GREEDY)
    found = replies(models / "Llama", [long, *asked(GREEDY)[:2]], 4)
    assert getattr(found[0], "reason", "") == "not_read"
    assert all(isinstance(each, Reply) for each in found[1:])


def test_conversations_need_a_template(models: Path, tmp_path: Path) -> None:
    talk = Request("talk", (Message("user", "Hello."),), GREEDY)
    with pytest.raises(InputError, match="has no chat template"):
        replies(models / "T5", [talk], 1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="load its tokenizer"):
        replies(tmp_path / "empty", [talk], 1)


def test_a_run_of_generated_examples_goes_on_without_asking_again(
    models: Path, tmp_path: Path
) -> None:
    steps = tmp_path / "steps"
    write_given_steps(models, steps)
    how: dict[str, Any] = {"model": f"hf:{models / 'Llama'}", "steps": steps}
    how["sampling"] = {"generate": {"max_tokens": 8}}
    with make_examples(tmp_path / "one", **how) as single:
        alone = [entry.result for entry in single.entries()]
    assert [each.task_id for each in alone] == [f"task{number}" for number in range(4)]
    assert all(each.turns[0].reply for each in alone)
    with make_examples(tmp_path / "two", **how, workers=2) as two:
        assert [entry.result.turns for entry in two.entries()] == [each.turns for each in alone]
        before = two.spent().requests
    with make_examples(tmp_path / "two", **how, workers=1) as again:
        assert again.spent().requests == before == 4


def write_given_steps(models: Path, out: Path) -> None:
    """A run of steps that were written elsewhere."""
    lines = [
        {"task": f"task{number}", "steps": ["Read it.", f"Write {number}."]} for number in range(4)
    ]
    path = out.with_suffix(".jsonl")
    path.write_text("\n".join(map(json.dumps, lines)))
    import_instructions(path, out, {"tasks": str(models / "tasks.jsonl")})


def test_steps_and_outputs_are_written_by_a_checkpoint(models: Path, tmp_path: Path) -> None:
    model = f"hf:{models / 'Llama'}"
    with write_instructions(
        tmp_path / "steps",
        model=model,
        tasks=models / "tasks.jsonl",
        prompt_style="chat",
        repairs=0,
        sampling={"conversation": {"max_tokens": 8}},
    ) as run:
        turns = [entry.result.turns for entry in run.entries()]
    assert [len(each) for each in turns] == [4] * 4
    lines = [{"instruction": "Name it.", "instances": [{"input": "A", "output": "B"}]}]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with distill(
        tmp_path / "out",
        source=tmp_path / "data.jsonl",
        model=model,
        sampling={"output": {"max_tokens": 8}},
    ) as written:
        assert written.spent().requests == 1


def test_a_bootstrap_asks_a_checkpoint_and_goes_on(models: Path, tmp_path: Path) -> None:
    how: dict[str, Any] = {"model": f"hf:{models / 'Llama'}", "tasks": 1, "patience": 2}
    how |= {"window": 2, "sampling": {"generation": {"max_tokens": 8}}}
    with self_instruct(tmp_path / "run", **how) as run:
        before = run.spent().requests
    assert before >= 2
    with self_instruct(tmp_path / "run", **how, in_flight=2) as again:
        assert again.spent().requests == before


@pytest.mark.usefixtures("quick_workers")
def test_a_judge_in_workers_says_what_one_process_says(models: Path, tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path / "tasks.jsonl")
    answers = write_predictions(tmp_path / "answers.jsonl", right())
    how: dict[str, Any] = {"sources": [str(answers)], "tasks": str(tasks)}
    how |= {"model": f"hf:{models / 'Llama'}", "limit": 6}
    how["sampling"] = {"verdict": {"max_tokens": 4}, "again": {"max_tokens": 4}}
    with judge(tmp_path / "one", **how) as single:
        alone = [entry.result for entry in single.entries()]
        asked = single.spent().requests
    assert len(alone) == 6
    assert asked == 12, "what can't be read is asked once more"
    with judge(tmp_path / "two", **how, workers=2) as two:
        assert [entry.result for entry in two.entries()] == alone
    with judge(tmp_path / "two", **how, workers=1) as again:
        assert again.spent().requests == asked


def test_only_checkpoints_have_workers_and_no_effort(tmp_path: Path) -> None:
    for values, said in (
        ({"model": "openai:x", "workers": 2}, "only checkpoints are loaded by workers"),
        ({"model": "openai:x", "bf16": True}, "only checkpoints are loaded here"),
        ({"model": "hf:x", "reasoning": {"effort": "low"}}, "takes only its room"),
        ({"model": "hf:x", "send": "batch"}, "takes no batches"),
    ):
        with pytest.raises(InputError, match=said):
            make_examples(tmp_path / "run", steps="none", **values)
