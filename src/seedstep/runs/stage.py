"""The record that describes a stage, and the table of stages.

`seedstep.stages` has a module with a `Stage` for each entry of `STAGES`, which is imported when the
entry is first used. What asks for a stage by its name, in this room or above, asks the table.

Example::

    COUNT = Stage(name="count", settings=CountSettings, load=load, records=GrownTasks)
    add_stage(COUNT)
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from seedstep.data import Task
from seedstep.entries import require_entry
from seedstep.errors import InputError, unknown_name
from seedstep.llm import RecordingHeader, first_address
from seedstep.runs.added_stage import check_stage, guarded_stage
from seedstep.runs.blocks import Blocks, line
from seedstep.runs.database import Database
from seedstep.runs.directory import DATABASE
from seedstep.runs.entries import STAGE_ENTRIES, StageEntry
from seedstep.runs.lists import ListChanges, Removed, reconcile
from seedstep.runs.places import CONFIG

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from seedstep.runs.run import Run
    from seedstep.runs.tasks import StageWork

__all__ = [
    "LACKING",
    "LISTS",
    "STAGES",
    "Stage",
    "StageTable",
    "add_stage",
    "has_rows",
]


S = TypeVar("S", bound="DataclassInstance")
Inputs = TypeVar("Inputs")
R = TypeVar("R")

LISTS = ("results", "tasks", "rejected", "predictions", "verdicts")
"""The lists of records that `seedstep view` can show: `results` are those of `TaskRecords`, `tasks`
and `rejected` those of `GrownTasks`, `predictions` and `verdicts` those of the stages that make
them."""


def has_rows(*tables: str) -> Callable[[Path], bool]:
    """Return a function that returns whether any of some tables of a run has a row."""

    def found(path: Path) -> bool:
        if not (path / DATABASE).exists():
            return False
        with closing(Database.open(path / DATABASE, read_only=True)) as database:
            return database.has_schema and any(map(database.has_rows, tables))

    return found


_has_requests = has_rows("requests")


def _unchanged(settings: Any, inputs: Any) -> Any:
    return settings


def _no_stamps(settings: Any, inputs: Any) -> dict[str, str]:
    return {}


def _no_asking(settings: Any, config: Mapping[str, Any]) -> str:
    return "-"


def _no_rows(run: Any) -> tuple[dict[str, Any], ...]:
    return ()


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


def _header_of_settings(run: "Run[Any, Any, Any]") -> RecordingHeader:
    if not run.stage.asks_model:
        what = f"{run.path} is a run of `seedstep {run.stage.name}`, which asks no model"
        raise InputError(what, "name a run that has requests")
    model = run.settings.model
    return RecordingHeader.of(model.name, first_address(model.base_url), run.settings.style)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage(Generic[S, Inputs, R]):
    """An entry of the table of stages: everything that seedstep knows about a stage.

    All that looks at runs, reads their tasks or labels, goes on with them or foresees how they
    would go on, uses it. S is the type of its settings, Inputs that of its inputs, R that of its
    records.
    """

    name: str
    """The name of the stage, and of the command that makes its runs."""

    settings: type[S]
    """The class of its settings."""

    load: Callable[[S], Inputs]
    """Reads the inputs of a run with these settings."""

    records: Callable[["Run[S, Inputs, Any]"], R]
    """Opens the records of a run."""

    noun: str = "task"
    """What its records are about, for messages."""

    makes: str = "other records"
    """What its runs have in place of tasks with instances, for error messages."""

    rows: Callable[["Run[S, Inputs, R]"], Iterable[Mapping[str, Any]]] = _no_rows
    """Yields what a run has as plain rows, for `Run.to_records` and `Run.to_dataset`."""

    tasks: Callable[[Database], Iterable[Task]] | None = None
    """Reads the finished tasks with their instances, for all that takes a run in place of tasks, is
    tuned on it or exports it; None if its runs have none."""

    card: Callable[..., str] | None = None
    """Writes the card of a published export; its arguments are those of `exports.hub.data_card`."""

    labels: Callable[[Database, str], Mapping[tuple[str, str], str]] | None = None
    """Reads the labels that a model gave, or a question of `questions`: by the item, as a file of
    labels names it, or empty where it gave none. None if its runs have none."""

    questions: tuple[str, ...] = ()
    """The questions to which labels are answers, if there are several."""

    work: "Callable[[Run[S, Inputs, R]], StageWork] | None" = None
    """How the tasks of a run are worked on, if it makes one record for each by asking a model."""

    settled: Callable[[S, Inputs], S] = _unchanged
    """Fills in settings that follow from the inputs."""

    stamps: Callable[[S, Inputs], dict[str, str]] = _no_stamps
    """Makes fingerprints of the inputs, which must not change when a run continues."""

    first_stamps: Callable[[S, Inputs], Mapping[str, str | None]] = _no_stamps
    """Makes those stamps that an earlier version made otherwise, as it made them; None if it made
    none. A run that has them goes on, too."""

    contents: Callable[[Inputs], dict[str, str]] | None = None
    """Makes a fingerprint of each task of the inputs, by its id.

    The list of a stage that has it may change: records of tasks that changed are set aside. The
    stamps of the list are `changeable` then.
    """

    asking: Callable[[S, Mapping[str, Any]], str] = _no_asking
    """Makes a fingerprint of how a model is asked, from the settings and the configuration.

    Settings and stamps that it contains may be `changeable`: tasks are done anew if it changes.
    """

    unanswered: Callable[[Any], tuple[str, ...]] | None = None
    """Returns the keys of the requests that are asked again where a record lacks a result. Without
    it, or without `contents`, nothing can be asked again."""

    reconcile: "Callable[[Run[S, Inputs, R], Mapping[str, Any], Removed], ListChanges]" = reconcile
    """Lets the records follow the list and the settings, given the configuration of before."""

    places: tuple[str, ...] = ()
    """The settings that say where the list is. They may change if it has a task of the run."""

    made: Callable[[Path], bool] = _has_requests
    """Returns whether a run has made any records; until then, all settings may change."""

    changeable: tuple[str, ...] = ()
    """The settings that may change after that, as they don't change the records."""

    asks_model: bool = False
    """Whether the settings have a `model` that is asked, and a `style`."""

    model_checks: Mapping[str, Callable[[str], object]] = field(default_factory=dict)
    """Checks of flags that name a model, by name, where a model need not be one that is asked."""

    check: Callable[["Run[S, Inputs, R]"], None] = _nothing
    """Raises an error if a run can't continue with its settings."""

    keep: Callable[["Run[S, Inputs, R]"], None] = _nothing
    """Stores the inputs of a run that has made no records yet."""

    header: Callable[["Run[S, Inputs, R]"], RecordingHeader] = _header_of_settings
    """Returns the header of a recording of the requests, which names their model."""

    status: Callable[["Run[S, Inputs, R]"], Blocks] = _plain_status
    """Describes the state of a run."""

    listed: Callable[["Run[S, Inputs, R]"], Blocks] = _lists_nothing
    """Lists the records of a run."""

    rejected: Callable[["Run[S, Inputs, R]"], Blocks] = _lists_nothing
    """Lists the records that a run rejected, or could not make."""

    shown: Callable[["Run[S, Inputs, R]", str], Blocks] = _shows_nothing
    """Shows a record of these lists, by its name, with all its details."""

    lists: tuple[tuple[str, str], ...] = (("results", "Tasks"),)
    """The lists that `seedstep view` shows of its runs beside that of requests: names of `LISTS`,
    with titles."""

    columns: tuple[tuple[str, str], ...] | None = None
    """The columns of the list `results`: fields of its records, with titles. Of a list its length
    is shown. None: all fields that are texts or numbers."""

    sections: tuple[str, ...] = ()
    """Names of sections in `seedstep.report.SECTIONS`; without any, the report has the status."""

    config: str = CONFIG
    """The name of the file with the configuration."""

    has_database: bool = True
    """Whether a run has a database."""

    beside: tuple[str, ...] = ()
    """The files that may be in a directory before a run starts there."""

    @property
    def may_change(self) -> tuple[str, ...]:
        """The settings that may change when a run goes on, those of `places` if tasks are known."""
        return (*self.changeable, *(self.places if self.contents else ()))

    def require_again(self) -> None:
        """Check that what failed can be asked again.

        Raises:
            InputError: the stage does not say which requests that takes.
        """
        wanted = {"contents": self.contents, "unanswered": self.unanswered}
        if missing := " and ".join(f"`{name}`" for name, given in wanted.items() if given is None):
            what = f"`seedstep {self.name}` can't ask again for what failed: it has no {missing}"
            raise InputError(what, "leave --failed again out, or give its `Stage` what it lacks")


