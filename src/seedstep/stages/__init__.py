"""Stages: how a run of each is loaded, continued, described and listed; the table of all."""

from seedstep.lazy import public_names

__getattr__, __dir__, __all__ = public_names(__name__)
