"""Runs along axes: shares wanted and got, what is kept of them, kills, and no axes at all."""

import json
import re
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from seedstep.data import load_tasks
from seedstep.errors import InputError, RunMismatchError, StoreError
from seedstep.recipes import merge_runs
from seedstep.report.records import Table
from seedstep.report.sections.grown import diversity
from seedstep.runs import Run
from seedstep.stages import BOOTSTRAP
from support.command_line import chat_reply, environment, seedstep
from support.forking import ForkedProcess, forked
from support.growing import STYLES, exported, grow, purpose_of, text_of, times_asked
from support.scripted_server import (
    Fault,
    Script,
    ScriptedServer,
    made_up_instructions,
    random_delays,
)

VALUES = ("law", "sport", "the sea")
AXES: dict[str, Any] = {"topic": 3, "difficulty": {"easy": 0.6, "hard": 0.4}}
ASKS = "Name 3 topics"


def obedient(*, never: str = "", then: Script | None = None) -> Script:
    """A model that names `VALUES`, and writes no task where the prompt has the text `never`."""

    def script(number: int, body: dict[str, Any]) -> Fault | None:
        text = text_of(body)
        if text.startswith(ASKS):
            return chat_reply(json.dumps({"values": VALUES}))
        if never and text.startswith("Here are") and never in text:
            return chat_reply('{"tasks": []}')
        return then(number, body) if then else None

    return script


def test_shares_are_met_and_kept_with_the_tasks(tmp_path: Path) -> None:
    with ScriptedServer(obedient()) as server:
        made = grow(tmp_path / "run", server, tasks=40, axes=AXES)
        prompts = [text_of(body) for body in server.bodies]
    assert sum(text.startswith(ASKS) for text in prompts) == 1
    assert made.status.finished == 40
    counted: Counter[tuple[str, str]] = Counter()
    for generation in made.generations:
        done = sum(not candidate.reason for candidate in generation.candidates)
        counted.update(dict.fromkeys(generation.cell, done))
        lines = [f"about {dict(generation.cell)['topic']}."]
        lines.append(f"difficulty of every task: {dict(generation.cell)['difficulty']}.")
        assert any(all(line in text for line in lines) for text in prompts)
    with Run.read(BOOTSTRAP, tmp_path / "run") as run:
        coverage = run.records.coverage()
        rows = run.to_records()
        cells = run.records.task_cells()
    assert coverage
    assert [(each.value, each.tasks) for each in coverage.values] == [
        (value, counted[axis, value])
        for axis, values in (("topic", VALUES), ("difficulty", ("easy", "hard")))
        for value in values
    ]
    for each in coverage.values:
        assert each.tasks / 40 == pytest.approx(each.wanted, abs=0.15)
    assert set(cells) == {task.id for task in made.tasks}
    assert all(row["cell"] == dict(cells[row["task"]]) for row in rows)


