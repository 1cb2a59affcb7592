"""Files and folders appear whole, under the user's umask, and leave nothing behind."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_IMODE

import pytest

from seedstep.data import files
from seedstep.data.files import (
    files_in,
    folder_with,
    new_folder,
    read_marker,
    whole_file,
    whole_folder,
    write_atomically,
    write_in_parts,
)
from seedstep.errors import RunError
from support.forking import COMMANDS_ALONE, ForkedProcess, forked_python

MARKER = ".marker.json"


def write_folder(out: Path, text: str = "new") -> None:
    with whole_folder(out, MARKER, {"format": "test"}) as folder:
        (folder / "below").mkdir()
        (folder / "below" / "file").write_text(text)


def write_file(out: Path) -> None:
    write_atomically(out, b"new")


WRITERS = {"file": write_file, "folder": write_folder}


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_are_those_of_any_new_file(mask: int, tmp_path: Path) -> None:
    with umask(mask):
        write_file(tmp_path / "file")
        write_folder(tmp_path / "folder")
    folder = tmp_path / "folder"
    for path in (tmp_path / "file", folder / MARKER, folder / "below" / "file"):
        assert S_IMODE(path.stat().st_mode) == 0o666 & ~mask
    for path in (folder, folder / "below"):
        assert S_IMODE(path.stat().st_mode) == 0o777 & ~mask


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_permissions_are_those_of_any_new_file_whoever_wrote_it(mask: int, tmp_path: Path) -> None:
    with umask(mask), new_folder(tmp_path / "model") as folder:
        (folder / "model.safetensors").touch(mode=0o600)
    path = tmp_path / "model" / "model.safetensors"
    assert S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_a_file_in_parts(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert write_in_parts(path, (b"a", b"", b"b")) == 3
    assert path.read_bytes() == b"ab"


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_a_second_writing_replaces_the_first(
    writer: Callable[[Path], None], tmp_path: Path
) -> None:
    writer(tmp_path / "out")
    first = {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)}
    writer(tmp_path / "out")
    assert {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)} == first
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_a_planted_link_is_not_followed(
    writer: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even by an attacker who guesses the hidden name."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "kept").write_text("years of work")
    monkeypatch.setattr("seedstep.data.files.secrets.token_hex", lambda size: "0" * 2 * size)
    link = tmp_path / f".out.{'0' * 16}.partial"
    link.symlink_to(victim / "kept" if writer is write_file else victim)
    with pytest.raises(RunError, match="File exists"):
        writer(tmp_path / "out")
    assert link.is_symlink()
    assert (victim / "kept").read_text() == "years of work"
    assert [path.name for path in victim.iterdir()] == ["kept"]


def test_hidden_names_differ_each_time(tmp_path: Path) -> None:
    names = set()
    for _ in range(3):
        with whole_file(tmp_path / "file") as file:
            names.add(file.name)
    assert len(names) == 3


def test_an_error_while_writing_leaves_what_was_there(tmp_path: Path) -> None:
    write_file(tmp_path / "file")
    write_folder(tmp_path / "folder")
    with pytest.raises(ZeroDivisionError), whole_file(tmp_path / "file") as file:
        file.write(b"%d" % (1 // 0))
    with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "folder", MARKER) as folder:
        (folder / "half").write_text(str(1 // 0))
    assert (tmp_path / "file").read_bytes() == b"new"
    assert (tmp_path / "folder" / "below" / "file").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_folder_with_other_files_is_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_folder(out)
    (out / "notes").touch()
    with pytest.raises(RunError, match="other files"):
        write_folder(out)
    assert (out / "notes").is_file()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"files": 7}', b"\xff", b"[" * 10_000])
def test_a_damaged_marker_is_told_and_nothing_is_replaced(content: bytes, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_folder(out, "old")
    (out / MARKER).write_bytes(content)
    with pytest.raises(RunError, match=r"marker\.json is damaged") as raised:
        write_folder(out)
    assert len(str(raised.value).splitlines()) == 1
    assert (out / "below" / "file").read_text() == "old"


def test_a_marker_lists_files_and_says_what_they_are(tmp_path: Path) -> None:
    write_folder(tmp_path / "out")
    marker = read_marker(tmp_path / "out", MARKER)
    assert marker == files.FolderMarker(("below/file",), "test")


def test_a_folder_behind_a_link_is_replaced_and_its_target_stays(tmp_path: Path) -> None:
    write_folder(tmp_path / "target", "old")
    (tmp_path / "out").symlink_to(tmp_path / "target")
    write_folder(tmp_path / "out")
    assert not (tmp_path / "out").is_symlink()
    assert (tmp_path / "target" / "below" / "file").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "target"]


def test_a_new_folder_replaces_nothing(tmp_path: Path) -> None:
    write_folder(tmp_path / "out", "old")
    with pytest.raises(OSError, match="not empty"), new_folder(tmp_path / "out") as folder:
        (folder / "file").touch()
    assert (tmp_path / "out" / "below" / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


KILLED = """
import os, signal, sys
from pathlib import Path
from seedstep.data.files import whole_file, whole_folder