LACKING = {
    "tasks": ("tasks", "open a run of a stage that makes tasks or works on some"),
    "entries": ("record of each task", "open a run of `steps`, `examples`, `distill` or `judge`"),
    "predictions": ("predictions", "open a run of `predict`"),
    "status": ("counts of this kind", "`seedstep.stages.status_blocks(run)` describes every run"),
}
"""What runs of some stages have not, by the method of the records that gives it, and a remedy."""


class StageTable(Mapping[str, Stage[Any, Any, Any]]):
    """The stages by their names. The module of a stage is imported when its entry is first used."""

    def __init__(self, entries: Mapping[str, StageEntry]) -> None:
        """Make a table of these entries."""
        self.entries = dict(entries)

    def __getitem__(self, name: str) -> Stage[Any, Any, Any]:
        home = self.entries[name].home
        if isinstance(home, Stage):
            return home
        module = import_module(f"seedstep.stages.{home}")
        found = getattr(module, name.upper(), None)
        if not isinstance(found, Stage):
            what = f"the stage '{name}' is not in {module.__name__}"
            raise InputError(what, f"call it {name.upper()} there")
        return found

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __repr__(self) -> str:
        return f"<stages: {', '.join(self)}>"

    @property
    def configs(self) -> dict[str, str]:
        """The names of the files with the configurations of runs, by the stage."""
        return {name: entry.config or CONFIG for name, entry in self.entries.items()}


STAGES = StageTable(STAGE_ENTRIES)
"""All stages: those of `STAGE_ENTRIES`, and those that were added."""


def add_stage(stage: Stage[Any, Any, Any]) -> None:
    """Add a stage of your own to the table. One of that name that was added before is replaced.

    Raises:
        EntryError: it is no stage, or its name, its settings or another field can't be used.
        InputError: seedstep has a stage of that name, or it has a list that can't be shown.
    """
    require_entry("add_stage", stage, Stage)
    check_stage(stage)
    if stage.name in STAGES and isinstance(STAGES.entries[stage.name].home, str):
        what = f"seedstep has a stage '{stage.name}' already"
        raise InputError(what, "give yours another name")
    for name, _ in stage.lists:
        if name not in LISTS:
            raise unknown_name("list", name, LISTS, f"`lists` of the stage '{stage.name}'")
    STAGES.entries[stage.name] = StageEntry(guarded_stage(stage), config=stage.config)
