"""One file grows tasks in shards and rounds: here, side by side, or as jobs of a cluster."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from textwrap import dedent

import pytest

from seedstep import open_run
from seedstep.data import read_yaml
from seedstep.errors import InputError, RunError
from seedstep.recipes import (
    Experiment,
    ExperimentStage,
    StageFailed,
    prepare_growth,
    read_growth,
    run_experiment,
)
from seedstep.recipes.jobs import CLUSTERS, job_script
from seedstep.runs.merges import merge_of
from seedstep.stages import BOOTSTRAP
from support.command_line import environment, program, seed_line, seedstep
from support.forking import COMMANDS_ALONE, forked, programs
from support.growing import exported
from support.scripted_server import Fault, ScriptedServer

FILE = """
shards: 2
rounds: 2
model: openai:scripted
base_url: {url}
prompt_style: completion
tasks: 4
sampling: {{generation: {{temperature: 0.9}}}}
seeds: seeds.jsonl
"""


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def file(tmp_path: Path, server: ScriptedServer) -> Path:
    lines = (
        seed_line(id=f"s{number}", instruction=f"Name {number} towns and say why they are big.")
        for number in range(1, 10)
    )
    (tmp_path / "seeds.jsonl").write_bytes(b"".join(lines))
    path = tmp_path / "grow.yaml"
    path.write_text(FILE.format(url=server.url))
    return path


def here(stage: ExperimentStage, directory: Path) -> int:
    """Run a stage in this process."""
    with chdir(directory):
        done = seedstep(*stage.command)
    assert done.code == 0, done
    return done.code


def grow_here(file: Path, out: Path, fails: str = "") -> list[str]:
    """Run all that is left of a file; return what was started. The stage named fails once."""
    begun: list[str] = []

    def tell(stage: ExperimentStage, what: str) -> None:
        if what == "starts":
            begun.append(stage.name)

    def run(stage: ExperimentStage, directory: Path) -> int:
        return 1 if stage.name == fails else here(stage, directory)

    prepare_growth(file, out)
    run_experiment(read_growth(file), out, tell, run)
    return begun


def test_a_file_is_shards_and_merges_of_each_round(file: Path, tmp_path: Path) -> None:
    begun = grow_here(file, tmp_path / "out")
    assert begun == [
        "shard 1 of round 1",
        "shard 2 of round 1",
        "merge of round 1",
        "shard 1 of round 2",
        "shard 2 of round 2",
        "merge of round 2",
    ]
    with open_run(tmp_path / "out" / "round-2" / "merged", BOOTSTRAP) as run:
        merge = merge_of(run.config)
        assert merge
        places = [(shard.round, shard.shard) for shard in merge.shards]
        assert places == [(1, "1/2"), (1, "2/2"), (2, "1/2"), (2, "2/2")]
        assert sum(shard.finished for shard in merge.shards) == 16
        assert run.settings.sampling == {"generation": {"temperature": 0.9}}
        assert Path(str(run.settings.seeds)).is_absolute()
    assert grow_here(file, tmp_path / "out") == []


def test_it_goes_on_from_whatever_is_there(
    file: Path, tmp_path: Path, server: ScriptedServer
) -> None:
    """Shards that other machines made are found, and nothing is asked twice."""
    grow_here(file, tmp_path / "whole")
    prepare_growth(file, tmp_path / "out")
    stages = {stage.name: stage for stage in read_growth(file).stages}
    assert here(stages["shard 2 of round 1"], tmp_path / "out") == 0
    with pytest.raises(StageFailed, match="merge of round 1"):
        grow_here(file, tmp_path / "out", fails="merge of round 1")
    asked = server.requests
    begun = grow_here(file, tmp_path / "out")
    assert begun[0] == "merge of round 1"
    assert server.requests > asked
    whole, stopped = (tmp_path / name / "round-2" / "merged" for name in ("whole", "out"))
    assert exported(whole) == exported(stopped)


def test_more_rounds_may_follow(file: Path, tmp_path: Path) -> None:
    grow_here(file, tmp_path / "out")
    file.write_text(file.read_text().replace("rounds: 2", "rounds: 3"))
    begun = grow_here(file, tmp_path / "out")
    assert begun == ["shard 1 of round 3", "shard 2 of round 3", "merge of round 3"]


def test_files_are_those_beside_the_file(file: Path, tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    text = file.read_text().replace("model: openai:scripted", "model: gguf:model.gguf")
    (tmp_path / "encoder").mkdir()
    (tmp_path / "axes.yaml").write_text("topic: [rivers, bread]\n")
    more = """
    decontaminate: [seeds.jsonl]
    semantic: hf:encoder
    axes: axes.yaml
    gates:
      judged: {judge: {model: "gguf:model.gguf"}}
      told: {judge: {model: "openai:model.gguf.x"}}
    """
    file.write_text(f"{text}\n{dedent(more)}")
    read_growth(file)
    prepare_growth(file, tmp_path / "out")
    settings = read_yaml(tmp_path / "out" / "settings.yaml")
    assert settings["semantic"] == f"hf:{tmp_path}/encoder"
    assert settings["axes"] == f"{tmp_path}/axes.yaml"
    models = {name: each["judge"]["model"] for name, each in settings["gates"].items()}
    assert models == {"judged": f"gguf:{tmp_path}/model.gguf", "told": "openai:model.gguf.x"}
    assert settings["model"] == f"gguf:{tmp_path}/model.gguf"
    assert settings["decontaminate"] == [f"{tmp_path}/seeds.jsonl"]
    assert settings["seeds"] == f"{tmp_path}/seeds.jsonl"
    assert "shards" not in settings


@pytest.mark.parametrize("line", ["tasks: 5", "shards: 3", "window: 3"])
def test_other_settings_are_refused(file: Path, tmp_path: Path, line: str) -> None:
    prepare_growth(file, tmp_path / "out")
    name = line.partition(":")[0]
    kept = [each for each in file.read_text().splitlines() if not each.startswith(f"{name}:")]
    file.write_text("\n".join([*kept, line]))
    with pytest.raises(InputError, match=f"begun with another '{name}'"):
        prepare_growth(file, tmp_path / "out")


@pytest.mark.parametrize(
    "line, fault",
    [
        ("shard: 1/2", "no setting 'shard'|unknown|'shard'"),
        ("shards: 0", "'shards'"),
        ("shards: 10737", "'shards': 10,737 shards are too many for 2 rounds"),
        ("rounds: two", "'rounds'"),
        ("tusks: 3", "'tusks'"),
        ("shards: 10000", "20,002 bootstraps and merges.*at most 10,000"),
    ],
)
def test_bad_files_are_one_error(file: Path, line: str, fault: str) -> None:
    name = line.partition(":")[0]
    kept = [each for each in file.read_text().splitlines() if not each.startswith(f"{name}:")]
    file.write_text("\n".join([*kept, line]))
    with pytest.raises(InputError, match=fault):
        read_growth(file)


# Side by side


def made(name: str, *after: str, out: str = "") -> ExperimentStage:
    return ExperimentStage(name, ("status", name, *(["--out", out] if out else [])), after)


def test_stages_that_do_not_need_each_other_run_side_by_side(tmp_path: Path) -> None:
    stages = (made("a"), made("b"), made("c", "a", "b"), made("d", out="x"), made("e", out="x"))
    barrier = threading.Barrier(2, timeout=10)
    running: set[str] = set()
    seen: list[frozenset[str]] = []

    def run(stage: ExperimentStage, _: Path) -> int:
        running.add(stage.name)
        seen.append(frozenset(running))
        if stage.name in ("a", "b"):
            barrier.wait()
        running.discard(stage.name)
        return 0

    events: list[tuple[str, str]] = []
    experiment = Experiment(Path("x.yaml"), stages)
    run_experiment(
        experiment, tmp_path, lambda stage, what: events.append((stage.name, what)), run, workers=2
    )
    order = {event: place for place, event in enumerate(events)}
    assert order["c", "starts"] > max(order["a", "finished"], order["b", "finished"])
    assert not any({"d", "e"} <= together for together in seen)
    assert {name for name, what in events if what == "finished"} == set("abcde")
    waves = [[stage.name for stage in wave] for wave in experiment.waves()]
    assert waves == [["a", "b", "d"], ["c", "e"]]


def test_jobs_of_slurm_that_write_the_same_wait_for_each_other() -> None:
    stages = (made("a", out="x"), made("b", out="x"), made("c", "a"), made("d", "c", out="x"))
    script = job_script(Experiment(Path("x.yaml"), stages), Path("/work"), "slurm")
    waits = [re.findall(r"afterok:(\S+)", line) for line in script.splitlines() if "sbatch" in line]
    assert waits == [[], ["$J1"], ["$J1"], ["$J3:$J2"]]
    assert script.count("--kill-on-invalid-dep=yes") == 3


RAY = """#!{python}
import subprocess, sys
words = sys.argv[sys.argv.index("--") + 1 :]
sys.exit(subprocess.call(subprocess.list2cmdline(words), shell=True))
"""
"""What `ray job submit` does with the words of a command (ray 2.51, `job/cli.py` and
`job_supervisor.py`)."""


@pytest.mark.parametrize("word", ["$(touch made)", "`touch made`", '"; touch made; "', "a\\n$HOME"])
def test_ray_gives_each_word_as_it_is(word: str, tmp_path: Path) -> None:
    """Ray writes words in double quotes for a shell, in which `$(...)` would be run."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "ray").write_text(RAY.format(python=sys.executable))
    (bin_folder / "seedstep").write_text('#!/bin/bash\nprintf "%s" "$2" > said\n')
    for program_file in bin_folder.iterdir():
        program_file.chmod(0o755)
    stages = (ExperimentStage("a", ("suite", word)),)
    script = job_script(Experiment(Path("x.yaml"), stages), tmp_path, "ray")
    env = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-c", script], env=env, check=True, cwd=tmp_path)
    assert (tmp_path / "said").read_text() == word
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_after_a_signal_nothing_starts_though_the_stage_ends_well(
    tmp_path: Path, workers: int
) -> None:
    ran: list[str] = []

    def run(stage: ExperimentStage, _: Path) -> int:
        ran.append(stage.name)
        if ran == ["a"]:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.2)
        return 0

    experiment = Experiment(Path("x.yaml"), (made("a"), made("b", "a"), made("c", "b")))
    with pytest.raises(RunError, match="a signal ended the experiment, after stage 'a'"):
        run_experiment(experiment, tmp_path, lambda *_: None, run, workers)
    assert ran == ["a"]
    run_experiment(experiment, tmp_path, lambda *_: None, run, workers)
    assert ran == ["a", "b", "c"]


