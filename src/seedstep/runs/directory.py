"""The directory of a run: its configuration, its lock, and its database, for runs of any stage.

Configurations are YAML files. A run continues only with settings that do not contradict its
configuration (`resolve_settings`).

Example::

    stage_of(Path("runs/first"))  # "bootstrap"
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import filelock
import msgspec
from yarl import URL

from seedstep.data import make_folder, read_yaml
from seedstep.errors import InputError, RunBusyError, RunError, RunMismatchError
from seedstep.llm import ModelRef, first_address
from seedstep.llm.addresses import OPENAI_URL, addresses_of, is_loopback_host
from seedstep.llm.settings import require_server
from seedstep.runs.database import Database
from seedstep.runs.places import CONFIG, GIVEN, stored_values, with_normal_paths
from seedstep.settings import SettingsRecord, flatten, make_settings, table

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from seedstep.runs.stage import Stage

__all__ = [
    "CONFIG",
    "DATABASE",
    "GIVEN",
    "LOCK",
    "NO_ENTRIES",
    "STAGE",
    "OpenDirectory",
    "about_addresses",
    "address_in_keys",
    "addresses_in",
    "begun_database",
    "config_as_begun",
    "digest",
    "identities",
    "in_order_of",
    "open_database",
    "refuse_differences",
    "require_free",
    "require_name",
    "resolve_settings",
    "stage_of",
    "stored_config",
    "take_lock",
    "with_unknown",
]

NO_ENTRIES: Mapping[str, Any] = MappingProxyType({})

S = TypeVar("S", bound="DataclassInstance")
Inputs = TypeVar("Inputs")


class OpenDirectory:
    """A directory with a database, opened for reading, or with a lock for writing."""

    def __init__(
        self, path: Path, database: Database, lock: filelock.BaseFileLock | None = None
    ) -> None:
        """`close` closes the database, and releases the lock."""
        self.path = path
        self.database = database
        self._lock = lock

    def __fspath__(self) -> str:
        """Return the directory: a run goes wherever a path goes."""
        return str(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it. If an error came from a value of another kind than its column has, say so.

        Raises:
            StoreError: the database is damaged, and that may be why the block failed.
        """
        try:
            self.database.require_no_damage(error)
        finally:
            self.close()

    def close(self) -> None:
        """Close the directory, so that another process may write to it."""
        self.database.close()
        if self._lock:
            self._lock.release()


def address_in_keys(addresses: Any) -> Any:
    """Return the address under which replies are stored: the first of several servers.

    Of a mapping, such as `gate_base_urls`, it returns the mapping of each.
    """
    if isinstance(addresses, Mapping):
        return {name: first_address(each) for name, each in addresses.items()}
    return first_address(addresses)


def about_addresses(
    found: Iterable[Any], asked: Mapping[str, Any], models: Iterable[str]
) -> tuple[str, ...]:
    """Return a note on the servers that a run names and its user does not: they get requests.

    `found` are the values of settings that are addresses, `asked` the settings that the user named,
    and `models` those that are asked there. Servers of this machine need no note.
    """
    named = msgspec.json.encode(asked, enc_hook=str).decode()
    usual = (OPENAI_URL, os.environ.get("OPENAI_BASE_URL"))
    several = [each.values() if isinstance(each, Mapping) else [each] for each in found]
    urls = [url for values in several for value in values for url in addresses_of(value) if url]
    others = dict.fromkeys(
        url
        for url in urls
        if url not in usual and url not in named and not is_loopback_host(URL(url).raw_host or "")
    )
    if not others:
        return ()
    variables = dict.fromkeys(ModelRef.parse(model).provider.key_variable for model in models)
    keys = [variable for variable in variables if variable and os.environ.get(variable)]
    key = f", and the key in {' or '.join(keys)}," if keys else ""
    return (f"requests{key} go to {', '.join(others)}, as when the run began",)


