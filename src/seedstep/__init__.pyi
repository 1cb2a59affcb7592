from seedstep.bootstrap import BootstrapSettings as BootstrapSettings
from seedstep.data import (
    Example as Example,
    Instance as Instance,
    Task as Task,
    TaskChoice as TaskChoice,
    TaskFiles as TaskFiles,
    load_tasks as load_tasks,
    seed_tasks as seed_tasks,
)
from seedstep.encode import (
    ENCODINGS as ENCODINGS,
    Encoding as Encoding,
    encode_task as encode_task,
    make_encoding as make_encoding,
)
from seedstep.errors import (
    BudgetReached as BudgetReached,
    DeniedError as DeniedError,
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
    UnreachableError as UnreachableError,
)
from seedstep.evaluate.compare import (
    compare as compare,
    compare_systems as compare_systems,
    compare_with_first as compare_with_first,
)
from seedstep.exports import export as export
from seedstep.llm.jobs import ApiError as ApiError
from seedstep.recipes import (
    StageFailed as StageFailed,
    agreement as agreement,
    distill as distill,
    distill_async as distill_async,
    evaluate_systems as evaluate_systems,
    filter_file as filter_file,
    judge as judge,
    judge_async as judge_async,
    make_examples as make_examples,
    make_examples_async as make_examples_async,
    merge_runs as merge_runs,
    predict as predict,
    predict_async as predict_async,
    self_instruct as self_instruct,
    self_instruct_async as self_instruct_async,
    tune_model as tune_model,
    tune_model_async as tune_model_async,
    write_instructions as write_instructions,
    write_instructions_async as write_instructions_async,
)
from seedstep.report import write_report as write_report
from seedstep.runs import Run as Run
from seedstep.stages import STAGES as STAGES, open_run as open_run
from seedstep.steps import StepsSettings as StepsSettings
from seedstep.tune import TuneSettings as TuneSettings

__all__: list[str]
__version__: str
