"""`seedstep judge`: answers rated by a model, or compared by it two by two."""

from seedstep.cli.options import Asked, Out, SameModel, required, with_settings
from seedstep.cli.progress import end_tasks, run_tasks
from seedstep.cli.terminal import print_blocks
from seedstep.evaluate.judge import JudgeSettings
from seedstep.recipes import work_on_verdicts
from seedstep.stages import JUDGE, open_run, tell_status

__all__ = ["command"]


@with_settings(JudgeSettings)
def command(asked: Asked, out: Out = None, same_model: SameModel = False) -> None:
    """Have a model judge answers. Run it again to go on where it stopped."""
    out = required(out)
    again = f"seedstep judge --out {out}"
    progress = run_tasks(work_on_verdicts, out, asked, same_model=same_model, again=again)
    with open_run(out, JUDGE) as run:
        print_blocks(tell_status(run))
    end_tasks(again, f"seedstep requests {out}", progress)
