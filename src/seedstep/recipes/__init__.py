"""Stages joined with the store."""

from seedstep.recipes.novelty import COLUMNS, Filter, FilterReport, Rejection, Verdict, filter_file
from seedstep.recipes.self_instruct import (
    Progress,
    Watch,
    self_instruct,
    self_instruct_async,
)

__all__ = [
    "COLUMNS",
    "Filter",
    "FilterReport",
    "Progress",
    "Rejection",
    "Verdict",
    "Watch",
    "filter_file",
    "self_instruct",
    "self_instruct_async",
]
