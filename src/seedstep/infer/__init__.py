"""What a model answers to tasks: served models, checkpoints in this process, and baselines.

`generate` beside it, which needs torch, has the batches that share a prefix.
"""

from seedstep.infer.predict import (
    PURPOSE,
    Answer,
    Opened,
    TaskWork,
    answer_tasks,
    ask_checkpoint,
    ask_server,
    copy_answers,
)
from seedstep.infer.settings import SystemKind, SystemSettings

__all__ = [
    "PURPOSE",
    "Answer",
    "Opened",
    "SystemKind",
    "SystemSettings",
    "TaskWork",
    "answer_tasks",
    "ask_checkpoint",
    "ask_server",
    "copy_answers",
]
