"""seedstep: instruction-tuning data from a few seed tasks, and step-by-step instructions.

Example::

    from seedstep import export, self_instruct

    with self_instruct("runs/first", model="local", tasks=25) as run:
        export(run, "alpaca", "data")
"""

from seedstep.bootstrap import BootstrapSettings
from seedstep.data import Instance, Task, seed_tasks
from seedstep.errors import SeedstepError
from seedstep.exports import export
from seedstep.recipes import make_examples, predict, self_instruct, tune_model, write_instructions
from seedstep.runs import Run
from seedstep.stages import open_run
from seedstep.steps import StepsSettings
from seedstep.tune import TuneSettings

__all__ = [
    "BootstrapSettings",
    "Instance",
    "Run",
    "SeedstepError",
    "StepsSettings",
    "Task",
    "TuneSettings",
    "export",
    "make_examples",
    "open_run",
    "predict",
    "seed_tasks",
    "self_instruct",
    "tune_model",
    "write_instructions",
]
