"""Tunes a tiny model in a process of its own, and prints each loss.

    python tuning_process.py OUT '{"accumulate": 4}' [KILL_AT]

The process kills itself after the step KILL_AT.
"""

import json
import os
import signal
import sys
from pathlib import Path

from seedstep.tune.decoder import tune_decoder
from seedstep.tune.records import EvaluationLoss, OptimizerStep, Training
from support.tiny_models import MadeData, made_pairs, tiny_model


class Printing:
    """Prints what it is told, a line each."""

    def __init__(self, kill_at: int | None) -> None:
        self.kill_at = kill_at

    def stepped(self, step: OptimizerStep) -> None:
        print(json.dumps([step.step, step.loss]), flush=True)
        if step.step == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def evaluated(self, evaluated: EvaluationLoss) -> None:
        print(json.dumps(["held out", evaluated.step, evaluated.loss]), flush=True)


def main(out: str, settings: str, kill_at: str = "") -> None:
    """Tune."""
    options = {"epochs": 2, "batch": 8, "share": 4, "learning_rate": 1e-2, "device": "cpu"}
    training = Training(**options | json.loads(settings))
    data = MadeData(made_pairs(4, 7), made_pairs(2, 3, seed=1))
    watch = Printing(int(kill_at) if kill_at else None)
    tune_decoder(tiny_model("Llama"), None, data, training, Path(out), watch=watch)


if __name__ == "__main__":
    main(*sys.argv[1:])
