"""Tune a model on sources of tasks: on this machine, or by a fine-tuning job at a server.

Example::

    tuned = tune_model("tuned", model="local", data=["runs/first"], encoding="self-instruct")
    print(tuned.model)
"""

import asyncio
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Unpack

from seedstep.data import StrPath
from seedstep.encode.encodings import Encoding
from seedstep.encode.settings import EncodingChoice
from seedstep.llm.models import tuned_model
from seedstep.llm.settings import require_server
from seedstep.recipes.keywords import TuneKeywords
from seedstep.recipes.notebook import notebook_tuning_watch
from seedstep.recipes.stage_calls import kept_inputs
from seedstep.recipes.tasks import finish
from seedstep.recipes.tuning_at_server import tune_at_server
from seedstep.recipes.tuning_here import tune_here
from seedstep.recipes.tuning_records import TuneResult, TuningWatch
from seedstep.runs import stored_settings
from seedstep.runs.tune import require_same_directory
from seedstep.settings import make_settings
from seedstep.tune import TuneSettings, rank_and_processes

__all__ = ["tune_model", "tune_model_async"]


def tune_model(
    out: StrPath,
    *,
    watch: TuningWatch | None = None,
    stop: Callable[[], bool] | None = None,
    dry_run: bool = False,
    **settings: Unpack[TuneKeywords],
) -> TuneResult:
    """Tune a model into the directory `out`, or continue a tuning that was interrupted.

    `settings` are those of `seedstep.TuneSettings`. With `dry_run` the data are read and counted,
    and nothing is tuned. `stop` is called after each step: when it returns True, the tuning writes
    a checkpoint and ends; the same call continues from there. Several processes (`torchrun`,
    `accelerate launch`) share the work; only the first writes files and calls `watch`. A notebook
    shows progress unless there is a `watch`.

    Raises:
        InputError: a setting is not known or does not fit, or what it names can't be read.
        MissingExtraError: a package that tuning needs is not installed.
        ModelError: the model can't be loaded or tuned, or the fine-tuning server refused.
        RunError: another process works on the tuning (`RunBusyError`), it was begun with other
            settings or data (`RunMismatchError`), or it can't be read or written (`StoreError`).
        TuningError: a loss has no value, or there is no space left.
    """
    path = Path(out)
    watch = _of_first(watch)
    with kept_inputs(path, settings) as asked:
        resolved = _resolved(path, asked)
        if _is_job(resolved):
            return finish(_tuned_at_server(path, resolved, watch, dry_run=dry_run))
        return tune_here(path, resolved, watch, stop, dry_run=dry_run)


async def tune_model_async(
    out: StrPath,
    *,
    watch: TuningWatch | None = None,
    stop: Callable[[], bool] | None = None,
    dry_run: bool = False,
    **settings: Unpack[TuneKeywords],
) -> TuneResult:
    """As `tune_model`, awaited in a running event loop; a tuning here runs in a thread.

    A tuning that is cancelled ends after the step that it is in, which it keeps in a checkpoint.

    Raises:
        InputError: a setting is not known or does not fit, or what it names can't be read.
        MissingExtraError: a package that tuning needs is not installed.
        ModelError: the model can't be loaded or tuned, or the fine-tuning server refused.
        RunError: another process works on the tuning (`RunBusyError`), it was begun with other
            settings or data (`RunMismatchError`), or it can't be read or written (`StoreError`).
        TuningError: a loss has no value, or there is no space left.
    """
    path = Path(out)
    watch = _of_first(watch)
    with kept_inputs(path, settings) as asked:
        resolved = _resolved(path, asked)
        if _is_job(resolved):
            return await _tuned_at_server(path, resolved, watch, dry_run=dry_run)
        cancelled = threading.Event()

        def ends() -> bool:
            return cancelled.is_set() or bool(stop and stop())

        call = partial(tune_here, path, resolved, watch, ends, dry_run=dry_run)
        work = asyncio.ensure_future(asyncio.to_thread(call))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            cancelled.set()
            await asyncio.wait([work])
            raise


def _of_first(watch: TuningWatch | None) -> TuningWatch | None:
    """Return the watcher in the first of several processes, and None in the others.

    In a notebook, there is one if none is given.
    """
    rank, _ = rank_and_processes()
    return None if rank else watch or notebook_tuning_watch()


def _is_job(settings: TuneSettings) -> bool:
    return tuned_model(settings.model.name).provider.tuning == "job"


async def _tuned_at_server(
    path: Path, settings: TuneSettings, watch: TuningWatch | None, *, dry_run: bool
) -> TuneResult:
    gathered, job = await tune_at_server(path, settings, watch, dry_run=dry_run)
    return TuneResult(path, settings, None, gathered.left_out, job=job)


def _resolved(path: Path, asked: Mapping[str, Any]) -> TuneSettings:
    """Return the settings to tune with, of which the user `asked` for some.

    Raises:
        InputError: they do not fit, or the user names a server for a model that has none.
    """
    settings = make_settings(TuneSettings, _with_stored(path, asked), "settings")
    require_server(settings, asked)
    return settings


OPTIONS = "encoding_options"


def _with_stored(path: Path, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with which a tuning was started, with these changed."""
    stored = stored_settings(path)
    if "data" not in asked:
        require_same_directory(path, stored)
    if isinstance(encoding := asked.get("encoding"), Encoding | Mapping):
        return _with_whole_encoding(encoding, stored, asked)
    whole = {**stored, **asked}
    if isinstance(asked.get(OPTIONS), Mapping):
        whole[OPTIONS] = {**stored.get(OPTIONS, {}), **asked[OPTIONS]}
    options = whole.get(OPTIONS, {})
    if isinstance(encoding, str) and isinstance(options, dict):
        return _with_same_encoding(whole, EncodingChoice(encoding, options), stored)
    return whole


def _with_whole_encoding(
    encoding: Encoding | Mapping[str, Any], stored: Mapping[str, Any], asked: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the settings where an encoding is given as a whole, not by its name.

    It takes the place of the stored one with all its options.
    """
    choice = EncodingChoice.of(encoding, asked.get(OPTIONS))
    return _with_same_encoding({**stored, OPTIONS: {}, **asked}, choice, stored)


def _with_same_encoding(
    whole: dict[str, Any], choice: EncodingChoice, stored: Mapping[str, Any]
) -> dict[str, Any]:
    """Return settings in which the stored encoding stays, by its name, if it makes the same."""
    if stored:
        kept = EncodingChoice(stored["encoding"], stored.get(OPTIONS, {}))
        if kept.make() == choice.make():
            return whole | {"encoding": kept.name, OPTIONS: kept.options}
    return whole
