"""Predict answers to tasks: with served models, checkpoints in this process, and baselines.

The module `generate`, which needs torch, generates texts with checkpoints.
"""

from seedstep.lazy import public_names

__getattr__, __dir__, __all__ = public_names(__name__)
