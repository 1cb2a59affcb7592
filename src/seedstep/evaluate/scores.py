"""Score a system's predictions: over all instances, by category, by task; and remarks on scores.

Scores are those of SUPER-NATURALINSTRUCTIONS (Wang et al. 2022): means over instances, in points
from 0 to 100. Predictions are joined to references by instance id, not by line. Every reference
counts: a missing or failed prediction counts as an empty one, and is named.

Example::

    >>> references = {"task1-a": Reference("task1", "Title Generation", ("Rivers",))}
    >>> scores = score([Prediction("task1", "task1-a", "River")], references)
    >>> scores.overall.of("rouge_l")
    100.0

A remark says how many references have no tokens, how many answers are empty or cut, or how many of
the scored tasks and instances the model was tuned on.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Literal

from seedstep.data import Prediction, Task, TaskChoice, instances_of
from seedstep.errors import InputError
from seedstep.evaluate.metrics import (
    METRICS,
    Marks,
    Means,
    Metric,
    PredictionMarker,
    check_metrics,
)
from seedstep.evaluate.tokens import stemmed_tokens
from seedstep.settings import Place, SettingsRecord, part, setting
from seedstep.text import REFUSED, Tokenizer, is_unasked_refusal

__all__ = [
    "TRAINED_UNKNOWN",
    "InstanceResult",
    "Reference",
    "Scores",
    "ScoringSettings",
    "SystemChoice",
    "TrainingOverlap",
    "blank_share",
    "means",
    "references_of",
    "remarks",
    "remarks_beside",
    "score",
    "tokenless_share",
]


@dataclass(frozen=True, slots=True)
class SystemChoice:
    """The choice of systems: runs and files of predictions, names, and the tasks predicted."""

    sources: tuple[str, ...] = setting(
        (), "Runs of `seedstep predict`, and files of predictions.", flags=("SOURCE...",)
    )
    names: tuple[str, ...] = setting(
        (), "Which predictions of the runs. Default: all.", flags=("--name",)
    )
    tasks: TaskChoice = part(
        TaskChoice,
        path=Place(help="The tasks that were predicted. Needed for files; runs have their own."),
        split=Place(help="Split of a directory, such as test. Default: all."),
        limit_tasks=None,
        limit_instances=Place(help="Instances of each task, the first ones. Default: all."),
        skip_bad=None,
    )

    @property
    def paths(self) -> tuple[Path, ...]:
        """The paths of the sources."""
        return tuple(map(Path, self.sources))

    @property
    def given_tasks(self) -> TaskChoice | None:
        """The choice of tasks; None if no tasks are named, so that those of the runs are used."""
        return self.tasks if self.tasks.path is not None else None


@dataclass(frozen=True, slots=True)
class ScoringSettings(SettingsRecord):
    """The settings of `seedstep evaluate` and `seedstep compare`."""

    systems: SystemChoice = part(SystemChoice)
    tokenizer: str = setting(
        "",
        "unicode: words of all scripts, and characters where no spaces are used. For the "
        "cross-lingual track gpt2, or a directory with its tokenizer.json. Default: rouge-score's "
        "words, stemmed, which are in ASCII letters.",
    )

    def check(self, source: str) -> None:
        """Raise InputError if a split or a number of instances is given, but no tasks."""
        tasks = self.systems.tasks
        chosen = (tasks.split, tasks.limit_instances, tasks.instances_seed)
        if tasks.path is None and any(value is not None for value in chosen):
            raise InputError("a split or a number of instances needs tasks", "add --tasks PATH")


NO_TOKENS = "have no tokens, or hardly any"
ALONE = "are ASCII punctuation alone"
"""How remarks describe references that metrics of tokens, or exact match, can't score."""

PredictionStatus = Literal["predicted", "missing", "failed"]


