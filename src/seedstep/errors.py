"""The exceptions users see. Each says what is wrong, where, and what to do next.

The tree::

    SeedstepError
    ├── InputError         a file of the user's: seeds, configuration
    ├── MissingExtraError  an optional dependency is not installed
    ├── ModelError         the model can't be asked at all
    │   ├── UnreachableError   nothing answers at the address
    │   ├── DeniedError        the key was refused, or there is no such model
    │   └── NotRecordedError   a recording does not hold what was asked
    ├── TuningError        a tuning can't go on: a loss without a value, no space
    └── RunError           the run directory
        ├── RunBusyError       another process works on it
        ├── RunMismatchError   it belongs to another configuration
        └── StoreError         its database can't be read or written

Example::

    raise InputError("seeds.jsonl, line 3, field 'instruction': empty", "write the task's text")
"""

from collections.abc import Sequence

__all__ = [
    "DeniedError",
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
    "UnreachableError",
]


class SeedstepError(Exception):
    """Base of all errors that are shown to users without a traceback."""

    def __init__(self, what: str, remedy: str) -> None:
        """`what` went wrong and where; `remedy` is the next thing to do."""
        super().__init__(f"{what}. {remedy[:1].upper()}{remedy[1:]}.")
        self.what = what
        self.remedy = remedy


class InputError(SeedstepError):
    """A file that the user gave can't be used."""


class MissingExtraError(SeedstepError):
    """An optional dependency is not installed."""

    def __init__(self, feature: str, install: str) -> None:
        """`feature` needs what the command `install` installs."""
        super().__init__(f"{feature} needs a package that is not installed", f"run: {install}")


class ModelError(SeedstepError):
    """The model can't be asked."""


class UnreachableError(ModelError):
    """Nothing answers at the address, or no longer."""


class DeniedError(ModelError):
    """The server refuses the key, or has no such model."""


class NotRecordedError(ModelError):
    """A recording does not hold the request; it may hold others."""


class BudgetReached(SeedstepError):  # noqa: N818 - an end, no fault
    """The budget is spent. The run stops in order, and goes on with a larger one."""

    def __init__(self, setting: str, limit: str) -> None:
        """`setting` is what to raise: max_requests, max_tokens or max_usd."""
        super().__init__(f"the budget of {limit} is spent", f"raise {setting} to go on")
        self.setting = setting


class TuningError(SeedstepError):
    """A tuning can't go on; its last good checkpoint stays."""


class RunError(SeedstepError):
    """The run directory can't be used."""


class RunBusyError(RunError):
    """Another process works on the run."""


def _same_model_remedy(differences: Sequence[tuple[str, object, object]], another: str) -> str:
    if [key for key, _, _ in differences] != ["base_url"]:
        return ""
    return f"add --same-model if the same model is served there, or name another {another}"


class RunMismatchError(RunError):
    """The run was started with another configuration."""

    def __init__(
        self,
        run: str,
        differences: Sequence[tuple[str, object, object]],
        another: str = "--out",
    ) -> None:
        """`differences` are (key, the run's value, the asked value); `another` is the flag that
        names something new.
        """
        keys = "; ".join(f"{key}: {old!r} there, {new!r} asked" for key, old, new in differences)
        super().__init__(
            f"{run} was started with other settings ({keys})",
            _same_model_remedy(differences, another)
            or f"leave these settings out to go on with the run, or name another {another}",
        )
        self.differences = tuple(differences)


class StoreError(RunError):
    """The run's database can't be read or written."""
