"""Stages joined with the store."""

from seedstep.recipes.novelty import COLUMNS, Filter, FilterReport, Rejection, Verdict, filter_file
from seedstep.recipes.predictions import (
    PredictProgress,
    PredictWatch,
    encoding_beside,
    predict,
    predict_async,
)
from seedstep.recipes.self_instruct import (
    Progress,
    Watch,
    self_instruct,
    self_instruct_async,
)
from seedstep.recipes.steps import (
    make_examples,
    make_examples_async,
    write_instructions,
    write_instructions_async,
)
from seedstep.recipes.steps_import import import_instructions
from seedstep.recipes.tasks import TaskProgress, TaskWatch

__all__ = [
    "COLUMNS",
    "Filter",
    "FilterReport",
    "PredictProgress",
    "PredictWatch",
    "Progress",
    "Rejection",
    "TaskProgress",
    "TaskWatch",
    "Verdict",
    "Watch",
    "encoding_beside",
    "filter_file",
    "import_instructions",
    "make_examples",
    "make_examples_async",
    "predict",
    "predict_async",
    "self_instruct",
    "self_instruct_async",
    "write_instructions",
    "write_instructions_async",
]
