"""List, filter and export what a judge said of each answer.

A row is a verdict on an answer or, in pairwise runs, on a pair of systems in both orders.

Example::

    with open_run("runs/judge", JUDGE) as run:
        bad = [row for row in verdict_rows(run) if row.label == "D"]
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

import msgspec

from seedstep.errors import unknown_name
from seedstep.evaluate.agreement import LEVELS, OUTCOMES, labels_of
from seedstep.evaluate.judge import Judged, JudgeVerdict
from seedstep.runs import JudgeRun
from seedstep.stages import judged_inputs

__all__ = ["VerdictRow", "chosen_verdicts", "verdict_rows", "verdicts_csv", "verdicts_jsonl"]

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
    """Return all verdicts of a run, in the order of the instances."""
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
    systems: Iterable[str] = (),
    labels: Iterable[str] = (),
    categories: Iterable[str] = (),
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
    asked = {"system": set(systems), "label": set(labels), "category": set(categories)}
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
