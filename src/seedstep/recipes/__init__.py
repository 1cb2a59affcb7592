"""Functions that run a stage with its run directory: the Python API of seedstep."""

from seedstep.recipes.distilling import (
    distill,
    distill_async,
    preview_distilled,
    work_on_outputs,
)
from seedstep.recipes.evaluation import (
    Agreement,
    Evaluation,
    agreement,
    evaluate_systems,
    judge,
    judge_async,
    work_on_verdicts,
)
from seedstep.recipes.experiment import (
    Experiment,
    ExperimentStage,
    StageFailed,
    run_experiment,
)
from seedstep.recipes.experiment_files import (
    find_experiment,
    read_experiment,
    shipped_experiments,
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
    work_on_predictions,
)
from seedstep.recipes.self_instruct import (
    BootstrapProgress,
    BootstrapWatch,
    self_instruct,
    self_instruct_async,
    work_on_bootstrap,
)
from seedstep.recipes.steps import (
    import_instructions,
    make_examples,
    make_examples_async,
    preview_instructions,
    preview_made_examples,
    take_superni,
    work_on_examples,
    work_on_instructions,
    write_instructions,
    write_instructions_async,
)
from seedstep.recipes.tasks import TaskProgress, TaskWatch
from seedstep.recipes.tuning import TuneResult, TuningWatch, tune_model, tune_model_async

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
    "distill",
    "distill_async",
    "encodings_beside",
    "evaluate_systems",
    "filter_file",
    "find_experiment",
    "import_instructions",
    "judge",
    "judge_async",
    "make_examples",
    "make_examples_async",
    "predict",
    "predict_async",
    "preview_distilled",
    "preview_instructions",
    "preview_made_examples",
    "read_experiment",
    "run_experiment",
    "self_instruct",
    "self_instruct_async",
    "shipped_experiments",
    "take_superni",
    "tune_model",
    "tune_model_async",
    "work_on_bootstrap",
    "work_on_examples",
    "work_on_instructions",
    "work_on_outputs",
    "work_on_predictions",
    "work_on_verdicts",
    "write_instructions",
    "write_instructions_async",
]
