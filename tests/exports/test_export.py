"""Exports: each format as `datasets` loads it, the bytes, and what is left after a failure."""

import asyncio
import json
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from seedstep import Instance, Task, export
from seedstep.bootstrap import Candidate, Generation
from seedstep.data import load_tasks
from seedstep.data.files import EXPORT_MARKER
from seedstep.errors import InputError, MissingExtraError, RunError
from seedstep.exports import EXPORT_FORMATS
from seedstep.runs import BootstrapRun, Run
from seedstep.stages import BOOTSTRAP
from support.disk import no_space
from support.growing import files_of

HOSTILE = (
    'He said "no"\\n and then\nleft\ttown.',
    "one\u2028two\u2029three\u0085four\x0bfive\x1csix",
    "</script><b>[bold]x[/bold]</b> & {{instruction}} {input} %s $HOME `id`",
    "日本語 \U0001f600 e\u0301 \u202eabc\u202c \ufeff",
    '{"instruction": "x"}\n{"input": "y"}',
    "../../etc/passwd",
    " leading and trailing ",
)
"""Texts that a model may write; each must come out as it went in."""

Content = tuple[str, str, str]


def instances_of(*pairs: tuple[str, str]) -> tuple[Instance, ...]:
    return tuple(Instance(text, (output,)) for text, output in pairs)


def hostile_candidates() -> list[Candidate]:
    found = [
        Candidate(Task(f"g0.{n}", f"Task {n}: {text}", instances_of((text, f"out {text}"))))
        for n, text in enumerate(HOSTILE, start=1)
    ]
    found[0] = Candidate(Task("g0.1", found[0].task.definition, ()), "too_short")
    return found


def plain_candidates() -> list[Candidate]:
    many = instances_of(*((f"Sentence: number {n}\n\nend", f"out {n}") for n in range(4)))
    twice = instances_of(("a", "b"), ("a", "b"), ("", "no input"))
    return [
        Candidate(Task("g1.1", "Count the words.", many)),
        Candidate(Task("g1.2", "Sort the words.", twice, is_classification=True)),
        Candidate(Task("g1.3", "Sort the words.", twice[:1])),
        Candidate(Task("g1.4", HOSTILE[0], instances_of((HOSTILE[0], HOSTILE[0])))),
    ]


def make_run(path: Path, *groups: list[Candidate], seed: int = 42) -> BootstrapRun:
    """A run that yielded these candidates, opened for reading."""

    async def record(run: BootstrapRun) -> None:
        for number, group in enumerate(groups):
            await run.records.retired.record(Generation(number, "", (), "", tuple(group)))

    with Run.start(BOOTSTRAP, path, {"tasks": 9999, "seed": seed}) as run:
        asyncio.run(record(run))
    return Run.read(BOOTSTRAP, path)


@pytest.fixture(name="run")
def _run(tmp_path: Path) -> Iterator[BootstrapRun]:
    with make_run(tmp_path / "run", hostile_candidates(), plain_candidates()) as run:
        yield run


def contents(run: BootstrapRun) -> list[Content]:
    """What every format must hold: each content once, in order."""
    all_of_it = (
        (task.definition, instance.input, instance.output)
        for task in run.tasks()
        for instance in task.instances
    )
    return list(dict.fromkeys(all_of_it))


@pytest.fixture(name="datasets", scope="session")
def _datasets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The library, offline, with its own home."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library's own imports
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("huggingface")))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("HF_DATASETS_OFFLINE", "1")
        import datasets

        datasets.disable_progress_bars()
        yield datasets