def test_a_signal_in_the_last_stage_leaves_nothing_to_say(tmp_path: Path) -> None:
    def run(_: ExperimentStage, __: Path) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.2)
        return 0

    run_experiment(Experiment(Path("x.yaml"), (made("a"),)), tmp_path, lambda *_: None, run)


def test_a_stage_with_a_long_name_has_a_log(tmp_path: Path) -> None:
    names = [f"{'Ä' * 200} {number}" for number in range(2)]
    stages = tuple(ExperimentStage(name, ("--version",)) for name in names)
    run_experiment(Experiment(Path("x.yaml"), stages), tmp_path, lambda *_: None, workers=2)
    assert len([*(tmp_path / "logs").iterdir()]) == 2


def test_a_failure_lets_the_others_end_and_starts_no_more(tmp_path: Path) -> None:
    stages = (made("bad"), made("good"), made("later"), made("needs", "bad"))
    ended: list[str] = []
    failed = threading.Event()

    def run(stage: ExperimentStage, _: Path) -> int:
        if stage.name == "bad":
            failed.set()
            return 3
        failed.wait(10)
        ended.append(stage.name)
        return 0

    experiment = Experiment(Path("x.yaml"), stages)
    with pytest.raises(StageFailed, match="'bad' ended with status 3"):
        run_experiment(experiment, tmp_path, lambda *_: None, run, workers=2)
    assert "good" in ended
    assert "needs" not in ended
    again: list[str] = []

    def note(stage: ExperimentStage, _: Path) -> int:
        again.append(stage.name)
        return 0

    run_experiment(experiment, tmp_path, lambda *_: None, note, workers=2)
    assert again == [name for name in ("bad", "later", "needs") if name not in ended]


