"""`seedstep review`: people look at what a run made, and label it; and `seedstep view`."""

import secrets
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Annotated, Literal

import typer

from seedstep.cli.options import COMMAND_LINE, GivenSettings, with_settings
from seedstep.cli.terminal import console, duration, plain
from seedstep.errors import InputError, MissingExtraError
from seedstep.settings import make_settings
from seedstep.stages.review import ReviewSettings

__all__ = ["app", "view_command"]

app = typer.Typer(
    help="Let people look at what a run made, and label it: make a review, serve it, export it.",
    no_args_is_help=True,
)

ReviewDirectory = Annotated[Path, typer.Argument(help="The review's directory.", metavar="REVIEW")]
NewReview = Annotated[
    Path | None,
    typer.Argument(help="The review's directory; --out does the same.", metavar="REVIEW"),
]
NewOut = Annotated[Path | None, typer.Option("--out", help="The review's directory.")]

LOCAL = "127.0.0.1"
TOKEN_BYTES = 24

Host = Annotated[
    str,
    typer.Option(
        help="Address to listen on. Any but 127.0.0.1 lets other machines in, without encryption; "
        "0.0.0.0 is all of this machine's."
    ),
]
Port = Annotated[int, typer.Option(help="Port. 0: one that is free.")]


NEEDED = ("jinja2", "starlette", "uvicorn")
"""The packages of the extra `review`."""


def _require_extra() -> None:
    """Raise MissingExtraError if a package that pages need is not installed."""
    if not all(map(find_spec, NEEDED)):
        raise MissingExtraError("the review app", extra="review")


@app.command("new")
@with_settings(ReviewSettings)
def new(asked: GivenSettings, review: NewReview = None, out: NewOut = None) -> None:
    """Draw items from runs, and deal them out to raters. This is written once."""
    from seedstep.review.items import make_review

    if (review is None) == (out is None):
        what = "the review has no directory" if out is None else "the review has two directories"
        raise InputError(what, "name one, as in `seedstep review new REVIEW` or with --out REVIEW")
    out = review or out
    assert out is not None
    drawn = make_review(out, make_settings(ReviewSettings, asked, COMMAND_LINE))
    shared_items = sum(item.shared for item in drawn.items)
    console.print(
        plain(
            f"{out}: {len(drawn.items):,} items of the form '{drawn.form.name}', "
            f"{shared_items:,} of them seen by every rater"
        ),
        soft_wrap=True,
    )
    for rater, own in drawn.assigned.items():
        console.print(plain(f"{rater}: {len(own):,} items"), soft_wrap=True)
    named = sum(bool(item.named) for item in drawn.items)
    if named:
        line = f"{named:,} items have an answer that names a model; the owner's page lists them"
        console.print(line, style="yellow")
    console.print(plain(f"next: seedstep review serve {out}"), soft_wrap=True)


@app.command("serve")
def serve_review(out: ReviewDirectory, port: Port = 8090, host: Host = LOCAL) -> None:
    """Serve a review on this machine, with a secret address for each rater and for the owner."""
    _require_extra()
    from seedstep.review.app import address_of, free_socket, make_app, serve
    from seedstep.runs.reviews import OWNER, Review

    with Review.open(out, write=True, alone=True) as review, free_socket(host, port) as bound:
        number = bound.getsockname()[1]

        def say() -> None:
            for name, token in review.tokens.items():
                who = "the owner" if name == OWNER else name
                console.print(plain(f"{who}: {address_of(host, number, token)}"), soft_wrap=True)
            console.print("Give each rater only the rater's own address. Ctrl-C stops.")

        serve(make_app(review, host, number), bound, say)


