"""End a command at once, without a traceback, if Ctrl-C is pressed while it is being imported.

The package imports this module first. If another program imports the package, it does nothing.
"""

import signal
import sys
import threading
from pathlib import Path

__all__ = ["OutputGone", "is_command", "let_commands_handle"]


class OutputGone(SystemExit):
    """Ends a command whose output can't be written any more."""


def is_command() -> bool:
    """Return whether this process is the command `seedstep`, or `python -m seedstep`."""
    begun = sys.orig_argv[1:]
    as_module = "-m" in begun and begun[begun.index("-m") + 1 :][:1] == ["seedstep"]
    return as_module or Path(sys.argv[0] if sys.argv else "").stem == "seedstep"


def let_commands_handle() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again, as commands expect.

    Python ignores an exception in a `__del__`. A KeyboardInterrupt there comes again soon.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.unraisablehook = _interrupt_later


def _interrupt_later(ignored: "sys.UnraisableHookArgs") -> None:
    if ignored.exc_type is KeyboardInterrupt:
        threading.Timer(0.01, _interrupt_main).start()
    else:
        sys.__unraisablehook__(ignored)


def _interrupt_main() -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


if (
    is_command()
    and threading.current_thread() is threading.main_thread()
    and signal.getsignal(signal.SIGINT) is signal.default_int_handler
):
    signal.signal(signal.SIGINT, signal.SIG_DFL)
