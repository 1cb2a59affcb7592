"""The stage `judge`, in which a model rates or compares answers: verdicts for each instance."""

import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedstep.data import Instance, Task, TaskChoice, instances_of
from seedstep.data.choice import drawn_instances
from seedstep.data.reading import read_text
from seedstep.errors import InputError, SeedstepError, unknown_name
from seedstep.evaluate.agreement import labels_of, missing_verdicts
from seedstep.evaluate.judge import (
    FIRST,
    SAME,
    SECOND,
    Judged,
    JudgeSettings,
    JudgeVerdict,
    SystemAnswers,
    judge_answers,
    preview_verdicts,
)
from seedstep.evaluate.systems import about_shown
from seedstep.evaluate.tables import verdict_table
from seedstep.inputs import SystemPredictions, distinct_names, read_systems
from seedstep.llm.settings import require_price
from seedstep.prompts import fingerprint
from seedstep.runs import (
    Blocks,
    Entry,
    JudgeInputs,
    JudgeRun,
    Line,
    Rows,
    Rule,
    Stage,
    StageWork,
    TaskRecords,
    digest,
    has_rows,
    labelled,
    line,
    read_entries,
)
from seedstep.runs.database import Database
from seedstep.runs.requests import request_blocks
from seedstep.runs.tasks import (
    GROWING,
    TASKS_CHANGEABLE,
    asking_of,
    entry_line,
    entry_title,
    spending_line,
)

if TYPE_CHECKING:
    from seedstep.llm import Engine, Preview, Spent

__all__ = ["JUDGE", "JudgedInputs", "empty_answers", "judged_inputs", "verdicts_work"]

SHOWN_FAILURES = 3
"""How many reasons of missing verdicts are listed."""

LONGEST_RUBRIC = 20_000
"""The most characters of a rubric."""

_LEVEL = re.compile(r"^\W*(?:RATING-)?([A-D])\b", re.MULTILINE)


def _load(settings: JudgeSettings) -> JudgeInputs:
    """Return a task for each instance, with the id of the instance, and all answers.

    Raises:
        InputError: no systems are named, or too few for a preference; tasks or predictions
            can't be read, or a system has answers to none of the instances.
    """
    require_price(settings)
    chosen = settings.systems
    if not chosen.sources:
        raise InputError("no predictions to judge", "name a run or a file that has some")
    systems = read_systems(chosen.paths, chosen.names, chosen.given_tasks)
    if settings.mode == "pairwise" and len(systems) < 2:
        raise InputError("pairwise judging needs two systems", "name another run or file")
    tasks = systems[0].tasks
    wanted = {id(instance) for task in tasks for instance in _wanted(task, chosen.tasks)}
    instances = tuple(
        replace(task, id=name, name=task.id, instances=(instance,))
        for name, task, instance in instances_of(tasks)
        if id(instance) in wanted
    )
    ids = {instance.id for instance in instances}
    names = distinct_names(systems)
    if settings.against is not None and settings.mode == "rating":
        raise InputError("against: ratings compare no systems", "add --mode pairwise")
    if settings.against is not None and settings.against not in names:
        raise unknown_name("system", settings.against, names)
    answers = {n: _answers(system, n, ids) for system, n in zip(systems, names, strict=True)}
    rubric = _read_rubric(Path(settings.rubric), settings.mode) if settings.rubric else ""
    return JudgeInputs(instances, (), answers=answers, rubric=rubric)


def _read_rubric(path: Path, mode: str) -> str:
    """Return the text of a file with a rubric.

    Raises:
        InputError: it can't be read, is empty or too long, or a rubric for ratings does not say
            what each of the levels means.
    """
    text = read_text(path).strip()
    if not text or len(text) > LONGEST_RUBRIC:
        what = f"{path}: a rubric of {len(text):,} characters"
        raise InputError(what, f"write some text, and at most {LONGEST_RUBRIC:,}")
    missing = sorted(set("ABCD") - set(_LEVEL.findall(text)))
    if mode == "rating" and missing:
        what = f"{path}: no line says what level {missing[0]} means"
        raise InputError(what, "write a line for each, as in `A: correct and complete`")
    return text


