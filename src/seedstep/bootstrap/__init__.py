"""Self-Instruct: grow tasks from seed tasks (Wang et al. 2023, section 2.2)."""

from seedstep.lazy import public_names

__getattr__, __dir__, __all__ = public_names(__name__)
