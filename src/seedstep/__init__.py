"""seedstep: instruction-tuning data from a few seed tasks, and step-by-step instructions.

Example::

    from seedstep import export, self_instruct

    with self_instruct("runs/first", model="local", tasks=25) as run:
        export(run, "alpaca", "data")
"""

from seedstep import interruption  # noqa: F401 - before what takes time

# isort: split
from seedstep.bootstrap import BootstrapSettings
from seedstep.data import Example, Instance, Task, TaskChoice, load_tasks, seed_tasks
from seedstep.encode import ENCODINGS, Encoding, encode_task, make_encoding
from seedstep.errors import (
    BudgetReached,
    DeniedError,
    InputError,
    MissingExtraError,
    ModelError,
    NotRecordedError,
    RunBusyError,
    RunError,
    RunMismatchError,
    SeedstepError,
    StoreError,
    TuningError,
    UnreachableError,
)
from seedstep.evaluate.compare import compare, compare_systems, compare_with_first
from seedstep.exports import export
from seedstep.recipes import (
    StageFailed,
    agreement,
    distill,
    distill_async,
    evaluate_systems,
    filter_file,
    judge,
    judge_async,
    make_examples,
    make_examples_async,
    merge_runs,
    predict,
    predict_async,
    self_instruct,
    self_instruct_async,
    tune_model,
    tune_model_async,
    write_instructions,
    write_instructions_async,
)
from seedstep.report import write_report
from seedstep.runs import Run
from seedstep.stages import STAGES, open_run
from seedstep.steps import StepsSettings
from seedstep.tune import TuneSettings
from seedstep.tune.openai_api import ApiError

__all__ = [
    "ENCODINGS",
    "STAGES",
    "ApiError",
    "BootstrapSettings",
    "BudgetReached",
    "DeniedError",
    "Encoding",
    "Example",
    "InputError",
    "Instance",
    "MissingExtraError",
    "ModelError",
    "NotRecordedError",
    "Run",
    "RunBusyError",
    "RunError",
    "RunMismatchError",
    "SeedstepError",
    "StageFailed",
    "StepsSettings",
    "StoreError",
    "Task",
    "TaskChoice",
    "TuneSettings",
    "TuningError",
    "UnreachableError",
    "__version__",
    "agreement",
    "compare",
    "compare_systems",
    "compare_with_first",
    "distill",
    "distill_async",
    "encode_task",
    "evaluate_systems",
    "export",
    "filter_file",
    "judge",
    "judge_async",
    "load_tasks",
    "make_encoding",
    "make_examples",
    "make_examples_async",
    "merge_runs",
    "open_run",
    "predict",
    "predict_async",
    "seed_tasks",
    "self_instruct",
    "self_instruct_async",
    "tune_model",
    "tune_model_async",
    "write_instructions",
    "write_instructions_async",
    "write_report",
]

__version__ = "0.1.0"
