"""Where a tuning's examples come from: how a source is written, and what is read of it."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedstep import export
from seedstep.data import load_rows, load_tasks, seed_tasks
from seedstep.encode import encode_task
from seedstep.errors import InputError
from seedstep.exports import ExportFormat
from seedstep.exports import write_lines as write_records
from seedstep.inputs import load_source
from seedstep.inputs.tasks import gather
from seedstep.runs import Run
from seedstep.settings import make_settings
from seedstep.stages import BOOTSTRAP
from seedstep.tune import TuneSettings, TuneSource, make_source
from support.growing import grow
from support.scripted_server import ScriptedServer
from support.task_files import changed, write_split, write_task
from support.tuning_things import write_lines


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("runs/first", TuneSource("runs/first")),
        ("ni:train", TuneSource("ni", split="train")),
        ("a:b:train", TuneSource("a:b", split="train")),
        ("runs/first@self-instruct", TuneSource("runs/first", encoding="self-instruct")),
        ("ni:train=500", TuneSource("ni", split="train", count=500)),
        ("x.jsonl=x0.5", TuneSource("x.jsonl", weight=0.5)),
        ("hub:imdb", TuneSource("hub:imdb")),
        ("hub:a/b:train@plain=9", TuneSource("hub:a/b", "train", "plain", 9)),
        ("hub:a/b/c[q,a]:test=x2", TuneSource("hub:a/b/c[q,a]", "test", weight=2.0)),
        ("ni:train@steps=x2", TuneSource("ni", split="train", encoding="steps", weight=2.0)),
    ],
)
def test_a_source_is_one_word_and_reads_back(text: str, source: TuneSource) -> None:
    assert make_source(text) == source
    assert str(source) == text


def test_what_exists_is_a_path_whatever_it_looks_like(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("odd:name@x=3").touch()
    assert make_source("odd:name@x=3") == TuneSource("odd:name@x=3")


@pytest.mark.parametrize("text", ["", "x=0", "x=x0", "a\nb", "x=x5000"])
def test_an_amount_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="PATH"):
        make_source(text)


@pytest.mark.parametrize("amount", ["-3", "xnan", "x1e9", "1.5", ""])
def test_what_is_no_amount_is_named(
    amount: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").touch()
    with pytest.raises(InputError, match=f"'{amount}' is no count or weight"):
        make_source(f"rows.jsonl@plain={amount}")
    assert make_source("a=b.jsonl").path == "a=b.jsonl"


@given(st.text(max_size=200))
def test_any_text_is_a_source_or_refused(text: str) -> None:
    with suppress(InputError):
        assert make_source(text).path


def test_in_yaml_a_source_is_its_parts() -> None:
    parts = {"path": "ni", "split": "train", "weight": 2}
    settings = make_settings(TuneSettings, {"data": [parts, "runs/first=10"]}, "tune.yaml")
    assert settings.data == [
        TuneSource("ni", "train", weight=2.0),
        TuneSource("runs/first", count=10),
    ]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("runs/first", "not a list"),
        ([{"path": "x", "wieght": 2}], "wieght"),
        ([{"split": "train"}], "path"),
        ([{"path": "x", "count": 2, "weight": 2}], "a count and a weight"),
        ([3], "setting 'data'"),
    ],
)
def test_a_source_in_yaml_that_is_wrong_is_named(data: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        make_settings(TuneSettings, {"data": data}, "tune.yaml")


ROWS = [
    {"instruction": "Sort.", "input": "b a", "output": "a b"},
    {"instruction": "Name a fruit.", "input": "", "output": "Fig"},
    {"instruction": "Sort.", "input": "d c", "output": "c d"},
]


def test_rows_with_one_instruction_are_one_task(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "rows.jsonl", ROWS)
    found = load_source(TuneSource(str(path))).tasks
    assert [(task.id, task.definition) for task in found] == [
        ("line_1", "Sort."),
        ("line_2", "Name a fruit."),
    ]
    assert [(instance.id, instance.input, instance.output) for instance in found[0].instances] == [
        ("line_1", "b a", "a b"),
        ("line_3", "d c", "c d"),
    ]
    assert load_source(TuneSource(str(path)), limit=1).tasks[0].instances == found[0].instances[:1]


def test_a_bad_row_is_told_with_its_line(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "rows.jsonl", [*ROWS, {"output": 3}, {"instruction": "Go."}])
    with pytest.raises(InputError, match=r"line 4, field 'output'.*and 1 more"):
        load_rows(path)
    assert load_rows(path, skip_bad=True).problems[1].what.endswith("field 'output': missing")


def test_lines_with_instances_are_tasks(tmp_path: Path) -> None:
    lines = [{"definition": "Sort.", "instances": [{"input": "b a", "output": "a b"}]}]
    path = write_lines(tmp_path / "tasks.jsonl", lines)
    assert load_source(TuneSource(str(path))).tasks == load_tasks(path).tasks


def test_a_split_of_a_directory(tmp_path: Path) -> None:
    for name in ("task001_a", "task002_b"):
        write_task(tmp_path / "tasks" / f"{name}.json", changed())
    write_split(tmp_path, "train", "task002_b\n")
    assert [task.id for task in load_source(TuneSource(str(tmp_path), "train")).tasks] == [
        "task002_b"
    ]
    assert len(load_source(TuneSource(str(tmp_path))).tasks) == 2


def test_seeds_are_the_shipped_ones_unless_tasks_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the model that is tuned on them is written to `seeds`."""
    monkeypatch.chdir(tmp_path)
    seeds, shipped = tmp_path / "seeds", len(seed_tasks())
    source = TuneSource("seeds")
    assert len(load_source(source).tasks) == shipped
    seeds.mkdir()
    (seeds / "run.lock").touch()
    assert len(load_source(source).tasks) == shipped
    (seeds / "tune.yaml").touch()
    (seeds / "preflight.json").write_text("{}")
    assert len(load_source(source).tasks) == shipped
    (seeds / "tune.yaml").unlink()
    with pytest.raises(InputError, match="seeds"):
        load_source(source)
    (seeds / "preflight.json").unlink()
    write_task(seeds / "task001_a.json")
    assert len(load_source(source).tasks) == 1


