"""Run directories, their databases, and the stages that they are of."""

from seedstep.runs.bootstrap import BootstrapRun
from seedstep.runs.directory import RunDirectory, read_yaml
from seedstep.runs.judge import JudgeRun
from seedstep.runs.predictions import ChosenSystem, PredictionCounts, PredictionsRun
from seedstep.runs.requests import RequestLine
from seedstep.runs.results import (
    RejectedInstruction,
    RejectedPair,
    ReplyUsage,
    RunStatus,
    TaskDetails,
    Usage,
)
from seedstep.runs.scores import keep_scores, kept_scores
from seedstep.runs.stages import open_run
from seedstep.runs.steps import ExamplesRun, StepsRun
from seedstep.runs.tasks import Entry, TaskResult, TaskRun
from seedstep.runs.tune import TUNE_CONFIG, TuneRun, stored_settings

__all__ = [
    "TUNE_CONFIG",
    "BootstrapRun",
    "ChosenSystem",
    "Entry",
    "ExamplesRun",
    "JudgeRun",
    "PredictionCounts",
    "PredictionsRun",
    "RejectedInstruction",
    "RejectedPair",
    "ReplyUsage",
    "RequestLine",
    "RunDirectory",
    "RunStatus",
    "StepsRun",
    "TaskDetails",
    "TaskResult",
    "TaskRun",
    "TuneRun",
    "Usage",
    "keep_scores",
    "kept_scores",
    "open_run",
    "read_yaml",
    "stored_settings",
]
