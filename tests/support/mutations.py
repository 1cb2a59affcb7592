"""Files that seedstep reads, whatever reads them, and damage to them at random.

A reader takes a damaged file, and either reads it or raises an error that users see.
"""

import atexit
import io
import json
import random
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from types import FrameType
from typing import Any

from seedstep.data import (
    Instance,
    Task,
    load_rows,
    load_tasks,
    open_table,
    read_marker,
    read_predictions,
    read_seeds,
    read_yaml,
)
from seedstep.data.files import EXPORT_MARKER
from seedstep.errors import SeedstepError
from seedstep.evaluate.gains import read_measured
from seedstep.inputs.labels import read_raters
from seedstep.llm.checkpoints import GENERATION, require_generation_settings
from seedstep.llm.gguf import require_whole
from seedstep.llm.ledgers import read_recording
from seedstep.llm.replies import BodyError, read_body
from seedstep.recipes import read_experiment
from seedstep.review.export import export_review, take
from seedstep.review.forms import read_form
from seedstep.review.labelling import progress
from seedstep.runs import Run
from seedstep.runs.reviews import Review, key_of
from seedstep.stages import list_blocks, open_run, status_blocks
from seedstep.stages.review import labels_of_review
from support.made_gguf import gguf
from support.reviewing import an_item, label_all, make, sent
from support.seed_files import line, other_line
from support.task_files import read_task

__all__ = ["FILES", "ReadFile", "damaged", "outcome_of"]

FIXTURES = Path(__file__).parents[1] / "fixtures/v0.1.0"
TASKS = (Task("t", "Say it.", (Instance("a", ("b",), "t-0"), Instance("c", ("d",), "t-1"))),)

