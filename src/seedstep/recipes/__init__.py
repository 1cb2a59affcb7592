"""Stages joined with the store."""

from seedstep.recipes.self_instruct import (
    Progress,
    Watcher,
    self_instruct,
    self_instruct_async,
)

__all__ = ["Progress", "Watcher", "self_instruct", "self_instruct_async"]
