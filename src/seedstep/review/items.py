"""Make a review: draw items from runs by a seed, and assign them to raters.

Self-Instruct draws 200 instructions with one instance each (section 3.3), and shows the answers of
all systems to an instance in random order (appendix B.1). Step-by-Step Instruction Tuning has
parts that all raters share and parts of their own (section 3.3), and draws three instances of each
task for a comparison (section 5.4).

Example::

    make_review(Path("reviews/steps"), ReviewSettings.of(form="steps", runs=["runs/steps"]))
"""

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from random import Random
from types import MappingProxyType

from seedstep.data import Task, instances_of
from seedstep.data.choice import generator
from seedstep.data.records import Instance
from seedstep.data.reviews import Form, ItemField, ReviewItem
from seedstep.errors import InputError
from seedstep.inputs import SystemPredictions, distinct_names, load_source, read_systems
from seedstep.review.forms import find_form
from seedstep.runs import digest
from seedstep.runs.reviews import Review, kept_seed
from seedstep.settings import flatten
from seedstep.stages import STEPS, open_run
from seedstep.stages.review import ReviewSettings
from seedstep.steps import render
from seedstep.tune import make_source

__all__ = ["DrawnReview", "deal", "draw", "make_review", "names_in"]

EXAMPLES = 2
"""How many positive examples are shown, as to the paper's annotators."""

REFERENCES = 5
"""How many reference outputs are shown."""

MODEL_NAMES = (
    *("chatgpt", r"gpt-?[345][\w.-]*", "openai"),
    *("claude", "anthropic"),
    *("gemini", "bard", "gemma"),
    *("deepseek", r"llama-?\d?", "mistral", "mixtral", r"phi-?\d", r"qwen\d?", r"smollm\d?"),
    *("tk-instruct", "t5-lm"),
)
"""Names of well-known models and their makers, as patterns.

Raters must not know which system wrote an answer. One that names its own model gives it away, so
these names, like those of the systems compared, are told to the owner of a review.
"""
_A_MODEL = re.compile(rf"\b(?:{'|'.join(MODEL_NAMES)})\b", re.IGNORECASE)

SEED_BITS = 53
"""The number of bits of a secret seed: as many as a number in JSON has."""

LEAST_NAME = 4
"""The fewest characters of a system's name that is searched for; shorter ones may be words."""


_Unit = tuple[ReviewItem, ...]
"""What is drawn and assigned as a whole: an item, or an item for each answer to an instance."""


@dataclass(frozen=True, slots=True)
class DrawnReview:
    """A review to be written: its form, its items, and the ids of the items of each rater."""

    form: Form
    items: tuple[ReviewItem, ...]
    assigned: Mapping[str, tuple[str, ...]]


def make_review(path: Path, settings: ReviewSettings) -> DrawnReview:
    """Draw a review and write it to a directory. If it is there already, nothing changes.

    Raises:
        InputError: a run or the form can't be used, or a rater is named twice.
        RunMismatchError: the directory has a review with other settings or items.
        RunError: the directory has other files, or can't be written.
    """
    if settings.seed is None:
        kept = kept_seed(path)
        settings = replace(settings, seed=secrets.randbits(SEED_BITS) if kept is None else kept)
    drawn = draw(settings)
    Review.create(
        path, flatten(settings), drawn.form, drawn.items, drawn.assigned, settings.seed or 0
    )
    return drawn


def draw(settings: ReviewSettings) -> DrawnReview:
    """Draw the items of a review, and assign them to raters.

    Raises:
        InputError: a run or the form can't be used, or a rater is named twice.
        RunError: a directory is no run.
    """
    form = find_form(settings.form)
    if len(set(settings.raters)) < len(settings.raters):
        twice = next(rater for rater in settings.raters if settings.raters.count(rater) > 1)
        raise InputError(f"the rater '{twice}' is named twice", "name each rater once")
    if not settings.runs:
        raise InputError("no run to look at", "add --run RUN")
    units = list(_READERS[form.subject](settings))
    if not units:
        raise InputError(f"{', '.join(settings.runs)}: nothing to look at", "let it make some")
    chance = generator(f"{settings.seed} sample")
    units = _sampled(units, settings, chance)
    shared = _shared(units, settings.shared, chance)
    everything = [
        replace(item, shared=place in shared) for place, unit in enumerate(units) for item in unit
    ]
    chance.shuffle(dealt := [str(place) for place in range(len(units))])
    places = deal(dealt, settings.raters, map(str, shared))
    assigned = {
        rater: tuple(item.id for place in own for item in units[int(place)])
        for rater, own in places.items()
    }
    return DrawnReview(form, tuple(everything), assigned)


