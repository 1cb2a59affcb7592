"""Metrics and scores of predictions. The modules `compare` and `agreement` need numpy."""

from seedstep.lazy import public_names

__getattr__, __dir__, __all__ = public_names(__name__)
