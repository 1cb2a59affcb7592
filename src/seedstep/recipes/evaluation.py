"""Score the predictions of systems, have a model judge them, list verdicts, and compare raters.

Scores are those of SUPER-NATURALINSTRUCTIONS and of both papers (Self-Instruct, section 4.3;
Step-by-Step Instruction Tuning, section 4.1 and appendix A), with 95% intervals over tasks.

Example::

    chosen = TaskChoice("natural-instructions", "test", limit_instances=100)
    found = evaluate_systems([Path("predictions.jsonl")], tasks=chosen, grouping="category")
    found.systems[0].overall.of("rouge_l").value

A `VerdictRow` is a verdict on an answer or, in pairwise runs, on a pair of systems in both orders.

Example::

    with open_run("runs/judge", JUDGE) as run:
        bad = [row for row in verdict_rows(run) if row.label == "D"]
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from itertools import combinations
from typing import Any, Unpack

import msgspec

from seedstep.data import PathOrTasks, StrPath, TaskChoice, paths_of
from seedstep.data.records import Tabulated, as_html
from seedstep.errors import InputError, RunError, unknown_name
from seedstep.evaluate import METRICS, Metric, score, stemmed_tokens
from seedstep.evaluate.agreement import (
    LEVELS,
    OUTCOMES,
    fleiss_kappa,
    label_agreement,
    labels_of,
)
from seedstep.evaluate.compare import evaluated
from seedstep.evaluate.intervals import Value
from seedstep.evaluate.judge import (
    Judged,
    JudgeVerdict,
)
from seedstep.evaluate.people import PairOfRaters
from seedstep.evaluate.systems import EvaluatedSystem, Grouping, systems_html
from seedstep.evaluate.tokens import load_tokenizer
from seedstep.inputs import distinct_names, read_systems
from seedstep.inputs.labels import RaterLabels, read_raters
from seedstep.inputs.scales import LabelScale, common_scale
from seedstep.recipes.keywords import JudgeKeywords
from seedstep.recipes.stage_calls import StageCall, plain_and_async, work_on
from seedstep.recipes.tasks import TaskWatch, in_thread
from seedstep.runs import Failed, JudgeRun, Removed, keep_scores
from seedstep.stages import JUDGE, judged_inputs
from seedstep.values import texts_of

__all__ = [
    "Agreement",
    "Evaluation",
    "VerdictRow",
    "agreement",
    "chosen_verdicts",
    "evaluate_systems",
    "evaluate_systems_async",
    "judge",
    "judge_async",
    "verdict_rows",
    "verdicts_csv",
    "verdicts_jsonl",
    "work_on_verdicts",
]


@dataclass(frozen=True, slots=True)
class Evaluation(Tabulated):
    """The scores of some systems, which it yields if it is iterated.

    `notes` say which could not be kept in their run, and why.
    """

    systems: tuple[EvaluatedSystem, ...]
    notes: tuple[str, ...]

    def __iter__(self) -> Iterator[EvaluatedSystem]:
        """Yield the systems, as `compare_systems` takes them."""
        return iter(self.systems)

    def _repr_html_(self) -> str:
        """Return the scores as HTML, as notebooks show them, with the notes below."""
        notes = "".join(f"<div>{as_html(note)}</div>" for note in self.notes)
        return systems_html(self.systems) + notes

    def to_records(self) -> list[dict[str, Any]]:
        """Return the scores as plain rows, one for each system and metric over all and by group."""
        return [row for system in self.systems for row in system.to_records()]


def evaluate_systems(
    sources: StrPath | Iterable[StrPath],
    names: str | Iterable[str] = (),
    tasks: TaskChoice | PathOrTasks | None = None,
    tokenizer: str = "",
    grouping: Grouping | None = None,
    metrics: Sequence[Metric] | Metric = METRICS,
) -> Evaluation:
    """Score the systems in runs and files, and keep the scores of a run's systems in the run.

    `names` choose among the systems of runs. `tasks` are those that were predicted: a choice, a
    path, or tasks in memory; runs have their own. `tokenizer` is the tokenizer of the cross-lingual
    track; without one, words are those of rouge-score. Tables and comparisons begin with the first
    of the `metrics`.

    Raises:
        InputError: tasks, predictions or the tokenizer can't be read; there is no metric, or two
            have one name.
        MissingExtraError: the tokenizer needs a package that is not installed.
        RunError: a directory is no run, its tasks have changed, or it is damaged (`StoreError`).
    """
    tokens = load_tokenizer(tokenizer) if tokenizer else stemmed_tokens
    done: list[EvaluatedSystem] = []
    notes: list[str] = []
    systems = read_systems(sources, names, tasks)
    for system, name in zip(systems, distinct_names(systems), strict=True):
        scores = score(system.predictions, system.references, tokens, metrics)
        left_out = system.left_out(scores)
        done.append(evaluated(name, scores, grouping, left_out, training=system.training))
        if system.source.is_dir():
            try:
                keep_scores(system.source, system.name, done[-1], tokenizer)
            except RunError as error:
                notes.append(f"the scores of {name} are not kept: {error.what}")
    return Evaluation(tuple(done), tuple(notes))


evaluate_systems_async = in_thread(evaluate_systems)


def _judge(
    out: StrPath,
    *,
    watch: TaskWatch | None = None,
    same_model: bool = False,
    removed: Removed = "keep",
    failed: Failed = "keep",
    **settings: Unpack[JudgeKeywords],
) -> StageCall[JudgeRun]:
    """Have a model judge answers, and return the run, opened for reading.

    If `out` has a run, it is continued. `settings` are those of
    `seedstep.evaluate.judge.JudgeSettings`.

    Where a budget is spent, the work ends without an error, and `stopped` of the run says so.

    Raises:
        InputError: a setting is not known or does not fit, or what it names can't be read.
        MissingExtraError: the model needs a package that is not installed.
        ModelError: the model can't be asked: it can't be reached (`UnreachableError`), it denies
            the key (`DeniedError`), or a recording lacks a reply (`NotRecordedError`).
        RunError: another process works on the run (`RunBusyError`), it was begun with other
            settings (`RunMismatchError`), or it can't be read or written (`StoreError`).
    """
    work = partial(
        work_on_verdicts, watch=watch, same_model=same_model, removed=removed, failed=failed
    )
    return StageCall(JUDGE, out, settings, work)


judge, judge_async = plain_and_async(_judge)


work_on_verdicts = partial(work_on, JUDGE)
"""Do the work of `judge`, and return the progress that was made."""


@dataclass(frozen=True, slots=True)
class Agreement(Tabulated):
    """The agreement of each pair of raters, and of all raters on the `items` that all rated."""

    raters: tuple[RaterLabels, ...]
    pairs: tuple[PairOfRaters, ...]
    items: int
    fleiss: Value

    def to_records(self) -> list[dict[str, Any]]:
        """Return plain rows: one for each pair and measure, then Fleiss's kappa, without a pair.

        `measure` is a field of `RatingAgreement`, or `fleiss`.
        """
        found = [
            (pair.first, pair.second, pair.agreement.items, each.name, value)
            for pair in self.pairs
            for each in fields(pair.agreement)
            if isinstance(value := getattr(pair.agreement, each.name), Value)
        ]
        found.append(("", "", self.items, "fleiss", self.fleiss))
        return [
            {"first": first, "second": second, "items": items, "measure": name} | asdict(value)
            for first, second, items, name, value in found
        ]


def agreement(paths: StrPath | Iterable[StrPath], question: str = "") -> Agreement:
    """Return the agreement of the raters in reviews, in runs of the judge, and in files of labels.

    `question` chooses among the questions of a form; by default it is the first.

    Raises:
        InputError: there is only one rater, labels can't be read, are of two kinds or not among
            the choices of a form, or two raters have no item in common.
        RunError: a directory is a run that has no labels.
    """
    raters = tuple(rater for path in paths_of(paths) for rater in read_raters(path, question))
    if len(raters) < 2:
        raise InputError("there is only one rater", "name two or more runs or files")
    given = ((rater.name, label) for rater in raters for label in rater.labels.values())
    scale = common_scale([rater.scale for rater in raters], given)
    shared = [item for item in raters[0].labels if all(item in rater.labels for rater in raters)]
    return Agreement(
        raters,
        tuple(_pair(first, second, scale) for first, second in combinations(raters, 2)),
        len(shared),
        fleiss_kappa([[rater.labels[item] for rater in raters] for item in shared]),
    )


def _pair(first: RaterLabels, second: RaterLabels, scale: LabelScale) -> PairOfRaters:
    items = [item for item in first.labels if item in second.labels]
    if not items:
        what = f"{first.name} and {second.name} rated nothing in common"
        raise InputError(what, "check that ids and names of systems are the same in both")
    found = label_agreement(
        [first.labels[item] for item in items],
        [second.labels[item] for item in items],
        scale.labels if scale.is_ordered else (),
        scale.acceptable,
    )
    return PairOfRaters(first.name, second.name, found)


MISSING = "missing"
"""The word for a verdict that is not there, to choose it by."""


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """A verdict. `label` is a level or, for two systems, win, lose or tie of the first.

    It is empty if there is no verdict, and `failure` says why. `said` are the labels that the judge
    gave in each order, `replies` its words. `input`, `references` and `answers` are empty if the
    predictions are not where they were, or are not those that were judged.
    """

    instance: str
    task: str
    category: str
    systems: tuple[str, ...]
    label: str
    failure: str
    said: tuple[str, ...]
    definition: str
    input: str
    references: tuple[str, ...]
    answers: tuple[str, ...]
    replies: tuple[str, ...]


def verdict_rows(run: JudgeRun) -> tuple[VerdictRow, ...]:
    """Return all verdicts of a run, in the order of the instances.

    Raises:
        RunError: the run is closed, or damaged (`StoreError`).
    """
    inputs = judged_inputs(run)
    tasks, texts = inputs.tasks, inputs.answers
    rows: list[VerdictRow] = []
    for entry in run.entries():
        labels = labels_of([entry.result])
        for verdicts in _together(entry.result, pairwise=run.settings.mode == "pairwise"):
            systems = verdicts[0].shown
            task = tasks.get(entry.result.instance)
            (instance,) = task.instances if task else (None,)
            rows.append(
                VerdictRow(
                    entry.result.instance,
                    entry.result.task,
                    entry.category,
                    systems,
                    labels[entry.result.instance, " / ".join(systems)],
                    next((verdict.failure for verdict in verdicts if verdict.failure), ""),
                    tuple(verdict.label for verdict in verdicts),
                    entry.definition,
                    instance.input if instance else "",
                    instance.outputs if instance else (),
                    tuple(texts[name].get(entry.result.instance, "") for name in systems)
                    if task and all(name in texts for name in systems)
                    else (),
                    tuple(verdict.replies[-1] for verdict in verdicts if verdict.replies),
                )
            )
    return tuple(rows)


def _together(judged: Judged, *, pairwise: bool) -> Iterator[tuple[JudgeVerdict, ...]]:
    """Yield the verdicts that make a label: one, or those on a pair in both orders."""
    if not pairwise:
        yield from ((verdict,) for verdict in judged.verdicts)
        return
    yield from zip(judged.verdicts[::2], judged.verdicts[1::2], strict=True)


def chosen_verdicts(
    rows: Sequence[VerdictRow],
    *,
    systems: str | Iterable[str] = (),
    labels: str | Iterable[str] = (),
    categories: str | Iterable[str] = (),
) -> tuple[VerdictRow, ...]:
    """Return the rows with these systems, labels and categories; nothing given means all.

    The label `missing` stands for no verdict.

    Raises:
        InputError: the run has no such system or category, or there is no such label.
    """
    is_pair = any(len(row.systems) > 1 for row in rows)
    known = {
        "system": list(dict.fromkeys(name for row in rows for name in row.systems)),
        "label": [*(OUTCOMES if is_pair else LEVELS), MISSING],
        "category": list(dict.fromkeys(row.category for row in rows)),
    }
    given = {"system": systems, "label": labels, "category": categories}
    asked = {what: set(texts_of(names)) for what, names in given.items()}
    for what, names in asked.items():
        for name in sorted(names - set(known[what])):
            raise unknown_name(what, name, known[what])
    return tuple(
        row
        for row in rows
        if (not asked["system"] or asked["system"] & set(row.systems))
        and (not asked["label"] or (row.label or MISSING) in asked["label"])
        and (not asked["category"] or row.category in asked["category"])
    )


def verdicts_jsonl(rows: Iterable[VerdictRow]) -> str:
    """Return the rows as JSON lines."""
    return "".join(f"{msgspec.json.encode(asdict(row)).decode()}\n" for row in rows)


def verdicts_csv(rows: Iterable[VerdictRow]) -> str:
    """Return the rows as CSV. Where a field has several texts, they stand below each other."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(VerdictRow.__slots__)
    for row in rows:
        values = (getattr(row, name) for name in VerdictRow.__slots__)
        writer.writerow(["\n".join(v) if isinstance(v, tuple) else v for v in values])
    return out.getvalue()
