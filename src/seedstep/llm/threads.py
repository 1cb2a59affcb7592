"""How many threads a model in this process computes with.

The threads of llama.cpp wait for each other, busily, at each layer of each token. With a core for
each they are faster than one thread. With less, each waits for the one that has no core, and they
take several times as long as one. So there are as many threads as cores are idle.

Example::

    params.cpuparams.n_threads = threads()
"""

import os
import time
from pathlib import Path

__all__ = ["threads"]

WATCHED_SECONDS = 0.2
"""How long the cores are watched."""

STAT = Path("/proc/stat")
QUOTA = Path("/sys/fs/cgroup/cpu.max")

IDLE = (3, 4)
"""The places of the times in which a core was idle, or waited for a disk."""


def threads(seconds: float = WATCHED_SECONDS) -> int:
    """Return the number of idle cores that this process may use, but at least 1."""
    cores = _cores()
    return max(1, min(len(cores), _quota(), round(_idle(cores, seconds))))


def _cores() -> frozenset[int]:
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def _quota() -> int:
    """Return the number of cores that a container may use; very many if it is not limited."""
    try:
        allowed, period = QUOTA.read_text().split()
        return max(1, round(int(allowed) / int(period)))
    except (OSError, ValueError, ZeroDivisionError):
        return 1 << 30


def _idle(cores: frozenset[int], seconds: float) -> float:
    """Return how many of some cores are idle, on average over some time."""
    before = _times(cores)
    time.sleep(seconds if before else 0)
    after = _times(cores)
    found = 0.0
    for core in cores:
        if core not in before or core not in after:
            found += 1
            continue
        idle, whole = (now - then for now, then in zip(after[core], before[core], strict=True))
        found += idle / whole if whole > 0 else 1
    return found


def _times(cores: frozenset[int]) -> dict[int, tuple[int, int]]:
    """Return how long each core was idle, and how long there was anything to count."""
    try:
        lines = STAT.read_text().splitlines()
    except OSError:
        return {}
    times = {}
    for line in lines:
        name, *counts = line.split()
        if name.startswith("cpu") and name[3:].isdecimal() and int(name[3:]) in cores:
            numbers = list(map(int, counts[:8]))
            idle = sum(numbers[place] for place in IDLE if place < len(numbers))
            times[int(name[3:])] = idle, sum(numbers)
    return times
