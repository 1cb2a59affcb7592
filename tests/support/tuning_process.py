"""Tunes in a process of its own, prints each loss, and kills itself after the step KILL_AT.

    python tuning_process.py run OUT '{"model": "hf:..."}' [KILL_AT]
    python tuning_process.py decoder OUT '{"accumulate": 4}' [KILL_AT]

The first makes a run with `tune_model`, the second tunes a tiny decoder-only model.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from seedstep import tune_model
from seedstep.tune import EvaluationLoss, OptimizerStep, Preflight, TuneSettings
from seedstep.tune.records import Training
from support.tiny_models import MadeData, made_pairs, tiny_model


class Printing:
    """Prints losses, a line each, and kills the process after a step."""

    def __init__(self, kill_at: int | None) -> None:
        self.kill_at = kill_at

    def counted(
        self, settings: TuneSettings, preflight: Preflight, left_out: tuple[str, ...]
    ) -> None:
        """Do nothing."""

    def stepped(self, step: OptimizerStep) -> None:
        print(json.dumps([step.step, step.loss]), flush=True)
        if step.step == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def evaluated(self, evaluated: EvaluationLoss) -> None:
        print(json.dumps(["held out", evaluated.step, evaluated.loss]), flush=True)

    def moved(self, job_id: str, status: str) -> None:
        """Do nothing."""

    def happened(self, message: str) -> None:
        """Do nothing."""

    def warned(self, message: str) -> None:
        """Do nothing."""


def tune_tiny_decoder(out: Path, settings: dict[str, Any], watch: Printing) -> None:
    from seedstep.tune.train import tune_decoder

    options: dict[str, Any] = {
        "epochs": 2,
        "batch": 8,
        "share": 4,
        "learning_rate": 1e-2,
        "device": "cpu",
    }
    data = MadeData(made_pairs(4, 7), made_pairs(2, 3, seed=1))
    tune_decoder(tiny_model("Llama"), None, data, Training(**options | settings), out, watch=watch)


def main(kind: str, out: str, settings: str, kill_at: str = "") -> None:
    """Tune."""
    watch = Printing(int(kill_at) if kill_at else None)
    if kind == "run":
        tune_model(out, watch=watch, **json.loads(settings))
    else:
        tune_tiny_decoder(Path(out), json.loads(settings), watch)


if __name__ == "__main__":
    main(*sys.argv[1:])
