"""Formats that runs are written in, data cards, and the hub."""

from seedstep.exports.formats import FORMATS, export, exported_files
from seedstep.exports.hub import push
from seedstep.exports.steps import export_lines, export_task_files

__all__ = [
    "FORMATS",
    "export",
    "export_lines",
    "export_task_files",
    "exported_files",
    "push",
]