def load(datasets: ModuleType, folder: Path) -> tuple[list[str], list[dict[str, Any]]]:
    """Columns and rows, as a user gets them who names just the directory."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        loaded = datasets.load_dataset(str(folder), cache_dir=str(folder.parent / "cache"))
    assert list(loaded) == ["train"]
    return loaded["train"].column_names, loaded["train"].to_list()


def joined(instruction: str, text: str) -> str:
    return f"{instruction}\n\n{text}" if text else instruction


def expected(name: str, run: BootstrapRun) -> list[dict[str, Any]]:
    """The rows of a format, written down once more."""
    ids = {task.definition: task.id for task in reversed(run.tasks())}
    labels = {task.definition: task.is_classification for task in reversed(run.tasks())}
    rows: dict[str, Any] = {
        "alpaca": lambda i, x, y: {"instruction": i, "input": x, "output": y},
        "messages": lambda i, x, y: {
            "messages": [
                {"role": "user", "content": joined(i, x)},
                {"role": "assistant", "content": y},
            ]
        },
        "sharegpt": lambda i, x, y: {
            "conversations": [
                {"from": "human", "value": joined(i, x)},
                {"from": "gpt", "value": y},
            ]
        },
        "parquet": lambda i, x, y: {
            "id": ids[i],
            "instruction": i,
            "input": x,
            "output": y,
            "is_classification": labels[i],
        },
    }
    rows["hub"] = rows["parquet"]
    return [rows[name](*content) for content in contents(run)]


@pytest.mark.parametrize("name", ["alpaca", "messages", "sharegpt", "parquet", "hub"])
def test_it_loads_with_every_text_as_it_was(
    name: str, run: BootstrapRun, tmp_path: Path, datasets: ModuleType
) -> None:
    count = export(run, name, tmp_path / name, licence="cc0-1.0")
    columns, rows = load(datasets, tmp_path / name)
    assert rows == expected(name, run)
    assert columns == list(rows[0])
    assert len(rows) == count == 13


def test_prompt_completion_loads(run: BootstrapRun, tmp_path: Path, datasets: ModuleType) -> None:
    count = export(run, "prompt-completion", tmp_path / "out", end_of_text="<|endoftext|>")
    columns, rows = load(datasets, tmp_path / "out")
    assert columns == ["prompt", "completion"]
    assert len(rows) == count == 13
    for row, (instruction, _, output) in zip(rows, contents(run), strict=True):
        assert instruction in row["prompt"]
        assert row["completion"].removeprefix(" ") == f"{output}<|endoftext|>".removeprefix(" ")


SUPERNI_COLUMNS = {
    "Categories",
    "Definition",
    "Domains",
    "Input_language",
    "Instances",
    "Instance License",
    "Instruction_language",
    "Negative Examples",
    "Output_language",
    "Positive Examples",
    "Source",
    "URL",
}


def test_superni_loads(run: BootstrapRun, tmp_path: Path, datasets: ModuleType) -> None:
    count = export(run, "superni", tmp_path / "out")
    columns, rows = load(datasets, tmp_path / "out")
    assert set(columns) >= SUPERNI_COLUMNS
    assert len(rows) == count == len(run.tasks())
    assert sorted(row["Definition"][0] for row in rows) == sorted(
        task.definition for task in run.tasks()
    )


def superni_tasks(folder: Path) -> list[dict[str, Any]]:
    """The task files that the split names, in its order."""
    names = (folder / "splits" / "default" / "train_tasks.txt").read_text().splitlines()
    assert {f"{name}.json" for name in names} == {path.name for path in folder.glob("tasks/*")}
    return [json.loads((folder / "tasks" / f"{name}.json").read_bytes()) for name in names]


def test_superni_has_the_form_of_the_original(run: BootstrapRun, tmp_path: Path) -> None:
    export(run, "superni", tmp_path / "out")
    for task, record in zip(run.tasks(), superni_tasks(tmp_path / "out"), strict=True):
        assert set(record) >= SUPERNI_COLUMNS
        assert record["Definition"] == [task.definition]
        assert isinstance(record["Categories"][0], str)
        pairs = [(example["input"], example["output"]) for example in record["Positive Examples"]]
        for instance in record["Instances"]:
            assert set(instance) == {"id", "input", "output"}
            pairs += [(instance["input"], text) for text in instance["output"]]
        assert pairs == list(
            dict.fromkeys((instance.input, instance.output) for instance in task.instances)
        )
        assert record["Instances"]
        for example in record["Positive Examples"]:
            assert set(example) == {"input", "output", "explanation"}


def test_superni_is_read_as_tasks_again(run: BootstrapRun, tmp_path: Path) -> None:
    export(run, "superni", tmp_path / "out")
    read = load_tasks(tmp_path / "out", "train").tasks
    for task, again in zip(run.tasks(), read, strict=True):
        assert again.definition == task.definition
        pairs = [(example.input, example.output) for example in again.positive_examples]
        pairs += [(instance.input, instance.output) for instance in again.instances]
        assert pairs == list(
            dict.fromkeys((instance.input, instance.output) for instance in task.instances)
        )


def test_superni_names_are_ours_and_ids_are_unique(run: BootstrapRun, tmp_path: Path) -> None:
    export(run, "superni", tmp_path / "out")
    names = [path.stem for path in (tmp_path / "out" / "tasks").iterdir()]
    assert all(re.fullmatch(r"task\d+_[a-z_]+", name) for name in names)
    ids = [
        instance["id"] for task in superni_tasks(tmp_path / "out") for instance in task["Instances"]
    ]
    assert len(ids) == len(set(ids))


def templates_of(rows: list[dict[str, str]], instruction: str, text: str) -> set[str]:
    """The templates of the paper that were used, with their places marked again."""
    used = set()
    for row in rows:
        prompt = row["prompt"].replace(instruction, "I", 1)
        used.add(re.sub(re.escape(text) + r"\d+", "X", prompt) if text else prompt)
        assert row["completion"].startswith(" ") == prompt.endswith("Output:")
    return used


def test_prompt_completion_uses_the_papers_templates(tmp_path: Path) -> None:
    """Self-Instruct, section 2.3: 7 templates with an input, 6 without."""
    many = instances_of(*((f"text {n}", "yes") for n in range(200)))
    empty = [Candidate(Task(f"g1.{n}", "Say it.", instances_of(("", f"{n}")))) for n in range(200)]
    group = [Candidate(Task("g0.1", "Read it.", many))]
    with make_run(tmp_path / "run", group, empty) as run:
        assert export(run, "prompt-completion", tmp_path / "out") == 400
    lines = (tmp_path / "out" / "train.jsonl").read_bytes().splitlines()
    rows = [json.loads(line) for line in lines]
    assert templates_of(rows[:200], "Read it.", "text ") == {
        "I\nInput: X\nOutput:",
        "I\n\nInput: X\n\nOutput:",
        "Task: I\nInput: X\nOutput:",
        "I\n\nX\n\nOutput:",
        "I\n\nX\n\n",
        "I\nX\n\n",
        "Task: I\n\nX\n\n",
    }
    assert templates_of(rows[200:], "Say it.", "") == {
        "I Output:",
        "I\nOutput:",
        "I\n\nOutput:",
        "I\n",
        "I\n\n",
        "Task: I\n\n",
    }


@pytest.mark.parametrize("name", EXPORT_FORMATS)
def test_the_same_run_gives_the_same_bytes(name: str, run: BootstrapRun, tmp_path: Path) -> None:
    for place in ("one", "other"):
        export(run, name, tmp_path / place, licence="cc0-1.0")
    export(run, name, tmp_path / "one", licence="cc0-1.0")
    assert files_of(tmp_path / "one") == files_of(tmp_path / "other")


def test_another_seed_chooses_other_templates(tmp_path: Path) -> None:
    exports = []
    for seed in (1, 2):
        with make_run(tmp_path / f"run{seed}", plain_candidates(), seed=seed) as run:
            export(run, "prompt-completion", tmp_path / str(seed))
        exports.append(files_of(tmp_path / str(seed)))
    assert exports[0] != exports[1]


def listing(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("name", EXPORT_FORMATS)
def test_other_files_are_never_overwritten(name: str, run: BootstrapRun, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "train.jsonl").write_bytes(b"years of work")
    with pytest.raises(RunError, match="holds other files"):
        export(run, name, out, licence="cc0-1.0")
    with pytest.raises(RunError, match="holds other files"):
        export(run, name, out / "train.jsonl", licence="cc0-1.0")
    with pytest.raises(RunError):
        export(run, name, out / "train.jsonl" / "below", licence="cc0-1.0")
    assert files_of(tmp_path / "out") == {"train.jsonl": b"years of work"}
    assert listing(tmp_path) == {"out", "out/train.jsonl"} | {
        name for name in listing(tmp_path) if name.startswith("run")
    }


def test_an_export_replaces_an_earlier_one_as_a_whole(run: BootstrapRun, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    export(run, "alpaca", out)
    marker = json.loads((out / EXPORT_MARKER).read_text())
    (out / "older.jsonl").touch()
    (out / EXPORT_MARKER).write_text(
        json.dumps({**marker, "files": [*marker["files"], "older.jsonl"]})
    )
    export(run, "alpaca", out)
    assert listing(out) == {"train.jsonl", ".seedstep-export.json"}
    assert listing(out.parent) == {"out"} | {f"out/{name}" for name in listing(out)}
    empty = tmp_path / "empty"
    empty.mkdir()
    export(run, "alpaca", empty)
    assert files_of(empty) == files_of(out)


def test_an_export_in_another_format_is_not_replaced(run: BootstrapRun, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(run, "superni", out)
    before = files_of(out)
    with pytest.raises(RunError, match=r"in the format superni.*out-alpaca"):
        export(run, "alpaca", out)
    assert files_of(out) == before
    assert export(run, "superni", out) > 0


@pytest.mark.parametrize("name", EXPORT_FORMATS)
def test_nothing_half_written_is_left_where_there_is_no_space(
    name: str, run: BootstrapRun, tmp_path: Path
) -> None:
    export(run, name, tmp_path / "out", licence="cc0-1.0")
    before, names = files_of(tmp_path / "out"), listing(tmp_path)
    for out in (tmp_path / "out", tmp_path / "new"):
        with no_space(200), pytest.raises(RunError, match=re.escape(str(out))):
            export(run, name, out, licence="cc0-1.0")
    assert files_of(tmp_path / "out") == before
    assert listing(tmp_path) == names


def test_parquet_without_its_package_names_the_extra(
    run: BootstrapRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    names = listing(tmp_path)
    with pytest.raises(MissingExtraError, match=r"seedstep\[parquet\]"):
        export(run, "parquet", tmp_path / "out")
    assert listing(tmp_path) == names


def test_a_run_without_tasks_has_nothing_to_export(tmp_path: Path) -> None:
    rejected = hostile_candidates()[:1]
    with (
        make_run(tmp_path / "run", rejected) as run,
        pytest.raises(RunError, match="no finished tasks yet"),
    ):
        export(run, "alpaca", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_format_that_there_is_not_is_named_with_the_others(
    run: BootstrapRun, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"alpacca.*sharegpt"):
        export(run, "alpacca", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_export_in_which_someone_put_a_file_is_not_replaced(
    run: BootstrapRun, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    export(run, "alpaca", out)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="holds other files"):
        export(run, "alpaca", out)
    assert (out / "notes.txt").read_text() == "mine"
    (out / "notes.txt").unlink()
    assert export(run, "alpaca", out) > 0
