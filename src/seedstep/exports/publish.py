"""Publish a data set in the format `hub`, also without what people rejected.

Example::

    files = list(exported_files(folder))
    with accepted_part(folder, files, Path("reviews/data")) as (part, left_out):
        push(part, "me/tasks", files, private=True)
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

from seedstep.data import files_in, read_marker
from seedstep.data.files import EXPORT_MARKER
from seedstep.data.rows import open_table
from seedstep.errors import InputError, MissingExtraError, UnreachableError, first_line
from seedstep.exports.formats import HUB
from seedstep.exports.hub import ExportRow, recounted
from seedstep.inputs.labels import accepted_rows, left_out_words

__all__ = ["accepted_part", "exported_files", "push"]


def exported_files(path: Path) -> dict[str, int]:
    """Return the files of a data set in the format `hub`, with their sizes in bytes.

    Raises:
        InputError: the directory has no such data set, or only a part, or links for its files.
    """
    marker = read_marker(path, EXPORT_MARKER)
    if marker is None and (path / EXPORT_MARKER).is_file():
        what = f"{path / EXPORT_MARKER} is damaged: it does not say which files are the data set"
        raise InputError(what, "export the run again, into another directory")
    if not marker or marker.format != HUB:
        what = f"{path} was not written by `seedstep export --format hub`"
        raise InputError(what, "export the run in that format first")
    found = [name for name in files_in(path) if name in marker.files]
    for name in found:
        if (path / name).is_symlink() or not (path / name).is_file():
            what = f"{path / name} is a link, or no file: what it leads to could be private"
            raise InputError(what, "export the run again")
    if missing := sorted(set(marker.files) - set(found)):
        what = f"{path / missing[0]} is a part of the data set, and is not there"
        raise InputError(what, "export the run again")
    return {name: (path / name).stat().st_size for name in found}


@contextmanager
def accepted_part(
    path: Path, files: Sequence[str], reviewed: Path | None
) -> Iterator[tuple[Path, str]]:
    """Yield a data set in the format `hub` without rows that people rejected, and what is left out.

    Without such rows it is the directory `path`, otherwise a copy that is removed afterwards, whose
    card counts the rows that are left.

    Raises:
        InputError: a file can't be read, the review is of something else, or no row is left.
        MissingExtraError: pyarrow is not installed.
    """
    tables = [name for name in files if name.endswith(".parquet")] if reviewed else []
    kept = {name: _accepted(path / name, reviewed) for name in tables if reviewed}
    if all(map(all, kept.values())):
        yield path, ""
        return
    if not any(map(any, kept.values())):
        raise InputError(f"people rejected all rows of {path}", "publish other data")
    with TemporaryDirectory() as made:
        folder = Path(made)
        for name in files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if name in kept:
                open_table(path / name, "id").write_kept(folder / name, kept[name])
            else:
                copyfile(path / name, folder / name)
        before, after = ([*_read_parquet(each, kept)] for each in (path, folder))
        gone = {row.id for row in before} - {row.id for row in after}
        others = sum(row.id not in gone for row in before) - len(after)
        left_out = left_out_words(len(gone), others)
        if (card := folder / "README.md").exists():
            try:
                card.write_text(recounted(card.read_text("utf-8"), after, left_out), "utf-8")
            except UnicodeDecodeError:
                what = f"{path / card.name} is not UTF-8 text"
                raise InputError(what, "export the run again") from None
        yield folder, left_out


def _accepted(path: Path, reviewed: Path) -> tuple[bool, ...]:
    found = [open_table(path, column).rows() for column in ("id", "input", "output")]
    rows = ((task.text, given.text, out.text) for task, given, out in zip(*found, strict=True))
    return accepted_rows(rows, reviewed)


def _read_parquet(folder: Path, names: Iterable[str]) -> Iterator[ExportRow]:
    import pyarrow.parquet as pq

    for name in names:
        for record in pq.read_table(folder / name).to_pylist():
            row = ExportRow(**{field.name: record.get(field.name) for field in fields(ExportRow)})
            texts = (row.id, row.instruction, row.input, row.output)
            if not all(isinstance(text, str) for text in texts):
                what = f"{folder / name}: a row lacks its id, instruction, input or output"
                raise InputError(what, "export the run again")
            yield row


def push(folder: Path, repository: str, files: Sequence[str], *, private: bool) -> str:
    """Upload files of an exported folder to the Hugging Face hub, and return the address.

    The token is the one that `huggingface_hub` finds: HF_TOKEN, or that of `hf auth login`.

    Raises:
        MissingExtraError: huggingface_hub is not installed.
        InputError: the name of the repository can't be used.
        UnreachableError: the hub can't be reached, or refuses.
    """
    try:
        from huggingface_hub import CommitOperationAdd, HfApi
        from huggingface_hub.errors import HFValidationError
    except ImportError:
        raise MissingExtraError("pushing", extra="hub") from None
    api = HfApi()
    try:
        api.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        api.create_commit(  # each file by its name: one named `*` is no pattern
            repository,
            [CommitOperationAdd(name, str(folder / name)) for name in files],
            commit_message="Data set made with seedstep",
            repo_type="dataset",
        )
    except HFValidationError:
        raise InputError(f"'{repository}' is no name of a data set", "write USER/NAME") from None
    except Exception as error:  # of the hub, of httpx, of the system
        remedy = "check the network and the token (`hf auth login`, or HF_TOKEN), and push again"
        what = f"the hub did not take {repository} ({first_line(error)})"
        raise UnreachableError(what, remedy) from None
    return f"{api.endpoint}/datasets/{repository}"
