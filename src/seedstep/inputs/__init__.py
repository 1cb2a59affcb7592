"""Whatever becomes tasks, instructions, predictions or labels when it is read."""

from seedstep.inputs.systems import SystemPredictions, distinct_names, read_systems
from seedstep.inputs.tasks import load_source, with_steps

__all__ = [
    "SystemPredictions",
    "distinct_names",
    "load_source",
    "read_systems",
    "with_steps",
]
