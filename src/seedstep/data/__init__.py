"""Task records and the file formats they are read from."""

from seedstep.data.records import Instance, Task
from seedstep.data.seeds import Problem, SeedFile, read_seeds, require_seeds, seed_tasks

__all__ = ["Instance", "Problem", "SeedFile", "Task", "read_seeds", "require_seeds", "seed_tasks"]
