"""A run of whichever stage.

Example::

    with open_run(Path("runs/first")) as run:
        run.requests(failed=True)
"""

from pathlib import Path
from types import MappingProxyType
from typing import Any

from seedstep.runs.bootstrap import BootstrapRun
from seedstep.runs.directory import RunDirectory, stage_of
from seedstep.runs.judge import JudgeRun
from seedstep.runs.predictions import PredictionsRun
from seedstep.runs.steps import ExamplesRun, StepsRun

__all__ = [
    "open_run",
]

STAGES: MappingProxyType[str, type[RunDirectory[Any, Any]]] = MappingProxyType(
    {kind.stage: kind for kind in (BootstrapRun, StepsRun, ExamplesRun, PredictionsRun, JudgeRun)}
)


def open_run(path: Path) -> RunDirectory[Any, Any]:
    """Open a run of any stage to look at it.

    Raises:
        RunError: there is no run there.
    """
    return STAGES.get(stage_of(path), BootstrapRun).read(path)
