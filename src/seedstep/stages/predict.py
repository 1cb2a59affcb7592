"""The stage `predict`, in which systems predict answers to the instances of tasks.

A run stores the settings of each system. A system can only be continued with the same settings.

Example::

    with Run.start(PREDICT, Path("runs/test"), {"tasks": "my_tasks.jsonl"}) as run:
        system = begin_system(run, "tuned", {"model": "hf:checkpoints/tuned"}, {})
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

from seedstep.data import Task, TaskChoice, TaskList, instances_of
from seedstep.encode import make_encoding
from seedstep.encode.added_layout import LAYOUT_STAMP
from seedstep.encode.encodings import layout_fingerprint
from seedstep.errors import InputError
from seedstep.evaluate.tables import kept_remarks, kept_table
from seedstep.infer.settings import PredictSettings
from seedstep.inputs import with_generated, with_steps
from seedstep.inputs.systems import overlap, training_of
from seedstep.llm import ModelRef, RecordingHeader, first_address, resolve_base_url
from seedstep.llm.checkpoints import fingerprint_of, gguf_fingerprint
from seedstep.llm.settings import require_price, require_server
from seedstep.runs import (
    Blocks,
    ChosenSystem,
    KeptSystem,
    Line,
    PredictionCounts,
    PredictionRecords,
    PredictionsRun,
    Rows,
    Rule,
    Stage,
    Words,
    digest,
    has_rows,
    kept_scores,
    labelled,
    line,
)
from seedstep.runs.directory import about_addresses, refuse_differences, require_name
from seedstep.runs.places import encoding_as_begun
from seedstep.runs.prediction_lists import (
    NO_PLAN,
    STAMP,
    ListPlan,
    SystemPlan,
    has_answers,
    plan_system,
    reconcile_predictions,
)
from seedstep.runs.predictions import load_chosen_tasks, stamp_chosen_tasks, unchanged_tasks
from seedstep.runs.tasks import ASKING_CHANGEABLE, PLACES
from seedstep.settings import flatten, make_settings
from seedstep.text import REFUSED, is_refusal, is_unasked_refusal, single_spaced

__all__ = ["PREDICT", "begin_system", "name_after", "plan_begin", "system_blocks"]

CHANGEABLE = ("batch", *ASKING_CHANGEABLE)
"""The settings of a system that do not change its answers."""

TOUCHING = (
    "max_new_tokens",
    "sampling",
    "reasoning",
    "steps_fingerprint",
    "examples_fingerprint",
    "model_fingerprint",
)
"""What may change, too: answers that it touches are set aside, and asked anew."""

LONGEST_NAME = 100
"""The most characters of a system's name."""

SHOWN_FAILURES = 5
"""How many reasons of failed predictions are listed."""

LONGEST_REASON = 200
"""How many characters of a reason are shown."""

LONGEST_START = 60
"""How many characters of a prediction a list shows."""


def begin_system(
    run: PredictionsRun,
    name: str,
    asked: Mapping[str, Any],
    defaults: Mapping[str, Any],
    *,
    same_model: bool = False,
) -> ChosenSystem:
    """Begin or go on with a system of a run.

    `asked` are the settings that the user named, `defaults` those that hold for a new system
    where none are. Of `encoding` both may name some knobs only. `same_model` says that another
    base URL serves the same model.

    Raises:
        InputError: the name, a setting or the steps can't be used.
        RunMismatchError: it has predictions that were made with other settings.
    """
    system, plan = plan_begin(run, run.tasks().tasks, name, asked, defaults, same_model=same_model)
    if plan.statements:
        run.database.write_together(plan.statements)
    run.records.keep(system)
    return system


