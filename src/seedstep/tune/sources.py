"""Where a tuning's examples come from, and how much of each source is used.

On the command line a source is `PATH[:SPLIT][@ENCODING][=COUNT|=xWEIGHT]`. The combinations of
the first paper's Table 3 are one line each::

    --data runs/first@self-instruct
    --data natural-instructions:train
    --data runs/first@self-instruct --data natural-instructions:train

In YAML it is an object with the same parts: `{path: runs/first, encoding: self-instruct}`.

Example::

    make_source("natural-instructions:train=x0.5")
"""

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import msgspec

from seedstep.errors import InputError

__all__ = ["Source", "make_source", "source_of"]

FORM = "PATH[:SPLIT][@ENCODING][=COUNT|=xWEIGHT]"

_SOURCE = re.compile(
    r"(?P<path>[^\n]+?)(?::(?P<split>[\w-]+))?(?:@(?P<encoding>[\w-]+))?"
    r"(?:=(?:(?P<count>[0-9]{1,15})|x(?P<weight>[0-9]{1,9}(?:\.[0-9]{1,9})?)))?"
)


@dataclass(frozen=True, slots=True)
class Source:
    """A bootstrap's run, an export, a directory of task files, or a file of JSON lines.

    `count` is the number of examples used in an epoch, `weight` how often each is used: 2 is
    twice, 0.5 is half of them. At most one of the two is given. `encoding` names another encoding
    than that of the tuning.
    """

    path: str
    split: str | None = None
    encoding: str | None = None
    count: Annotated[int, msgspec.Meta(ge=1)] | None = None
    weight: Annotated[float, msgspec.Meta(gt=0, le=1000)] | None = None

    def __str__(self) -> str:
        """The source as it is written on the command line."""
        split = f":{self.split}" if self.split else ""
        encoding = f"@{self.encoding}" if self.encoding else ""
        weight = f"=x{self.weight:g}" if self.weight is not None else ""
        count = f"={self.count}" if self.count is not None else weight
        return f"{self.path}{split}{encoding}{count}"


def make_source(text: str) -> Source:
    """The source that a text names. What exists under the whole text is taken as its path.

    Raises:
        InputError: it has another form, or an amount of nothing.
    """
    if text and _is_there(text):
        return Source(text)
    found = _SOURCE.fullmatch(text)
    if found is None:
        raise InputError(f"data source '{text}' can't be read", f"write {FORM}")
    parts = {name: value for name, value in found.groupdict().items() if value is not None}
    return source_of(parts, f"data source '{text}'")


def source_of(parts: object, where: str) -> Source:
    """A source from its parts by name, or from a text.

    Raises:
        InputError: a part is not known or does not fit; `where` says where it stands.
    """
    if isinstance(parts, str):
        return make_source(parts)
    known = [one.name for one in fields(Source)]
    for name in parts if isinstance(parts, dict) else ():
        if name not in known:
            raise InputError(f"{where}: there is no '{name}'", f"known are {', '.join(known)}")
    try:
        source = msgspec.convert(parts, Source, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(f"{where}: {error}", f"write {FORM}") from None
    if source.count is not None and source.weight is not None:
        raise InputError(f"{where}: has a count and a weight", "leave one of them out")
    if not source.path:
        raise InputError(f"{where}: has no path", f"write {FORM}")
    return source


def _is_there(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # no possible path
        return False
