"""Export runs in the formats of tuning tools, with data cards, and publish them on the hub."""

from seedstep.exports.formats import (
    EXPORT_FORMATS,
    ExportFormat,
    ExportRow,
    ExportSource,
    export,
    finished_tasks,
    write_lines,
)
from seedstep.exports.publish import accepted_part, exported_files, push
from seedstep.exports.steps import (
    EXAMPLES_FORMATS,
    STEPS_FORMATS,
    ExamplesFormat,
    StepsFormat,
    accepted_entries,
    export_examples,
    export_lines,
    export_task_files,
)

__all__ = [
    "EXAMPLES_FORMATS",
    "EXPORT_FORMATS",
    "STEPS_FORMATS",
    "ExamplesFormat",
    "ExportFormat",
    "ExportRow",
    "ExportSource",
    "StepsFormat",
    "accepted_entries",
    "accepted_part",
    "export",
    "export_examples",
    "export_lines",
    "export_task_files",
    "exported_files",
    "finished_tasks",
    "push",
    "write_lines",
]
