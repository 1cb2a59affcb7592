"""Print to the terminal: texts from data without control characters, tables, and prompts.

The streams are prepared so that a command ends in order when the reader of its output goes away.

Example::

    console.print(plain(task.definition))
"""

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from types import MappingProxyType
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from seedstep.cli.layout import table_lines
from seedstep.llm import Preview, Pricing, Request
from seedstep.runs import Blocks, Line, Rows, Rule, Words
from seedstep.runs.stage import Look, duration
from seedstep.text import visible

__all__ = [
    "DryRun",
    "console",
    "duration",
    "errors",
    "line_width",
    "output_status",
    "plain",
    "prepare_streams",
    "print_blocks",
    "print_estimate",
    "print_requests",
    "print_rows",
    "print_told",
    "reader_has_gone",
    "when_reader_goes",
]


def prepare_streams() -> None:
    """Prepare the output streams.

    Standard output ends the command when its reader has gone away, and neither stream fails at a
    character that the terminal lacks.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.isatty():
        sys.stdout = _forgiving(sys.stdout)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


@contextmanager
def when_reader_goes(stop: Callable[[], object]) -> Iterator[None]:
    """Call `stop` when the reader of standard output goes away, instead of ending at once."""
    _Output.stop = stop
    try:
        yield
    finally:
        _Output.stop = None


def reader_has_gone() -> bool:
    """Return whether the reader of standard output has gone away."""
    return _Output.has_gone


def output_status() -> int:
    """Return the exit status that the output asks for: 1 if it could not be written."""
    return int(_Output.is_broken)


def _forgiving(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    stream.flush()
    raw = _Output(stream.fileno(), "wb", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=stream.encoding, line_buffering=stream.line_buffering
    )


class _Output(io.FileIO):
    """Standard output that is redirected to nowhere when its reader has gone away."""

    has_gone = False
    is_broken = False
    stop: Callable[[], object] | None = None

    def write(self, data: object) -> int:
        try:
            return super().write(data)  # type: ignore[arg-type]  # bytes, as io has it
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            _Output.has_gone = True
            if not isinstance(error, BrokenPipeError):
                _Output.is_broken = True
                errors.print(plain(f"error: the output can't be written: {error.strerror}", "red"))
            if _Output.stop is None:
                raise SystemExit(output_status()) from None
            _Output.stop()
            return super().write(data)  # type: ignore[arg-type]  # to nowhere


console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def plain(text: str, style: str = "") -> Text:
    """Return an untrusted text for the terminal, without markup, escape codes, direction marks."""
    return Text(visible(text), style=style)


STYLES: Mapping[Look, str] = MappingProxyType(
    {
        "": "",
        "bold": "bold",
        "dim": "dim",
        "good": "bold green",
        "warning": "yellow",
        "error": "red",
        "added": "green",
        "removed": "red strike",
    }
)
MARKS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"added": ("{+", "+}"), "removed": ("[-", "-]")}
)
"""The signs around a text where there are no colours."""


def print_blocks(blocks: Blocks) -> None:
    """Print the blocks that describe a run."""
    for block in blocks:
        match block:
            case Line(parts):
                console.print(Text.assemble(*map(_styled, parts)), soft_wrap=True)
            case Rule(title, light):
                characters = "·" if light else "─"
                console.rule(plain(title), align="left", characters=characters)
            case Rows():
                print_rows(block)


def _styled(words: Words) -> Text:
    before, after = ("", "") if console.color_system else MARKS.get(words.look, ("", ""))
    return plain(f"{before}{words.text}{after}", STYLES[words.look])


def line_width() -> int:
    """Return the width at which lines are cut: the terminal's, or COLUMNS. Files take any."""
    return console.width if console.is_terminal or "COLUMNS" in os.environ else sys.maxsize


def print_rows(table: Rows) -> None:
    """Print a table in the width of the terminal, as `seedstep.cli.layout` lays it out."""
    if table.title:
        console.print(plain(table.title, "italic"))
    for line in table_lines(table, console.width):
        console.print(plain(line.text, "bold" if line.is_head else ""), soft_wrap=True)


DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show the first prompts and an estimate; ask nothing.")
]


def print_requests(titled: Mapping[str, Request], style: str) -> None:
    """Print whole prompts, each below its title."""
    for title, request in titled.items():
        console.rule(f"{title} ({style})", align="left")
        texts = [request.prompt] if isinstance(request.prompt, str) else request.prompt
        for text in texts:
            console.print(plain(text if isinstance(text, str) else text.content), soft_wrap=True)
        sampling = {name: value for name, value in asdict(request.sampling).items() if value}
        console.print(plain(f"\nsampling: {sampling}", style="dim"))


def print_told(told: Iterable[str]) -> None:
    """Print what has changed since a run was worked on last."""
    for text in told:
        console.print(plain(text, style="yellow"), soft_wrap=True)


def print_estimate(what: str, view: Preview, pricing: Pricing, assumed: str) -> None:
    """Print the estimated requests, tokens and cost of `what`, with the assumptions."""
    console.rule("estimate", align="left")
    console.print(plain(what), soft_wrap=True)
    total = sum(view.counts.values())
    parts = ", ".join(f"{count:,} {purpose}" for purpose, count in view.counts.items())
    console.print(f"about {total:,} requests ({parts})")
    console.print(
        f"about {view.prompt_tokens:,} prompt tokens and {view.completion_tokens:,} new tokens"
    )
    if (usd := pricing.usd(view.tokens)) is not None:
        console.print(f"about ${usd:,.2f} at the prices in the configuration")
    console.print(f"Assumed: {assumed}", style="dim")
