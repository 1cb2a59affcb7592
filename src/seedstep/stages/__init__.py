"""The table of stages: `STAGES` has an entry for each stage that stores its records in runs."""

from seedstep.stages.bootstrap import BOOTSTRAP
from seedstep.stages.distill import DISTILL
from seedstep.stages.examples import EXAMPLES
from seedstep.stages.judge import JUDGE, JudgedInputs, judged_inputs
from seedstep.stages.predict import PREDICT
from seedstep.stages.review import REVIEW
from seedstep.stages.steps import STEPS
from seedstep.stages.table import STAGES, add_stage, open_run, tell_item, tell_list, tell_status
from seedstep.stages.tune import TUNE, TuneRun

__all__ = [
    "BOOTSTRAP",
    "DISTILL",
    "EXAMPLES",
    "JUDGE",
    "PREDICT",
    "REVIEW",
    "STAGES",
    "STEPS",
    "TUNE",
    "JudgedInputs",
    "TuneRun",
    "add_stage",
    "judged_inputs",
    "open_run",
    "tell_item",
    "tell_list",
    "tell_status",
]
