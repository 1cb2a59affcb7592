"""`seedstep show`: a run's tasks, or one of them with its provenance."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from seedstep.bootstrap import REASONS
from seedstep.cli.requests import print_request
from seedstep.cli.terminal import console, plain
from seedstep.data import Task
from seedstep.runs import BootstrapRun, TaskDetails

__all__ = ["command"]


def command(
    run: Annotated[Path, typer.Argument(help="The run's directory.")],
    task: Annotated[str, typer.Argument(help="A task's id, such as g3.1.", metavar="ID")] = "",
    rejected: Annotated[
        bool, typer.Option("--rejected", help="List what was rejected, with the reasons.")
    ] = False,
) -> None:
    """List a run's tasks, or show one with the requests, demonstrations and neighbour behind it."""
    with BootstrapRun.read(run) as opened:
        if task:
            _print_details(opened.show(task))
        elif rejected:
            for key, reason, instruction in opened.rejected():
                console.print(plain(f"{key:>8}  {reason}: {instruction}"), soft_wrap=True)
        else:
            _print_tasks(opened.tasks())


def _print_tasks(tasks: Sequence[Task]) -> None:
    for one in tasks:
        kind = "C" if one.is_classification else " "
        line = Text(f"{one.id:>8} {kind} {len(one.instances)}  ")
        console.print(line + plain(one.definition), soft_wrap=True)


def _print_details(details: TaskDetails) -> None:
    columns = details.columns
    reason = columns["reason"]
    meaning = columns["detail"] or REASONS.get(reason, "")
    verdict = f"rejected: {reason} ({meaning})" if reason else "finished"
    console.print(plain(f"{columns['id']}  {verdict}", style="bold"), soft_wrap=True)
    console.print(plain(columns["instruction"]), soft_wrap=True)
    console.print(_neighbor(details), soft_wrap=True)
    kind = "classification" if columns["is_classification"] else "not classification"
    if columns["classification_request"]:
        console.print(Text(f"judged by the model: {kind}", style="dim"))
    for number, instance in enumerate(details.instances, start=1):
        _print_instance(number, instance)
    console.rule("demonstrations it was written after", align="left")
    for one, definition in details.demonstrations:
        console.print(plain(f"{one:>9}  ", style="dim") + plain(definition), soft_wrap=True)
    for request in details.requests:
        print_request(request)


def _neighbor(details: TaskDetails) -> Text:
    columns = details.columns
    if columns["neighbor"] is None:
        return Text("nearest instruction: none with a token in common", style="dim")
    head = f"nearest instruction: ROUGE-L {columns['score']:.3f} with {columns['neighbor']}: "
    return plain(head, style="dim") + plain(details.neighbor)


def _print_instance(number: int, row: dict[str, Any]) -> None:
    state = f" (rejected: {row['reason']})" if row["reason"] else ""
    console.rule(f"instance {number}{state}", align="left")
    if row["detail"]:
        console.print(plain(row["detail"], style="dim"), soft_wrap=True)
    if row["input"]:
        console.print(Text("input: ", style="bold") + plain(row["input"]), soft_wrap=True)
    console.print(Text("output: ", style="bold") + plain(row["output"]), soft_wrap=True)
