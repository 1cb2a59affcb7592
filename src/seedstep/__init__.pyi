from seedstep.bootstrap import BootstrapSettings as BootstrapSettings
from seedstep.data import (
    Example as Example,
    Instance as Instance,
    Prediction as Prediction,
    Problem as Problem,
    Task as Task,
    TaskChoice as TaskChoice,
    TaskList as TaskList,
    load_tasks as load_tasks,
    seed_tasks as seed_tasks,
)
from seedstep.encode import (
    ENCODINGS as ENCODINGS,
    Encoded as Encoded,
    Encoding as Encoding,
    encode_task as encode_task,
    make_encoding as make_encoding,
)
from seedstep.errors import (
    BudgetReached as BudgetReached,
    DeniedError as DeniedError,
    EntryError as EntryError,
    InputError as InputError,
    MissingExtraError as MissingExtraError,
    ModelError as ModelError,
    NotRecordedError as NotRecordedError,
    RunBusyError as RunBusyError,
    RunError as RunError,
    RunMismatchError as RunMismatchError,
    SeedstepError as SeedstepError,
    StoreError as StoreError,
    TuningError as TuningError,
    UnknownEncodingError as UnknownEncodingError,
    UnreachableError as UnreachableError,
)
from seedstep.evaluate import (
    METRICS as METRICS,
    InstanceResult as InstanceResult,
    Metric as Metric,
    Reference as Reference,
    Scores as Scores,
    add_metric as add_metric,
    score as score,
)
from seedstep.evaluate.compare import (
    compare as compare,
    compare_systems as compare_systems,
    compare_with_first as compare_with_first,
)
from seedstep.evaluate.judge import JudgeSettings as JudgeSettings
from seedstep.evaluate.systems import (
    Comparison as Comparison,
    EvaluatedSystem as EvaluatedSystem,
    Pairing as Pairing,
    Pairings as Pairings,
)
from seedstep.exports import add_export_format as add_export_format, export as export
from seedstep.infer import PredictSettings as PredictSettings
from seedstep.infer.distill import DistillSettings as DistillSettings
from seedstep.llm.jobs import ApiError as ApiError
from seedstep.recipes import (
    Agreement as Agreement,
    Calibration as Calibration,
    DecidedRow as DecidedRow,
    Evaluation as Evaluation,
    MergeReport as MergeReport,
    NoveltyFilter as NoveltyFilter,
    NoveltyReport as NoveltyReport,
    Semantic as Semantic,
    StageFailed as StageFailed,
    TuneResult as TuneResult,
    VerdictRow as VerdictRow,
    agreement as agreement,
    calibrate as calibrate,
    calibrate_async as calibrate_async,
    chosen_verdicts as chosen_verdicts,
    distill as distill,
    distill_async as distill_async,
    evaluate_systems as evaluate_systems,
    evaluate_systems_async as evaluate_systems_async,
    filter_file as filter_file,
    filter_file_async as filter_file_async,
    import_instructions as import_instructions,
    judge as judge,
    judge_async as judge_async,
    make_examples as make_examples,
    make_examples_async as make_examples_async,
    merge_runs as merge_runs,
    merge_runs_async as merge_runs_async,
    predict as predict,
    predict_async as predict_async,
    self_instruct as self_instruct,
    self_instruct_async as self_instruct_async,
    take_superni as take_superni,
    tune_model as tune_model,
    tune_model_async as tune_model_async,
    verdict_rows as verdict_rows,
    write_instructions as write_instructions,
    write_instructions_async as write_instructions_async,
)
from seedstep.report import Report as Report, write_report as write_report
from seedstep.runs import Run as Run
from seedstep.stages import STAGES as STAGES, open_run as open_run
from seedstep.steps import (
    ExamplesSettings as ExamplesSettings,
    ImportSettings as ImportSettings,
    StepsSettings as StepsSettings,
    SuperniSettings as SuperniSettings,
)
from seedstep.tune import TuneSettings as TuneSettings, TuneSource as TuneSource

__all__: list[str]
__version__: str