def identities(
    addresses: Mapping[str, str],
    entries: Mapping[str, Any],
    stored: Mapping[str, Any],
    now: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the addresses under which the replies of a run are stored, by entry.

    `addresses` maps the settings that are addresses to the names of entries. `entries` are the
    entries of the configuration, `stored` its settings, and `now` the settings to continue with. A
    judge has an entry only if it is asked at another address than that under which its replies are
    stored.
    """
    found = {}
    for address, identity in addresses.items():
        url = entries.get(identity) or address_in_keys(stored.get(address) or now.get(address))
        if identity in _ALWAYS or url != address_in_keys(now.get(address)):
            found[identity] = url
    return found


_ALWAYS = ("identity_url",)
"""The entries in every configuration of a stage that asks a model."""


def with_unknown(
    addresses: Mapping[str, str], stored: Mapping[str, Any], now: Mapping[str, Any]
) -> dict[str, Any]:
    """Return stored settings, with missing addresses added from the settings `now`.

    Version 0.1.0 did not store a judge's address if only the environment had it.
    """
    unknown = [address for address in addresses if stored.get(address) is None]
    return {**stored, **{address: now.get(address) for address in unknown}}


def digest(parts: Iterable[object]) -> str:
    """Return a fingerprint of records."""
    found = sha256()
    for part in parts:
        found.update(msgspec.json.encode(part))
    return found.hexdigest()[:16]


def in_order_of(before: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values in the order of `before`, then those that are not in `before`.

    So a file that is written again keeps the order of the version that wrote it first.
    """
    known = {name: values[name] for name in before if name in values}
    return {**known, **values}


def refuse_differences(
    where: str | Path,
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    changeable: Sequence[str],
    another: str = "--out",
) -> None:
    """Check that two configurations differ only in entries that are changeable.

    The paths `./seeds.jsonl` and `seeds.jsonl` are the same. `another` is the flag with which the
    user starts something new, for the message.

    Raises:
        RunMismatchError: they differ in other entries, which the message names.
    """
    normal, begun = with_normal_paths(now), with_normal_paths(before)
    differences = [
        (key, before.get(key), value)
        for key, value in now.items()
        if key not in changeable and begun.get(key) != normal[key]
    ]
    if differences:
        raise RunMismatchError(str(where), differences, another)


def require_name(what: str, name: str, longest: int, remedy: str, *, spaced: bool = True) -> None:
    """Check that people can be shown a name, and type it.

    Raises:
        InputError: it is empty, longer than `longest`, has characters that can't be printed or,
            unless it may be `spaced`, spaces around it.
    """
    is_bare = spaced or name == name.strip()
    if not (name.strip() and is_bare and name.isprintable() and len(name) <= longest):
        raise InputError(f"{what} can't be named {name[:longest]!r}", remedy)


DATABASE = "run.db"
LOCK = "run.lock"
STAGE = "stage"
"""The entry of the configuration with the name of the stage."""


@contextmanager
def open_database(path: Path, stage: str) -> Iterator[Database]:
    """Open the database of a run for reading.

    Raises:
        RunError: `path` has no run of the stage.
    """
    stored_config(stage, path, CONFIG)
    with closing(begun_database(stage, path)) as database, database.snapshot():
        yield database


def begun_database(stage: str, path: Path) -> Database:
    """Open the database of a run for reading."""
    not_begun = RunError(f"{path} has not begun", f"run `seedstep {stage} --out {path}` again")
    if not (path / DATABASE).exists():
        raise not_begun
    database = Database.open(path / DATABASE, read_only=True)
    if not database.has_schema:
        database.close()
        raise not_begun
    return database


def stored_config(stage: str, path: Path, config: str) -> dict[str, Any]:
    """Return the configuration of a run.

    Raises:
        RunError: there is no run, or it is of another stage.
    """
    if not (path / config).is_file():
        made = f"name a directory that `{stage} --out` made"
        raise RunError(f"{path} is not a run", made)
    values = stored_values(path, config)
    if (other := values.get(STAGE, stage)) != stage:
        what = f"{path} is a run of `seedstep {other}`"
        raise RunError(what, f"name one that `seedstep {stage}` made")
    return values


def stage_of(path: Path) -> str:
    """Return the name of the stage in the configuration of a run, or "" if there is no run."""
    try:
        is_run = (path / CONFIG).is_file()
    except OSError:  # a name that is too long
        return ""
    return str(read_yaml(path / CONFIG).get(STAGE, "")) if is_run else ""


def require_free(path: Path, config: str, beside: Sequence[str]) -> None:
    """Check that a directory has no files that a new run would be mixed with.

    The files in `beside` may be there, and those of a run that was killed at its start.

    Raises:
        RunError: the directory has files of another run or of something else.
    """
    names = [entry.name for entry in path.iterdir()] if path.is_dir() else []
    ours = {LOCK, GIVEN, *beside}
    others = [name for name in names if name not in ours and not name.startswith(f".{config}.")]
    if others or path.is_file():
        raise RunError(f"{path} is not empty and not a run", "name another --out")


def take_lock(path: Path) -> filelock.BaseFileLock:
    """Take the lock of a run's writer; create the directory if it is new.

    Raises:
        RunBusyError: another process has the lock.
        RunError: the directory can't be written.
    """
    make_folder(path)
    try:
        lock = filelock.FileLock(path / LOCK)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise RunBusyError(
            f"another process works on {path}", "wait for it, or name another --out"
        ) from None
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}", "name a directory you can write") from None
    return lock


