from seedstep.runs.blocks import (
    Blocks as Blocks,
    Line as Line,
    Rows as Rows,
    Rule as Rule,
    Words as Words,
    labelled as labelled,
    line as line,
)
from seedstep.runs.directory import (
    digest as digest,
    open_database as open_database,
    stage_of as stage_of,
)
from seedstep.runs.entries import StageEntry as StageEntry
from seedstep.runs.grown import (
    FILTERS_ENTRY as FILTERS_ENTRY,
    GATES_ENTRY as GATES_ENTRY,
    BootstrapRun as BootstrapRun,
    GrownTasks as GrownTasks,
    BootstrapStatus as BootstrapStatus,
    TaskDetails as TaskDetails,
    Usage as Usage,
    read_grown_tasks as read_grown_tasks,
)
from seedstep.runs.lists import Failed as Failed, ListChanges as ListChanges, Removed as Removed
from seedstep.runs.places import TUNE_CONFIG as TUNE_CONFIG
from seedstep.runs.predictions import (
    ChosenSystem as ChosenSystem,
    KeptSystem as KeptSystem,
    PredictionCounts as PredictionCounts,
    PredictionRecords as PredictionRecords,
    PredictionsRun as PredictionsRun,
    keep_scores as keep_scores,
    kept_scores as kept_scores,
)
from seedstep.runs.requests import ReplyUsage as ReplyUsage, RequestLine as RequestLine
from seedstep.runs.run import Run as Run
from seedstep.runs.stage import (
    STAGES as STAGES,
    Stage as Stage,
    StageTable as StageTable,
    add_stage as add_stage,
    has_rows as has_rows,
)
from seedstep.runs.tasks import (
    DistillRun as DistillRun,
    Entry as Entry,
    ExamplesInputs as ExamplesInputs,
    ExamplesRun as ExamplesRun,
    JudgeInputs as JudgeInputs,
    JudgeRun as JudgeRun,
    StageWork as StageWork,
    StepsRun as StepsRun,
    TaskRecords as TaskRecords,
    TaskResult as TaskResult,
    read_entries as read_entries,
)
from seedstep.runs.tune import TuningFiles as TuningFiles, stored_settings as stored_settings
