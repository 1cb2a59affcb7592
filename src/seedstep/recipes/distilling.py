"""Have another model write the outputs of instances anew: instances in, a run out.

Self-Instruct, section 4.5 and Figure 7.

Example::

    with distill("runs/better", source="runs/first", model="openai:better") as run:
        export(run, "alpaca", "data")
"""

from functools import partial
from typing import Unpack

from seedstep.data import StrPath
from seedstep.recipes.doors import StageCall, plain_and_async, work_on
from seedstep.recipes.keywords import DistillKeywords
from seedstep.recipes.tasks import TaskWatch
from seedstep.runs import DistillRun, Failed, Removed
from seedstep.stages import DISTILL

__all__ = ["distill", "distill_async", "work_on_outputs"]


def _distill(
    out: StrPath,
    *,
    watch: TaskWatch | None = None,
    same_model: bool = False,
    removed: Removed = "keep",
    failed: Failed = "keep",
    **settings: Unpack[DistillKeywords],
) -> StageCall[DistillRun]:
    """Have a model write the outputs of instances anew, and return the run, opened for reading.

    Instructions and inputs are kept. `settings` are those of
    `seedstep.infer.distill.DistillSettings`. To continue a run that was killed, make the same call
    again; no reply is requested twice.

    Raises:
        InputError: a setting is not known or does not fit, what it names can't be read, or there
            are no instances.
        MissingExtraError: the model needs a package that is not installed.
        ModelError: the model can't be asked: it can't be reached, or it denies the key.
        RunError: another process works on the run (`RunBusyError`), it was begun with other
            settings (`RunMismatchError`), or it can't be read or written (`StoreError`).
    """
    work = partial(
        work_on_outputs, watch=watch, same_model=same_model, removed=removed, failed=failed
    )
    return StageCall(DISTILL, out, settings, work)


distill, distill_async = plain_and_async(_distill)


work_on_outputs = partial(work_on, DISTILL)
"""Do the work of `distill`, and return the progress that was made."""
