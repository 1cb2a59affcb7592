"""`seedstep show`: a run's tasks, or one of them with its provenance."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.text import Text

from seedstep.cli.summary import REASONS
from seedstep.cli.terminal import console, plain
from seedstep.store import Run, TaskDetails

__all__ = ["command"]


def command(
    run: Annotated[Path, typer.Argument(help="The run's directory.")],
    task: Annotated[str, typer.Argument(help="A task's id, such as g3.1.", metavar="[ID]")] = "",
) -> None:
    """List a run's tasks, or show one with the requests, demonstrations and neighbour behind it."""
    with Run.read(run) as opened:
        if task:
            _print_details(opened.show(task))
            return
        for one in opened.tasks():
            kind = "C" if one.is_classification else " "
            line = Text(f"{one.id:>8} {kind} {len(one.instances)}  ")
            console.print(line + plain(one.definition), soft_wrap=True)


def _print_details(details: TaskDetails) -> None:
    columns = details.columns
    reason = columns["reason"]
    meaning = columns["detail"] or REASONS.get(reason, "")
    verdict = f"rejected: {reason} ({meaning})" if reason else "finished"
    console.print(
        Text.assemble((f"{columns['id']}  {verdict}\n", "bold"), plain(columns["instruction"]))
    )
    console.print(_neighbor(details))
    kind = "classification" if columns["is_classification"] else "not classification"
    if columns["classification_request"]:
        console.print(Text(f"judged by the model: {kind}", style="dim"))
    for number, instance in enumerate(details.instances, start=1):
        _print_instance(number, instance)
    console.rule("demonstrations it was written after", align="left")
    for one, definition in details.demonstrations:
        console.print(Text(f"{one:>9}  ", style="dim") + plain(definition), soft_wrap=True)
    for request in details.requests:
        _print_request(request)


def _neighbor(details: TaskDetails) -> Text:
    columns = details.columns
    if columns["neighbor"] is None:
        return Text("nearest instruction: none with a token in common", style="dim")
    head = f"nearest instruction: ROUGE-L {columns['score']:.3f} with {columns['neighbor']}: "
    return Text(head, style="dim") + plain(details.neighbor)


def _print_instance(number: int, row: dict[str, Any]) -> None:
    state = f" (rejected: {row['reason']})" if row["reason"] else ""
    console.rule(f"instance {number}{state}", align="left")
    if row["input"]:
        console.print(Text("input: ", style="bold") + plain(row["input"]))
    console.print(Text("output: ", style="bold") + plain(row["output"]))


def _print_request(row: dict[str, Any]) -> None:
    console.rule(f"request for {row['purpose']}, {row['key']}", align="left")
    request = msgspec.json.decode(row["request"])
    prompt = request["prompt"]
    text = prompt if isinstance(prompt, str) else "\n".join(one["content"] for one in prompt)
    console.print(plain(text, style="dim"), soft_wrap=True)
    if row["reply"] is None:
        console.print(Text(f"failed: {row['failure']}: ", style="red") + plain(row["detail"]))
        return
    console.print(plain(row["reply"]), soft_wrap=True)
    console.print(
        f"{row['prompt_tokens']} + {row['completion_tokens']} tokens, {row['seconds']:.1f} s, "
        f"{row['attempts']} attempt(s), ended by {row['finish_reason']}",
        style="dim",
    )
