"""A run of whichever stage.

Example::

    with open_run(Path("runs/first")) as run:
        run.requests(failed=True)
"""

from pathlib import Path
from types import MappingProxyType
from typing import Any

from seedstep.store.directory import RunDirectory, stage_of
from seedstep.store.judge_run import JudgeRun
from seedstep.store.run import Run
from seedstep.store.steps_run import ExamplesRun, StepsRun

__all__ = ["open_run"]

STAGES: MappingProxyType[str, type[RunDirectory[Any, Any]]] = MappingProxyType(
    {kind.stage: kind for kind in (Run, StepsRun, ExamplesRun, JudgeRun)}
)


def open_run(path: Path) -> RunDirectory[Any, Any]:
    """Open a run of any stage to look at it.

    Raises:
        RunError: there is no run there.
    """
    return STAGES.get(stage_of(path), Run).read(path)
