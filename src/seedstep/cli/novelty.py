"""`seedstep novelty`: filter the texts of a file by novelty."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from seedstep.cli.progress import live_bar
from seedstep.cli.terminal import console, plain
from seedstep.errors import InputError
from seedstep.recipes import NoveltyFilter, NoveltyReport, Rejection, filter_file

__all__ = ["command"]

SHOWN_CHARACTERS = 160


def command(
    path: Annotated[
        Path,
        typer.Argument(
            help="JSON lines, CSV, Parquet, plain text by lines, a list in a *.json, an export, or "
            "hub:OWNER/NAME[:SPLIT].",
            metavar="FILE",
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="A file of the same kind (or *.jsonl) for the rows kept.")
    ],
    field: Annotated[str, typer.Option(help="The field or column with the text.")] = "instruction",
    threshold: Annotated[
        float, typer.Option(help="ROUGE-L F1 with a text kept before from which one is rejected.")
    ] = 0.7,
    tokens: Annotated[
        Literal["latin", "unicode"], typer.Option(help="unicode for texts not in English.")
    ] = "latin",
    against: Annotated[
        list[Path] | None,
        typer.Option(
            help="An evaluation set: SUPER-NATURALINSTRUCTIONS (its test split, or a *.json), JSON "
            "lines, or *.txt. What is too close to it is rejected. May be given several times."
        ),
    ] = None,
    against_threshold: Annotated[
        float, typer.Option(help="ROUGE-L F1 with an item of --against from which one is rejected.")
    ] = 0.7,
    annotate: Annotated[
        bool,
        typer.Option("--annotate", help="Write all rows, with what was decided and why added."),
    ] = False,
    nearest: Annotated[
        bool,
        typer.Option("--nearest", help="With --annotate: find the nearest also of kept rows."),
    ] = False,
    ray: Annotated[
        str | None,
        typer.Option(help="Work on a Ray cluster: its address, or local for this machine."),
    ] = None,
    partitions: Annotated[int, typer.Option(help="Partitions on the Ray cluster.", min=1)] = 8,
) -> None:
    """Keep the texts of a file that are novel: not like one kept before, nor an evaluation set."""
    for name, value in (("threshold", threshold), ("against-threshold", against_threshold)):
        if not 0 < value <= 1:
            raise InputError(f"--{name} {value}: is a ROUGE-L F1", "use more than 0, at most 1")
    if nearest and not annotate:
        raise InputError("--nearest: is written into the rows", "add --annotate")
    how = NoveltyFilter(
        field, tokens, threshold, tuple(against or ()), against_threshold, nearest, ray, partitions
    )
    with _progress() as watch:
        report = filter_file(path, out, how, annotate=annotate, watch=watch)
    _print(report, path, out, tokens)


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function that shows progress: a bar on a terminal, a line now and then elsewhere."""
    with live_bar("rows", "reading") as bar:

        def watch(stage: str, done: int, total: int) -> None:
            if total:
                bar.show(done, total, stage)
            else:
                bar.draw(done, None, stage)

        yield watch


def _print(report: NoveltyReport, path: Path, out: Path, tokens: str) -> None:
    console.print(f"{report.rows:,} rows in {path}", markup=False, soft_wrap=True)
    console.print(f"{report.kept:,} kept, in {out}", markup=False, soft_wrap=True)
    if report.without_tokens:
        hint = "; --tokens unicode compares them" if tokens == "latin" else ""
        console.print(
            f"  {report.without_tokens:,} of them without tokens, similar to no text{hint}"
        )
    for reason, count in report.rejected.most_common():
        console.print(f"{count:,} rejected: {reason}")
    for fault in report.faults:
        console.print(plain(f"  row {fault.number}: {fault.message}"), soft_wrap=True)
    for rejection in report.rejections:
        _print_rejection(rejection)


def _print_rejection(rejection: Rejection) -> None:
    verdict = rejection.verdict
    how = "13 tokens in a row" if verdict.score is None else f"ROUGE-L {verdict.score:.2f}"
    console.print(plain(f"\nrow {rejection.row}: {_short(rejection.text)}"), soft_wrap=True)
    near = f"  {verdict.reason}, {how} with {verdict.nearest}: {_short(verdict.nearest_text)}"
    console.print(plain(near, style="dim"), soft_wrap=True)


def _short(text: str) -> str:
    line = " ".join(text[: 2 * SHOWN_CHARACTERS].split())
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]} …"
