"""`seedstep distill`: outputs written anew by another model."""

from seedstep.cli.options import (
    COMMAND_LINE,
    Asked,
    Out,
    RemovedTasks,
    SameModel,
    required,
    with_settings,
)
from seedstep.cli.progress import end_tasks, run_tasks
from seedstep.cli.terminal import DryRun, print_blocks, print_estimate, print_requests
from seedstep.infer.distill import PURPOSE, DistillSettings
from seedstep.recipes import preview_distilled, work_on_outputs
from seedstep.settings import make_settings
from seedstep.stages import DISTILL, open_run, tell_status

__all__ = ["command"]


@with_settings(DistillSettings)
def command(
    asked: Asked,
    out: Out = None,
    same_model: SameModel = False,
    removed: RemovedTasks = "keep",
    dry_run: DryRun = False,
) -> None:
    """Have another model write the outputs of instances anew. Run it again to go on."""
    if dry_run:
        _print_preview(make_settings(DistillSettings, asked, COMMAND_LINE))
        return
    out = required(out)
    again = f"seedstep distill --out {out}"
    progress = run_tasks(
        work_on_outputs, out, asked, same_model=same_model, again=again, removed=removed
    )
    with open_run(out, DISTILL) as run:
        print_blocks(tell_status(run))
    end_tasks(again, f"seedstep show {out} TASK", progress)


def _print_preview(settings: DistillSettings) -> None:
    view = preview_distilled(settings)
    print_requests({request.purpose: request for request in view.requests}, settings.style)
    print_estimate(
        f"{view.counts[PURPOSE]:,} instances with {settings.model}",
        view,
        settings.pricing,
        "new outputs as long as the old ones, 4 characters a token.",
    )
