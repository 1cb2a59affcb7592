"""Predict answers to tasks: with served models, checkpoints in this process, and baselines.

The module `generate`, which needs torch, generates texts with checkpoints.
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
