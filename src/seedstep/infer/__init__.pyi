from seedstep.infer.opening import answer_tasks as answer_tasks
from seedstep.infer.predict import (
    PURPOSE as PURPOSE,
    InstanceAnswer as InstanceAnswer,
    Opened as Opened,
    TaskWork as TaskWork,
    ask_checkpoint as ask_checkpoint,
    ask_server as ask_server,
    copy_answers as copy_answers,
)
from seedstep.infer.settings import SystemKind as SystemKind, PredictSettings as PredictSettings
