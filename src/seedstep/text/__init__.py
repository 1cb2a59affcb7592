"""Tokens and ROUGE, the normal form of answers, and the cleaning of texts."""

from seedstep.lazy import public_names

__getattr__, __dir__, __all__ = public_names(__name__)
