"""Stages joined with the store."""

from seedstep.recipes.evaluation import (
    Agreement,
    Evaluation,
    agreement,
    evaluate_systems,
    judge,
    judge_async,
)
from seedstep.recipes.experiment import (
    Experiment,
    ExperimentStage,
    StageFailed,
    read_experiment,
    run_experiment,
)
from seedstep.recipes.novelty import (
    COLUMNS,
    NoveltyDecision,
    NoveltyFilter,
    NoveltyReport,
    Rejection,
    filter_file,
)
from seedstep.recipes.predictions import (
    PredictProgress,
    PredictWatch,
    encodings_beside,
    predict,
    predict_async,
)
from seedstep.recipes.self_instruct import (
    BootstrapProgress,
    BootstrapWatch,
    self_instruct,
    self_instruct_async,
)
from seedstep.recipes.steps import (
    import_instructions,
    make_examples,
    make_examples_async,
    preview_instructions,
    preview_made_examples,
    take_superni,
    write_instructions,
    write_instructions_async,
)
from seedstep.recipes.tasks import TaskProgress, TaskWatch
from seedstep.recipes.tuning import TuneResult, TuningWatch, tune_model

__all__ = [
    "COLUMNS",
    "Agreement",
    "BootstrapProgress",
    "BootstrapWatch",
    "Evaluation",
    "Experiment",
    "ExperimentStage",
    "NoveltyDecision",
    "NoveltyFilter",
    "NoveltyReport",
    "PredictProgress",
    "PredictWatch",
    "Rejection",
    "StageFailed",
    "TaskProgress",
    "TaskWatch",
    "TuneResult",
    "TuningWatch",
    "agreement",
    "encodings_beside",
    "evaluate_systems",
    "filter_file",
    "import_instructions",
    "judge",
    "judge_async",
    "make_examples",
    "make_examples_async",
    "predict",
    "predict_async",
    "preview_instructions",
    "preview_made_examples",
    "read_experiment",
    "run_experiment",
    "self_instruct",
    "self_instruct_async",
    "take_superni",
    "tune_model",
    "write_instructions",
    "write_instructions_async",
]
