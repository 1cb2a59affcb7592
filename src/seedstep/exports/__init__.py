"""Export runs in the formats of tuning tools, with data cards, and publish them on the hub."""

from seedstep.lazy import public_names

__getattr__, __dir__, __all__ = public_names(__name__)
