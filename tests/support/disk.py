"""A disk without space."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["no_space"]


@contextmanager
def no_space(size: int) -> Iterator[None]:
    """No file of this process can grow beyond this size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
