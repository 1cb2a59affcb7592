"""The table of commands: a command's module is imported when the command is used.

Example::

    >>> next(entry.line for entry in COMMANDS if entry.name == "seeds")
    'Seed tasks.'
"""

from collections.abc import Iterable
from dataclasses import dataclass

from seedstep.errors import InputError, short_line
from seedstep.runs.entries import (
    EVALUATE,
    GROW,
    PEOPLE,
    STAGE_ENTRIES,
    STEPS_GROUP,
    TUNE_GROUP,
)

__all__ = ["COMMANDS", "CommandEntry", "refuse_taken_names"]

RUNS = "Runs"
GROUPS = (GROW, STEPS_GROUP, TUNE_GROUP, EVALUATE, PEOPLE, RUNS)
"""The groups of commands, in the order of `seedstep --help`."""


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """A command: its name, the group and the line in which it is listed, and its module.

    Those of stages follow from `seedstep.runs.entries`. The line is the first paragraph of the
    command's help. A module of the command's name, in this package, has a function `command`, or an
    `app` with commands of its own. A module of several commands has `NAME_command` for each.
    """

    name: str
    group: str
    line: str
    module: str = ""


_OTHERS = (
    CommandEntry(
        "merge",
        GROW,
        "Merge shards of a bootstrap into one run, in which each task is novel beside all others.",
        "run",
    ),
    CommandEntry(
        "grow",
        GROW,
        "Grow tasks in shards and rounds, and merge them. Run it again to go on where it stopped.",
        "run",
    ),
    CommandEntry("seeds", GROW, "Seed tasks.", "grow"),
    CommandEntry(
        "init", GROW, "Write a commented configuration file for `bootstrap --config`.", "grow"
    ),
    CommandEntry(
        "novelty",
        GROW,
        "Keep the texts of a file that are novel: not like one kept before, nor an evaluation set.",
        "grow",
    ),
    CommandEntry(
        "calibrate",
        GROW,
        "Precision and recall of an encoder by threshold, on labelled pairs of instructions.",
        "grow",
    ),
    CommandEntry(
        "suite",
        GROW,
        "Write a small suite of tasks, with step-by-step instructions, to train and test on.",
        "grow",
    ),
    CommandEntry(
        "encode",
        TUNE_GROUP,
        "Show what a model is given: prompt and target as text and tokens, and what did not fit.",
        "tune",
    ),
    CommandEntry(
        "evaluate",
        EVALUATE,
        "Score predictions by all metrics, with 95% intervals over tasks.",
    ),
    CommandEntry(
        "compare",
        EVALUATE,
        "Compare systems, by default the first with each other one: differences, win/lose/tie.",
        "evaluate",
    ),
    CommandEntry(
        "verdicts",
        EVALUATE,
        "List what a judge said of each answer: `seedstep verdicts RUN --label D`.",
        "judge",
    ),
    CommandEntry(
        "agreement",
        EVALUATE,
        "Agreement of two raters or more on the same answers, with 95% intervals over items.",
        "judge",
    ),
    CommandEntry(
        "view",
        RUNS,
        "Look at runs in a browser: tasks, steps, predictions and requests, a page at a time.",
        "review",
    ),
    CommandEntry(
        "status",
        RUNS,
        "Show where a run of any stage stands: counts, reasons, tokens, and speed or cost.",
        "runs",
    ),
    CommandEntry(
        "show",
        RUNS,
        "List what a run of any stage has, or show one thing of it with all that led to it.",
        "runs",
    ),
    CommandEntry(
        "requests",
        RUNS,
        "List a run's requests, show one whole, or write them to a recording.",
        "runs",
    ),
    CommandEntry(
        "report",
        RUNS,
        "Write a page with statistics, figures and examples of one or more runs, or of data.",
        "runs",
    ),
    CommandEntry(
        "export", RUNS, "Write the finished tasks in a format that tuning tools read.", "publish"
    ),
    CommandEntry(
        "push",
        RUNS,
        "Publish a data set on the Hugging Face hub. Lists the files first, and asks.",
        "publish",
    ),
    CommandEntry(
        "run", RUNS, "Run the stages of an experiment. Run it again to go on where it stopped."
    ),
    CommandEntry(
        "table",
        RUNS,
        "Show a table of a paper as an experiment made it: ours beside the printed values.",
        "run",
    ),
    CommandEntry(
        "demo",
        RUNS,
        "Run the whole loop with a small model: grow, write steps, tune, evaluate and report.",
        "run",
    ),
)
"""The commands that are not those of a stage."""

COMMANDS = tuple(
    sorted(
        (
            *(
                CommandEntry(name, entry.group, entry.line, entry.module)
                for name, entry in STAGE_ENTRIES.items()
            ),
            *_OTHERS,
        ),
        key=lambda entry: GROUPS.index(entry.group),
    )
)
"""The commands, as `seedstep --help` lists them: in each group those of stages first."""


def refuse_taken_names(added: Iterable[str]) -> None:
    """Check the names of the commands that were added to those of seedstep.

    Raises:
        InputError: seedstep has a command of a name, or two of them have the same.
    """
    ours, seen = {entry.name for entry in COMMANDS}, set[str]()
    for name in added:
        if name in ours:
            what = f"seedstep has a command '{short_line(name)}' already"
            raise InputError(what, "give yours another name")
        if name in seen:
            what = f"two commands are called '{short_line(name)}'"
            raise InputError(what, "give each a name of its own")
        seen.add(name)
