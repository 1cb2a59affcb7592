"""Reads a value that is defined, with its interval."""

from seedstep.evaluate.intervals import Value


def numbers(found: Value) -> tuple[float, float, float]:
    """Low end, value and high end, none of which may be None."""
    assert found.value is not None
    assert found.low is not None, found.reason
    assert found.high is not None
    return found.low, found.value, found.high