def deal(
    units: Sequence[str], raters: Sequence[str], shared: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """Assign units to raters: all shared units to each, and the others in turn."""
    of_all = set(shared)
    own = [unit for unit in units if unit not in of_all]
    return {
        rater: (*(unit for unit in units if unit in of_all), *own[place :: len(raters)])
        for place, rater in enumerate(raters)
    }


def _sampled(units: Sequence[_Unit], settings: ReviewSettings, chance: Random) -> list[_Unit]:
    """Sample units of each task, and then of all tasks; the sample is in the order of the units."""
    kept: Iterable[int] = range(len(units))
    if settings.per_task is not None:
        tasks: dict[tuple[str, str], list[int]] = {}
        for place, (item, *_) in enumerate(units):
            tasks.setdefault((item.group, item.task), []).append(place)
        kept = sorted(
            place
            for own in tasks.values()
            for place in chance.sample(own, min(settings.per_task, len(own)))
        )
    chosen = list(kept)
    if settings.sample is not None and settings.sample < len(chosen):
        chosen = sorted(chance.sample(chosen, settings.sample))
    return [units[place] for place in chosen]


def _shared(units: Sequence[_Unit], wanted: Sequence[int], chance: Random) -> set[int]:
    """Return the places of the units that all raters see: all, a number, or a number by group."""
    places = list(range(len(units)))
    if not wanted:
        return set(places)
    if len(wanted) == 1:
        return set(chance.sample(places, min(wanted[0], len(places))))
    groups = list(dict.fromkeys(unit[0].group for unit in units))
    if len(groups) != len(wanted):
        what = f"--shared names {len(wanted)} numbers, and there are {len(groups)} groups"
        raise InputError(f"{what}: {', '.join(groups)}", "give one number, or one for each")
    found: set[int] = set()
    for group, count in zip(groups, wanted, strict=True):
        own = [place for place in places if units[place][0].group == group]
        found.update(chance.sample(own, min(count, len(own))))
    return found


def _data_units(settings: ReviewSettings) -> Iterator[_Unit]:
    """Yield tasks, each with one of its instances, drawn at random."""
    for run, group in zip(settings.runs, _groups(settings.runs), strict=True):
        for task in load_source(make_source(run), skip_bad=True).tasks:
            if task.instances:
                chance = generator(f"{settings.seed} instance {task.id}")
                instance = chance.choice(task.instances)
                fields = (_task(task), *_input(instance), _output(instance))
                yield (_item("data", group, task, instance.id, fields),)


def _steps_units(settings: ReviewSettings) -> Iterator[_Unit]:
    """Yield tasks with their step-by-step instructions, refined or unrefined."""
    versions = ("refined", "unrefined") if settings.version == "both" else (settings.version,)
    several = len(settings.runs) > 1
    for run, name in zip(settings.runs, _groups(settings.runs), strict=True):
        with open_run(run, STEPS) as opened:
            tasks = {task.id: task for task in opened.tasks().tasks}
            entries = tuple(opened.entries())
        for version in versions:
            group = f"{name}, {version}" if several else version
            for entry in entries:
                steps = entry.result.steps if version == "refined" else entry.result.unrefined
                if steps:
                    task = tasks[entry.task]
                    shown = ItemField("Step-by-step instruction", render(steps), "subject")
                    fields = (_task(task, "Task definition"), *_examples(task), shown)
                    yield (_item("steps", group, task, "", fields),)


def _rating_units(settings: ReviewSettings) -> Iterator[_Unit]:
    """Yield instances with all systems' answers, each answer as an item."""
    systems, names = _systems(settings)
    answers = _answers(systems, names)
    for key, task, instance in instances_of(systems[0].tasks):
        fields = (_task(task), *_input(instance), _reference(instance))
        yield tuple(
            _item("rating", "", task, key, fields, (name,), (found[key],))
            for name, found in zip(names, answers, strict=True)
        )


def _pairs_units(settings: ReviewSettings) -> Iterator[_Unit]:
    """Yield instances with the answers of two systems, for each pair of systems."""
    systems, names = _systems(settings)
    if len(systems) < 2:
        what = f"there is only one system, {names[0]}: a pair needs two"
        raise InputError(what, "predict with another, or name another run")
    answers = _answers(systems, names)
    pairs = list(combinations(range(len(systems)), 2))
    for key, task, instance in instances_of(systems[0].tasks):
        fields = (_task(task, "Task definition"), *_examples(task), *_input(instance))
        for pair in pairs:
            compared = tuple(names[place] for place in pair)
            group = " / ".join(compared) if len(pairs) > 1 else ""
            texts = tuple(answers[place][key] for place in pair)
            yield (_item("pairs", group, task, key, fields, compared, texts),)


_READERS = MappingProxyType(
    {
        "data": _data_units,
        "steps": _steps_units,
        "rating": _rating_units,
        "pairs": _pairs_units,
    }
)


def _systems(settings: ReviewSettings) -> tuple[tuple[SystemPredictions, ...], tuple[str, ...]]:
    systems = read_systems([Path(run) for run in settings.runs], settings.names)
    first = systems[0]
    for other in systems[1:]:
        if [task.id for task in other.tasks] != [task.id for task in first.tasks]:
            what = f"{first.source} and {other.source} have predictions for other tasks"
            raise InputError(what, "name runs over the same tasks")
    return systems, distinct_names(systems)


def _answers(
    systems: Sequence[SystemPredictions], names: Sequence[str]
) -> tuple[Mapping[str, str], ...]:
    """Return the texts of each system by instance.

    Raises:
        InputError: a system has no prediction for an instance.
    """
    wanted = [key for key, _, _ in instances_of(systems[0].tasks)]
    found = tuple(_texts(system) for system in systems)
    for name, texts in zip(names, found, strict=True):
        if absent := [key for key in wanted if key not in texts]:
            what = f"{name} has no prediction for {len(absent):,} of {len(wanted):,} instances"
            remedy = "let `seedstep predict` finish, or name other systems with --name"
            raise InputError(f"{what}, such as {absent[0]}", remedy)
    return found


def _texts(system: SystemPredictions) -> dict[str, str]:
    found: dict[str, str] = {}
    for prediction in system.predictions:
        found.setdefault(prediction.instance, prediction.text)
    return found


def _groups(runs: Sequence[str]) -> tuple[str, ...]:
    """Return names for runs: those of their directories, or their paths if two names are equal."""
    names = [Path(run).name or run for run in runs]
    return tuple(
        name if names.count(name) == 1 else run for name, run in zip(names, runs, strict=True)
    )


def _item(
    kind: str,
    group: str,
    task: Task,
    instance: str,
    fields: Sequence[ItemField],
    systems: tuple[str, ...] = (),
    answers: tuple[str, ...] = (),
) -> ReviewItem:
    key = digest([kind, group, task.id, instance, systems])
    return ReviewItem(
        key,
        group,
        task.id,
        instance,
        task.category,
        tuple(fields),
        systems,
        answers,
        named=names_in(systems, answers),
    )


def names_in(systems: Sequence[str], answers: Sequence[str]) -> tuple[str, ...]:
    """Return the names of models that answers mention."""
    found: list[str] = []
    for system, answer in zip(systems, answers, strict=True):
        found += [found_name[0] for found_name in _A_MODEL.finditer(answer)]
        if len(system) >= LEAST_NAME and re.search(rf"\b{re.escape(system)}\b", answer, re.I):
            found.append(system)
    return tuple(dict.fromkeys(found))


def _task(task: Task, label: str = "Instruction") -> ItemField:
    return ItemField(label, task.definition, "task")


def _input(instance: Instance) -> tuple[ItemField, ...]:
    return (ItemField("Input", instance.input, "input"),)


def _output(instance: Instance) -> ItemField:
    return ItemField("Output", instance.output, "subject")


def _reference(instance: Instance) -> ItemField:
    texts = instance.outputs[:REFERENCES]
    label = "Reference output" if len(texts) == 1 else "Reference outputs, any of them suffices"
    return ItemField(label, "\n".join(texts), "reference")


def _examples(task: Task) -> Iterator[ItemField]:
    for number, example in enumerate(task.positive_examples[:EXAMPLES], start=1):
        text = f"Input: {example.input}\nOutput: {example.output}"
        yield ItemField(f"Positive example {number}", text, "example")
