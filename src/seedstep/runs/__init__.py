"""Run directories, their databases, and the records that each kind of stage stores there."""

from seedstep.lazy import public_names

__getattr__, __dir__, __all__ = public_names(__name__)
