"""Partitions decide as one process does: those of this process, and those of a Ray cluster."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from seedstep.errors import InputError
from seedstep.novelty import Decisions, TokenNumbers, decide, encode, ray_cluster
from seedstep.novelty.bulk import decide_on_ray
from seedstep.recipes import merge_runs
from seedstep.text import TOKENIZERS
from support.command_line import seedstep
from support.growing import exported, grow
from support.scripted_server import ScriptedServer

TEXTS = (
    *(f"Write {n % 50} short lines about {n % 7} cats {'and dogs' * (n % 3)}" for n in range(900)),
    *("", "?", "Sort the list.", "Sort the list."),
)
NEAR = ("Sort the list of numbers.", "Name a bird.", "Sort a list of numbers.", "Name a bird.")


class Actor:
    """Does in this process, at once, what it is asked for as an actor of Ray is."""

    def __init__(self, held: Any) -> None:
        self._held = held

    def __getattr__(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(remote=getattr(self._held, name))


def remote(kind: Any) -> SimpleNamespace:
    return SimpleNamespace(remote=lambda *given: Actor(kind(*given)))


IN_THIS_PROCESS = SimpleNamespace(remote=remote, get=lambda found: found, put=lambda held: held)


def columns(decisions: Decisions) -> tuple[list[Any], ...]:
    nearest = decisions.nearest
    return decisions.kept.tolist(), nearest.numbers.tolist(), nearest.scores.tolist()


@pytest.fixture(scope="module")
def expected() -> tuple[list[Any], ...]:
    vocabulary = TokenNumbers(TOKENIZERS["unicode"])
    return columns(decide(encode(vocabulary.number(TEXTS)), 0.7))


@pytest.mark.parametrize("partitions", [1, 2, 5, len(TEXTS) // 8])
def test_the_same_decisions_with_any_number_of_partitions(
    partitions: int, expected: tuple[list[Any], ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seedstep.novelty.bulk._import_ray", lambda: IN_THIS_PROCESS)
    told: list[int] = []
    found = decide_on_ray(TEXTS, "unicode", 0.7, partitions, told.append)
    assert columns(found) == expected
    assert len(told) == partitions
    assert told == sorted(told)
    assert told[-1] == len(TEXTS)


def write(path: Path) -> Path:
    rows = ({"id": number, "instruction": text} for number, text in enumerate(NEAR))
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Stands for `ray_cluster` where a cluster is connected to: to start one takes seconds."""
    assert address == "local"
    yield


def test_a_cluster_on_this_machine(
    expected: tuple[list[Any], ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    runs = [tmp_path / "a", tmp_path / "b"]
    with ScriptedServer() as server:
        for seed, path in enumerate(runs):
            grow(path, server, tasks=6, seed=seed, novelty_threshold=0.7)
    merge_runs(runs, tmp_path / "merged", different=True)
    with ray_cluster("local"):
        assert columns(decide_on_ray(TEXTS, "unicode", 0.7, 2)) == expected
        for module in ("merging", "novelty"):
            monkeypatch.setattr(f"seedstep.recipes.{module}.ray_cluster", connected)
        out = tmp_path / "out.jsonl"
        flags = ("--out", out, "--ray", "local", "--partitions", 2)
        done = seedstep("novelty", write(tmp_path / "data.jsonl"), *flags)
        merge_runs(runs, tmp_path / "on-ray", different=True, ray="local", partitions=2)
    assert done.code == 0
    assert [json.loads(line)["id"] for line in out.read_text().splitlines()] == [0, 1]
    assert "not_novel, ROUGE-L 0.80 with row 1" in done.out
    assert exported(tmp_path / "on-ray") == exported(tmp_path / "merged")


def test_no_cluster_at_the_address(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    path, out = write(tmp_path / "data.jsonl"), tmp_path / "o.jsonl"
    done = seedstep("novelty", path, "--out", out, "--ray", "127.0.0.1:1")
    assert done.code == 1
    assert "no Ray cluster at 127.0.0.1:1" in done.error


def test_a_cluster_that_does_not_start_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**_: Any) -> None:
        raise Exception("The current node timed out during startup.")

    ray = SimpleNamespace(init=init, shutdown=lambda: None)
    monkeypatch.setattr("seedstep.novelty.bulk._import_ray", lambda: ray)
    with (
        pytest.raises(InputError, match=r"at local: The current node .*machine is less busy"),
        ray_cluster("local"),
    ):
        raise AssertionError("it has started")
