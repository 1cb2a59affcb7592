"""Stages: how a run of each is loaded, continued, described and listed, and the table of stages."""

from seedstep.lazy import public_names

__getattr__, __dir__, __all__ = public_names(__name__)
