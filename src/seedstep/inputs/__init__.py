"""Read tasks, step-by-step instructions, predictions and labels from runs and files."""

from seedstep.lazy import public_names

__getattr__, __dir__, __all__ = public_names(__name__)
