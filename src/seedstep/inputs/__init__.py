"""Read tasks, step-by-step instructions, predictions and labels from runs and files."""

from seedstep.inputs.systems import SystemPredictions, distinct_names, read_systems
from seedstep.inputs.tasks import load_source, with_examples, with_generated, with_steps

__all__ = [
    "SystemPredictions",
    "distinct_names",
    "load_source",
    "read_systems",
    "with_examples",
    "with_generated",
    "with_steps",
]
