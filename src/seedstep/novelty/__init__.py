"""Exact search for similar texts, by ROUGE-L and by meaning: for single texts, and whole files."""

from seedstep.lazy import public_names

__getattr__, __dir__, __all__ = public_names(__name__)
