"""The run directory, its database, and exports."""

from seedstep.store.config import read_yaml
from seedstep.store.export import FORMATS, export
from seedstep.store.requests import RequestLine
from seedstep.store.results import Status, TaskDetails, Usage
from seedstep.store.run import Run

__all__ = [
    "FORMATS",
    "RequestLine",
    "Run",
    "Status",
    "TaskDetails",
    "Usage",
    "export",
    "read_yaml",
]
