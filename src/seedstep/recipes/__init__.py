"""Functions that run a stage with its run directory: the Python API of seedstep."""

from seedstep.recipes.distilling import distill, distill_async, work_on_outputs
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
    StageFailed,
    find_experiment,
    read_experiment,
    run_experiment,
    shipped_experiments,
)
from seedstep.recipes.experiment_stages import ExperimentStage
from seedstep.recipes.foresight import (
    foresee_predictions,
    foresee_tasks,
    foresee_work,
)
from seedstep.recipes.growing import prepare_growth, read_growth
from seedstep.recipes.meaning import Calibration, Semantic, calibrate
from seedstep.recipes.merging import MergeReport, merge_runs
from seedstep.recipes.novelty import (
    COLUMNS,
    SEMANTIC_COLUMNS,
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
    "SEMANTIC_COLUMNS",
    "Agreement",
    "BootstrapProgress",
    "BootstrapWatch",
    "Calibration",
    "Evaluation",
    "Experiment",
    "ExperimentStage",
    "MergeReport",
    "NoveltyDecision",
    "NoveltyFilter",
    "NoveltyReport",
    "PredictProgress",
    "PredictWatch",
    "Rejection",
    "Semantic",
    "StageFailed",
    "TaskProgress",
    "TaskWatch",
    "TuneResult",
    "TuningWatch",
    "agreement",
    "calibrate",
    "distill",
    "distill_async",
    "encodings_beside",
    "evaluate_systems",
    "filter_file",
    "find_experiment",
    "foresee_predictions",
    "foresee_tasks",
    "foresee_work",
    "import_instructions",
    "judge",
    "judge_async",
    "make_examples",
    "make_examples_async",
    "merge_runs",
    "predict",
    "predict_async",
    "prepare_growth",
    "read_experiment",
    "read_growth",
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
