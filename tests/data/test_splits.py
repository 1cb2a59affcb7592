"""Which files a split names: by their names, by older names, or not at all."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedstep.data import Problem, Task, load_tasks, scan_tasks
from seedstep.data.superni import SHARED_NUMBERS
from seedstep.errors import InputError
from support.task_files import write_split, write_task

FILES = [
    "task001_sort",
    "task002_count",
    "task010_say",
    "task020_one",
    "task020_other",
    "task119_left",
    "task861_only",
    "plain",
]


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Path:
    for name in FILES:
        write_task(tmp_path / "tasks" / f"{name}.json")
    return tmp_path


def found(root: Path, split: str, track: str = "default") -> list[str | tuple[int, str]]:
    """Ids of tasks, and line and message of problems."""
    return [
        task.id if isinstance(task, Task) else (task.line, task.message)
        for task in scan_tasks(root, split, track)
    ]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("task010_say\ntask001_sort\nplain\n", id="plain"),
        pytest.param("task010_say\ntask001_sort\nplain", id="no-newline-at-the-end"),
        pytest.param("task010_say\r\ntask001_sort\r\nplain\r\n", id="crlf"),
        pytest.param("\n task010_say \t\n\n  \ntask001_sort\nplain\n\n", id="space"),
        pytest.param("task010_say.json\ntask001_sort.json \nplain.json\n", id="json"),
        pytest.param("\ufefftask010_say\ntask001_sort\nplain\n", id="bom"),
        pytest.param("task010_older_name\ntask001_\nplain\n", id="older-names"),
    ],
)
def test_tasks_come_in_the_order_of_the_split(root: Path, content: str) -> None:
    write_split(root, "test", content)
    assert found(root, "test") == ["task010_say", "task001_sort", "plain"]


@pytest.mark.parametrize(
    ("entry", "message", "remedy"),
    [
        (
            "task003_gone",
            "there is no task file task003_gone.json",
            "add the file, or remove the line",
        ),
        ("PLAIN", "there is no task file PLAIN.json", "add the file, or remove the line"),
        ("task001", "there is no task file task001.json", "add the file, or remove the line"),
        ("task1_sort", "there is no task file task1_sort.json", "add the file, or remove the line"),
        (
            "../tasks/plain",
            "there is no task file ../tasks/plain.json",
            "add the file, or remove the line",
        ),
        (
            "task119_right",
            "there is no task file task119_right.json, and two tasks have the number 119",
            "write the file's whole name",
        ),
        (
            "task861_other",
            "there is no task file task861_other.json, and two tasks have the number 861",
            "write the file's whole name",
        ),
        (
            "task020_older",
            "there is no task file task020_older.json, but task020_one and task020_other",
            "write the file's whole name",
        ),
        (
            "task001_sort",
            "task001_sort is the task of line 1 already",
            "remove one of the lines",
        ),
        (
            "task001_older",
            "task001_older is the task of line 1 already",
            "remove one of the lines",
        ),
        (
            "x" * 5000,
            f"there is no task file {'x' * 100}….json",
            "add the file, or remove the line",
        ),
    ],
)
def test_a_name_that_means_no_single_file_is_a_problem(
    root: Path, entry: str, message: str, remedy: str
) -> None:
    path = write_split(root, "test", f"task001_sort\n\n{entry}\ntask119_left\n")
    (problem,) = load_tasks(root, "test", skip_bad=True).problems
    assert problem == Problem(path, 3, "", message, remedy)
    assert found(root, "test") == ["task001_sort", (3, message), "task119_left"]
    with pytest.raises(InputError, match=re.escape(f"{path}, line 3: {message}. ")):
        load_tasks(root, "test")


def test_the_numbers_that_two_released_tasks_share() -> None:
    assert {"119", "672", "861", "868"} == SHARED_NUMBERS


NUMBERS = st.sampled_from(["001", "002", "119", "0020"])
NAMES = st.builds("task{}_{}".format, NUMBERS, st.sampled_from("abc"))


def meant(entry: str, files: set[str]) -> str | None:
    """Which file an entry means, written down once more."""
    if entry in files:
        return entry
    number = entry[4:].split("_")[0]
    same = [name for name in files if name.startswith(f"task{number}_")]
    return same[0] if len(same) == 1 and number != "119" else None


@given(st.sets(NAMES, min_size=1, max_size=6), st.lists(NAMES, min_size=1, max_size=8))
def test_a_split_gives_each_task_that_it_means_once(
    tmp_path_factory: pytest.TempPathFactory, files: set[str], entries: list[str]
) -> None:
    root = tmp_path_factory.mktemp("split")
    for name in files:
        write_task(root / "tasks" / f"{name}.json")
    write_split(root, "some", "\n".join(entries))
    expected: list[str | int] = []
    for line, entry in enumerate(entries, start=1):
        task = meant(entry, files)
        expected.append(task if task and task not in expected else line)
    assert [task if isinstance(task, str) else task[0] for task in found(root, "some")] == expected


def test_a_split_that_is_not_there_is_told_with_those_that_are(root: Path) -> None:
    write_split(root, "test", "plain\n")
    write_split(root, "train", "plain\n")
    (root / "splits" / "default" / "README.md").write_text("no split")
    with pytest.raises(InputError) as caught:
        load_tasks(root, "dev")
    assert str(caught.value) == f"{root}/splits/default: no split 'dev'. There are test, train."


def test_another_track_has_its_own_splits(root: Path) -> None:
    write_split(root, "test", "plain\n")
    write_split(root, "test", "task001_sort\n", track="xlingual")
    assert found(root, "test", "xlingual") == ["task001_sort"]
    with pytest.raises(InputError) as caught:
        load_tasks(root, "test", "french")
    assert str(caught.value) == f"{root}/splits: no track 'french'. There are default, xlingual."


@pytest.mark.parametrize("split", ["../default/test", "test_tasks.txt", "", "."])
def test_the_name_of_a_split_is_no_path(root: Path, split: str) -> None:
    write_split(root, "test", "plain\n")
    with pytest.raises(InputError, match="no split"):
        load_tasks(root, split)
    with pytest.raises(InputError, match="no track"):
        load_tasks(root, "test", "../splits/default")


def test_a_directory_without_splits_says_so(root: Path) -> None:
    with pytest.raises(InputError, match=r"no splits\. Leave the split out, or name"):
        load_tasks(root, "test")
    write_split(root, "test", "plain\n")
    with pytest.raises(InputError, match="no splits"):
        load_tasks(root / "tasks", "test")


def test_a_track_without_splits_says_so(root: Path) -> None:
    (root / "splits" / "default").mkdir(parents=True)
    with pytest.raises(InputError, match=r"no split 'test'\. Leave the split out"):
        load_tasks(root, "test")


def test_a_split_that_names_nothing_has_that_problem(root: Path) -> None:
    path = write_split(root, "test", "\n \n")
    with pytest.raises(InputError, match=re.escape(f"{path}: names no tasks")):
        load_tasks(root, "test", skip_bad=True)


def test_a_split_in_another_encoding_says_so(root: Path) -> None:
    path = write_split(root, "test", "")
    path.write_bytes(b"plain\xe9\n")
    said = f"{path}: not UTF-8. Save the file as UTF-8, as `iconv -f CP1252 -t UTF-8 {path} > "
    with pytest.raises(InputError, match=re.escape(said)):
        load_tasks(root, "test")


def test_a_single_file_has_no_splits(root: Path) -> None:
    with pytest.raises(InputError, match=r"plain\.json: only a directory has splits"):
        load_tasks(root / "tasks" / "plain.json", "test")
