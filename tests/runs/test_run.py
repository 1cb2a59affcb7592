"""The run directory: going on with a run, refusing what does not fit, and telling what is in it."""

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import filelock
import pytest

from seedstep import self_instruct
from seedstep.data import read_yaml
from seedstep.errors import (
    InputError,
    RunBusyError,
    RunError,
    RunMismatchError,
    SeedstepError,
    StoreError,
    UnreachableError,
)
from seedstep.runs import BootstrapRun, Run
from seedstep.runs.directory import take_lock
from seedstep.stages import BOOTSTRAP
from support.forking import COMMANDS_ALONE, ForkedProcess, forked_python
from support.growing import (
    Interruption,
    Outcome,
    Recorder,
    asked_of,
    exported,
    files_of,
    generated_in,
    grow,
    times_asked,
    where,
)
from support.scripted_server import Fault, ScriptedServer, completion, random_delays


def test_a_finished_run_asks_nothing_when_it_is_started_again(tmp_path: Path) -> None:
    with ScriptedServer() as server:
        made = grow(tmp_path / "run", server, tasks=12)
        before, asked = exported(made.path), server.requests
    again = grow(tmp_path / "run", server, tasks=12)  # the server is gone, and not missed
    assert server.requests == asked
    assert (again.tasks, again.status) == (made.tasks, made.status)
    assert exported(again.path) == before


def test_a_finished_run_does_not_ask_for_what_it_did_not_need(tmp_path: Path) -> None:
    slow = where(generated_in(*range(4, 99)), Fault(delay=5))
    with ScriptedServer(slow) as server:
        made = grow(tmp_path / "run", server, tasks=6)
        assert any(generated_in(4, 5, 6, 7)(body) for body in server.bodies)
        asked = server.requests
        assert grow(tmp_path / "run", server, tasks=6).tasks == made.tasks
        time.sleep(0.1)
        assert server.requests == asked


@pytest.mark.parametrize("fails_after", [1, 2, 4])
def test_a_run_that_ended_early_goes_on_where_it_was(fails_after: int, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"tasks": 25, "in_flight": 4}
    with ScriptedServer(random_delays(0.005)) as server:
        calm = grow(tmp_path / "calm", server, **settings)
        server.bodies.clear()
        broken = Recorder(fails_after=fails_after)
        with pytest.raises(Interruption):
            self_instruct(tmp_path / "run", watch=broken, **asked_of(server, **settings))
        with Run.read(BOOTSTRAP, tmp_path / "run") as run:
            assert run.status().generations == fails_after
        made = grow(tmp_path / "run", server, **settings)
    assert made.generations == calm.generations
    assert exported(made.path) == exported(calm.path)
    assert sum(times - 1 for times in times_asked(server.bodies).values()) <= 4


def test_a_run_may_be_asked_for_more_tasks(tmp_path: Path) -> None:
    with ScriptedServer() as server:
        whole = grow(tmp_path / "whole", server, tasks=40)
        server.bodies.clear()
        for tasks in (3, 4, 17, 40):
            made = grow(tmp_path / "run", server, tasks=tasks)
            assert made.tasks == whole.tasks[:tasks]
        again = sum(times - 1 for times in times_asked(server.bodies).values())
        assert again <= 3 * 8  # what was under way when enough tasks were there, at each end
    assert made.generations == whole.generations
    assert made.counts == whole.counts
    assert exported(made.path) == exported(whole.path)
    with Run.read(BOOTSTRAP, made.path) as run, Run.read(BOOTSTRAP, whole.path) as other:
        for name in (c.task.id for g in whole.generations for c in g.candidates):
            assert run.records.show(name).candidate == other.records.show(name).candidate


def test_a_run_that_dried_up_goes_on_with_more_patience(tmp_path: Path) -> None:
    barren = Fault(body=completion("Too short."))
    with ScriptedServer(where(generated_in(*range(6)), barren)) as server:
        settings = {"prompt_style": "completion", "tasks": 5, "window": 2}
        dry = grow(tmp_path / "run", server, patience=3, **settings)
        assert (dry.status.finished, dry.status.generations) == (0, 3)
        made = grow(tmp_path / "run", server, patience=7, **settings)
    assert made.status.finished == 5


