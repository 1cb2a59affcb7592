"""What `push` sends is what it showed: each file by its name, no links, errors in one line."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from seedstep.errors import InputError, UnreachableError
from seedstep.exports import exported_files
from seedstep.exports.publish import push

hub = pytest.importorskip("huggingface_hub")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "set"
    path.mkdir()
    names = ["*", "README.md", "[a-z]"]
    for name in [*names, ".env", "private.txt"]:
        (path / name).write_text(name)
    marker = {"format": "hub", "files": names}
    (path / ".seedstep-export.json").write_text(json.dumps(marker))
    return path


class Hub:
    """In place of the hub's client."""

    endpoint = "https://hub.test"
    sent: tuple[str, ...] = ()
    fault: Exception | None = None

    def create_repo(self, *_: Any, **__: Any) -> None:
        if self.fault:
            raise self.fault

    def create_commit(self, _: str, operations: list[Any], **__: Any) -> None:
        Hub.sent = tuple(operation.path_in_repo for operation in operations)


def test_a_file_named_like_a_pattern_is_one_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "HfApi", Hub)
    shown = exported_files(folder)
    assert sorted(shown) == ["*", "README.md", "[a-z]"]
    push(folder, "me/set", list(shown), private=True)
    assert sorted(Hub.sent) == sorted(shown)


@pytest.mark.parametrize("name", ["README.md", "*"])
def test_a_link_is_not_sent(name: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("private")
    (folder / name).unlink()
    (folder / name).symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match="is a link"):
        exported_files(folder)


def test_a_part_of_a_data_set_is_not_sent(folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "train").write_text("private")
    (folder / "data").symlink_to(data)
    marker = {"format": "hub", "files": ["README.md", "data/train"]}
    (folder / ".seedstep-export.json").write_text(json.dumps(marker))
    with pytest.raises(InputError, match="data/train is a part of the data set, and is not there"):
        exported_files(folder)


def test_a_marker_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".seedstep-export.json")
    with pytest.raises(InputError, match="was not written by"):
        exported_files(tmp_path)


@pytest.mark.parametrize(
    "fault",
    [OSError("no network\nat all"), ValueError("no token"), RuntimeError(""), KeyError("x")],
)
def test_an_error_of_the_hub_is_one_line(
    fault: Exception, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "HfApi", Hub)
    monkeypatch.setattr(Hub, "fault", fault)
    with pytest.raises(UnreachableError, match="the hub did not take me/set") as caught:
        push(folder, "me/set", ["README.md"], private=True)
    assert len(str(caught.value).splitlines()) == 1


def test_a_damaged_marker_is_told(folder: Path) -> None:
    (folder / ".seedstep-export.json").write_text('{"format": "hub", "fil')
    with pytest.raises(InputError, match=r"seedstep-export\.json is damaged"):
        exported_files(folder)