def config_as_begun(stage: "Stage[Any, Any, Any]", path: Path) -> dict[str, Any]:
    """Return the configuration of a run, with what its settings meant when it began."""
    entries = stored_config(stage.name, path, stage.config)
    if not issubclass(stage.settings, SettingsRecord):
        return entries
    return dict(stage.settings.as_begun(entries))


def resolve_settings(
    stage: "Stage[S, Inputs, Any]",
    path: Path,
    asked: Mapping[str, Any],
    *,
    same_model: bool = False,
    inputs: Inputs | None = None,
    entries: Mapping[str, Any] = NO_ENTRIES,
) -> tuple[S, Inputs, dict[str, Any]]:
    """Return the settings to continue with, the inputs, and the configuration; write nothing.

    The arguments are those of `Run.start`.
    """
    new = not (path / stage.config).exists()
    if new:
        require_free(path, stage.config, stage.beside)
    kept = {} if new else config_as_begun(stage, path)
    names = table(stage.settings)
    stored = {name: value for name, value in kept.items() if name in names}
    source = str(path / stage.config)
    settings = make_settings(stage.settings, {**stored, **asked}, "settings" if new else source)
    require_server(settings, asked)
    if stage.asks_model:
        settings = cast("Any", settings).resolved()
    loaded = stage.load(settings) if inputs is None else inputs
    settings = stage.settled(settings, loaded)
    begun = not new and stage.made(path)
    stamps = stage.stamps(settings, loaded)
    config = {
        **({STAGE: stage.name} if stage.config == CONFIG else {}),
        **flatten(settings),
        **stamps,
        **entries,
    }
    if begun and any(kept.get(name) != stamp for name, stamp in stamps.items()):
        first = stage.first_stamps(settings, loaded)
        same = {
            name: stamps[name]
            for name, stamp in first.items()
            if name in stamps and kept.get(name) == stamp
        }
        kept = {**kept, **same}
    addresses = addresses_in(stage)
    before = flatten(make_settings(stage.settings, stored, source)) if begun else {}
    urls = identities(addresses, kept if begun else {}, before, config)
    config = in_order_of(kept, {**config, **urls})
    if begun:
        whole = flatten(settings, whole=True)
        dropped = {name: whole[name] for name in before if name not in config}
        before = with_unknown(addresses, before, config)
        changeable = (*stage.may_change, *(addresses if same_model else ()))
        refuse_differences(path, {**kept, **urls, **before}, config | dropped, changeable)
        config = {  # a setting that came after the run began, and is not used, is not written
            name: value
            for name, value in config.items()
            if name in kept or name not in before or value != before[name]
        }
    for name in entries:
        if config[name] is None:
            del config[name]
    return settings, loaded, config


def addresses_in(stage: "Stage[Any, Any, Any]") -> Mapping[str, str]:
    """Return the settings that are addresses of servers, as `AskingSettings.ADDRESSES`."""
    found: Mapping[str, str] = getattr(stage.settings, "ADDRESSES", {}) if stage.asks_model else {}
    return found