def test_processes_side_by_side(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = forked("grow", file, "--out", out, "--workers", 2)
    done = subprocess.run(words, env=environment(), capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert f"seedstep status {out}/round-2/merged" in done.stdout.decode().replace("\n", " ")
    grow_here(file, tmp_path / "other")
    assert exported(out / "round-2" / "merged") == exported(tmp_path / "other/round-2/merged")
    logs = {path.name for path in (out / "logs").iterdir()}
    assert {"shard-1-of-round-1.log", "merge-of-round-2.log"} <= logs


def test_a_signal_ends_all_processes_and_the_same_command_goes_on(
    file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with ScriptedServer(lambda number, body: Fault(delay=0.1)) as slow:
        file.write_text(FILE.format(url=slow.url))
        words = program("grow", file, "--out", out, "--workers", 2)
        with subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE) as process:
            wait_until(lambda: slow.requests > 4)
            process.terminate()
            assert process.wait(60) != 0
        asked = slow.requests
        time.sleep(1.0)
        assert slow.requests == asked  # nobody asks any more
        slow.script = None
        grow_here(file, out)
    assert (out / "round-2" / "merged" / "run.yaml").exists()


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


# Jobs

SUBMIT = """#!/bin/bash
echo "$0 $*" >> "$CALLS"
for word; do
    case "$word" in
        --chdir=*) cd "${word#--chdir=}" ;;
        --wrap=*) bash -c "${word#--wrap=}" >&2 ;;
        --dependency=*) [[ "$word" == --dependency=afterok:*[0-9] ]] || exit 9 ;;
    esac
done
if [[ "$0" == *sbatch ]]; then echo $RANDOM; elif [[ "$0" == *sky ]]; then bash -c "${@: -1}"
else "${@:4}"; fi
"""


@pytest.mark.parametrize("kind", CLUSTERS)
def test_the_script_of_jobs_makes_the_same(file: Path, tmp_path: Path, kind: str) -> None:
    """The programs that submit jobs are played by one that runs them."""
    grow_here(file, tmp_path / "here")
    out = tmp_path / "with space"
    printed = seedstep("grow", file, "--out", out, "--print", kind)
    assert printed.code == 0
    (tmp_path / "bin").mkdir()
    for name in ("sbatch", "sky", "ray"):
        (tmp_path / "bin" / name).write_text(SUBMIT)
        (tmp_path / "bin" / name).chmod(0o755)
    path = os.pathsep.join((str(tmp_path / "bin"), str(programs(COMMANDS_ALONE)), "/usr/bin:/bin"))
    env = environment(PATH=path, CALLS=str(tmp_path / "calls"))
    done = subprocess.run(
        ["bash", "-c", printed.out], env=env, capture_output=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "calls").read_text().splitlines()) == 6
    assert exported(out / "round-2" / "merged") == exported(tmp_path / "here/round-2/merged")