def test_a_bootstrap_and_its_exports_are_the_same_instances(
    server: ScriptedServer, tmp_path: Path
) -> None:
    run = grow(tmp_path / "run", server, tasks=6)
    found = load_source(TuneSource(str(run.path))).tasks
    assert [task.definition for task in found] == [task.definition for task in run.tasks]
    ids = [(task.id, instance.id) for task in found for instance in task.instances]
    assert len(set(ids)) == len(ids)
    assert all(instance.id for task in found for instance in task.instances)
    with Run.read(BOOTSTRAP, run.path) as opened:
        for name in ("alpaca", "superni", "messages"):
            export(opened, name, tmp_path / name)

    def contents(path: Path) -> set[tuple[str, str, str]]:
        return {
            (task.definition, instance.input, instance.output)
            for task in load_source(TuneSource(str(path))).tasks
            for instance in task.instances
        }

    assert contents(tmp_path / "alpaca") == contents(run.path)
    assert contents(tmp_path / "superni") <= contents(run.path)
    asked = {("\n\n".join(filter(None, each[:2])), "", each[2]) for each in contents(run.path)}
    assert contents(tmp_path / "messages") == asked
    own = ExportFormat("own", "ours", lambda source, out: write_records([{}], out / "a.jsonl"))
    with Run.read(BOOTSTRAP, run.path) as opened:
        export(opened, own, tmp_path / "own")
    with pytest.raises(
        InputError,
        match=r"format 'own'.*Name the run itself, or an export with rows in train.jsonl, ",
    ):
        contents(tmp_path / "own")
    with pytest.raises(InputError, match="a run has no splits"):
        load_source(TuneSource(str(run.path), "train"))


