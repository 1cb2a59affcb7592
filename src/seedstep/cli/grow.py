"""`seedstep init`, `seeds check`, `suite`, `novelty`, `distill`: begin; filter and rewrite data."""

import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from seedstep import bootstrap, data, recipes, stages, suite
from seedstep.cli.options import (
    FailedTasks,
    GivenSettings,
    Out,
    RemovedTasks,
    SameModel,
    with_settings,
)
from seedstep.cli.progress import DryRun, live_bar, print_foreseen, run_tasks
from seedstep.cli.terminal import console, plain, print_accuracies, print_rows
from seedstep.data.evaluation import EVALUATION_SETS
from seedstep.data.row_forms import ROWS
from seedstep.errors import InputError
from seedstep.infer.distill import DistillSettings
from seedstep.llm.checkpoints import MINILM, encoders
from seedstep.novelty import MEANING_THRESHOLD
from seedstep.runs import Rows
from seedstep.settings import flatten, table
from seedstep.text import shortened

if TYPE_CHECKING:
    from seedstep.recipes import DecidedRow, NoveltyReport
    from seedstep.recipes.novelty_options import NoveltyKeywords

__all__ = [
    "calibrate_command",
    "distill_command",
    "init_command",
    "novelty_command",
    "seeds_command",
    "suite_command",
]


def init_command(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("seedstep.yaml"),
) -> None:
    """Write a commented configuration file for `bootstrap --config`."""
    if path.exists():
        raise InputError(f"{path} is there already", "name another file")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no directory {path.parent}", "make it first")
    data.write_atomically(path, _configuration().encode())
    console.print(
        plain(f"Wrote {path}. Next: seedstep bootstrap --config {path} --out runs/first"),
        soft_wrap=True,
    )


def _configuration() -> str:
    import yaml

    settings = bootstrap.BootstrapSettings
    parts = ["# Settings of `seedstep bootstrap`. Flags on the command line override them.\n"]
    defaults = flatten(settings(), whole=True)
    for name, found in table(settings).items():
        comment = textwrap.wrap(found.help, 78)
        value = yaml.safe_dump({name: defaults[name]})
        parts.append("".join(f"# {line}\n" for line in comment) + value)
    return "\n".join(parts)


seeds_command = typer.Typer(help="Seed tasks.", no_args_is_help=True)


@seeds_command.callback()
def group() -> None:
    """Seed tasks."""


@seeds_command.command()
def check(
    path: Annotated[
        Path,
        typer.Argument(
            help="A file of seed tasks: JSON lines, a list in a *.json, CSV or Parquet.",
            metavar="FILE",
        ),
    ],
    tokens: Annotated[
        Literal["auto", "latin", "unicode"],
        typer.Option(
            help="Tokens, as in a bootstrap: latin (English), unicode (other languages), or auto: "
            "by the script of the seeds."
        ),
    ] = "auto",
) -> None:
    """Say line by line what is wrong with a seed file: its form, and what our filters refuse."""
    seeds = bootstrap.check_seeds(path, tokens)
    for problem in seeds.problems:
        console.print(plain(f"{problem.what} ({problem.remedy})"), soft_wrap=True)
    labels = sum(task.is_classification for task in seeds.tasks)
    empty = sum(not task.instances[0].input for task in seeds.tasks)
    console.print(
        f"usable seed tasks: {len(seeds.tasks)} ({labels} classification, {empty} without input)"
    )
    if seeds.tasks:
        console.print(plain(bootstrap.tell_script(seeds.tasks, tokens)), soft_wrap=True)
    console.print(f"problems: {len(seeds.problems)}")
    if seeds.problems:
        raise typer.Exit(1)


def suite_command(
    directory: Annotated[
        Path, typer.Argument(help="A new directory for the suite.", metavar="DIR")
    ],
) -> None:
    """Write a small suite of tasks, with step-by-step instructions, to train and test on."""
    written = suite.write_suite(directory)
    print_rows(_categories())
    told = f"Wrote {directory}" if written else f"The suite is in {directory} already"
    console.print(plain(f"{told}, see README.md there."), soft_wrap=True)


