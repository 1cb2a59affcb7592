"""Functions that run a stage with its run directory: the Python API of seedstep."""

from seedstep.lazy import public_names

__getattr__, __dir__, __all__ = public_names(__name__)
