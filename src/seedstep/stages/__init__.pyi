from seedstep.stages.bootstrap import BOOTSTRAP as BOOTSTRAP
from seedstep.stages.directories import (
    STAGES as STAGES,
    StageTable as StageTable,
    add_stage as add_stage,
    open_run as open_run,
    experiment_blocks as experiment_blocks,
    item_blocks as item_blocks,
    list_blocks as list_blocks,
    status_blocks as status_blocks,
)
from seedstep.stages.distill import DISTILL as DISTILL
from seedstep.stages.examples import EXAMPLES as EXAMPLES
from seedstep.stages.judge import (
    JUDGE as JUDGE,
    JudgedInputs as JudgedInputs,
    judged_inputs as judged_inputs,
)
from seedstep.stages.predict import PREDICT as PREDICT
from seedstep.stages.review import REVIEW as REVIEW
from seedstep.stages.steps import STEPS as STEPS
from seedstep.stages.tune import TUNE as TUNE, TuneRun as TuneRun