def _wanted(task: Task, choice: TaskChoice) -> tuple[Instance, ...]:
    """Return the instances of a task that are judged: the first ones, or drawn ones."""
    if choice.instances_seed is None:
        return task.instances[: choice.limit_instances]
    return drawn_instances(task, choice.limit_instances, choice.instances_seed).instances


def _answers(system: SystemPredictions, name: str, ids: set[str]) -> dict[str, str]:
    """Return the first prediction for each instance; a failed one counts as an empty text."""
    texts: dict[str, str] = {}
    for prediction in system.predictions:
        if prediction.instance in ids:
            texts.setdefault(prediction.instance, "" if prediction.failed else prediction.text)
    if not texts:
        what = f"{name} has no prediction for the instances to judge"
        raise InputError(what, "name systems that were asked the same")
    return texts


def _stamps(settings: JudgeSettings, inputs: JudgeInputs) -> dict[str, str]:
    """Return the fingerprints of instances, answers and prompts."""
    return {
        "instances_fingerprint": digest(inputs.tasks),
        "answers_fingerprint": digest(
            {"name": name, "texts": texts} for name, texts in inputs.answers.items()
        ),
        "prompts_fingerprint": fingerprint("judge"),
    }


def _contents(inputs: JudgeInputs) -> dict[str, str]:
    """Return the fingerprint of each instance with the answers to it, by its id."""
    rubric = [inputs.rubric] if inputs.rubric else []
    return {
        task.id: digest(
            [task, [(n, each.get(task.id, "")) for n, each in inputs.answers.items()], *rubric]
        )
        for task in inputs.tasks
    }


@dataclass(frozen=True, slots=True)
class JudgedInputs:
    """What was judged, where it is as it was: tasks by instance, and texts by system and instance.

    `problem` says what is not there, in a sentence; it is empty if all is.
    """

    tasks: Mapping[str, Task]
    answers: SystemAnswers
    problem: str = ""


def judged_inputs(run: JudgeRun) -> JudgedInputs:
    """Return what a judge judged, as far as it is there and has not changed since."""
    try:
        inputs = run.inputs()
    except SeedstepError as error:
        return JudgedInputs({}, {}, f"Only the verdicts are shown: {error}")
    stamps = _stamps(run.settings, inputs)
    same = all(
        run.config.get(name) == stamps[name]
        for name in ("instances_fingerprint", "answers_fingerprint")
    )
    judged = run.records.fitting(uncompared=same)
    changed = run.records.done() - judged
    return JudgedInputs(
        {task.id: task for task in inputs.tasks if task.id in judged},
        inputs.answers,
        "Only the verdicts are shown where the answers have changed since they were judged."
        if changed
        else "",
    )


def _status(run: JudgeRun) -> Blocks:
    """Show the levels of each system, or wins, losses and ties, and the requests and tokens."""
    judged = [entry.result for entry in run.entries()]
    if judged:
        table = verdict_table(run.settings.mode, judged)
        yield Rows(table.rows, table.head)
        yield line("")
        yield line(f"Shares in percent {about_shown(table.rows)}; missing ones left out.")
        yield from (line(said, "warning") for said in empty_answers(run, judged))
    for failure in sorted(missing_verdicts(judged))[:SHOWN_FAILURES]:
        yield line(f"missing: {failure}", "warning")
    yield spending_line(run)


def empty_answers(run: JudgeRun, judged: Sequence[Judged]) -> tuple[str, ...]:
    """Say how many answers of each system were judged as empty texts, where any were."""
    instances = {item.instance for item in judged}
    counts = {
        name: sum(not texts.get(instance, "").strip() for instance in instances)
        for name, texts in judged_inputs(run).answers.items()
    }
    return tuple(
        f"{name}: of {len(instances):,} answers {count:,} are empty, missing or failed, and were "
        "judged as empty texts"
        for name, count in counts.items()
        if count
    )


def _listed(run: JudgeRun) -> Blocks:
    for entry in run.entries():
        yield _listed_entry(entry)


