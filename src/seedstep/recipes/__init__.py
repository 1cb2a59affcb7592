"""Stages joined with the store."""

from seedstep.recipes.novelty import COLUMNS, Filter, FilterReport, Rejection, Verdict, filter_file
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
from seedstep.recipes.tuning import Tuned, TuningWatch, tune_model

__all__ = [
    "COLUMNS",
    "Filter",
    "FilterReport",
    "Progress",
    "Rejection",
    "TaskProgress",
    "TaskWatch",
    "Tuned",
    "TuningWatch",
    "Verdict",
    "Watch",
    "filter_file",
    "import_instructions",
    "make_examples",
    "make_examples_async",
    "self_instruct",
    "self_instruct_async",
    "tune_model",
    "write_instructions",
    "write_instructions_async",
]