def name_after(model: str) -> str:
    """Return the name of a system that was given none: its model's, by its end if that is long."""
    if len(model) <= LONGEST_NAME:
        return model
    digest = sha256(model.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"…{model[len(digest) + 2 - LONGEST_NAME :]}-{digest}"


def plan_begin(
    run: PredictionsRun,
    listed: tuple[Task, ...],
    name: str,
    asked: Mapping[str, Any],
    defaults: Mapping[str, Any],
    *,
    same_model: bool = False,
    plan: ListPlan = NO_PLAN,
) -> tuple[ChosenSystem, SystemPlan]:
    """Return a system as `begin_system` would begin it, and what would become of its predictions.

    `listed` are the tasks of the run. `plan` is what becomes of the list if that is not written.

    Raises:
        InputError, RunMismatchError: `begin_system` would raise it.
    """
    remedy = f"write 1 to {LONGEST_NAME} printable characters after --name"
    require_name("a system", name, LONGEST_NAME, remedy)
    kept = run.records.kept(name)
    begun = _chosen(listed, name, _settings(kept, asked, defaults))
    before: dict[str, str] = {}
    if kept and has_answers(run.database, name):
        _refuse_changes(f"{run.path}, {name},", kept, begun, same_model=same_model)
        begun = replace(begun, identity_url=kept.identity_url)
        before = _asking_before(kept, begun)
    fit = plan_system(run.database, begun, before, plan)
    addresses = [begun.settings.model.base_url] if kept else ()
    notes = about_addresses(addresses, asked, [begun.settings.model.name])
    changes = replace(fit.changes, notes=(*notes, *fit.changes.notes))
    return replace(begun, changes=changes), fit


def _asking_before(kept: KeptSystem, begun: ChosenSystem) -> dict[str, str]:
    """Return the fingerprints of how a system was asked; none if what it was shown has changed."""
    settings = make_settings(PredictSettings, kept.settings, begun.name)
    shown = ["examples_fingerprint", *["steps_fingerprint"] * _shows_steps(settings)]
    if any(kept.stamps.get(name) != begun.stamps.get(name) for name in shown):
        return {}
    model = kept.stamps.get("model_fingerprint") or gguf_fingerprint(settings.model.name)
    return _asking(settings, begun.tasks, model)


def _shows_steps(settings: PredictSettings) -> bool:
    return settings.encoding.steps != "none"


def _settings(
    kept: KeptSystem | None, asked: Mapping[str, Any], defaults: Mapping[str, Any]
) -> PredictSettings:
    """Return the settings that the user gave, then those stored for the model, then `defaults`."""
    is_same = kept and asked.get("model", kept.settings["model"]) == kept.settings["model"]
    known = kept.settings if kept and is_same else {}
    values = {**defaults, **known, **asked}
    knobs = [values_of.get("encoding") or {} for values_of in (defaults, known, asked)]
    values["encoding"] = {knob: value for some in knobs for knob, value in some.items()}
    settings = make_settings(PredictSettings, values, "settings")
    make_encoding("tk-instruct", asdict(settings.encoding))  # raises where knobs do not fit
    require_server(settings, asked)
    is_served = settings.kind == "server"
    model = settings.model
    url = resolve_base_url(model.name, model.base_url) if is_served else None
    require_price(settings)
    return replace(settings, model=replace(model, base_url=url))


def _chosen(listed: tuple[Task, ...], name: str, settings: PredictSettings) -> ChosenSystem:
    tasks = listed
    if settings.steps:
        tasks = with_steps(tasks, Path(settings.steps))
    tasks = with_generated(tasks, settings.generated)
    is_here, layout = settings.kind == "checkpoint", layout_fingerprint(settings.encoding.layout)
    stamps: dict[str, Any] = {
        "stop_texts": list(settings.stop_texts),
        "steps_fingerprint": digest([task.steps, task.unrefined_steps] for task in tasks),
        "model_fingerprint": fingerprint_of(settings.model.name) if is_here else "",
    }
    stamps |= {LAYOUT_STAMP: layout} if layout else {}
    if settings.generated.run:
        stamps["examples_fingerprint"] = digest(task.positive_examples for task in tasks)
    return ChosenSystem(
        name,
        settings,
        tasks,
        stamps,
        first_address(settings.model.base_url),
        overlap(training_of(settings.model.name), tasks),
        listed,
        _asking(
            settings, tasks, stamps["model_fingerprint"] or gguf_fingerprint(settings.model.name)
        ),
    )


def _asking(settings: PredictSettings, tasks: Sequence[Task], model: str) -> dict[str, str]:
    """Return fingerprints, by task, of all that answers follow from besides the instance."""
    shows_steps = _shows_steps(settings)
    way = [model, settings.max_new_tokens, settings.sampling, settings.model.reasoning]
    return {
        task.id: digest(
            [*way, task.positive_examples, *[task.steps, task.unrefined_steps] * shows_steps]
        )
        for task in tasks
    }


def _refuse_changes(where: str, kept: KeptSystem, begun: ChosenSystem, *, same_model: bool) -> None:
    """Raise RunMismatchError if a system has predictions that were made with other settings."""
    settings = make_settings(PredictSettings, kept.settings, where, check=False)
    now = dict(_flat({**begun.kept.settings, **begun.stamps}))
    unknown = {LAYOUT_STAMP: now.get(LAYOUT_STAMP)}  # of a system that has none, it is not known
    before = dict(_flat({**unknown, **flatten(settings), **kept.stamps}))
    changeable = (*CHANGEABLE, *TOUCHING, *["base_url"] * same_model)
    refuse_differences(where, before, now, changeable, another="--name")


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the settings, with each option of the encoding as a setting of its own."""
    for key, value in values.items():
        if key == "encoding":
            yield from ((f"{key}.{knob}", turned) for knob, turned in value.items())
        else:
            yield key, value


def _records(run: PredictionsRun) -> PredictionRecords:
    def load() -> TaskList:
        return unchanged_tasks(run.path, run.settings, run.inputs(), run.config, run.database)

    return PredictionRecords(run.path, run.database, load)


def _header(run: PredictionsRun) -> RecordingHeader:
    with encoding_as_begun(run.path):
        models = {
            (settings.model.name, first_address(settings.model.base_url), settings.style)
            for settings in map(run.records.settings_of, run.records.names())
            if settings.kind == "server"
        }
    if len(models) != 1:
        what = f"{run.path} has the requests of {len(models)} models"
        raise InputError(
            what,
            "a recording holds the replies of one model: predict with one model in its own run",
        )
    return RecordingHeader.of(*models.pop())


def _status(run: PredictionsRun) -> Blocks:
    """Tell how far each system of a run is, and what it scored, where that is known."""
    wanted = sum(len(task.instances) for task in run.tasks().tasks)
    for name in run.records.names():
        yield from system_blocks(run, name, wanted)
    kept = kept_scores(run.path)
    table = kept_table(kept)
    if table.rows:
        yield line("")
        yield Rows(table.rows, table.head)
        yield from (line(remark, "warning") for remark in kept_remarks(kept))
        yield line("")


def system_blocks(run: PredictionsRun, name: str, wanted: int) -> Iterator[Line]:
    """Show how many instances a system has predicted, and how many failed or were cut."""
    counts, failures = run.records.counts(name), run.records.failures(name)
    yield line(f"{name}: {counts.predictions:,} of {wanted:,} instances predicted")
    yield from _matters(counts, _refusals(run, name))
    for reason, count in list(failures.items())[:SHOWN_FAILURES]:
        yield line(f"    {count:,}: {reason[:LONGEST_REASON]}", "dim")
    if len(failures) > SHOWN_FAILURES:
        yield line(f"    {len(failures) - SHOWN_FAILURES} more reasons", "dim")


def _refusals(run: PredictionsRun, name: str) -> int:
    """Count the predictions of a system that are worded as refusals, and no reference is."""
    refusals = [each for each in run.records.predictions(name) if is_refusal(each.text)]
    references = run.records.references() if refusals else {}
    return sum(
        is_unasked_refusal(each.text, references[each.instance].outputs) for each in refusals
    )


def _matters(counts: PredictionCounts, refusals: int) -> Iterator[Line]:
    for what, count in (
        ("failed, which count as empty", counts.failed),
        ("empty", counts.empty),
        ("cut short at their length limit", counts.cut),
        (REFUSED, refusals),
        ("after prompts of which max_source left something out", counts.shortened),
    ):
        if count:
            yield line(f"  {count:,} {what}", "warning")


def _listed(run: PredictionsRun) -> Blocks:
    for name in run.records.names():
        yield Rule(name)
        for prediction in run.predictions(name):
            start = single_spaced(prediction.text)[:LONGEST_START]
            head = Words(f"{prediction.instance}  ")
            failed = prediction.failed[:LONGEST_REASON]
            yield Line((head, Words(failed, "error") if failed else Words(start)))


def _rejected(run: PredictionsRun) -> Blocks:
    for name in run.records.names():
        yield Rule(name)
        for prediction in run.predictions(name):
            if prediction.failed:
                reason = prediction.failed[:LONGEST_REASON]
                yield Line((Words(f"{prediction.instance}  "), Words(reason, "error")))


def _shown(run: PredictionsRun, name: str) -> Blocks:
    """Show an instance with its references, and the answer of each system."""
    instances = {key: (task, instance) for key, task, instance in instances_of(run.tasks().tasks)}
    if name not in instances:
        what = f"{run.path} has no instance '{name}'"
        raise InputError(what, f"`seedstep show {run.path}` lists them")
    task, instance = instances[name]
    yield line(f"{name}  {task.id}", "bold")
    yield line(task.definition)
    if instance.input:
        yield labelled("input", instance.input)
    for output in instance.outputs:
        yield labelled("reference", output)
    for system in run.records.names():
        for prediction in run.predictions(system):
            if prediction.instance == name:
                yield Rule(system)
                if prediction.failed:
                    yield labelled("failed", prediction.failed, "error")
                else:
                    yield line(prediction.text)
                if thoughts := run.records.thoughts(system).get(name):
                    yield Rule("thoughts", light=True)
                    yield line(thoughts, "dim")


def _rows(run: PredictionsRun) -> Iterator[dict[str, Any]]:
    """Yield a row for each answer of each system."""
    for name in run.records.names():
        for prediction in run.predictions(name):
            yield {
                "system": name,
                "task": prediction.task,
                "instance": prediction.instance,
                "text": prediction.text,
                "cut": prediction.cut,
                "failed": prediction.failed,
            }


PREDICT: Stage[TaskChoice, TaskList, PredictionRecords] = Stage(
    name="predict",
    settings=TaskChoice,
    load=load_chosen_tasks,
    records=_records,
    makes="answers of systems",
    rows=_rows,
    stamps=stamp_chosen_tasks,
    reconcile=reconcile_predictions,
    places=PLACES,
    changeable=(STAMP, *PLACES, "limit_tasks", "limit_instances", "skip_bad"),
    made=has_rows("predictions"),
    header=_header,
    status=_status,
    listed=_listed,
    rejected=_rejected,
    shown=_shown,
    model_checks=MappingProxyType({"model": ModelRef.parse, "tokenizer": ModelRef.parse}),
    lists=(("predictions", "Predictions"),),
    sections=("results",),
)
"""The entry of the stage in which systems answer instances."""
