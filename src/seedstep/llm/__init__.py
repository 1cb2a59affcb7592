"""References to models, and the engine through which every stage sends its requests."""

from seedstep.lazy import public_names

__getattr__, __dir__, __all__ = public_names(__name__)