def _rejected(run: JudgeRun) -> Blocks:
    for entry in run.entries():
        if any(not verdict.label for verdict in entry.result.verdicts):
            yield _listed_entry(entry)


def _listed_entry(entry: Entry[Judged]) -> Line:
    verdicts = entry.result.verdicts
    given = (
        f"{' / '.join(verdict.shown)}: {verdict.label}" for verdict in verdicts if verdict.label
    )
    missing = sum(not verdict.label for verdict in verdicts)
    return entry_line(f"{entry.task}  {'; '.join(given)}", f"{missing} missing" if missing else "")


def _shown(run: JudgeRun, name: str) -> Blocks:
    """Show an instance with the questions to the judge, and its replies."""
    entry = run.records.entry(name)
    yield from entry_title(entry.task, entry.category, entry.definition)
    for verdict in entry.result.verdicts:
        yield labelled(" / ".join(verdict.shown), verdict.label or f"none: {verdict.failure}")
    for verdict in entry.result.verdicts:
        yield Rule(" / ".join(verdict.shown))
        yield from _requests(run, verdict.requests)
        if verdict.label:
            yield labelled("verdict", verdict.label)
        else:
            yield labelled("missing", verdict.failure, "error")


def _requests(run: JudgeRun, keys: tuple[str, ...]) -> Iterator[Line | Rule | Rows]:
    for key in keys:
        yield from request_blocks(run.request(key))


def _rows(run: JudgeRun) -> Iterator[dict[str, Any]]:
    """Yield a row for each judged instance."""
    for entry in run.entries():
        yield asdict(entry.result)


def _unanswered(judged: Judged) -> tuple[str, ...]:
    missing = (verdict for verdict in judged.verdicts if not verdict.label)
    return tuple(key for verdict in missing for key in verdict.requests)


def verdicts_work(run: JudgeRun) -> StageWork:
    """Return how the answers of a run of the judge are judged."""
    answers, rubric = run.inputs().answers, run.inputs().rubric

    def stage(tasks: tuple[Task, ...], engine: "Engine", spent: "Spent") -> AsyncGenerator[Judged]:
        return judge_answers(run.settings, tasks, answers, engine, rubric)

    def estimate(tasks: Sequence[Task]) -> "Preview":
        return preview_verdicts(run.settings, tasks, answers, rubric)

    return StageWork(stage, _given, estimate)


def _given(judged: Judged) -> str:
    """Return the verdicts in a few words: levels, or which of two answers is better."""
    return "; ".join(map(_told, judged.verdicts))


def _told(verdict: JudgeVerdict) -> str:
    first, last = verdict.shown[0], verdict.shown[-1]
    better = {FIRST: f"{first} is better", SECOND: f"{last} is better", SAME: "no difference"}
    told = better.get(verdict.label, verdict.label) or "no verdict"
    return f"{first} {told}" if len(verdict.shown) == 1 else f"{first} / {last}: {told}"


def _labels(database: Database, question: str) -> Mapping[tuple[str, str], str]:
    return labels_of([entry.result for entry in read_entries(database, Judged)])


JUDGE: Stage[JudgeSettings, JudgeInputs, TaskRecords[Judged]] = Stage(
    name="judge",
    noun="instance",
    settings=JudgeSettings,
    load=_load,
    records=lambda run: TaskRecords(run, Judged),
    makes="verdicts",
    rows=_rows,
    labels=_labels,
    work=verdicts_work,
    stamps=_stamps,
    made=has_rows("requests", "results"),
    contents=_contents,
    asking=asking_of,
    unanswered=_unanswered,
    changeable=(
        *TASKS_CHANGEABLE,
        *GROWING,
        "instances_fingerprint",
        "answers_fingerprint",
        "limit_instances",
    ),
    asks_model=True,
    status=_status,
    listed=_listed,
    rejected=_rejected,
    shown=_shown,
    lists=(("verdicts", "Verdicts"),),
    sections=("verdicts", "asking"),
)
"""The entry of the stage in which a model rates or compares answers."""