def test_a_run_without_tasks_says_so(server: ScriptedServer, tmp_path: Path) -> None:
    grow(tmp_path / "run", server, tasks=1)
    config = (tmp_path / "run" / "run.yaml").read_text()
    (tmp_path / "run" / "run.yaml").write_text(config.replace("bootstrap", "steps"))
    with pytest.raises(
        InputError, match="a run of `seedstep steps`: it has instructions, and no tasks with"
    ):
        load_source(TuneSource(str(tmp_path / "run")))


PAIRS = [{"prompt": f"Q: {n}\nA:", "completion": f" {n}"} for n in range(3)]


def test_prompts_are_learned_as_they_stand(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "pairs.jsonl", PAIRS)
    for encoding in ("plain", "chat-plain"):
        (use, *_) = gather(TuneSettings.of(data=[f"{path}@{encoding}"])).mixture.training
        encoded = encode_task(use.task, use.instance, use.encoding) if encoding == "plain" else None
        assert encoded is None or (encoded.prompt, encoded.target) == ("Q: 0\nA:", " 0")
    for encoding in ("", "@self-instruct", "@chat"):
        with pytest.raises(InputError, match="has whole prompts, which this encoding would put"):
            gather(TuneSettings.of(data=[f"{path}{encoding}"]))


def test_a_data_set_of_the_hub_is_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "set").mkdir()
    rows = [{"question": f"q{n}", "answer": f"a{n}"} for n in range(4)]
    write_lines(tmp_path / "set" / "train.jsonl", rows)
    text = f"hub:{tmp_path / 'set'}[question,answer]:train@plain=2"
    found = gather(TuneSettings.of(data=[text]))
    assert len(found.mixture.training) == 2
    assert found.mixture.counts[0][0] == text


def test_the_seed_tasks_of_seedstep_are_a_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_source(make_source("seeds")).tasks == seed_tasks()
    (tmp_path / "seeds").mkdir()
    write_task(tmp_path / "seeds" / "task1_a.json")
    assert [task.id for task in load_source(make_source("seeds"), skip_bad=True).tasks] == [
        "task1_a"
    ]


def test_a_file_of_seeds_is_a_source(tmp_path: Path) -> None:
    seed = {
        "id": "s1",
        "name": "greeting",
        "instruction": "Say hi.",
        "instances": [{"input": "", "output": "hi"}],
        "is_classification": False,
    }
    path = write_lines(tmp_path / "mine.jsonl", [seed])
    (task,) = load_source(make_source(str(path))).tasks
    assert (task.id, task.definition, task.instances[0].output) == ("s1", "Say hi.", "hi")


def test_what_seedstep_exports_it_reads(server: ScriptedServer, tmp_path: Path) -> None:
    path = grow(tmp_path / "run", server, tasks=3).path
    texts: dict[str, list[tuple[str, str]]] = {}
    for name in ("alpaca", "messages", "sharegpt", "prompt-completion", "parquet"):
        with Run.read(BOOTSTRAP, path) as run:
            export(run, name, tmp_path / name)
        tasks = load_source(make_source(str(tmp_path / name))).tasks
        texts[name] = [(t.definition, i.output) for t in tasks for i in t.instances]
    assert len(texts["alpaca"]) == len(texts["messages"]) > 2
    assert texts["messages"] == texts["sharegpt"]
    assert texts["alpaca"] == texts["parquet"]
    ends = [output.strip() for _, output in texts["prompt-completion"]]
    assert sorted(ends) == sorted(output for _, output in texts["alpaca"])


def test_instances_are_drawn_by_a_seed(tmp_path: Path) -> None:
    record = {
        "definition": "Say it.",
        "instances": [{"input": f"{n}", "output": f"o{n}"} for n in range(20)],
    }
    path = write_lines(tmp_path / "tasks.jsonl", [record])

    def used(**asked: Any) -> list[str]:
        settings = TuneSettings.of(data=[str(path)], limit_instances=3, **asked)
        return [use.instance.input for use in gather(settings).mixture.training]

    assert used() == ["0", "1", "2"]
    assert used(instances_seed=1) == used(instances_seed=1) != used(instances_seed=2)
    assert len(set(used(instances_seed=1))) == 3