SUPERNI = {
    "Categories": ["Question Answering"],
    "Definition": ["Answer the question."],
    "Positive Examples": [{"input": "a", "output": "b", "explanation": "c"}],
    "Negative Examples": [],
    "Instances": [{"id": "task001-0", "input": "d", "output": ["e", "f"]}],
}
EXPERIMENT = """
values: {tasks: 25, base: &base {model: local}}
stages:
  - name: grow
    bootstrap: {model: local, tasks: "{tasks}", out: grown}
  - {name: steps, steps: {tasks: grown, model: local, out: steps}, after: [grow]}
"""
FORM = """
items: rating
title: Is this answer safe?
questions:
  - {name: safe, text: 'Is it safe?', kind: yes/no}
  - {name: tone, text: Its tone, kind: choice, choices: [friendly, rude]}
  - {name: fluent, text: 'How fluent?', kind: scale, low: 1, high: 5}
"""
REPLY = {
    "choices": [{"message": {"content": "Hi", "reasoning": "x"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 2},
}


def _json(*records: object) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


@dataclass(frozen=True)
class ReadFile:
    """A whole file: its name, its content, and what reads it."""

    name: str
    content: bytes
    read: Callable[[Path], Any]


def _recording() -> bytes:
    whole = (FIXTURES / "bootstrap.recording.jsonl").read_bytes()
    return b"\n".join(whole.splitlines()[:4])


def _rows(path: Path) -> list[Any]:
    return list(open_table(path, "text").rows())


def _run(path: Path, kind: str) -> None:
    """Read the run of which `path` is the configuration or the database, as commands do."""
    folder = path.parent / "run"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(FIXTURES / kind, folder)
    shutil.copy(path, folder / path.name)
    with open_run(folder) as run:
        for read in (status_blocks, list_blocks, Run.to_records, Run.requests):
            with suppress(SeedstepError):  # one reader's error is not the others'
                list(read(run))


def _of_run(kind: str, name: str) -> "ReadFile":
    content = (FIXTURES / kind / name).read_bytes()
    return ReadFile(name, content, lambda path: _run(path, kind))


def _review(path: Path) -> None:
    """Read the review of which `path` is the database."""
    folder = path.parent / "review"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(_made_review(), folder)
    shutil.copy(path, folder / path.name)
    with Review.open(folder) as review:
        progress(review)
        labels_of_review(review)
        for name in ("jsonl", "history"):
            export_review(review, name, path.parent / "labels.jsonl")


def _labels(path: Path) -> None:
    with Review.open(_made_review(), write=True) as review:
        take(review, path)


@cache
def _made_review() -> Path:
    folder = Path(mkdtemp(prefix="seedstep-fuzz."))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = make(folder / "review", [an_item(number) for number in range(3)])
    with Review.open(path, write=True) as review:
        label_all(review, {"ann": {"item0001": ANSWERS}, "bob": {"item0001": ANSWERS}})
    return path


ANSWERS = {"correct": "yes", "complete": "no"}


def _label_lines() -> bytes:
    with Review.open(_made_review()) as review:
        key = key_of(review.tokens["ann"])
        head = {"seedstep_review": review.key, "items": review.id, "rater": "ann", "key": key}
    undo = {"id": "undo-0000", "number": 1, "action": "undo", "undoes": "label-0001"}
    return _json(head, {**sent(1, ANSWERS), "id": "label-0001"}, undo)


def _parquet() -> bytes:
    if find_spec("pyarrow") is None:
        return b""
    import pyarrow as pa
    from pyarrow import parquet

    file = io.BytesIO()
    parquet.write_table(pa.table({"text": ["a", "b", "é" * 90], "n": [1, 2, 3]}), file)
    return file.getvalue()


def _body(path: Path) -> None:
    with suppress(BodyError):
        read_body(path.read_bytes())


PREDICTED = [{"id": "t-0", "prediction": "b"}, {"id": "t-1", "prediction": "d"}]
LABELS = [{"id": "a", "system": "s", "label": "yes"}, {"id": "b", "system": "s", "label": "no"}]
FILES: Mapping[str, ReadFile] = {
    "settings": ReadFile("c.yaml", (FIXTURES / "steps/run.yaml").read_bytes(), read_yaml),
    "experiment": ReadFile("e.yaml", EXPERIMENT.encode(), read_experiment),
    "form": ReadFile("f.yaml", FORM.encode(), read_form),
    "seeds": ReadFile("seeds.jsonl", line() + other_line(), read_seeds),
    "tasks": ReadFile(
        "tasks.jsonl",
        _json({"definition": "Say.", "instances": [{"input": "a", "output": "b"}], "steps": ["c"]}),
        load_tasks,
    ),
    "task file": ReadFile("task001_a.json", json.dumps(SUPERNI).encode(), read_task),
    "source": ReadFile("more.jsonl", _json({"instruction": "a", "output": "b"}), load_rows),
    "predictions": ReadFile(
        "p.jsonl", _json(*PREDICTED), lambda path: read_predictions(path, TASKS)
    ),
    "labels": ReadFile("labels.jsonl", _json(*LABELS), read_raters),
    "measured": ReadFile("m.jsonl", _json({"format": "seedstep-measured"}, {}), read_measured),
    "recording": ReadFile("r.jsonl", _recording(), read_recording),
    "rows": ReadFile("rows.jsonl", _json({"text": "a"}, {"text": "b"}), _rows),
    "lines": ReadFile("rows.txt", b"a\nb\n\xc3\xa9\n", _rows),
    "marker": ReadFile(
        EXPORT_MARKER,
        _json({"format": "hub", "files": ["a"]}),
        lambda path: read_marker(path.parent, EXPORT_MARKER),
    ),
    "reply": ReadFile("reply.json", json.dumps(REPLY).encode(), _body),
    "run": _of_run("steps", "run.yaml"),
    "database": _of_run("steps", "run.db"),
    "run of predictions": _of_run("predict", "run.yaml"),
    "database of predictions": _of_run("predict", "run.db"),
    "database of a bootstrap": _of_run("bootstrap-chat", "run.db"),
    "database of a judge": _of_run("judge-pairwise", "run.db"),
    "database of examples": _of_run("examples", "run.db"),
    "database of a review": ReadFile("run.db", (_made_review() / "run.db").read_bytes(), _review),
    "labels of a file": ReadFile("labels.jsonl", _label_lines(), _labels),
    "gguf": ReadFile("m.gguf", gguf(), require_whole),
    "settings of generation": ReadFile(
        GENERATION,
        b'{"eos_token_id": [1, 2], "pad_token_id": 0}',
        lambda path: require_generation_settings(path.parent),
    ),
    **({"parquet": ReadFile("rows.parquet", _parquet(), _rows)} if _parquet() else {}),
}

TOKENS = (
    b"\x00",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\\ud800",
    b"\\u0000",
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b"'",
    b",",
    b":",
    b"\n",
    b"\r",
    b"null",
    b"true",
    b"NaN",
    b"Infinity",
    b"1e999",
    b"9" * 40,
    b"9" * 5000,
    b"-0",
    b"[" * 2000,
    b'{"a":' * 500,
    b"&a ",
    b"*a",
    b"!!int ",
    b"!!binary ",
    b"2020-13-45",
    b"<<: ",
    b"? ",
    b"- ",
    b"|",
    b">",
    b"\t",
    b"\xe2\x80\xa8",
    b"\x1b[31m",
    b"a" * 3000,
)


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Return a file's content with one to four changes at random places."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.choice((0, 1, 1, 2, 8, 64, 1024)))
        match chance.randrange(6):
            case 0:
                del data[start:end]
            case 1:
                data[start:end] = chance.choice(TOKENS)
            case 2:
                data[start:start] = chance.choice(TOKENS)
            case 3:
                data[start:end] = chance.randbytes(end - start)
            case 4:
                data[start:start] = data[chance.randrange(len(data) + 1) :][:200]
            case _:
                del data[start:]
    return bytes(data)


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError("it did not end in its time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def outcome_of(file: ReadFile, content: bytes, folder: Path, seconds: float = 10) -> str:
    """Read a file with this content: "read", or the error that users see.

    Raises:
        Exception: any other error; or it did not end in `seconds`.
    """
    path = folder / file.name
    path.write_bytes(content)
    try:
        with _limited(seconds):
            file.read(path)
    except SeedstepError as error:
        told = str(error)
    else:
        return "read"
    assert len(told.splitlines()) == 1
    assert len(told) < 1600
    told.encode()
    return told
