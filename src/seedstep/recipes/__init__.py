"""Stages joined with the store."""

from seedstep.recipes.agreement import Agreement, agreement
from seedstep.recipes.evaluation import Evaluation, evaluate_systems
from seedstep.recipes.experiment import (
    Experiment,
    Stage,
    StageFailed,
    read_experiment,
    run_experiment,
)
from seedstep.recipes.judging import judge, judge_async
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

__all__ = [
    "COLUMNS",
    "Agreement",
    "Evaluation",
    "Experiment",
    "Filter",
    "FilterReport",
    "Progress",
    "Rejection",
    "Stage",
    "StageFailed",
    "TaskProgress",
    "TaskWatch",
    "Verdict",
    "Watch",
    "agreement",
    "evaluate_systems",
    "filter_file",
    "import_instructions",
    "judge",
    "judge_async",
    "make_examples",
    "make_examples_async",
    "read_experiment",
    "run_experiment",
    "self_instruct",
    "self_instruct_async",
    "write_instructions",
    "write_instructions_async",
]
