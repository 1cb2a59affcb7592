"""Task records and the file formats they are read from."""

from seedstep.data.decoding import BadLine
from seedstep.data.evaluation import evaluation_items
from seedstep.data.files import write_atomically, write_in_parts
from seedstep.data.folders import files_in, read_marker, require_ours, whole_folder
from seedstep.data.instances import instances_of
from seedstep.data.jsonl import read_jsonl
from seedstep.data.predictions import PredictionFile, WrittenPrediction, read_predictions
from seedstep.data.problems import Problem
from seedstep.data.records import Example, Instance, Task
from seedstep.data.rewrite import write_task_with
from seedstep.data.rows import has_rows, load_rows
from seedstep.data.seeds import SeedFile, read_seeds, require_seeds, seed_tasks
from seedstep.data.sources import load_tasks, scan_tasks
from seedstep.data.superni import STEPS_FIELD, TaskFiles, read_task, task_file
from seedstep.data.tables import Columns, Row, Table, open_table

__all__ = [
    "STEPS_FIELD",
    "BadLine",
    "Columns",
    "Example",
    "Instance",
    "PredictionFile",
    "Problem",
    "Row",
    "SeedFile",
    "Table",
    "Task",
    "TaskFiles",
    "WrittenPrediction",
    "evaluation_items",
    "files_in",
    "has_rows",
    "instances_of",
    "load_rows",
    "load_tasks",
    "open_table",
    "read_jsonl",
    "read_marker",
    "read_predictions",
    "read_seeds",
    "read_task",
    "require_ours",
    "require_seeds",
    "scan_tasks",
    "seed_tasks",
    "task_file",
    "whole_folder",
    "write_atomically",
    "write_in_parts",
    "write_task_with",
]
