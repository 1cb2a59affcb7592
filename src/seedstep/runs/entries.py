"""The entries of seedstep's own stages: where each is, and how its command is listed.

A stage has one entry here, its module in `seedstep.stages`, and its command in a module of
`seedstep.cli`. Neither is imported to list them.

Example::

    >>> STAGE_ENTRIES["distill"].line
    'Have another model write the outputs of instances anew. Run it again to go on.'
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seedstep.runs.stage import Stage

__all__ = [
    "EVALUATE",
    "GROW",
    "PEOPLE",
    "STAGE_ENTRIES",
    "STEPS_GROUP",
    "TUNE_CONFIG",
    "TUNE_GROUP",
    "StageEntry",
]

GROW = "Grow"
STEPS_GROUP = "Steps"
TUNE_GROUP = "Tune"
EVALUATE = "Evaluate"
PEOPLE = "People"

TUNE_CONFIG = "tune.yaml"
"""The name of the configuration of a tuning, which stands beside what tuning makes."""


@dataclass(frozen=True, slots=True)
class StageEntry:
    """A stage in the table: its module in `seedstep.stages`, or the stage itself if it was added.

    In the module, the name of the stage in capitals is the stage. `group` and `line` are those with
    which `seedstep --help` lists the command of its name, and `module` is that of the command in
    `seedstep.cli`, if it has not the command's name. `config` is the name of the file with the
    configuration of its runs, if that is not the usual one.
    """

    home: "str | Stage[Any, Any, Any]"
    group: str = ""
    line: str = ""
    module: str = ""
    config: str = ""


STAGE_ENTRIES: Mapping[str, StageEntry] = MappingProxyType(
    {
        "bootstrap": StageEntry(
            "bootstrap",
            GROW,
            "Grow tasks from seed tasks (Self-Instruct). Run it again to go on where it stopped.",
        ),
        "distill": StageEntry(
            "distill",
            GROW,
            "Have another model write the outputs of instances anew. Run it again to go on.",
            "grow",
        ),
        "steps": StageEntry(
            "steps",
            STEPS_GROUP,
            "Write a step-by-step instruction for each task; show, count, export, import them.",
        ),
        "examples": StageEntry(
            "examples",
            STEPS_GROUP,
            "Generate examples from step-by-step instructions, and choose two of them.",
            "steps",
        ),
        "predict": StageEntry(
            "predict",
            EVALUATE,
            "Predict the outputs of tasks with a model or a baseline. Run it again to go on.",
            "evaluate",
        ),
        "judge": StageEntry(
            "judge",
            EVALUATE,
            "Have a model judge answers. Run it again to go on where it stopped.",
        ),
        "review": StageEntry(
            "review",
            PEOPLE,
            "Let people look at what a run made, and label it: make a review, serve it, export it.",
        ),
        "tune": StageEntry(
            "tune",
            TUNE_GROUP,
            "Tune a model on tasks. Run it again to go on where it stopped.",
            config=TUNE_CONFIG,
        ),
    }
)
"""The entries of seedstep's own stages."""
