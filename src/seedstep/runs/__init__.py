"""Run directories, their databases, and the records that each kind of stage stores there."""

from seedstep.data import read_yaml
from seedstep.runs.again import Failed
from seedstep.runs.directory import digest, open_database, stage_of
from seedstep.runs.grown import (
    FILTERS_ENTRY,
    GATES_ENTRY,
    BootstrapRun,
    GrownTasks,
    RejectedInstruction,
    RejectedPair,
    RunStatus,
    TaskDetails,
    Usage,
    read_grown_tasks,
)
from seedstep.runs.lists import ListChanges, Removed
from seedstep.runs.predictions import (
    ChosenSystem,
    KeptSystem,
    PredictionCounts,
    PredictionRecords,
    PredictionsRun,
    keep_scores,
    kept_scores,
)
from seedstep.runs.requests import RequestLine
from seedstep.runs.run import Run
from seedstep.runs.spending import ReplyUsage
from seedstep.runs.stage import Blocks, Line, Rows, Rule, Stage, Words, has_rows, labelled, line
from seedstep.runs.tasks import (
    DistillRun,
    Entry,
    ExamplesInputs,
    ExamplesRun,
    JudgeInputs,
    JudgeRun,
    StepsRun,
    TaskRecords,
    TaskResult,
    load_choice,
    read_distilled_tasks,
    read_entries,
    read_run_tasks,
)
from seedstep.runs.tune import TUNE_CONFIG, TuningFiles, stored_settings

__all__ = [
    "FILTERS_ENTRY",
    "GATES_ENTRY",
    "TUNE_CONFIG",
    "Blocks",
    "BootstrapRun",
    "ChosenSystem",
    "DistillRun",
    "Entry",
    "ExamplesInputs",
    "ExamplesRun",
    "Failed",
    "GrownTasks",
    "JudgeInputs",
    "JudgeRun",
    "KeptSystem",
    "Line",
    "ListChanges",
    "PredictionCounts",
    "PredictionRecords",
    "PredictionsRun",
    "RejectedInstruction",
    "RejectedPair",
    "Removed",
    "ReplyUsage",
    "RequestLine",
    "Rows",
    "Rule",
    "Run",
    "RunStatus",
    "Stage",
    "StepsRun",
    "TaskDetails",
    "TaskRecords",
    "TaskResult",
    "TuningFiles",
    "Usage",
    "Words",
    "digest",
    "has_rows",
    "keep_scores",
    "kept_scores",
    "labelled",
    "line",
    "load_choice",
    "open_database",
    "read_distilled_tasks",
    "read_entries",
    "read_grown_tasks",
    "read_run_tasks",
    "read_yaml",
    "stage_of",
    "stored_settings",
]
