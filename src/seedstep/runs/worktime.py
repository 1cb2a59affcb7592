"""Measure the time in which processes worked on a run, over all its starts.

Example::

    >>> elapsed([100.0, 160.0, 5100.0], starts=[90.0, 5000.0])
    (10.0, 70.0, 170.0)
"""

from collections.abc import Sequence

from seedstep.runs.database import Database

__all__ = ["PAUSE_SECONDS", "elapsed", "read_starts", "work_seconds"]

PAUSE_SECONDS = 900.0
"""The longest gap between two events that counts as work, as no reply may take longer."""

_EVENTS = "SELECT at FROM requests UNION ALL SELECT at FROM generations ORDER BY at"


def elapsed(times: Sequence[float], starts: Sequence[float] = ()) -> tuple[float, ...]:
    """Return the seconds of work up to each of some times, which are in order.

    A process works from one of the `starts`, which are in order, too, to the last time before the
    next start. Gaps longer than `PAUSE_SECONDS` are not counted, nor is the work of a killed
    process after the last time that it recorded.
    """
    total, before = 0.0, None
    later = list(starts)
    seconds = []
    for time in times:
        while later and later[0] <= time:
            before = later.pop(0)
        gap = 0.0 if before is None else time - before
        total += gap if 0 < gap <= PAUSE_SECONDS else 0.0
        before = time
        seconds.append(total)
    return tuple(seconds)


def read_starts(database: Database) -> tuple[float, ...]:
    """Return when work on a run was begun or gone on with (Unix time), in order.

    A run of 0.1.0 kept none: there, work begins when the first answer was asked for.
    """
    rows = database.rows("SELECT at FROM starts ORDER BY at") if database.has_rows("starts") else []
    known = [row[0] for row in rows]
    first = database.rows("SELECT min(at - seconds) FROM requests")[0][0]
    if first is not None and (not known or first < known[0]):
        known.insert(0, first)
    return tuple(known)


def work_seconds(database: Database, now: float | None = None) -> float:
    """Return the seconds of work on a bootstrap; up to `now` where a process works on it."""
    times = [row[0] for row in database.rows(_EVENTS)]
    starts = read_starts(database)
    if now is not None:
        times.append(max([now, *times[-1:]]))
    return elapsed(times, starts)[-1] if times else 0.0
