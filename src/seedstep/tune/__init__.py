"""Tuning: tasks with step-by-step instructions become a better model."""

from seedstep.lazy import public_names

__getattr__, __dir__, __all__ = public_names(__name__)
