"""Tunes in a process of its own, which may kill itself after a step.

python tune_process.py OUT '{"model": "hf:..."}' [KILL_AT]
"""

import json
import os
import signal
import sys

from seedstep import tune_model
from seedstep.tune import EvaluationLoss, OptimizerStep, Preflight, TuneSettings


class Killing:
    """Kills the process when it is told of a step."""

    def __init__(self, at: int | None) -> None:
        self.at = at

    def counted(
        self, settings: TuneSettings, preflight: Preflight, left_out: tuple[str, ...]
    ) -> None:
        """Goes on."""

    def stepped(self, step: OptimizerStep) -> None:
        """Ends it."""
        if step.step == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def evaluated(self, evaluated: EvaluationLoss) -> None:
        """Goes on."""

    def moved(self, job_id: str, status: str) -> None:
        """Goes on."""

    def happened(self, message: str) -> None:
        """Goes on."""

    def warned(self, message: str) -> None:
        """Goes on."""


if __name__ == "__main__":
    out, settings, *kill_at = sys.argv[1:]
    tune_model(out, watch=Killing(int(kill_at[0]) if kill_at else None), **json.loads(settings))
