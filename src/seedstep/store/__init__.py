"""The run directory, its database, and exports."""

from seedstep.store.config import read_yaml
from seedstep.store.directory import RunDirectory
from seedstep.store.export import FORMATS, export
from seedstep.store.history import Answered, RejectedInstruction, RejectedPair
from seedstep.store.requests import RequestLine
from seedstep.store.results import Status, TaskDetails, Usage
from seedstep.store.run import Run
from seedstep.store.stages import open_run
from seedstep.store.steps_export import export_lines, export_task_files
from seedstep.store.steps_run import ExamplesRun, StepsRun
from seedstep.store.task_run import Entry, TaskResult, TaskRun

__all__ = [
    "FORMATS",
    "Answered",
    "Entry",
    "ExamplesRun",
    "RejectedInstruction",
    "RejectedPair",
    "RequestLine",
    "Run",
    "RunDirectory",
    "Status",
    "StepsRun",
    "TaskDetails",
    "TaskResult",
    "TaskRun",
    "Usage",
    "export",
    "export_lines",
    "export_task_files",
    "open_run",
    "read_yaml",
]
