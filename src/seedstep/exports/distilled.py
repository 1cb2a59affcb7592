"""The card of a data set whose outputs another model wrote anew.

Example::

    text = distilled_card(run, tasks, rows, "cc-by-4.0")
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata, resources
from pathlib import Path
from string import Template

import msgspec

from seedstep.data import Task
from seedstep.exports.hub import (
    ExportRow,
    card_cell,
    card_header,
    card_table,
    checked_by,
    public_model,
    words_of,
)
from seedstep.infer.distill import DISTILL_SAMPLING, LEFT_OUT
from seedstep.runs import DistillRun

__all__ = ["distilled_card"]

CARD = "distilled_card.md"


def distilled_card(
    run: DistillRun,
    tasks: Sequence[Task],
    rows: Sequence[ExportRow],
    licence: str,
    left_out: str = "",
) -> str:
    """Return the card of tasks with new outputs and of their rows, with the header of the hub.

    The arguments are those of `data_card`.
    """
    settings, model = run.settings, public_model(run.settings.model)
    done = [entry.result for entry in run.entries()]
    missing = Counter(each.reason for task in done for each in task.left_out)
    title = f"Outputs written anew by {model}"
    shown: list[tuple[str, object]] = [("model", model), ("prompt_style", settings.style)]
    for request in DISTILL_SAMPLING:
        sampling = msgspec.json.encode(asdict(settings.sampling_of(request))).decode()
        shown.append((f"sampling of {request}", sampling))
    template = Template((resources.files("seedstep.exports") / CARD).read_text("utf-8"))
    body = template.substitute(
        title=card_cell(title),
        version=metadata.version("seedstep"),
        source=card_cell(Path(settings.source or "").name),
        checked=checked_by(left_out),
        tasks=f"{len(tasks):,}",
        rows=f"{len(rows):,}",
        empty=f"{sum(not row.input for row in rows):,}",
        changed=f"{sum(task.changed for task in done):,}",
        words=words_of(rows),
        settings=card_table(("setting", "value"), shown),
        missing=card_table(
            ("reason", "instances"),
            [(LEFT_OUT[name], count) for name, count in missing.most_common()],
        ),
    )
    return f"---\n{card_header(len(rows), title, licence)}---\n{body}"
