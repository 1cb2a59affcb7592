"""Runs that differ are merged: no cost counts twice, all ids are those of the merged run."""

import json
from pathlib import Path
from typing import Any

import pytest

from seedstep import open_run
from seedstep.errors import InputError
from seedstep.recipes import merge_runs
from seedstep.runs import BootstrapRun
from seedstep.stages import BOOTSTRAP
from support.growing import grow
from support.scripted_server import ScriptedServer

SETTINGS: dict[str, Any] = {
    "tasks": 3,
    "prompt_style": "completion",
    "novelty_threshold": 0.6,
    "extra_filters": False,
}


def texts_by_id(run: BootstrapRun) -> dict[str, str]:
    """The instructions of a run's seeds and candidates."""
    tables = ("SELECT id, definition FROM seeds", "SELECT id, instruction FROM candidates")
    return {row[0]: row[1] for query in tables for row in run.database.rows(query)}


def shown_in(run: BootstrapRun, known: dict[str, str]) -> dict[str, list[str]]:
    """The texts that each request of a run showed, by its key."""
    rows = run.database.rows("SELECT request, demonstrations FROM generations")
    return {row[0]: [known[name] for name in json.loads(row[1])] for row in rows}


def test_a_run_is_not_merged_beside_a_merge_that_has_it(tmp_path: Path) -> None:
    runs = [tmp_path / name for name in "abc"]
    with ScriptedServer() as server:
        for seed, path in enumerate(runs):
            grow(path, server, **SETTINGS, seed=seed)
    merge_runs(runs[:2], tmp_path / "ab", different=True)
    merge_runs(runs[1:], tmp_path / "bc", different=True)
    for others in (["ab", "a"], ["ab", "b"], ["bc", "ab"]):
        with pytest.raises(InputError, match=r"is in both|has shards of round 1|the same shard"):
            merge_runs([tmp_path / name for name in others], tmp_path / "out", different=True)
    merge_runs([tmp_path / "ab", runs[2]], tmp_path / "out", different=True)
    with open_run(tmp_path / "out", BOOTSTRAP) as run:
        spent = run.spent().requests
    each = [open_run(path, BOOTSTRAP) for path in runs]
    assert spent == sum(run.spent().requests for run in each)
    for run in each:
        run.close()


@pytest.mark.parametrize("by_shards", [False, True])
def test_what_later_rounds_showed_of_their_pools_keeps_its_text(
    tmp_path: Path, by_shards: bool
) -> None:
    """Two configurations have tasks of the same ids in their pools."""
    shown: dict[str, list[str]] = {}
    sources = []
    with ScriptedServer() as server:
        for seed in range(2):
            place = tmp_path / f"{seed}"
            asked = {**SETTINGS, "seed": seed, "shard": "1/1"}
            grow(place / "first", server, **asked)
            merge_runs([place / "first"], place / "pool")
            grow(place / "second", server, **asked, round=2, pool=place / "pool")
            sources += [place / ("first" if by_shards else "pool"), place / "second"]
            with open_run(place / "pool", BOOTSTRAP) as pool:
                known = texts_by_id(pool)
            with open_run(place / "second", BOOTSTRAP) as run:
                shown |= shown_in(run, {**known, **texts_by_id(run)})
    merge_runs(sources[::-1], tmp_path / "out", different=True)
    with open_run(tmp_path / "out", BOOTSTRAP) as run:
        found = shown_in(run, texts_by_id(run))
    assert {key: found[key] for key in shown} == shown
    assert any(len(texts) for texts in shown.values())


def test_what_was_shown_of_seeds_with_the_ids_of_others_keeps_its_text(tmp_path: Path) -> None:
    shown: dict[str, list[str]] = {}
    with ScriptedServer() as server:
        for number, what in enumerate(("colour", "number")):
            rows = [
                {
                    "id": f"seed_{place}",
                    "instruction": f"Say which {what} comes to your mind in case {place}.",
                    "instances": [{"input": "", "output": f"{what} {place}"}],
                    "is_classification": False,
                }
                for place in range(9)
            ]
            file = tmp_path / f"{what}.jsonl"
            file.write_text("".join(json.dumps(row) + "\n" for row in rows))
            path = tmp_path / what
            grow(path, server, **SETTINGS, seed=number, seeds=str(file))
            with open_run(path, BOOTSTRAP) as run:
                shown |= shown_in(run, texts_by_id(run))
    runs = [tmp_path / "colour", tmp_path / "number"]
    merge_runs(runs, tmp_path / "out", different=True)
    with open_run(tmp_path / "out", BOOTSTRAP) as run:
        assert shown_in(run, texts_by_id(run)) == shown


def test_tasks_are_compared_by_meaning_with_the_seeds_of_other_runs(tmp_path: Path) -> None:
    """A seed of one run has the words of a task of the other, in another order."""
    with ScriptedServer() as server:
        by_meaning = {"semantic": "openai:encoder", "semantic_base_url": server.url}
        asked = {**SETTINGS, **by_meaning, "semantic_threshold": 0.95}
        made = grow(tmp_path / "a", server, **asked, seed=1)
        task = made.tasks[0]
        words = task.definition.rstrip(".").split()
        row = {
            "id": "turned",
            "instruction": " ".join(words[::-1]),
            "instances": [{"input": "", "output": "none"}],
            "is_classification": False,
        }
        (tmp_path / "seeds.jsonl").write_text(json.dumps(row) + "\n")
        grow(tmp_path / "b", server, **asked, seed=2, seeds=str(tmp_path / "seeds.jsonl"))
        report = merge_runs([tmp_path / "a", tmp_path / "b"], tmp_path / "out", different=True)
    with open_run(tmp_path / "out", BOOTSTRAP) as run:
        assert task.definition not in {each.definition for each in run.tasks()}
        rows = run.database.rows("SELECT meaning FROM candidates WHERE reason = 'same_meaning'")
        near = [row[0] for row in rows]
    assert report.dropped["same_meaning"] == len(near)
    assert "turned" in near