def _categories() -> Rows:
    found = suite.categories()
    rows = [(each.name, each.split, str(each.tasks), str(each.instances)) for each in found]
    tasks, instances = (
        str(sum(counts))
        for counts in ((each.tasks for each in found), (each.instances for each in found))
    )
    total = (f"{len(found)} categories", "", tasks, instances)
    return Rows((*rows, total), ("category", "split", "tasks", "instances"))


SHOWN_CHARACTERS = 160

SemanticAddress = Annotated[
    str | None,
    typer.Option(help=f"Address of the server for a --semantic of {encoders(served=True)}."),
]

TextsFile = Annotated[
    Path,
    typer.Argument(
        help=f"{ROWS}, plain text by lines, or a run that made tasks.",
        metavar="FILE",
    ),
]
SemanticEncoder = Annotated[
    str | None,
    typer.Option(
        help=f"Compare by meaning, too: an encoder of sentences, {encoders()}.", metavar="ENCODER"
    ),
]
RayAddress = Annotated[
    str | None, typer.Option(help="Work on a Ray cluster: its address, or local for this machine.")
]
EvaluationSets = Annotated[
    list[Path] | None,
    typer.Option(
        help=f"An evaluation set: {EVALUATION_SETS}. What is too close to it is rejected. May be "
        "given several times."
    ),
]


def novelty_command(
    path: TextsFile,
    out: Annotated[
        Path, typer.Option(help="A file of the same kind (or *.jsonl) for the rows kept.")
    ],
    field: Annotated[str, typer.Option(help="The field or column with the text.")] = "instruction",
    threshold: Annotated[
        float,
        typer.Option(
            help="Reject a text whose ROUGE-L F1 with a text kept before is this or more."
        ),
    ] = 0.7,
    tokens: Annotated[
        Literal["latin", "unicode", "auto"],
        typer.Option(help="unicode for texts not in English; auto: by the script of the texts."),
    ] = "latin",
    against: EvaluationSets = None,
    against_threshold: Annotated[
        float,
        typer.Option(
            help="Reject a text whose ROUGE-L F1 with an item of --against is this or more."
        ),
    ] = 0.7,
    annotate: Annotated[
        bool,
        typer.Option("--annotate", help="Write all rows, with what was decided and why added."),
    ] = False,
    nearest: Annotated[
        bool,
        typer.Option("--nearest", help="With --annotate: find the nearest also of kept rows."),
    ] = False,
    ray: RayAddress = None,
    partitions: Annotated[int, typer.Option(help="Partitions on the Ray cluster.", min=1)] = 8,
    semantic: SemanticEncoder = None,
    semantic_threshold: Annotated[
        float,
        typer.Option(
            help="Reject a text whose cosine with a text kept before, or an item of --against, is "
            "this or more."
        ),
    ] = MEANING_THRESHOLD,
    semantic_base_url: SemanticAddress = None,
) -> None:
    """Keep the texts of a file that are novel: not like one kept before, nor an evaluation set."""
    options: NoveltyKeywords = {
        "field": field,
        "tokens": tokens,
        "threshold": threshold,
        "against": against or (),
        "against_threshold": against_threshold,
        "nearest": nearest,
        "ray": ray,
        "partitions": partitions,
        "semantic": semantic,
        "semantic_base_url": semantic_base_url,
    }
    if semantic is not None or semantic_threshold != MEANING_THRESHOLD:
        options["semantic_threshold"] = semantic_threshold
    report = _filtered(path, out, options, annotate=annotate)
    _print_novelty(report, path, out, tokens)


def _filtered(
    path: Path, out: Path, options: "NoveltyKeywords", *, annotate: bool
) -> "NoveltyReport":
    with _novelty_bar() as watch:
        return recipes.filter_file(path, out, annotate=annotate, watch=watch, **options)


