"""The exceptions that users see. Each says what is wrong, where, and what to do next.

The tree::

    SeedstepError
    ├── InputError             a file or a value that the user gave
    │   ├── EntryError             an entry that the user added, or what its function returned
    │   └── UnknownEncodingError   an encoding that only a module of the user's adds, or none
    ├── MissingExtraError      an optional dependency is not installed
    ├── BudgetReached          the budget of a run is spent
    ├── TuningError            a tuning can't go on: a loss without a value, no space
    ├── ModelError             the model can't be asked
    │   ├── UnreachableError       nothing answers at the address
    │   ├── DeniedError            the key was refused, or there is no such model
    │   ├── NotRecordedError       a recording does not hold what was asked
    │   └── ApiError               a fine-tuning server refused (seedstep.tune)
    ├── RunError               the run directory
    │   ├── RunBusyError           another process works on it
    │   ├── RunMismatchError       it belongs to another configuration
    │   └── StoreError             its database can't be read or written
    └── StageFailed            a stage of an experiment failed (seedstep.recipes)

Example::

    >>> raise InputError("seeds.jsonl, line 3, field 'instruction': empty", "write the text")
    Traceback (most recent call last):
        ...
    seedstep.errors.InputError: seeds.jsonl, line 3, field 'instruction': empty. Write the text.
"""

import copyreg
import difflib
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = [
    "MOST_WHAT",
    "BudgetReached",
    "DeniedError",
    "EntryError",
    "InputError",
    "MissingExtraError",
    "ModelError",
    "NotRecordedError",
    "RunBusyError",
    "RunError",
    "RunMismatchError",
    "SeedstepError",
    "StoreError",
    "TuningError",
    "UnknownEncodingError",
    "UnreachableError",
    "first_line",
    "reason_of",
    "short_line",
    "unknown_name",
]


class SeedstepError(Exception):
    """The base class of all errors that are shown to users without a traceback."""

    def __init__(self, what: str, remedy: str) -> None:
        """Say `what` went wrong and where, and in `remedy` what to do next."""
        what, remedy = short_line(what, MOST_WHAT), short_line(remedy, MOST_REMEDY)
        super().__init__(f"{what}. {remedy[:1].upper()}{remedy[1:]}.")
        self.what = what
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle an error as it is, so that other processes can raise it."""
        return copyreg.__newobj__, (type(self), *self.args), vars(self)  # type: ignore[attr-defined]


MOST_WHAT = 500
MOST_REMEDY = 1000
MOST_ECHO = 120
"""The most characters of a fault, of a remedy, and of a value that one of them repeats.

Longer texts are cut in their middle.
"""


def short_line(text: str, most: int = MOST_ECHO) -> str:
    """Return a text on one line; one that is longer than `most` without its middle.

    Example::

        >>> short_line("seeds.jsonl\\n" + "a" * 1000, 30)
        'seeds.jsonl aaaaaa […] aaaaaaa'
    """
    if len(text) > most:
        end = most // 4
        text = f"{text[: most - end - 5]} […] {text[-end:]}"
    return " ".join(text.splitlines())


class InputError(SeedstepError):
    """A file or a value that the user gave can't be used."""


class EntryError(InputError):
    """An entry that the user added to a table can't be used, or its function failed."""


class UnknownEncodingError(InputError):
    """There is no encoding or layout of a name, unless a module of the user's adds it."""


class MissingExtraError(SeedstepError):
    """An optional dependency is not installed."""

    def __init__(self, feature: str, install: str = "", *, extra: str = "") -> None:
        """Say that `feature` needs an `extra` of seedstep, or what the command `install` installs.

        With both, it needs both.
        """
        commands = [f"pip install 'seedstep[{extra}]'"] if extra else []
        run = " && ".join([*commands, install] if install else commands)
        super().__init__(f"{feature} needs a package that is not installed", f"run: {run}")


class ModelError(SeedstepError):
    """The model can't be asked."""


class UnreachableError(ModelError):
    """Nothing answers at the model's address."""