OTHERWISE: dict[str, Any] = {
    "model": "openai:other",
    "prompt_style": "turns",
    "seed": 1,
    "window": 3,
    "novelty_threshold": 0.6,
    "tokens": "unicode",
    "fidelity": "released",
    "sampling": {"generation": {"temperature": 0.9}},
    "base_url": "http://127.0.0.1:9/v1",
}


@pytest.fixture(name="made", scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A finished run; its server is gone."""
    with ScriptedServer() as server:
        return grow(tmp_path_factory.mktemp("runs") / "made", server, tasks=30)


@pytest.mark.parametrize("key", OTHERWISE)
def test_other_settings_are_refused_by_name(key: str, made: Outcome) -> None:
    before = (made.path / "run.yaml").read_bytes()
    with pytest.raises(RunMismatchError) as caught:
        Run.start(BOOTSTRAP, made.path, {"tasks": 50, key: OTHERWISE[key]})
    assert [name for name, _, _ in caught.value.differences] == [key]
    assert f"{key}: " in str(caught.value)
    assert repr(OTHERWISE[key]) in str(caught.value)
    assert (made.path / "run.yaml").read_bytes() == before


def test_all_keys_that_differ_are_named(made: Outcome) -> None:
    with pytest.raises(RunMismatchError) as caught:
        Run.start(BOOTSTRAP, made.path, {"seed": 1, "tasks": 30, "window": 8, "tokens": "unicode"})
    assert {name for name, _, _ in caught.value.differences} == {"seed", "tokens"}


def test_a_run_stays_with_its_server_when_the_environment_names_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"model": "openai:scripted"}
    with ScriptedServer() as first, ScriptedServer() as second:
        monkeypatch.setenv("OPENAI_BASE_URL", first.url)
        self_instruct(tmp_path / "run", tasks=4, **settings).close()
        monkeypatch.setenv("OPENAI_BASE_URL", second.url)
        with self_instruct(tmp_path / "run", tasks=9, **settings) as run:
            assert len(run.tasks()) == 9
        assert second.requests == 0
        with pytest.raises(RunMismatchError, match="base_url"):
            self_instruct(tmp_path / "run", base_url=second.url, **settings)


def test_changed_seeds_are_refused(tmp_path: Path) -> None:
    seeds, same = tmp_path / "seeds.jsonl", tmp_path / "same.jsonl"
    line = (
        '{{"instruction": "Name the {} of a country I give you.",'
        ' "instances": [{{"input": "Peru", "output": "x"}}], "is_classification": false}}\n'
    )
    words = ["capital", "flag", "longest river", "oldest town", "anthem", "currency", "king"]
    for path in (seeds, same):
        path.write_text("".join(line.format(word) for word in words))
    with ScriptedServer() as server:
        made = grow(tmp_path / "run", server, seeds=str(seeds), tasks=4)
        assert len(made.generations[0].demonstrations) == 7
        with pytest.raises(RunMismatchError) as caught:
            grow(tmp_path / "run", server, seeds=str(same), tasks=4)
        assert [name for name, _, _ in caught.value.differences] == ["seeds"]
        seeds.write_text("".join(line.format(word) for word in words[:-1]))
        with pytest.raises(RunMismatchError) as caught:
            grow(tmp_path / "run", server, seeds=str(seeds), tasks=4)
        assert [name for name, _, _ in caught.value.differences] == ["seeds_fingerprint"]


def test_changed_prompts_are_refused(made: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seedstep.stages.bootstrap.fingerprint", lambda: "changed")
    with pytest.raises(RunMismatchError, match="prompts_fingerprint"):
        Run.start(BOOTSTRAP, made.path, {})


def test_fewer_tasks_than_there_are_is_refused_and_changes_nothing(
    made: Outcome, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    shutil.copytree(made.path, path)
    before = (path / "run.yaml").read_bytes()
    with pytest.raises(InputError, match="30 finished tasks already"):
        Run.start(BOOTSTRAP, path, {"tasks": 29})
    assert (path / "run.yaml").read_bytes() == before
    with Run.start(BOOTSTRAP, path, {}) as run:
        assert run.status().wanted == 30


@pytest.mark.parametrize(
    ("asked", "said"),
    [({"taks": 50}, "'tasks'"), ({"tasks": "many"}, "tasks"), ({"in_flight": 0}, "in_flight")],
)
def test_a_wrong_setting_for_a_run_that_is_there(
    asked: dict[str, Any], said: str, made: Outcome
) -> None:
    with pytest.raises(InputError, match=said):
        Run.start(BOOTSTRAP, made.path, asked)


WRITER = """
import sys
from pathlib import Path
from seedstep.runs import Run
from seedstep.stages import BOOTSTRAP
with Run.start(BOOTSTRAP, Path(sys.argv[1]), {}):
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with ScriptedServer() as server:
        grow(path, server, tasks=3)
        command = forked_python("-c", WRITER, path, loaded=COMMANDS_ALONE)
        with ForkedProcess(command, stdin=-1, stdout=-1, text=True) as writer:
            assert writer.stdout
            assert writer.stdout.readline() == "ready\n"
            with pytest.raises(RunBusyError, match="another process works on"):
                grow(path, server, tasks=9)
            with Run.read(BOOTSTRAP, path) as run:
                assert run.status().running
                assert len(run.tasks()) == 3
            writer.kill()
        made = grow(path, server, tasks=9)
    assert not made.status.running
    assert len(made.tasks) == 9


def test_settings_are_checked_again_if_another_process_had_the_lock_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run"
    with ScriptedServer() as server:

        def late(_: Path) -> filelock.BaseFileLock:
            monkeypatch.undo()
            grow(path, server, tasks=3, seed=1)
            return take_lock(path)

        monkeypatch.setattr("seedstep.runs.run.take_lock", late)
        with pytest.raises(RunMismatchError, match="seed"):
            grow(path, server, tasks=3, seed=2)
    with Run.read(BOOTSTRAP, path) as run:
        assert run.settings.seed == 1
        assert not run.is_running()


def test_an_attempt_that_asked_nothing_may_be_made_again_with_other_settings(
    tmp_path: Path,
) -> None:
    with pytest.raises(UnreachableError):
        self_instruct(tmp_path / "run", model="openai:x", base_url="http://127.0.0.1:9/v1")
    with ScriptedServer() as server:
        made = grow(tmp_path / "run", server, seed=5, tasks=3)
        calm = grow(tmp_path / "calm", server, seed=5, tasks=3)
    assert made.generations == calm.generations
    assert read_yaml(made.path / "run.yaml") == read_yaml(calm.path / "run.yaml")


def test_the_lock_is_free_after_a_refusal(made: Outcome) -> None:
    with pytest.raises(RunMismatchError):
        Run.start(BOOTSTRAP, made.path, {"seed": 1})
    Run.start(BOOTSTRAP, made.path, {}).close()


def started(path: Path) -> BootstrapRun:
    return Run.start(BOOTSTRAP, path, {})


def opened(path: Path) -> BootstrapRun:
    return Run.read(BOOTSTRAP, path)


STARTS = (started, opened)


def test_a_directory_of_other_files_is_not_a_run(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for start in STARTS:
        with pytest.raises(RunError, match="not a run"):
            start(tmp_path)
    assert files_of(tmp_path) == {"thesis.txt": b"years of work"}


def test_a_file_is_not_a_run(tmp_path: Path) -> None:
    path = tmp_path / "thesis.txt"
    path.write_text("years of work")
    for place in (path, path / "run"):
        with pytest.raises(RunError):
            Run.start(BOOTSTRAP, place, {})
        with pytest.raises(RunError, match="not a run"):
            Run.read(BOOTSTRAP, place)
    assert path.read_text() == "years of work"


LEFTOVERS = ("", "run.lock", ".run.yaml.999.partial")


@pytest.mark.parametrize("leftover", LEFTOVERS, ids=["empty", "lock", "partial"])
def test_a_directory_where_a_process_was_killed_at_once_can_be_used(
    leftover: str, tmp_path: Path
) -> None:
    if leftover:
        (tmp_path / leftover).write_bytes(b"model: op")
    with Run.start(BOOTSTRAP, tmp_path, {"tasks": 3}) as run:
        assert run.status().wanted == 3


def test_a_run_killed_before_it_had_a_database_goes_on(tmp_path: Path) -> None:
    Run.start(BOOTSTRAP, tmp_path / "run", {"seed": 5}).close()
    for path in (tmp_path / "run").glob("run.db*"):
        path.unlink()
    with Run.start(BOOTSTRAP, tmp_path / "run", {}) as run:
        assert run.settings.seed == 5
        assert run.status().finished == 0


CORRUPT: dict[str, tuple[bytes, str]] = {
    "not-yaml": (b"model: [local\nseed: 1\n", "run.yaml, line "),
    "binary": (b"\xff\xfe\x00\x01", "run.yaml: not UTF-8"),
    "a-list": (b"- model\n- seed\n", "run.yaml: not a list of settings"),
    "a-word": (b"model", "run.yaml: not a list of settings"),
    "wrong-type": (b"model: local\ntasks: many\n", "run.yaml, setting 'tasks'"),
    "empty": (b"", "seeds_fingerprint"),
    "cut-off": (b"stage: bootstrap\nmodel: openai:scripted", "seeds_fingerprint"),
}


@pytest.mark.parametrize(("content", "said"), CORRUPT.values(), ids=CORRUPT)
def test_a_damaged_configuration_is_refused_with_its_place(
    content: bytes, said: str, made: Outcome, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    shutil.copytree(made.path, path)
    (path / "run.yaml").write_bytes(content)
    with pytest.raises(SeedstepError) as caught:
        Run.start(BOOTSTRAP, path, {})
    assert said in str(caught.value)
    assert (path / "run.yaml").read_bytes() == content


def test_the_configuration_is_whole_and_readable(made: Outcome) -> None:
    values = read_yaml(made.path / "run.yaml")
    assert values["model"] == "openai:scripted"
    assert values["tasks"] == 30
    assert values["novelty_threshold"] == 0.7
    assert len(values["seeds_fingerprint"]) == 16


@pytest.mark.parametrize("start", STARTS, ids=["start", "read"])
def test_a_damaged_database_is_refused(
    start: Callable[[Path], BootstrapRun], tmp_path: Path
) -> None:
    Run.start(BOOTSTRAP, tmp_path, {}).close()
    (tmp_path / "run.db").write_bytes(b"not a database, " * 1000)
    with pytest.raises(StoreError, match=r"run\.db: .*damaged"):
        start(tmp_path)


@pytest.mark.parametrize("start", STARTS, ids=["start", "read"])
def test_a_database_of_a_newer_seedstep_is_refused(
    start: Callable[[Path], BootstrapRun], tmp_path: Path
) -> None:
    Run.start(BOOTSTRAP, tmp_path, {}).close()
    with closing(sqlite3.connect(tmp_path / "run.db")) as connection:
        connection.execute("PRAGMA user_version = 999")
    with pytest.raises(StoreError, match="newer seedstep"):
        start(tmp_path)


def test_a_run_killed_before_it_had_a_database_has_not_begun(tmp_path: Path) -> None:
    Run.start(BOOTSTRAP, tmp_path / "run", {"seed": 5}).close()
    for path in (tmp_path / "run").glob("run.db*"):
        path.unlink()
    with pytest.raises(RunError, match="has not begun"):
        Run.read(BOOTSTRAP, tmp_path / "run")
