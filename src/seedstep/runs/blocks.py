"""What `status` and `show` tell of a run, as plain records.

A terminal prints them, and a report shows them. Texts are as they were found: who prints them makes
them harmless.

Example::

    yield line("12 of 30 tasks", "bold")
    yield Rows((("requests sent", "40"), ("tokens", "1,280")))
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

__all__ = [
    "Block",
    "Blocks",
    "Line",
    "Look",
    "Rows",
    "Rule",
    "Words",
    "duration",
    "labelled",
    "line",
    "request_blocks",
]

Look = Literal["", "bold", "dim", "good", "warning", "error", "added", "removed"]
"""How a text looks where there are colours; without them, `added` and `removed` are marked."""


@dataclass(frozen=True, slots=True)
class Words:
    """A part of a line, and how it looks."""

    text: str
    look: Look = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A text, which may run over several lines, made of parts."""

    parts: tuple[Words, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across the page with a title; a `light` one is within what another rule begins."""

    title: str
    light: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """A table of texts; without a `head` it is a list of names and values."""

    rows: tuple[tuple[str, ...], ...]
    head: tuple[str, ...] = ()
    title: str = ""


Block = Line | Rule | Rows
Blocks = Iterable[Block]


def line(text: str, look: Look = "") -> Line:
    """Return a line of one part."""
    return Line((Words(text, look),))


def labelled(label: str, text: str, look: Look = "bold") -> Line:
    """Return a line of a label and a text."""
    return Line((Words(f"{label}: ", look), Words(text)))


def request_blocks(row: dict[str, Any], *, whole: bool = False) -> Iterator[Line | Rule]:
    """Tell a request's prompt and what came back; `row` is that of the database.

    With `whole` the parameters of the request follow.
    """
    yield Rule(f"request for {row['purpose']}")
    request = msgspec.json.decode(row["request"])
    prompt = request["prompt"]
    yield line(prompt if isinstance(prompt, str) else "\n".join(map(_turn, prompt)), "dim")
    figures = f"attempts: {row['attempts']}, key {row['key']}"
    if row["reply"] is None:
        status = f"status {row['status']}, " if row["status"] else ""
        yield Line((Words(f"failed: {row['failure']}: ", "error"), Words(row["detail"])))
        yield line(status + figures, "dim")
    else:
        yield Rule("reply", light=True)
        yield line(row["reply"])
        head = f"{_tokens(row)} tokens, {row['seconds']:.1f} s, ended by: {row['finish_reason']}, "
        yield line(head + figures, "dim")
    if thoughts := row.get("thoughts"):
        yield Rule("thoughts", light=True)
        yield line(thoughts, "dim")
    if left_out := row.get("left_out"):
        yield line(f"not sent, as the server does not take it: {', '.join(left_out)}", "warning")
    lost = [row.get(f"lost_{side}_tokens", 0) for side in ("prompt", "completion")]
    if any(lost):
        yield line(f"paid for replies that can't be used: {lost[0]} + {lost[1]} tokens", "dim")
    for name in ("sampling", "schema", "draw", "reasoning") if whole else ():
        if request.get(name) is not None:
            yield line(f"{name}: {msgspec.json.encode(request[name]).decode()}", "dim")


def _turn(message: dict[str, Any]) -> str:
    speaker = "" if message["role"] == "user" else f"{message['role']}: "
    return speaker + str(message["content"])


def _tokens(row: dict[str, Any]) -> str:
    mark = " estimated" if row["estimated"] else ""
    return f"{row['prompt_tokens']} + {row['completion_tokens']}{mark}"


def duration(seconds: float) -> str:
    """Return seconds as a clock shows them: 0:42, 12:05, 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