@app.command("file")
def write_file(
    out: ReviewDirectory,
    rater: Annotated[str, typer.Option(help="For whom.")],
    to: Annotated[
        Path | None, typer.Option("--to", "--out", help="The file. Default: RATER.html.")
    ] = None,
) -> None:
    """Write one HTML file in which a rater labels without a server."""
    _require_extra()
    from seedstep.data.files import write_atomically
    from seedstep.review.export import labels_name, offline_page
    from seedstep.runs.reviews import Review

    with Review.open(out) as review:
        target = to or Path(labels_name(rater).replace("-labels.jsonl", ".html"))
        write_atomically(target, offline_page(review, rater).encode())
    line = f"{target}: open it in a browser; `seedstep review take {out} FILE` takes its labels"
    console.print(plain(line), soft_wrap=True)


@app.command("take")
def take_file(
    out: ReviewDirectory,
    files: Annotated[list[Path], typer.Argument(help="Labels that a page saved as a file.")],
) -> None:
    """Take the labels that raters give back. Taking a file twice changes nothing."""
    from seedstep.review.export import take
    from seedstep.runs.reviews import Review

    with Review.open(out, write=True) as review:
        for path in files:
            rows, new = take(review, path)
            line = f"{path}: {new:,} new, {rows - new:,} known already"
            console.print(plain(line), soft_wrap=True)


@app.command("status")
def status(out: ReviewDirectory) -> None:
    """Where the raters stand."""
    from seedstep.review.labelling import progress
    from seedstep.runs.reviews import Review

    with Review.open(out) as review:
        for rater in progress(review):
            pace = f", {duration(rater.seconds)} each" if rater.seconds else ""
            line = (
                f"{rater.rater}: {rater.done:,} of {rater.total:,} done, "
                f"{rater.skipped:,} skipped, {rater.flagged:,} flagged{pace}"
            )
            console.print(plain(line), soft_wrap=True)


@app.command("export")
def export(
    out: ReviewDirectory,
    to: Annotated[Path, typer.Option("--to", "--out", help="The file to write.")],
    name: Annotated[
        Literal["jsonl", "history", "preferences"],
        typer.Option(
            "--format",
            help="jsonl: items with their labels. history: all that was ever done. preferences: "
            "prompt, chosen and rejected, as TRL takes them.",
        ),
    ] = "jsonl",
) -> None:
    """Write labels as JSON lines, or pairs to tune on."""
    from seedstep.review.export import export_review
    from seedstep.runs.reviews import Review

    with Review.open(out) as review:
        found = export_review(review, name, to)
    left = f"; {found.left_out:,} left out: {found.reason}" if found.left_out else ""
    console.print(plain(f"{found.lines:,} lines in {to}{left}"), soft_wrap=True)
    if not found.labelled:
        said = "Nobody has labelled anything yet: seedstep review status shows how far raters are."
        console.print(plain(said), style="yellow", soft_wrap=True)


@app.command("forms")
def forms() -> None:
    """List the forms."""
    from seedstep.review.forms import FORMS

    for form in FORMS.values():
        asked = "; ".join(question.text for question in form.questions)
        console.print(plain(f"{form.name}: {asked}"), soft_wrap=True)


def view_command(
    runs: Annotated[list[Path], typer.Argument(help="Runs of any stage.", metavar="RUN...")],
    port: Port = 8091,
    host: Host = LOCAL,
) -> None:
    """Look at runs in a browser: tasks, steps, predictions and requests, a page at a time."""
    _require_extra()
    from seedstep.review.app import address_of, free_socket, serve
    from seedstep.review.browse import BrowsedRun
    from seedstep.review.view import make_view

    token = secrets.token_urlsafe(TOKEN_BYTES)
    with ExitStack() as stack:
        opened = [stack.enter_context(BrowsedRun.open(path)) for path in runs]
        for run in opened:
            Thread(target=run.prepare, daemon=True).start()
        bound = stack.enter_context(free_socket(host, port))
        number = bound.getsockname()[1]

        def say() -> None:
            line = f"view: {address_of(host, number, token)}"
            console.print(plain(line), soft_wrap=True)
            console.print("Nothing is written. Ctrl-C stops.")

        serve(make_view(opened, host, number, token), bound, say)
