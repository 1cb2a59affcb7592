"""seedstep: instruction-tuning data from a few seed tasks.

Example::

    from seedstep import export, self_instruct

    with self_instruct("runs/first", model="local", tasks=25) as run:
        export(run, "alpaca", "data")
"""

from seedstep.bootstrap import Settings
from seedstep.data import Instance, Task, seed_tasks
from seedstep.errors import SeedstepError
from seedstep.recipes import self_instruct
from seedstep.store import Run, export

__all__ = [
    "Instance",
    "Run",
    "SeedstepError",
    "Settings",
    "Task",
    "export",
    "seed_tasks",
    "self_instruct",
]
