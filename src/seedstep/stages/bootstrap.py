"""The stage `bootstrap` (Self-Instruct): its inputs, and what may change when a run goes on."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seedstep.bootstrap import BootstrapSettings
from seedstep.bootstrap.gate_kinds import gate_options
from seedstep.data import Task, evaluation_items, require_seeds, seed_tasks
from seedstep.errors import InputError, StoreError
from seedstep.llm import ModelRef
from seedstep.llm.checkpoints import encoder_fingerprint, fingerprint_of, gguf_fingerprint
from seedstep.llm.settings import require_price
from seedstep.novelty import Contamination
from seedstep.prompts import chat_frames, fingerprint
from seedstep.runs import (
    BootstrapRun,
    GrownTasks,
    Removed,
    Stage,
    digest,
)
from seedstep.runs.database_errors import RECOVER
from seedstep.runs.directory import DATABASE, open_database, stored_config
from seedstep.runs.grown import read_grown_tasks
from seedstep.runs.lists import NO_CHANGES, ListChanges
from seedstep.runs.merges import merge_of
from seedstep.runs.places import CONFIG
from seedstep.runs.tasks import ASKING_CHANGEABLE
from seedstep.stages.grown import show_listed, show_rejected, show_shown, show_status
from seedstep.text import TOKENIZERS

__all__ = ["BOOTSTRAP", "contamination_of", "pool_of"]


def _load(settings: BootstrapSettings) -> tuple[Task, ...]:
    """Return the seed tasks."""
    require_price(settings)
    return require_seeds(Path(settings.seeds)) if settings.seeds else seed_tasks()


def _stamps(settings: BootstrapSettings, inputs: tuple[Task, ...]) -> dict[str, str]:
    """Return the fingerprints of seeds, prompts, gates, the pool and evaluation sets."""
    stamps = {"seeds_fingerprint": digest([inputs]), "prompts_fingerprint": fingerprint()}
    if own := settings.prompts.files:
        stamps[f"{own}_fingerprint"] = fingerprint(own)
    if frames := chat_frames(settings.language):
        stamps[_LANGUAGE] = frames.fingerprint
    if settings.axes:
        stamps["axes_fingerprint"] = fingerprint("axes")
    prompts = {gate.prompt for gate in gate_options(settings.gates).values()}
    if files := sorted(f"{name.removeprefix('gates/')}.txt" for name in prompts if name):
        stamps["gates_fingerprint"] = fingerprint("gates", tuple(files))
    if models := _gate_files(settings):
        stamps["gate_models_fingerprint"] = digest(models)
    if settings.semantic and (print_of := encoder_fingerprint(settings.semantic)):
        stamps["semantic_fingerprint"] = print_of
    if settings.pool:
        pool = ([task.id, task.definition] for task in pool_of(settings))
        stamps["pool_fingerprint"] = digest(pool)
    if settings.decontaminate:
        stamps[_EVALUATION] = digest(_evaluation_items(settings))
    return stamps


_EVALUATION = "evaluation_fingerprint"
_LANGUAGE = "language_fingerprint"


def _first_stamps(settings: BootstrapSettings, inputs: tuple[Task, ...]) -> dict[str, str | None]:
    first: dict[str, str | None] = {_LANGUAGE: None}  # prompts asked for a language in English
    if settings.decontaminate:
        first[_EVALUATION] = digest(_evaluation_items(settings, as_first=True))
    return first


def _reconcile(run: BootstrapRun, before: Mapping[str, Any], removed: Removed) -> ListChanges:
    """Tell what is otherwise than when the run was worked on last."""
    notes = []
    if before.get(_EVALUATION, run.config.get(_EVALUATION)) != run.config.get(_EVALUATION):
        notes.append(
            "the evaluation sets have texts that version 0.1.0 left out, conversations or "
            "contexts: new tasks are compared with them, earlier ones were not"
        )
    if before and _LANGUAGE in run.config and _LANGUAGE not in before:
        notes.append(
            f"the prompts are in {run.settings.language} now: what was asked before was asked in "
            "English, and is kept"
        )
    return ListChanges(notes=tuple(notes)) if notes else NO_CHANGES


def _gate_files(settings: BootstrapSettings) -> list[tuple[str, str]]:
    """Return the gates whose model is a file or checkpoint, each with a fingerprint of it."""
    own = settings.gate_models
    models = {**dict.fromkeys(settings.scoring_gates, settings.model.name), **own}
    found = []
    for name, model in sorted(models.items()):
        provider = ModelRef.parse(model).provider
        scores = name in settings.scoring_gates and provider.likelihoods
        if print_of := fingerprint_of(model) if scores else gguf_fingerprint(model):
            found.append((name, print_of))
    return found


def pool_of(settings: BootstrapSettings) -> tuple[Task, ...]:
    """Return the finished tasks of the run that the settings name as the pool, if they name one.

    Raises:
        RunError: it is no run of a bootstrap.
    """
    if not settings.pool:
        return ()
    with open_database(Path(settings.pool), "bootstrap") as database:
        return read_grown_tasks(database)


def contamination_of(settings: BootstrapSettings) -> Contamination | None:
    """Return the evaluation sets that the settings name, if they name any."""
    if not settings.decontaminate:
        return None
    tokenizer = TOKENIZERS[settings.tokens]
    return Contamination(_evaluation_items(settings), tokenizer, settings.decontamination_threshold)


def _evaluation_items(
    settings: BootstrapSettings, *, as_first: bool = False
) -> Iterator[tuple[str, str]]:
    for path in settings.decontaminate:
        yield from evaluation_items(Path(path), as_first=as_first)


def _check(run: BootstrapRun) -> None:
    if merge_of(stored_config(run.stage.name, run.path, CONFIG)):
        what = f"{run.path} is merged from shards"
        raise InputError(what, "go on with a new run that names it after --pool")
    finished = run.records.finished()
    if finished > run.settings.tasks:
        raise InputError(
            f"{run.path} has {finished} finished tasks already, more than --tasks",
            "ask for more, or name another --out",
        )
    for axis in run.records.axes() if run.database.has_rows("generations") else ():
        if not axis.shares:  # to ask again might give others, which are not those of the tasks
            what = (
                f"{run.path / DATABASE} is damaged: the values of the axis '{axis.name}' are lost"
            )
            raise StoreError(what, RECOVER)


def _keep(run: BootstrapRun) -> None:
    run.records.keep_seeds()


def _rows(run: BootstrapRun) -> Iterator[dict[str, Any]]:
    """Yield a row for each instance of the finished tasks, with its cell if there are axes."""
    cells = run.records.task_cells()
    for task in run.tasks():
        for instance in task.instances:
            yield {
                "id": instance.id,
                "task": task.id,
                "instruction": task.definition,
                "input": instance.input,
                "output": instance.outputs[0],
                "is_classification": task.is_classification,
                **({"cell": dict(cells.get(task.id, ()))} if cells else {}),
            }


def _card(*given: Any) -> str:
    from seedstep.exports.hub import data_card

    return data_card(*given)


BOOTSTRAP: Stage[BootstrapSettings, tuple[Task, ...], GrownTasks] = Stage(
    name="bootstrap",
    settings=BootstrapSettings,
    load=_load,
    records=GrownTasks,
    rows=_rows,
    tasks=read_grown_tasks,
    card=_card,
    settled=lambda settings, seeds: settings.for_seeds(seeds),
    stamps=_stamps,
    first_stamps=_first_stamps,
    reconcile=_reconcile,
    changeable=("tasks", "patience", *ASKING_CHANGEABLE),
    asks_model=True,
    check=_check,
    keep=_keep,
    status=show_status,
    listed=show_listed,
    rejected=show_rejected,
    shown=show_shown,
    lists=(("tasks", "Tasks"), ("rejected", "Rejected")),
    sections=(
        "sizes",
        "lengths",
        "structure",
        "diversity",
        "novelty",
        "rejections",
        "labels",
        "spending",
        "tasks",
    ),
)
"""The entry of the stage that grows tasks from seed tasks."""
