from seedstep.exports.formats import (
    EXPORT_FORMATS as EXPORT_FORMATS,
    ExportFormat as ExportFormat,
    ExportRow as ExportRow,
    ExportSource as ExportSource,
    add_export_format as add_export_format,
    write_lines as write_lines,
)
from seedstep.exports.publish import (
    accepted_part as accepted_part,
    exported_files as exported_files,
    push as push,
)
from seedstep.exports.steps import (
    EXAMPLES_FORMATS as EXAMPLES_FORMATS,
    STEPS_FORMATS as STEPS_FORMATS,
    ExamplesFormat as ExamplesFormat,
    StepsFormat as StepsFormat,
    accepted_entries as accepted_entries,
    export_examples as export_examples,
    export_lines as export_lines,
    export_task_files as export_task_files,
)
from seedstep.exports.writing import export as export, finished_tasks as finished_tasks