def test_what_commands_and_exports_say_of_it(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with ScriptedServer(obedient()) as server:
        made = grow(path, server, tasks=12, axes=AXES)
    with Run.read(BOOTSTRAP, path) as run:
        cell = dict(run.records.task_cells()[made.tasks[0].id])
        coverage = run.records.coverage()
    assert coverage
    status = seedstep("status", path).words
    for each in coverage.values:
        row = f"{each.wanted:.0%} {each.tasks / 12:.0%} {each.tasks} {each.requests}"
        assert f"{each.axis} {each.value} {row}" in status
    assert re.search(r"1 - ROUGE-L: 0\.\d\d \[0\.\d\d, 0\.\d\d\]", status)
    shown = seedstep("show", path, made.tasks[0].id).words
    assert f"asked for: topic: {cell['topic']}, difficulty: {cell['difficulty']}" in shown
    pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    licence = ("--license", "cc0-1.0")
    assert (
        seedstep("export", path, "--format", "hub", "--out", tmp_path / "hub", *licence).code == 0
    )
    (file,) = (tmp_path / "hub" / "data").iterdir()
    assert pq.read_table(file).to_pylist()[0]["cell"] == cell
    assert "| axes |" in (tmp_path / "hub" / "README.md").read_text()
    assert seedstep("export", path, "--format", "alpaca", "--out", tmp_path / "alpaca").code == 0
    row = json.loads((tmp_path / "alpaca" / "train.jsonl").read_text().splitlines()[0])
    assert set(row) == {"instruction", "input", "output"}


@pytest.mark.usefixtures("quick_figures")
def test_the_report_has_shares_what_is_set_aside_and_distances(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    with ScriptedServer(obedient(never="about sport.")) as server:
        grow(tmp_path / "run", server, tasks=40, axes=AXES, window=4)
    with ScriptedServer() as server:
        grow(tmp_path / "plain", server, tasks=12)
    done = seedstep("report", tmp_path / "run", tmp_path / "plain", "--out", tmp_path / "report")
    assert done.code == 0, done.err
    page = " ".join((tmp_path / "report" / "index.html").read_text().split())
    assert page.count("How diverse the instructions are</h") == 2
    assert "Shares of the tasks along the axes" in page
    assert "topic: sport" in page
    assert "8 requests in a row without a task" in page
    for part in ("all", "1 to 10", "31 to 40", "1 to 3", "10 to 12"):
        assert f">{part}</" in page
    with Run.read(BOOTSTRAP, tmp_path / "plain") as run:
        section = diversity(run)
    assert section
    tables = [block.caption for block in section.blocks if isinstance(block, Table)]
    assert tables == ["Mean distance to the nearest instruction"]


@pytest.mark.parametrize("order", [("with", "without"), ("without", "with")])
def test_runs_with_and_without_axes_are_one_run_when_merged(
    tmp_path: Path, order: tuple[str, ...]
) -> None:
    axes = {"difficulty": ["easy", "hard"]}
    with ScriptedServer() as server:
        grow(tmp_path / "with", server, tasks=6, axes=axes, novelty_threshold=0.7)
        grow(tmp_path / "without", server, tasks=6, seed=8, novelty_threshold=0.7)
    merge_runs([tmp_path / name for name in order], tmp_path / "out", different=True)
    with Run.read(BOOTSTRAP, tmp_path / "out") as run:
        cells = run.records.task_cells()
        assert set(cells) <= {task.id for task in run.tasks()}
        if run.settings.axes:
            assert 0 < len(cells) < len(run.tasks())
            coverage = run.records.coverage()
            assert coverage
            assert coverage.tasks == len(cells)
            rows = run.to_records()
            assert {row["task"] for row in rows if row["cell"]} == set(cells)
    assert seedstep("status", tmp_path / "out").code == 0
    pytest.importorskip("pyarrow")
    data = ("--format", "parquet", "--out", tmp_path / "data")
    assert seedstep("export", tmp_path / "out", *data).code == 0


def test_without_axes_all_is_as_before(tmp_path: Path) -> None:
    with ScriptedServer() as server:
        grow(tmp_path / "plain", server, tasks=12, window=1)
        before = times_asked(server.bodies)
    with ScriptedServer() as server:
        made = grow(tmp_path / "empty", server, tasks=12, window=1, axes={})
        assert times_asked(server.bodies) == before
    assert exported(tmp_path / "plain") == exported(tmp_path / "empty")
    assert all(generation.cell == () for generation in made.generations)
    written = yaml.safe_load((tmp_path / "plain" / "run.yaml").read_text())
    assert not {"axes", "axes_fingerprint"} & set(written)
    with Run.read(BOOTSTRAP, tmp_path / "plain") as run:
        assert "cell" not in run.to_records()[0]
    assert "wanted" not in seedstep("status", tmp_path / "plain").words


@pytest.mark.parametrize("style", STYLES)
def test_without_axes_each_request_is_as_before_there_were_any(
    style: str, tmp_path: Path, golden: Callable[[str, str], None]
) -> None:
    settings: dict[str, Any] = {"window": 1, "in_flight": 1, "prompt_style": style}
    with ScriptedServer() as server:
        grow(tmp_path / "run", server, tasks=6, **settings)
        hashes = [sha256(json.dumps(body).encode()).hexdigest()[:16] for body in server.bodies]
    golden(f"requests_{style}", "\n".join(hashes))


@pytest.mark.parametrize("in_flight", [1, 4, 16])
def test_requests_in_flight_change_nothing(in_flight: int, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"tasks": 20, "axes": AXES, "window": 4}
    with ScriptedServer(obedient()) as server:
        calm = grow(tmp_path / "calm", server, **settings)
    with ScriptedServer(obedient(then=random_delays(0.03))) as server:
        made = grow(tmp_path / "run", server, in_flight=in_flight, **settings)
    assert [each.cell for each in made.generations] == [each.cell for each in calm.generations]
    assert exported(tmp_path / "run") == exported(tmp_path / "calm")


@pytest.mark.parametrize("part", [0.02, 0.3, 0.7])
def test_killed_it_goes_on_to_the_same_bytes(part: float, tmp_path: Path) -> None:
    file = tmp_path / "axes.yaml"
    file.write_text(yaml.safe_dump(AXES))
    with ScriptedServer(obedient()) as server:
        grow(tmp_path / "whole", server, tasks=20, axes=AXES, in_flight=1)
        wanted = max(1, int(part * server.requests))
    slow = obedient(then=lambda *_: Fault(delay=0.005))
    with ScriptedServer(slow) as server:
        flags = ("--model", "openai:scripted", "--base-url", server.url, "--in-flight", 1)
        command = forked(
            "bootstrap", *flags, "--tasks", 20, "--axes", file, "--out", tmp_path / "run"
        )
        with ForkedProcess(command, env=environment()) as process:
            while process.poll() is None and server.requests < wanted:
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
        time.sleep(0.2)  # what had been sent arrives
        with Run.read(BOOTSTRAP, tmp_path / "run") as run:
            kept = run.requests()[1]
        lost = server.requests - kept
        file.unlink()
        grow(tmp_path / "run", server, tasks=20, in_flight=1)
        assert sum(times - 1 for times in times_asked(server.bodies).values()) <= lost <= 2
    assert exported(tmp_path / "run") == exported(tmp_path / "whole")


def test_values_that_are_lost_are_not_drawn_anew(tmp_path: Path) -> None:
    """They would be others than those of the tasks that are there."""
    with ScriptedServer(obedient()) as server:
        grow(tmp_path / "run", server, tasks=5, axes=AXES)
        with closing(sqlite3.connect(tmp_path / "run" / "run.db")) as database, database:
            database.execute("DELETE FROM requests WHERE purpose = 'values of topic'")
        asked = server.requests
        with pytest.raises(StoreError, match="the values of the axis 'topic' are lost"):
            grow(tmp_path / "run", server, tasks=6)
        assert server.requests == asked


def test_more_tasks_go_on_from_the_same_requests(tmp_path: Path) -> None:
    with ScriptedServer(obedient()) as server:
        grow(tmp_path / "whole", server, tasks=30, axes=AXES)
    with ScriptedServer(obedient()) as server:
        grow(tmp_path / "run", server, tasks=8, axes=AXES, in_flight=1)
        grow(tmp_path / "run", server, tasks=30, in_flight=1)
        again = sum(times - 1 for times in times_asked(server.bodies).values())
        assert again <= 1  # what was under way at the end of the first
    assert exported(tmp_path / "run") == exported(tmp_path / "whole")


def test_a_recording_makes_the_same_run(tmp_path: Path) -> None:
    with ScriptedServer(obedient()) as server:
        grow(tmp_path / "run", server, tasks=12, axes=AXES)
    with Run.read(BOOTSTRAP, tmp_path / "run") as run:
        run.write_recording(tmp_path / "run.jsonl")
    flags = ("--tasks", 12, "--axes", tmp_path / "axes.yaml", "--out", tmp_path / "again")
    (tmp_path / "axes.yaml").write_text(yaml.safe_dump(AXES))
    done = seedstep("bootstrap", "--model", f"replay:{tmp_path / 'run.jsonl'}", *flags)
    assert done.code == 0, done.err
    assert exported(tmp_path / "again") == exported(tmp_path / "run")


class TestWhatIsNeverMet:
    def test_a_value_is_told_by_name_and_the_run_has_its_tasks(self, tmp_path: Path) -> None:
        path = tmp_path / "run"
        with ScriptedServer(obedient(never="about sport.")) as server:
            made = grow(path, server, tasks=40, axes=AXES, window=4)
            asked = [text_of(body) for body in server.bodies if purpose_of_any(body)]
        assert made.status.finished == 40
        assert 8 <= sum("about sport." in text for text in asked) < 8 + 4
        said = seedstep("status", path).words
        told = "'topic: sport' is set aside, after 8 requests in a row without a task"
        assert f"{told}: others have its share" in said
        assert "topic sport 33% 0% 0" in said

    def test_nothing_at_all_ends_with_patience(self, tmp_path: Path) -> None:
        with ScriptedServer(obedient(never="Every task")) as server:
            made = grow(tmp_path / "run", server, tasks=5, axes=AXES, patience=30)
        assert made.status.finished == 0
        assert len(made.generations) == 30


def purpose_of_any(body: dict[str, Any]) -> bool:
    text = text_of(body)
    return not text.startswith(ASKS) and purpose_of(body) == "generation"


def test_classification_counts_as_the_model_judges_it(tmp_path: Path) -> None:
    axes = {"classification": {"yes": 0.5, "no": 0.5}}

    def script(number: int, body: dict[str, Any]) -> Fault | None:
        text = text_of(body)
        if not text.startswith("Here are"):
            return None
        written = made_up_instructions(text)
        if "its answer is one of a few labels" in text:
            written = [re.sub(r"^\w+", "Classify", each) for each in written]
        return chat_reply(json.dumps({"tasks": written}))

    with ScriptedServer(script) as server:
        made = grow(tmp_path / "run", server, tasks=30, axes=axes)
    with Run.read(BOOTSTRAP, tmp_path / "run") as run:
        coverage = run.records.coverage()
    assert coverage
    labelled = sum(task.is_classification for task in made.tasks)
    assert [each.tasks for each in coverage.values] == [labelled, 30 - labelled]
    assert labelled == pytest.approx(15, abs=4)


def test_languages_are_those_of_the_exported_tasks(tmp_path: Path) -> None:
    axes = {"language": ["German", "Japanese"]}
    with ScriptedServer() as server:
        made = grow(tmp_path / "run", server, tasks=8, axes=axes)
        asked = [text_of(body) for body in server.bodies]
    for language in axes["language"]:
        assert any(f"All texts are in {language}, except" in text for text in asked)
    with Run.read(BOOTSTRAP, tmp_path / "run") as run:
        assert run.settings.tokens == "unicode"
        cells = run.records.task_cells()
    exported(tmp_path / "run", ["superni"])
    folder = tmp_path / "run" / "exports" / "superni"
    files = sorted((folder / "tasks").iterdir())
    for task, file in zip(made.tasks, files, strict=True):
        language = dict(cells[task.id])["language"]
        assert json.loads(file.read_text())["Input_language"] == [language]
    assert len(load_tasks(folder).tasks) == 8


def test_fewer_values_than_were_asked_for_are_told(tmp_path: Path) -> None:
    answer = chat_reply(json.dumps({"values": VALUES}))
    with ScriptedServer(lambda _, body: answer if "Name 5" in text_of(body) else None) as server:
        grow(tmp_path / "run", server, tasks=3, axes={"topic": 5})
    assert "the model named 3 of 5 values of topic" in seedstep("status", tmp_path / "run").words


class TestRefused:
    @pytest.mark.parametrize(
        "reply",
        [
            chat_reply("I can't think of any."),
            chat_reply('{"values": ["law"]}'),
            Fault(400, body=b'{"error": {"message": "no"}}'),
        ],
        ids=["prose", "one", "refused"],
    )
    def test_a_model_that_names_no_values(self, reply: Fault, tmp_path: Path) -> None:
        with ScriptedServer(lambda *_: reply) as server:
            for _ in range(2):
                with pytest.raises(InputError, match="no values for the axis 'topic'"):
                    grow(tmp_path / "run", server, axes=AXES)
            assert server.requests == 1
        assert "0 of 100 tasks" in seedstep("status", tmp_path / "run").words

    def test_other_axes_than_those_it_began_with(self, tmp_path: Path) -> None:
        with ScriptedServer(obedient()) as server:
            grow(tmp_path / "run", server, tasks=2, axes=AXES)
            with pytest.raises(RunMismatchError, match="axes"):
                grow(tmp_path / "run", server, tasks=2, axes={"topic": ["law"]})

    def test_a_file_with_a_fault_is_one_line(self, tmp_path: Path) -> None:
        file = tmp_path / "axes.yaml"
        file.write_text("topic: {law: 0.5, sport: 0.3}\n")
        done = seedstep("bootstrap", "--axes", file, "--out", tmp_path / "run")
        assert done.error.startswith(f"error: {file}, axis 'topic': the shares add up to 0.8")
        assert not (tmp_path / "run").exists()
        config = tmp_path / "config.yaml"
        config.write_text(f"axes: {file}\n")
        assert seedstep("bootstrap", "--config", config).error == done.error


def test_the_preview_shows_a_cell_and_asks_for_values(tmp_path: Path) -> None:
    file = tmp_path / "axes.yaml"
    file.write_text(yaml.safe_dump(AXES))
    done = seedstep("bootstrap", "--model", "openai:m", "--axes", file, "--dry-run")
    assert done.code == 0, done.err
    assert "Every task is about (topic)." in done.words
    assert "values of topic (chat)" in done.words
    assert "Name 3 topics for a collection" in done.words
