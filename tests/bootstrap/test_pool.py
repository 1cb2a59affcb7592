"""What requests show of the pool, and what a preview shows of a run."""

from dataclasses import replace
from typing import Literal

import pytest

from seedstep import BootstrapSettings, Instance, Task
from seedstep.bootstrap import preview
from seedstep.bootstrap.axes import parse_axes
from seedstep.bootstrap.pool import Pool
from seedstep.bootstrap.prompting import make_prompts
from seedstep.bootstrap.steering import Steering

PAPERS = "gguf:model.gguf"
"""A model that is asked in the paper's way."""

Style = Literal["completion", "turns", "chat"]
STYLES: tuple[Style, ...] = ("completion", "turns", "chat")


def task(number: int, definition: str = "") -> Task:
    text = definition or f"Made-up task number {number}."
    return Task(f"t{number}", text, (Instance("", ("x",)),))


SEEDS = [task(number) for number in range(20)]
FINISHED = [task(number) for number in range(100, 110)]


@pytest.mark.parametrize(
    ("seeds", "finished", "human", "machine"),
    [
        pytest.param(20, 0, 8, 0, id="none-finished"),
        pytest.param(20, 1, 7, 1, id="one-finished"),
        pytest.param(20, 2, 6, 2, id="two-finished"),
        pytest.param(20, 10, 6, 2, id="many-finished"),
        pytest.param(8, 0, 8, 0, id="8-seeds"),
        pytest.param(3, 0, 3, 0, id="3-seeds"),
        pytest.param(3, 10, 3, 2, id="3-seeds-and-many-finished"),
        pytest.param(1, 0, 1, 0, id="1-seed"),
    ],
)
def test_a_sample_is_made_of_6_seeds_and_2_finished_tasks(
    seeds: int, finished: int, human: int, machine: int
) -> None:
    pool = Pool(SEEDS[:seeds], BootstrapSettings.of(model=PAPERS))
    pool.finished += FINISHED[:finished]
    for index in range(50):
        shown = pool.sample(index)
        assert len(set(shown)) == len(shown)
        assert sum(text in SEEDS for text in shown) == human
        assert sum(text in FINISHED for text in shown) == machine


def test_a_sample_depends_on_the_seed_the_index_and_the_pool_only() -> None:
    def samples(seed: int, indexes: list[int], finished: int = 5) -> dict[int, tuple[Task, ...]]:
        pool = Pool(SEEDS, BootstrapSettings.of(model=PAPERS, seed=seed))
        pool.finished += FINISHED[:finished]
        return {index: pool.sample(index) for index in indexes}

    forward = samples(1, [*range(20)])
    assert samples(1, [*reversed(range(20))]) == forward
    assert len(set(forward.values())) == 20
    assert samples(2, [*range(20)]) != forward
    assert samples(1, [*range(20)], finished=6) != forward


def test_finished_tasks_stand_anywhere_among_the_shown() -> None:
    pool = Pool(SEEDS, BootstrapSettings.of(model=PAPERS))
    pool.finished += FINISHED
    places = {
        place
        for index in range(100)
        for place, text in enumerate(pool.sample(index))
        if text in FINISHED
    }
    assert places == set(range(8))


@pytest.mark.parametrize("style", STYLES)
def test_a_preview_shows_the_first_request_of_each_kind(style: Style) -> None:
    settings = BootstrapSettings.of(prompt_style=style, tasks=100)
    labels = replace(task(50, "Say which label fits the text."), is_classification=True)
    seen = preview(settings, [*SEEDS, labels])
    prompts = make_prompts(settings)
    assert seen.requests == (
        prompts.generation(Pool([*SEEDS, labels], settings).sample(0), 0),
        prompts.classification(SEEDS[0].definition),
        prompts.instances(SEEDS[0].definition, is_classification=False),
        prompts.instances(labels.definition, is_classification=True),
    )
    assert seen.counts == {"generation": 63, "classification": 125, "instances": 125}
    assert seen.prompt_tokens > 0
    assert seen.completion_tokens > 0


def test_a_preview_of_a_shard_shows_what_the_shard_asks() -> None:
    axes = {"topic": [f"topic {number}" for number in range(40)]}
    first = {
        name: preview(BootstrapSettings.of(model=PAPERS, axes=axes, **more), SEEDS).requests[0]
        for name, more in (("all", {}), ("1", {"shard": "1/3"}), ("2", {"shard": "2/3"}))
    }
    assert len({request.draw for request in first.values()}) == 3
    for number in "12":
        settings = BootstrapSettings.of(model=PAPERS, axes=axes, shard=f"{number}/3")
        cell = Steering(parse_axes(axes), settings.chance, settings.window).choose(0)
        assert dict(cell)["topic"] in str(first[number].prompt)


@pytest.mark.parametrize("classification", [True, False])
def test_a_preview_needs_only_one_seed(classification: bool) -> None:
    seed = replace(SEEDS[0], is_classification=classification)
    assert len(preview(BootstrapSettings.of(model=PAPERS), [seed]).requests) == 4
