"""Task records and the file formats they are read from."""

from seedstep.data.jsonl import BadLine, read_jsonl
from seedstep.data.records import Instance, Task
from seedstep.data.seeds import Problem, SeedFile, read_seeds, require_seeds, seed_tasks

__all__ = [
    "BadLine",
    "Instance",
    "Problem",
    "SeedFile",
    "Task",
    "read_jsonl",
    "read_seeds",
    "require_seeds",
    "seed_tasks",
]
