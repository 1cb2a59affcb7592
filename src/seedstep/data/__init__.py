"""Task records, and the files that they are read from and written to."""

from seedstep.data.choice import TaskChoice
from seedstep.data.evaluation import PredictionFile, evaluation_items, read_predictions
from seedstep.data.files import (
    files_in,
    folder_with,
    make_folder,
    new_folder,
    read_marker,
    require_ours,
    whole_folder,
    write_atomically,
    write_in_parts,
)
from seedstep.data.reading import BadLine, parse_yaml, read_jsonl, read_yaml, write_yaml
from seedstep.data.records import (
    Example,
    Instance,
    Prediction,
    Problem,
    Task,
    instance_id,
    instances_of,
)
from seedstep.data.seeds import SeedFile, read_seeds, require_seeds, seed_tasks
from seedstep.data.sources import (
    PathOrTasks,
    StrPath,
    has_rows,
    load_rows,
    load_tasks,
    scan_tasks,
    task_record,
)
from seedstep.data.superni import STEPS_FIELD, TaskFiles, read_task, task_file
from seedstep.data.tables import Columns, RowFile, TableRow, open_table

__all__ = [
    "STEPS_FIELD",
    "BadLine",
    "Columns",
    "Example",
    "Instance",
    "PathOrTasks",
    "Prediction",
    "PredictionFile",
    "Problem",
    "RowFile",
    "SeedFile",
    "StrPath",
    "TableRow",
    "Task",
    "TaskChoice",
    "TaskFiles",
    "evaluation_items",
    "files_in",
    "folder_with",
    "has_rows",
    "instance_id",
    "instances_of",
    "load_rows",
    "load_tasks",
    "make_folder",
    "new_folder",
    "open_table",
    "parse_yaml",
    "read_jsonl",
    "read_marker",
    "read_predictions",
    "read_seeds",
    "read_task",
    "read_yaml",
    "require_ours",
    "require_seeds",
    "scan_tasks",
    "seed_tasks",
    "task_file",
    "task_record",
    "whole_folder",
    "write_atomically",
    "write_in_parts",
    "write_yaml",
]
