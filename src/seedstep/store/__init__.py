"""The run directory, its database, and exports."""

from seedstep.store.config import read_yaml
from seedstep.store.directory import RunDirectory
from seedstep.store.export import FORMATS, export, exported_files
from seedstep.store.history import Answered, RejectedInstruction, RejectedPair
from seedstep.store.hub import push
from seedstep.store.judge_run import JudgeRun
from seedstep.store.labels import Labels, read_labels
from seedstep.store.predictions_run import Counts, PredictionsRun
from seedstep.store.requests import RequestLine
from seedstep.store.results import Status, TaskDetails, Usage
from seedstep.store.run import Run
from seedstep.store.scores import keep_scores, kept_scores
from seedstep.store.stages import open_run
from seedstep.store.steps_export import export_lines, export_task_files
from seedstep.store.steps_join import with_steps
from seedstep.store.steps_run import ExamplesRun, StepsRun
from seedstep.store.system import ChosenSystem
from seedstep.store.systems import System, TaskChoice, distinct_names, read_systems
from seedstep.store.task_run import Entry, TaskResult, TaskRun
from seedstep.store.task_sources import load_source
from seedstep.store.tune_run import TUNE_CONFIG, TuneRun, stored_settings

__all__ = [
    "FORMATS",
    "TUNE_CONFIG",
    "Answered",
    "ChosenSystem",
    "Counts",
    "Entry",
    "ExamplesRun",
    "JudgeRun",
    "Labels",
    "PredictionsRun",
    "RejectedInstruction",
    "RejectedPair",
    "RequestLine",
    "Run",
    "RunDirectory",
    "Status",
    "StepsRun",
    "System",
    "TaskChoice",
    "TaskDetails",
    "TaskResult",
    "TaskRun",
    "TuneRun",
    "Usage",
    "distinct_names",
    "export",
    "export_lines",
    "export_task_files",
    "exported_files",
    "keep_scores",
    "kept_scores",
    "load_source",
    "open_run",
    "push",
    "read_labels",
    "read_systems",
    "read_yaml",
    "stored_settings",
    "with_steps",
]
