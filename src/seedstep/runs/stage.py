"""What is known of a stage whose work is kept in runs: one record for each, in `seedstep.stages`.

Example::

    COUNT = Stage(name="count", settings=CountSettings, load=load, records=GrownTasks)
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from seedstep.errors import InputError
from seedstep.llm import Header
from seedstep.runs.blocks import Blocks, line
from seedstep.runs.database import Database
from seedstep.runs.directory import CONFIG, DATABASE

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from seedstep.runs.run import Run

__all__ = ["Stage", "has_rows"]

S = TypeVar("S", bound="DataclassInstance")
Inputs = TypeVar("Inputs")
R = TypeVar("R")


def has_rows(*tables: str) -> Callable[[Path], bool]:
    """Return a function that says whether a run has a row in any of some tables."""

    def found(path: Path) -> bool:
        if not (path / DATABASE).exists():
            return False
        with closing(Database.open(path / DATABASE, read_only=True)) as database:
            return database.has_schema and any(map(database.has_rows, tables))

    return found


_has_requests = has_rows("requests")


def _no_stamps(settings: Any, inputs: Any) -> dict[str, str]:
    return {}


def _nothing(run: Any) -> None:
    pass


def _plain_status(run: "Run[Any, Any, Any]") -> Blocks:
    spent = run.spent()
    yield line(f"{spent.requests:,} requests, {spent.total_tokens:,} tokens")


def _lists_nothing(run: "Run[Any, Any, Any]") -> Blocks:
    return ()


def _shows_nothing(run: "Run[Any, Any, Any]", name: str) -> Blocks:
    what = f"{run.path} is a run of `seedstep {run.stage.name}`, which has nothing to show by name"
    raise InputError(what, f"`seedstep status {run.path}` says what it has")


def _header_of_settings(run: "Run[Any, Any, Any]") -> Header:
    if not run.stage.asks_model:
        what = f"{run.path} is a run of `seedstep {run.stage.name}`, which asks no model"
        raise InputError(what, "name a run that has requests")
    model = run.settings.model
    return Header.of(model.name, model.base_url, run.settings.style)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage(Generic[S, Inputs, R]):
    """All that seedstep knows of a stage whose work is kept in a run.

    `status`, `show`, `requests`, `report` and going on follow from it. S is the type of its
    settings, Inputs of what it starts from, R of what it keeps.
    """

    name: str
    """Of the stage, and of the command that makes its runs."""

    settings: type[S]
    """The record of its settings."""

    load: Callable[[S], Inputs]
    """Reads what a run with these settings starts from."""

    records: Callable[["Run[S, Inputs, Any]"], R]
    """Opens what a run keeps."""

    stamps: Callable[[S, Inputs], dict[str, str]] = _no_stamps
    """Makes fingerprints of what must not change under a run besides its settings."""

    made: Callable[[Path], bool] = _has_requests
    """Says whether anything was made; before that all settings may change."""

    changeable: tuple[str, ...] = ()
    """Settings that may change after that: what is made stays the same."""

    asks_model: bool = False
    """Whether the settings have a `model`, which is asked, and a `style`."""

    check: Callable[["Run[S, Inputs, R]"], None] = _nothing
    """Raises an error if a run can't go on with its settings."""

    keep: Callable[["Run[S, Inputs, R]"], None] = _nothing
    """Keeps what a run starts from, where nothing was made yet."""

    header: Callable[["Run[S, Inputs, R]"], Header] = _header_of_settings
    """Says which model a recording of the requests stands for."""

    status: Callable[["Run[S, Inputs, R]"], Blocks] = _plain_status
    """Tells where a run stands."""

    listed: Callable[["Run[S, Inputs, R]"], Blocks] = _lists_nothing
    """Lists what a run made."""

    rejected: Callable[["Run[S, Inputs, R]"], Blocks] = _lists_nothing
    """Lists what a run rejected, or could not make."""

    shown: Callable[["Run[S, Inputs, R]", str], Blocks] = _shows_nothing
    """Shows all about what is named in these lists."""

    sections: tuple[str, ...] = ()
    """Sections of the report, by their names in `seedstep.report.SECTIONS`; none: its status."""

    config: str = CONFIG
    """The file with the configuration."""

    has_database: bool = True
    """Whether there is a database beside it."""

    beside: tuple[str, ...] = ()
    """Files that may be in a directory before it is a run."""
