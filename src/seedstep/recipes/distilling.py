"""Have another model write the outputs of instances anew: instances in, a run out.

Self-Instruct, section 4.5 and Figure 7.

Example::

    with distill("runs/better", source="runs/first", model="openai:better") as run:
        export(run, "alpaca", "data")
"""

from collections.abc import AsyncGenerator
from functools import partial
from typing import Unpack

from seedstep.data import StrPath, Task
from seedstep.infer.distill import DistilledTask, preview_outputs, rewrite_outputs
from seedstep.llm import Engine, Spent
from seedstep.recipes.doors import StageCall, plain_and_async, work_on
from seedstep.recipes.keywords import DistillKeywords
from seedstep.recipes.tasks import StageWork, TaskWatch
from seedstep.runs import DistillRun, Failed, Removed
from seedstep.stages import DISTILL
from seedstep.text import counted

__all__ = ["distill", "distill_async", "outputs_work", "work_on_outputs"]


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


def outputs_work(run: DistillRun) -> StageWork:
    """Return how the outputs of the tasks of a run are written anew."""
    whole = run.inputs().whole_prompts

    def stage(
        tasks: tuple[Task, ...], engine: Engine, spent: Spent
    ) -> AsyncGenerator[DistilledTask]:
        return rewrite_outputs(run.settings, tasks, engine, whole_prompts=whole)

    estimate = partial(preview_outputs, run.settings, whole_prompts=whole)
    return StageWork(stage, _outputs, estimate, lambda task: len(task.instances))


work_on_outputs = partial(work_on, DISTILL, outputs_work)
"""Do the work of `distill`, and return the progress that was made."""


def _outputs(distilled: DistilledTask) -> str:
    reasons = dict.fromkeys(each.reason for each in distilled.left_out)
    written = f"{counted(len(distilled.instances), 'output')} written"
    left = f", {len(distilled.left_out)} left out ({', '.join(reasons)})" if reasons else ""
    return f"{written}{left}"
