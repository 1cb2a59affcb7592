"""Step-by-step instructions: written by a model, checked, judged, and turned into examples."""

from seedstep.lazy import public_names

__getattr__, __dir__, __all__ = public_names(__name__)