out = Path(sys.argv[1])
with whole_file(out / "file") as file, whole_folder(out / "folder", ".marker.json") as folder:
    file.write(b"half")
    (folder / "half").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_leaves_is_removed_by_the_next(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False)
    assert done.returncode == -signal.SIGKILL
    left = sorted(path.name for path in tmp_path.iterdir())
    assert len(left) == 2
    assert all(name.startswith((".file.", ".folder.")) for name in left)
    write_file(tmp_path / "file")
    write_folder(tmp_path / "folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_what_another_writer_writes_at_the_moment_stays(tmp_path: Path) -> None:
    out, folder_out = tmp_path / "file", tmp_path / "folder"
    with whole_file(out) as file, whole_folder(folder_out, MARKER) as folder:
        write_file(out)
        write_folder(folder_out)
        file.write(b"the last to end")
        (folder / "last").touch()
    assert out.read_bytes() == b"the last to end"
    assert sorted(files_in(folder_out)) == [MARKER, "last"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_folder_set_aside_by_a_killed_writer_is_put_back(tmp_path: Path) -> None:
    """Killed after the old one was renamed, and before the new one had its name."""
    out = tmp_path / "out"
    write_folder(out, "old")
    out.rename(tmp_path / f".out.{'1' * 16}.old")
    with pytest.raises(ZeroDivisionError), whole_folder(out, MARKER) as folder:
        (folder / "half").write_text(str(1 // 0))
    assert (out / "below" / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_names_of_others_are_no_leftovers(tmp_path: Path) -> None:
    others = (f".other.{'1' * 16}.partial", ".file.swp", ".file.notes.partial", "file.partial")
    for name in others:
        (tmp_path / name).touch()
    link = tmp_path / f".file.{'2' * 16}.partial"
    link.symlink_to(tmp_path / others[0])
    write_file(tmp_path / "file")
    expected = sorted([*others, link.name, "file"])
    assert sorted(path.name for path in tmp_path.iterdir()) == expected


@pytest.mark.parametrize("name", ["n" * 255, "é" * 127, "🦆" * 63])
def test_the_longest_names(name: str, tmp_path: Path) -> None:
    write_file(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_a_directory_that_cant_be_written(writer: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="Free space or correct its rights"):
        writer(tmp_path / "file" / "out")


@pytest.mark.parametrize("before", [None, {}, {"a": b"old"}, {"a": b"old", "b": b"old"}])
def test_a_folder_of_named_files_is_whole_or_as_it_was(
    before: dict[str, bytes] | None, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "out"
    if before is not None:
        out.mkdir(parents=True)
    for name, content in (before or {}).items():
        (out / name).write_bytes(content)

    def write(fault: bool) -> None:
        with folder_with(out, ["a", "b"]) as folder:
            (folder / "a").write_bytes(b"new")
            if fault:
                raise KeyError("in the middle")
            (folder / "b").write_bytes(b"new")

    with pytest.raises(KeyError):
        write(True)
    there = {path.name: path.read_bytes() for path in out.iterdir()} if out.exists() else None
    assert there == before
    write(False)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {"a": b"new", "b": b"new"}
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_other_files_in_a_folder_of_named_files_stay(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), folder_with(tmp_path, ["a", "b"]) as folder:
        (folder / "a").write_bytes(b"%d" % (1 // 0))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "a": b"old",
        "mine": b"mine",
    }
    with folder_with(tmp_path, ["a", "b"]) as folder:
        (folder / "a").write_bytes(b"new")
        assert (tmp_path / "a").read_bytes() == b"old"
    assert (tmp_path / "a").read_bytes() == b"new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "mine"]


@pytest.mark.parametrize("there", [(), ("mine",)])
def test_files_are_put_into_the_working_directory(
    there: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in there:
        Path(name).write_bytes(b"mine")
    with folder_with(Path(), ["a"]) as folder:
        (folder / "a").write_bytes(b"new")
    assert sorted(path.name for path in Path().iterdir()) == ["a", *there]
    assert Path().samefile(tmp_path), "a shell that is there still sees it"


def test_the_working_directory_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match=r"^\. is the directory that you are in.*such as export"):
        write_folder(Path())
    assert not list(tmp_path.iterdir())


REPLACING = """
import sys
from pathlib import Path
from seedstep.data.files import whole_folder

out = Path(sys.argv[1])
for number in range(1_000_000):
    with whole_folder(out, ".marker.json") as folder:
        for name in "abc":
            (folder / name).write_text(str(number))
    print(number, flush=True)
"""


def test_a_folder_that_is_replaced_is_there_at_every_moment(tmp_path: Path) -> None:
    """A reader looks again and again; then the writer is killed, and what is there is whole."""
    out, chance = tmp_path / "out", random.Random(1)
    for _ in range(6):
        command = forked_python("-c", REPLACING, out, loaded=COMMANDS_ALONE)
        with ForkedProcess(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout
            assert writer.stdout.readline()
            end = time.monotonic() + chance.uniform(0.05, 0.3)
            while time.monotonic() < end:
                assert (out / ".marker.json").exists()
            writer.kill()
        assert sorted(files_in(out)) == [".marker.json", "a", "b", "c"]
        assert len({(out / name).read_text() for name in "abc"}) == 1
    write_folder(out)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_is_replaced_where_names_can_not_be_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_exchange", lambda first, second: False)
    write_folder(tmp_path / "out", "old")
    write_folder(tmp_path / "out")
    assert (tmp_path / "out" / "below" / "file").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
