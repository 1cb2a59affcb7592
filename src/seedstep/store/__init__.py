"""The run directory, its database, and exports."""

from seedstep.store.config import read_yaml
from seedstep.store.directory import RunDirectory
from seedstep.store.export import FORMATS, export
from seedstep.store.predictions_run import Counts, PredictionsRun
from seedstep.store.requests import RequestLine
from seedstep.store.results import Status, TaskDetails, Usage
from seedstep.store.run import Run
from seedstep.store.stages import open_run
from seedstep.store.steps_export import export_lines, export_task_files
from seedstep.store.steps_join import with_steps
from seedstep.store.steps_run import ExamplesRun, StepsRun
from seedstep.store.system import System
from seedstep.store.task_run import Entry, TaskResult, TaskRun

__all__ = [
    "FORMATS",
    "Counts",
    "Entry",
    "ExamplesRun",
    "PredictionsRun",
    "RequestLine",
    "Run",
    "RunDirectory",
    "Status",
    "StepsRun",
    "System",
    "TaskDetails",
    "TaskResult",
    "TaskRun",
    "Usage",
    "export",
    "export_lines",
    "export_task_files",
    "open_run",
    "read_yaml",
    "with_steps",
]
