"""Task records, and the files that they are read from and written to."""

from seedstep.lazy import public_names

__getattr__, __dir__, __all__ = public_names(__name__)
