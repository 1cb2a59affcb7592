from seedstep.recipes.bootstrap import (
    BootstrapProgress as BootstrapProgress,
    BootstrapWatch as BootstrapWatch,
    distill as distill,
    distill_async as distill_async,
    self_instruct as self_instruct,
    self_instruct_async as self_instruct_async,
    work_on_bootstrap as work_on_bootstrap,
    work_on_outputs as work_on_outputs,
)
from seedstep.recipes.evaluation import (
    Agreement as Agreement,
    Evaluation as Evaluation,
    VerdictRow as VerdictRow,
    agreement as agreement,
    chosen_verdicts as chosen_verdicts,
    evaluate_systems as evaluate_systems,
    evaluate_systems_async as evaluate_systems_async,
    judge as judge,
    judge_async as judge_async,
    verdict_rows as verdict_rows,
    work_on_verdicts as work_on_verdicts,
)
from seedstep.recipes.experiment import (
    Experiment as Experiment,
    find_experiment as find_experiment,
    prepare_growth as prepare_growth,
    read_experiment as read_experiment,
    read_growth as read_growth,
    shipped_experiments as shipped_experiments,
)
from seedstep.recipes.experiment_stages import ExperimentStage as ExperimentStage
from seedstep.recipes.foresight import (
    foresee_predictions as foresee_predictions,
    foresee_tasks as foresee_tasks,
    foresee_work as foresee_work,
)
from seedstep.recipes.jobs import StageFailed as StageFailed, run_experiment as run_experiment
from seedstep.recipes.meaning import (
    Calibration as Calibration,
    Semantic as Semantic,
    calibrate as calibrate,
    calibrate_async as calibrate_async,
)
from seedstep.recipes.merging import (
    MergeReport as MergeReport,
    merge_runs as merge_runs,
    merge_runs_async as merge_runs_async,
)
from seedstep.recipes.novelty import (
    COLUMNS as COLUMNS,
    SEMANTIC_COLUMNS as SEMANTIC_COLUMNS,
    DecidedRow as DecidedRow,
    NoveltyReport as NoveltyReport,
    filter_file as filter_file,
    filter_file_async as filter_file_async,
)
from seedstep.recipes.novelty_options import NoveltyFilter as NoveltyFilter
from seedstep.recipes.predictions import (
    PredictProgress as PredictProgress,
    PredictWatch as PredictWatch,
    encodings_beside as encodings_beside,
    predict as predict,
    predict_async as predict_async,
    work_on_predictions as work_on_predictions,
)
from seedstep.recipes.stage_calls import work_on as work_on
from seedstep.recipes.steps import (
    import_instructions as import_instructions,
    make_examples as make_examples,
    make_examples_async as make_examples_async,
    take_superni as take_superni,
    work_on_examples as work_on_examples,
    work_on_instructions as work_on_instructions,
    write_instructions as write_instructions,
    write_instructions_async as write_instructions_async,
)
from seedstep.recipes.tasks import TaskProgress as TaskProgress, TaskWatch as TaskWatch
from seedstep.recipes.tuning import (
    tune_model as tune_model,
    tune_model_async as tune_model_async,
)
from seedstep.recipes.tuning_records import TuneResult as TuneResult, TuningWatch as TuningWatch