class DeniedError(ModelError):
    """The server refused the key, or has no such model."""


class NotRecordedError(ModelError):
    """A recording does not hold the reply to a request."""


class BudgetReached(SeedstepError):  # noqa: N818 - an end, no fault
    """The budget of a run is spent. The run goes on with a larger budget."""

    def __init__(self, setting: str, limit: str) -> None:
        """Name the `setting` to raise: max_requests, max_tokens or max_usd."""
        super().__init__(f"the budget of {limit} is spent", f"raise {setting} to go on")
        self.setting = setting


class TuningError(SeedstepError):
    """A tuning can't go on. Its last good checkpoint stays."""


class RunError(SeedstepError):
    """The run directory can't be used."""


class RunBusyError(RunError):
    """Another process works on the run directory."""


_FROM_PYTHON = {"filters": "`filters=`", "own_gates": "`own_gates=`"}
"""What a run has that no flag names, and how it is passed from Python."""


def _mismatch_remedy(differences: Sequence[tuple[str, object, object]], another: str) -> str:
    keys = {key for key, _, _ in differences}
    if own := " and ".join(argument for key, argument in _FROM_PYTHON.items() if key in keys):
        others = ", and leave the other settings out," if keys - _FROM_PYTHON.keys() else ""
        return f"pass the same {own} from Python{others} to go on, or name another {another}"
    if keys == {"layout_fingerprint"}:
        return f"have the layout write prompts as before to go on, or name another {another}"
    if not keys <= {
        "base_url",
        "judge_base_url",
        "gate_base_urls",
        "semantic_base_url",
    }:
        return ""
    return f"add --same-model if the same model is served there, or name another {another}"


def _echo(value: object) -> str:
    return short_line(repr(value))


class RunMismatchError(RunError):
    """The run was started with another configuration."""

    def __init__(
        self,
        run: str,
        differences: Sequence[tuple[str, object, object]],
        another: str = "--out",
    ) -> None:
        """Tell the differences between a run's configuration and the one asked for.

        `differences` are (key, the run's value, the asked value). `another` is the flag that names
        a new run.
        """
        keys = "; ".join(
            f"{key}: {_echo(old)} there, {_echo(new)} asked" for key, old, new in differences
        )
        super().__init__(
            f"{run} was started with other settings ({keys})",
            _mismatch_remedy(differences, another)
            or f"leave these settings out to go on with the run, or name another {another}",
        )
        self.differences = tuple(differences)


class StoreError(RunError):
    """The run's database can't be read or written."""


MOST_NAMES = 40
FEW_NAMES = 10
"""The most known names that a message has, and the most that it has besides a similar name."""


def unknown_name(kind: str, name: object, known: Iterable[str], where: str = "") -> InputError:
    """Return the error for an unknown name; its remedy has the known names.

    A known name that is nearly the same is the first. `where` is the file or the setting with the
    unknown name.

    Example::

        >>> print(unknown_name("format", "alpacca", ["alpaca", "messages"], "run.yaml"))
        run.yaml: there is no format 'alpacca'. Write 'alpaca'; known are alpaca, messages.
    """
    names = [short_line(each) for each in known]
    asked = short_line(str(name))
    remedies = [f"write '{near}'" for near in difflib.get_close_matches(asked, names, n=1)]
    if not names:
        remedies.append("there is none yet")
    elif not remedies or len(names) <= FEW_NAMES:
        more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
        remedies.append(f"known are {', '.join(names[:MOST_NAMES])}{more}")
    what = f"there is no {kind} '{asked}'"
    return InputError(f"{where}: {what}" if where else what, "; ".join(remedies))


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the name of its class if it has none."""
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # of a class that is not ours
        lines = []
    return short_line(lines[0], MOST_WHAT) if lines else type(error).__name__


def reason_of(error: BaseException) -> str:
    """Return the system's words for an error of it, and of others `first_line`."""
    return getattr(error, "strerror", None) or first_line(error)
