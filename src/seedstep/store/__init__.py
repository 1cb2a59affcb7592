"""The run directory, its database, and exports."""

from seedstep.store.export import FORMATS, export
from seedstep.store.run import Run, Status, TaskDetails

__all__ = ["FORMATS", "Run", "Status", "TaskDetails", "export"]
