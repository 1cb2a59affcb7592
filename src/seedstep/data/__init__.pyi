from seedstep.data.choice import TaskChoice as TaskChoice
from seedstep.data.evaluation import (
    PredictionFile as PredictionFile,
    evaluation_items as evaluation_items,
    read_predictions as read_predictions,
)
from seedstep.data.files import (
    files_in as files_in,
    folder_with as folder_with,
    make_folder as make_folder,
    new_folder as new_folder,
    read_marker as read_marker,
    require_ours as require_ours,
    whole_folder as whole_folder,
    write_atomically as write_atomically,
    write_in_parts as write_in_parts,
)
from seedstep.data.reading import BadLine as BadLine, read_jsonl as read_jsonl
from seedstep.data.records import (
    Example as Example,
    Instance as Instance,
    Prediction as Prediction,
    Problem as Problem,
    Tabulated as Tabulated,
    Task as Task,
    TaskList as TaskList,
    instance_id as instance_id,
    instances_of as instances_of,
    task_record as task_record,
)
from seedstep.data.rows import open_table as open_table
from seedstep.data.seeds import (
    SeedFile as SeedFile,
    read_seeds as read_seeds,
    require_seeds as require_seeds,
    seed_tasks as seed_tasks,
)
from seedstep.data.sources import (
    PathOrTasks as PathOrTasks,
    StrPath as StrPath,
    has_rows as has_rows,
    load_rows as load_rows,
    load_tasks as load_tasks,
    paths_of as paths_of,
    scan_tasks as scan_tasks,
    sources_of as sources_of,
)
from seedstep.data.superni import (
    STEPS_FIELD as STEPS_FIELD,
    task_file as task_file,
)
from seedstep.data.tables import (
    Columns as Columns,
    RowFile as RowFile,
    TableRow as TableRow,
)
from seedstep.data.yaml_files import (
    parse_yaml as parse_yaml,
    read_yaml as read_yaml,
    write_yaml as write_yaml,
)