@dataclass(frozen=True, slots=True)
class Reference:
    """The reference outputs of an instance: a prediction may equal any of them."""

    task: str
    category: str
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InstanceResult:
    """The scores of an instance by each metric, from 0 to 1, and the status of its prediction.

    `tokenless` counts those of its `references` that have no tokens, `blank` those that are ASCII
    punctuation alone. The prediction may be `empty`, `cut`, or an unasked refusal (`refused`).
    """

    instance: str
    task: str
    category: str
    marks: Marks
    status: PredictionStatus
    references: int = 1
    tokenless: int = 0
    blank: int = 0
    empty: bool = False
    cut: bool = False
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of a system by the `metrics`. `results` are in the order of the references.

    `failed` has the reasons by instance id. `unknown` has the instance id of each prediction
    without a reference, `duplicates` the instance id of each second prediction for an instance.
    Neither kind counts, nor changes a denominator.
    """

    metrics: tuple[Metric, ...]
    results: tuple[InstanceResult, ...]
    overall: Means
    categories: Mapping[str, Means]
    tasks: Mapping[str, Means]
    missing: tuple[str, ...]
    failed: Mapping[str, str]
    unknown: tuple[str, ...]
    duplicates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Joined:
    """The first prediction for each instance with a reference, and the ids of those left out."""

    found: dict[str, Prediction]
    unknown: list[str]
    duplicates: list[str]


def score(
    predictions: Iterable[Prediction],
    references: Mapping[str, Reference],
    tokenizer: Tokenizer = stemmed_tokens,
    metrics: Sequence[Metric] | Metric = METRICS,
) -> Scores:
    """Score predictions by the `metrics` against `references`, which are by instance id.

    Of several predictions for an instance the first counts. So predictions that are added later
    don't change a score, and the best of several is never chosen.

    Raises:
        InputError: there is no reference, or one without outputs; there is no metric, or two have
            one name.
    """
    metrics = check_metrics(metrics)
    if not references:
        raise InputError("there are no references to score against", "name tasks with instances")
    joined = _joined(predictions, references)
    marker = PredictionMarker(tokenizer, metrics)
    results = tuple(
        _result(marker, instance, reference, joined.found.get(instance))
        for instance, reference in references.items()
    )
    return Scores(
        tuple(metrics),
        results,
        means(results),
        _means_by(results, lambda result: result.category),
        _means_by(results, lambda result: result.task),
        tuple(result.instance for result in results if result.status == "missing"),
        {name: prediction.failed for name, prediction in joined.found.items() if prediction.failed},
        tuple(joined.unknown),
        tuple(joined.duplicates),
    )


def _joined(predictions: Iterable[Prediction], references: Mapping[str, Reference]) -> _Joined:
    joined = _Joined({}, [], [])
    for prediction in predictions:
        if prediction.instance not in references:
            joined.unknown.append(prediction.instance)
        elif prediction.instance in joined.found:
            joined.duplicates.append(prediction.instance)
        else:
            joined.found[prediction.instance] = prediction
    return joined


def _result(
    marker: PredictionMarker, instance: str, reference: Reference, prediction: Prediction | None
) -> InstanceResult:
    if not reference.outputs:
        raise InputError(f"instance {instance!r} has no reference outputs", "leave it out")
    status = _status(prediction)
    text = prediction.text if prediction and status == "predicted" else ""
    marks = marker.mark(text, reference.outputs)
    return InstanceResult(
        instance,
        reference.task,
        reference.category,
        marks,
        status,
        len(reference.outputs),
        sum(map(marker.is_tokenless, reference.outputs)),
        sum(map(marker.is_blank, reference.outputs)),
        empty=status == "predicted" and not text.strip(),
        cut=bool(prediction and prediction.cut),
        refused=is_unasked_refusal(text, reference.outputs),
    )


def _status(prediction: Prediction | None) -> PredictionStatus:
    if prediction is None:
        return "missing"
    return "failed" if prediction.failed else "predicted"


def means(results: Iterable[InstanceResult]) -> Means:
    """Return the mean scores of some results; there must be at least one result."""
    results = tuple(results)
    return Means(
        {name: 100 * fmean(result.marks[name] for result in results) for name in results[0].marks},
        len(results),
        sum(result.status == "missing" for result in results),
        sum(result.status == "failed" for result in results),
    )


def tokenless_share(results: Iterable[InstanceResult]) -> str:
    """Return how many references have no tokens, in words; an empty text where all have some."""
    return _share(((result.tokenless, result.references) for result in results), NO_TOKENS)


def blank_share(results: Iterable[InstanceResult]) -> str:
    """Return how many references are punctuation alone, in words; an empty text where none is."""
    return _share(((result.blank, result.references) for result in results), ALONE)


def _share(counts: Iterable[tuple[int, int]], what: str) -> str:
    found, total = map(sum, zip(*counts, strict=True))
    return f"{found:,} of {total:,} references {what}" if found else ""


def _means_by(
    results: Iterable[InstanceResult], name: Callable[[InstanceResult], str]
) -> dict[str, Means]:
    groups: dict[str, list[InstanceResult]] = {}
    for result in results:
        groups.setdefault(name(result), []).append(result)
    return {group: means(groups[group]) for group in sorted(groups)}


def references_of(tasks: Iterable[Task]) -> dict[str, Reference]:
    """Return the references of all instances, in their order.

    Raises:
        InputError: raised by `instances_of`, or there are no instances.
    """
    references = {
        name: Reference(task.id, task.category, instance.outputs)
        for name, task, instance in instances_of(tuple(tasks))
    }
    if not references:
        raise InputError("the tasks have no instances", "name tasks with instances")
    return references


TRAINED_UNKNOWN = "whether its model was trained on what is scored here is not known"
"""Said of models behind a server, and of files of predictions."""


@dataclass(frozen=True, slots=True)
class TrainingOverlap:
    """The ids of the tasks and instances on which a model was tuned, and their `sources`.

    `unknown` has messages on tunings whose data are not known. `inputs` are the ids of further
    instances whose inputs were trained on, with other definitions.
    """

    tasks: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()

    def shown(self, results: Sequence[InstanceResult]) -> Iterator[str]:
        """Yield a text that says how many results are of trained tasks, if any."""
        tasks, instances, inputs = set(self.tasks), set(self.instances), set(self.inputs)
        scored = {result.task for result in results}
        seen = sum(result.instance in instances for result in results)
        known = len(scored & tasks)
        sources = ", ".join(self.sources)
        if known:
            yield (
                f"{known:,} of {len(scored):,} tasks and {seen:,} of {len(results):,} instances "
                f"were in its training data ({sources})"
            )
        if others := sum(result.instance in inputs for result in results):
            yield (
                f"the inputs of {others:,} of {len(results):,} instances were in its training data "
                f"with other definitions ({sources})"
            )
        yield from self.unknown


def remarks(
    results: Sequence[InstanceResult],
    training: TrainingOverlap | None = None,
    metrics: Sequence[Metric] = METRICS,
) -> tuple[str, ...]:
    """Return the remarks on a system, often none, to be shown with its scores by the `metrics`."""
    found = list(training.shown(results)) if training else []
    has_exact = any(metric.name == "exact_match" for metric in metrics)
    *others, last = ("", *(metric.title for metric in metrics if metric.of_tokens))
    if last and (share := tokenless_share(results)):
        more = ", and exact match needs no tokens" if has_exact else ""
        way_out = f"`--tokenizer unicode` knows the letters of all scripts{more}"
        named = " and ".join(filter(None, (", ".join(others[1:]), last)))
        found.append(f"{share}, so that {named} can't score them: {way_out}")
    if has_exact and (share := blank_share(results)):
        found.append(
            f"{share}, which exact match leaves out: any such answer, even an empty one, matches "
            "them"
        )
    if flaws := list(_flaws(results)):
        found.append(f"of {len(results):,} answers {' and '.join(flaws)}")
    return tuple(found)


def remarks_beside(said: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the remarks on systems that are shown together, each with the system's name.

    `said` has those on each system by its name. One on all systems, such as one on the references,
    is returned once.
    """
    times = Counter(remark for remarks in said.values() for remark in remarks)
    shared = len(said) if len(said) > 1 else 0
    return tuple(
        dict.fromkeys(
            remark if times[remark] == shared else f"{name}: {remark}"
            for name, remarks in said.items()
            for remark in remarks
        )
    )


def _flaws(results: Sequence[InstanceResult]) -> Iterator[str]:
    """Yield texts that say how many answers are empty, cut at their length limit, or refusals."""
    flaws = {"empty": "empty", "cut": "cut at the length limit", "refused": REFUSED}
    for name, what in flaws.items():
        if count := sum(getattr(result, name) for result in results):
            yield f"{count:,} {'is' if count == 1 else 'are'} {what}"
