"""Examples as tokens, what is counted before the first step, and the file of losses."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from seedstep.data import Instance, Task
from seedstep.encode import ENCODINGS, Encoding, ModelSizes, TaskEncoder, tokenize
from seedstep.errors import InputError, RunError
from seedstep.tune import (
    EncodedData,
    EvaluationLoss,
    MetricsFile,
    OptimizerStep,
    SizedData,
    SourcePart,
    Training,
    TuneSource,
    mix,
    survey,
)
from support.made_tokenizers import byte_level, t5_like

SELF_INSTRUCT = ENCODINGS["self-instruct"]
DEFINITION = ENCODINGS["definition"]


def made(instances: int = 6, outputs: int = 3) -> Task:
    some = (
        Instance(f"{n} " * (n + 1), tuple(f"answer {k}" for k in range(outputs)), f"i{n}")
        for n in range(instances)
    )
    return Task("numbers", "Sort the numbers.", tuple(some))


def data_of(
    *tasks: Task, encoding: Encoding = DEFINITION, decoder_only: bool = True, held_out: int = 0
) -> EncodedData:
    mixture = mix([SourcePart(TuneSource("s"), tasks, encoding)], seed=42, held_out=held_out)
    tokenizer = byte_level() if decoder_only else t5_like()
    return EncodedData(mixture, tokenizer, decoder_only=decoder_only, seed=42)


@pytest.mark.parametrize("decoder_only", [True, False])
@pytest.mark.parametrize("encoding", [DEFINITION, SELF_INSTRUCT])
def test_examples_are_those_of_the_encoder(encoding: Encoding, decoder_only: bool) -> None:
    task = made()
    pairs = data_of(task, encoding=encoding, decoder_only=decoder_only).training(3)
    tokenizer = byte_level() if decoder_only else t5_like()
    encoder = TaskEncoder(task, encoding, tokenizer)
    expected = [
        tokenize(encoder.encode(instance, seed=42, epoch=3), tokenizer, decoder_only=decoder_only)
        for instance in task.instances
    ]
    assert list(pairs) == expected
    assert pairs[-1] == expected[-1]
    assert pairs[1:4] == expected[1:4]
    assert [pairs.lengths(n) for n in range(len(pairs))] == [
        (len(pair.prompt), len(pair.target)) for pair in expected
    ]
    with pytest.raises(IndexError):
        pairs[len(pairs)]


def test_an_epoch_has_the_same_instances_in_the_same_places() -> None:
    data = data_of(made(40), encoding=SELF_INSTRUCT)
    first, again, second = data.training(0), data.training(0), data.training(1)
    assert first is again
    assert [pair.instance for pair in first] == [pair.instance for pair in second]
    assert [pair.prompt for pair in first] != [pair.prompt for pair in second]
    assert [pair.target for pair in first] != [pair.target for pair in second]


def test_what_there_is_is_counted() -> None:
    data = data_of(made(), replace(made(), id="others"), held_out=1)
    counted = survey(data, Training(batch=4, accumulate=2, epochs=3), 1)
    assert (counted.tasks, counted.examples) == (1, 6)
    assert (counted.held_out_tasks, counted.held_out_examples) == (1, 6)
    assert counted.steps == 6  # ceil(6 / 4) in each of 3 epochs
    assert (counted.batch.per_device, counted.batch.accumulate, counted.batch.processes) == (
        2,
        2,
        1,
    )
    assert counted.batch.examples == 4
    lengths = [len(pair.prompt) + len(pair.target) for pair in data.training(0)]
    assert counted.prompt_tokens + counted.target_tokens == sum(lengths)
    assert [tokens for _, _, tokens in counted.longest] == sorted(lengths, reverse=True)[:3]


def test_the_effective_batch_is_that_of_all_processes() -> None:
    counted = survey(data_of(made()), Training(batch=8, accumulate=2, max_steps=5, epochs=9), 2)
    assert (counted.batch.per_device, counted.batch.examples, counted.steps) == (2, 8, 5)
    with pytest.raises(InputError, match="a batch of 8 can't be divided into 3 passes of 2"):
        survey(data_of(made()), Training(batch=8, accumulate=3), 2)


def test_what_does_not_fit_is_counted() -> None:
    long = replace(made(4), instances=(*made(4).instances, Instance("1 " * 90, ("x " * 50,), "x")))
    data = data_of(long, encoding=replace(DEFINITION, max_source=90, max_target=20))
    lost = survey(data, Training(), 1).lost
    assert (lost["input_tokens"], lost["target_tokens"]) == (1, 1)


def test_tasks_without_the_steps_they_need_are_counted() -> None:
    with_steps = replace(made(), id="b", steps=("Read.", "Sort."))
    data = data_of(made(), with_steps, encoding=ENCODINGS["steps-definition"])
    assert survey(data, Training(), 1).without_steps == 1


def test_an_example_longer_than_the_context_is_named() -> None:
    data = data_of(made())
    SizedData(data, ModelSizes())
    longest = max(len(pair.prompt) + len(pair.target) for pair in data.training(0))
    assert SizedData(data, ModelSizes(longest)).training(0) == data.training(0)
    with pytest.raises(InputError, match=r"task numbers, instance i5.*Lower --max-source"):
        SizedData(data, ModelSizes(longest - 1))


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        (ModelSizes(prompt=20), "more than the 20 positions of the model's encoder"),
        (ModelSizes(answer=2), "more than the 2 positions of the model's decoder"),
        (ModelSizes(vocabulary=60), "embeddings for 60 tokens only"),
    ],
)
def test_an_example_that_a_model_can_not_take_is_named(sizes: ModelSizes, said: str) -> None:
    with pytest.raises(InputError, match=rf"task numbers, instance i\d: .*{said}"):
        SizedData(data_of(made(), decoder_only=False), sizes)


def test_examples_of_held_out_tasks_are_checked() -> None:
    long = replace(made(1), id="long", instances=(Instance("1 " * 200, ("x",), "long"),))
    held = SourcePart(TuneSource("h"), (long,), DEFINITION)
    mixture = mix([SourcePart(TuneSource("s"), (made(),), DEFINITION)], [held], seed=42)
    data = EncodedData(mixture, byte_level(), decoder_only=True, seed=42)
    longest = max(len(pair.prompt) + len(pair.target) for pair in data.training(0))
    with pytest.raises(InputError, match="task long, instance long"):
        SizedData(data, ModelSizes(longest))


def test_a_longer_reference_that_a_later_epoch_draws_is_checked() -> None:
    outputs = ("x", "y " * 90)
    made_of = [
        data_of(replace(made(), instances=(Instance("1", drawn, "two"),)))
        for drawn in (outputs, outputs[::-1])
    ]
    data = min(made_of, key=lambda each: len(each.training(0)[0].target))
    lengths = [len(data.training(epoch)[0].target) for epoch in range(20)]
    later = next(epoch for epoch in range(20) if lengths[epoch] > lengths[0])
    sizes = ModelSizes(len(data.training(0)[0].prompt) + lengths[0])
    data.check(sizes, later)
    with pytest.raises(InputError, match="instance two"):
        data.check(sizes, later + 1)
    with pytest.raises(InputError, match="instance two"):
        SizedData(data, sizes).training(later)


def step(number: int, loss: float = 1.0) -> OptimizerStep:
    return OptimizerStep(number, 9, number / 9, loss, 1e-3, 10.0, 100.0, 5.0)


def lines(path: Path) -> list[tuple[int, float]]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [(line["step"], line.get("loss", line.get("held_out_loss"))) for line in found]


def test_a_tuning_that_goes_on_leaves_no_step_twice(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with MetricsFile(path) as metrics:
        for number in (1, 2, 3, 4):
            metrics.stepped(step(number))
            if number == 2:
                metrics.evaluated(EvaluationLoss(2, 0.5))
    path.write_bytes(path.read_bytes() + b'{"step": 5, "lo')  # killed while it was written
    with MetricsFile(path) as metrics:
        metrics.stepped(step(3, 2.0))
    assert lines(path) == [(1, 1.0), (2, 1.0), (2, 0.5), (3, 2.0)]


def test_a_tuning_that_learns_nothing_more_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text("whatever it is")
    with MetricsFile(path):
        pass
    assert path.read_text() == "whatever it is"


def test_no_space_for_the_file_is_told(tmp_path: Path) -> None:
    with (
        MetricsFile(tmp_path / "nowhere" / "metrics.jsonl") as metrics,
        pytest.raises(RunError, match=r"metrics\.jsonl: No such file"),
    ):
        metrics.stepped(step(1))
