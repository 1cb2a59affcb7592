"""Encoder-decoder tuning: order, batches, masks and losses, against the model's own."""

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seedstep.encode import TokenPair
from seedstep.encode.losses import pair_losses
from seedstep.tune import EvaluationLoss, OptimizerStep, Training
from seedstep.tune.plan import StepPairs, length_grouped
from seedstep.tune.train import tune_seq2seq
from support.tiny_models import MadeData, made_pairs
from support.tuning_things import save_t5

PAIRS = made_pairs(tasks=4, instances=9)


def some_t5(folder: Path, **settings: Any) -> tuple[Any, Any]:
    from transformers import AutoTokenizer, T5ForConditionalGeneration

    save_t5(folder, **settings)
    model = T5ForConditionalGeneration.from_pretrained(folder, dtype="float32")
    return model, AutoTokenizer.from_pretrained(folder)


def short(pairs: Sequence[TokenPair], tokens: int) -> list[TokenPair]:
    """The pairs in a smaller vocabulary."""

    def smaller(ids: tuple[int, ...]) -> tuple[int, ...]:
        return (*(token % (tokens - 3) + 3 for token in ids[:-1]), 1)

    return [TokenPair(p.task, p.instance, smaller(p.prompt), smaller(p.target)) for p in pairs]


@given(
    st.integers(min_value=1, max_value=40),
    st.integers(min_value=1, max_value=9),
    st.integers(min_value=0, max_value=3),
)
def test_an_epoch_has_every_example_once_in_full_steps(count: int, batch: int, epoch: int) -> None:
    pairs = PAIRS[:count]
    steps = length_grouped(pairs, batch=batch, seed=1, epoch=epoch)
    assert sorted(place for step in steps for place in step) == list(range(len(pairs)))
    assert all(len(step) == batch for step in steps[:-1])


def test_order_follows_from_names_and_not_from_places() -> None:
    shuffled = PAIRS.copy()
    random.Random(1).shuffle(shuffled)

    def named(pairs: Sequence[TokenPair], **of: int) -> list[set[str]]:
        steps = length_grouped(pairs, batch=4, **of)
        return [{pairs[place].instance for place in step} for step in steps]

    assert named(PAIRS, seed=1, epoch=0) == named(PAIRS, seed=1, epoch=0)
    assert named(PAIRS, seed=1, epoch=0) != named(PAIRS, seed=1, epoch=1)
    assert named(PAIRS, seed=1, epoch=0) != named(PAIRS, seed=2, epoch=0)


def test_examples_of_a_step_are_of_a_like_length() -> None:
    lengths = [len(pair.prompt) + len(pair.target) for pair in PAIRS]
    steps = length_grouped(PAIRS, batch=4, seed=1, epoch=0)
    padding = sum(len(step) * max(lengths[place] for place in step) for step in steps) - sum(
        lengths
    )
    assert padding < 0.1 * sum(lengths)


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_processes_and_passes_divide_a_step(processes: int) -> None:
    steps = StepPairs(MadeData(PAIRS[:10]), Training(batch=6, accumulate=2), processes)
    alone = StepPairs(MadeData(PAIRS[:10]), Training(batch=6), 1)
    for number in range(4):  # two epochs, each with a step that is not full
        work = steps.step(number)
        assert len(work.passes) == processes
        assert len({len(own) for own in work.passes}) == 1
        (whole,) = alone.step(number).passes
        parts = Counter(pair for own in work.passes for part in own for pair in part)
        assert parts == Counter(pair for step in whole for pair in step)
        assert (work.examples, work.targets) == (
            sum(parts.values()),
            sum(len(pair.target) for pair in parts),
        )


@pytest.mark.parametrize("pad", [0, 1])
def test_losses_are_those_of_the_model_itself_whatever_pads(tmp_path: Path, pad: int) -> None:
    model, tokenizer = some_t5(tmp_path)
    pairs = short(PAIRS[:5], len(tokenizer))
    found = pair_losses(model, pairs, pad=pad, start=0).split([len(pair.target) for pair in pairs])
    for pair, losses in zip(pairs, found, strict=True):
        alone = model(
            input_ids=torch.tensor([pair.prompt]), labels=torch.tensor([pair.target])
        ).loss
        torch.testing.assert_close(losses.mean(), alone, atol=1e-5, rtol=1e-5)


def test_a_pass_of_no_examples_teaches_nothing(tmp_path: Path) -> None:
    model, _ = some_t5(tmp_path)
    loss = pair_losses(model, [], pad=0, start=0).sum()
    loss.backward()
    assert loss.item() == 0
    assert all(
        not parameter.grad.any() for parameter in model.parameters() if parameter.grad is not None
    )


class Told:
    """Keeps what a tuning tells."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.held_out: list[tuple[int, float]] = []

    def stepped(self, step: OptimizerStep) -> None:
        self.losses.append(step.loss)

    def evaluated(self, evaluated: EvaluationLoss) -> None:
        self.held_out.append((evaluated.step, evaluated.loss))


def trajectory(folder: Path, training: Training) -> Told:
    model, tokenizer = some_t5(folder / "t5")
    data = MadeData(short(PAIRS[:22], len(tokenizer)), short(PAIRS[22:30], len(tokenizer)))
    told = Told()
    tune_seq2seq(model, tokenizer, data, training, folder / "out", watch=told)
    return told


def test_accumulation_does_not_change_the_losses(tmp_path: Path) -> None:
    fast: dict[str, Any] = {"batch": 8, "learning_rate": 1e-3, "evaluate_every": 2, "epochs": 2}
    whole = trajectory(tmp_path / "1", Training(**fast))
    four = trajectory(tmp_path / "4", Training(accumulate=4, **fast))
    assert whole.losses == pytest.approx(four.losses, rel=1e-4)
    assert len(whole.losses) == 6
    assert [step for step, _ in whole.held_out] == [0, 2, 4, 6]
    assert whole.held_out[-1][1] < whole.held_out[0][1]
    assert [loss for _, loss in whole.held_out] == pytest.approx(
        [loss for _, loss in four.held_out], rel=1e-4
    )