def calibrate_command(
    semantic: Annotated[
        str, typer.Option(help=f"The encoder of sentences: {encoders()}.", metavar="ENCODER")
    ] = MINILM,
    semantic_base_url: SemanticAddress = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="JSON lines with `first`, `second` and `same`, and `language` if you like. "
            "Default: seedstep's own 300 pairs.",
            metavar="FILE",
        ),
    ] = None,
    threshold: Annotated[
        float,
        typer.Option(
            help="Pairs with this ROUGE-L F1 or more are rejected before they are compared by "
            "meaning."
        ),
    ] = 0.7,
) -> None:
    """Precision and recall of an encoder by threshold, on labelled pairs of instructions."""
    from seedstep.novelty.calibration import labelled_pairs

    how = recipes.Semantic(semantic, base_url=semantic_base_url)
    how.check()
    chosen = labelled_pairs(pairs)
    with _novelty_bar() as watch:
        measured = recipes.calibrate(how, chosen, rouge_threshold=threshold, tell=watch)
    same = sum(pair.same for pair in chosen)
    line = f"{len(chosen):,} pairs, {same:,} of them the same task. Encoder: {semantic}"
    console.print(plain(line), soft_wrap=True)
    titles = {"all": "all pairs", "novel": f"those that ROUGE-L {threshold:g} keeps"}
    for name, rows in measured.groups.items():
        title = titles.get(name, f"of these, language {name}")
        console.print()
        print_accuracies("cosine from", {f"{row.threshold:.2f}": row for row in rows}, title)


@contextmanager
def _novelty_bar() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function that shows progress: a bar on a terminal, a line now and then elsewhere."""
    with live_bar("rows", "reading") as bar:

        def watch(stage: str, done: int, total: int) -> None:
            if total:
                bar.show(done, total, stage)
            else:
                bar.draw(done, None, stage)

        yield watch


def _print_novelty(report: "NoveltyReport", path: Path, out: Path, tokens: str) -> None:
    console.print(f"{report.rows:,} rows in {path}", markup=False, soft_wrap=True)
    console.print(f"{report.kept:,} kept, in {out}", markup=False, soft_wrap=True)
    script = report.script
    if tokens == "auto":
        line = f"The texts are written in {script.name}. {script.comparison}"
        console.print(plain(line), soft_wrap=True)
    elif tokens == "latin" and script.tokens == "unicode":
        line = f"The texts are written in {script.name}: --tokens auto compares them as such."
        console.print(plain(line, style="yellow"), soft_wrap=True)
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


def _print_rejection(rejection: "DecidedRow") -> None:
    near, text = rejection.near
    console.print(
        plain(f"\nrow {rejection.row}: {shortened(rejection.text, SHOWN_CHARACTERS)}"),
        soft_wrap=True,
    )
    nearest = f", {near}: {shortened(text, SHOWN_CHARACTERS)}" if near else ""
    line = f"  {rejection.reason}{nearest}"
    console.print(plain(line, style="dim"), soft_wrap=True)


@with_settings(DistillSettings)
def distill_command(
    asked: GivenSettings,
    out: Out = None,
    same_model: SameModel = False,
    removed: RemovedTasks = "keep",
    failed: FailedTasks = "keep",
    dry_run: DryRun = False,
) -> None:
    """Have another model write the outputs of instances anew. Run it again to go on."""
    if dry_run:
        work = recipes.foresee_work(
            stages.DISTILL, out, asked, removed, failed=failed, same_model=same_model
        )
        assumed = "new outputs as long as the old ones, 4 characters a token."
        print_foreseen(work, f"{work.left:,} instances", assumed)
        return
    run_tasks(
        stages.DISTILL,
        recipes.work_on_outputs,
        out,
        asked,
        same_model=same_model,
        removed=removed,
        failed=failed,
        look="seedstep show {out} TASK",
        see="See one, with the outputs of before:",
    )
