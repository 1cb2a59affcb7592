"""Ends a tuning after a step, with a checkpoint.

Imported only where transformers is there.

Example::

    tune_seq2seq(..., callbacks=[Stopping(lambda: signal_came)])
"""

from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback

__all__ = ["Stopping"]


class Stopping(TrainerCallback):
    """Asks after each step whether it is the last one."""

    def __init__(self, stop: Callable[[], bool]) -> None:
        """`stop` says so."""
        self._stop = stop

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """As `TrainerCallback`."""
        if self._stop():
            control.should_save = True
            control.should_training_stop = True
