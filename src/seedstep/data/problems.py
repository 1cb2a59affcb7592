"""What is wrong with the files that users give, told with its place and remedy.

Example::

    raise_first(problems, "or add --skip-bad to go on without them")
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from seedstep.data.decoding import BadLine
from seedstep.errors import InputError

__all__ = ["Problem", "placed", "raise_first"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a file.

    `line` counts from 1; 0 means the whole file. `field` is a JSON path as in
    `Instances[3].output`; empty means the whole line or file.
    """

    path: Path
    line: int
    field: str
    message: str
    remedy: str

    @property
    def what(self) -> str:
        """Where and what, in one phrase."""
        line = f", line {self.line}" if self.line else ""
        field = f", field '{self.field}'" if self.field else ""
        return f"{self.path}{line}{field}: {self.message}"


def placed(path: Path, line: int, found: Iterable[BadLine]) -> list[Problem]:
    """What was found wrong with a line of a file, or with all of it where `line` is 0."""
    return [Problem(path, line, one.field, one.message, one.remedy) for one in found]


def raise_first(problems: Sequence[Problem], hint: str = "") -> None:
    """Raise the first problem, if there is one, saying how many more there are.

    Raises:
        InputError: with the problem's remedy, and the `hint` after it.
    """
    if not problems:
        return
    first, *others = problems
    more = f" (and {len(others)} more)" if others else ""
    raise InputError(first.what + more, f"{first.remedy}; {hint}" if hint else first.remedy)
