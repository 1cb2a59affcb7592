"""Each command can be imported by itself."""

import subprocess
import sys

import pytest

from seedstep.cli import COMMANDS, _load
from seedstep.cli.commands import CommandEntry
from seedstep.errors import InputError
from seedstep.stages import STAGES

MODULES = sorted({entry.module or entry.name for entry in COMMANDS})

IMPORTING = """
import os, sys
import aiohttp, filelock, msgspec, numpy, rapidfuzz, regex, rich, typer, yaml
import seedstep.cli
for module in sys.argv[1:]:
    print(module, file=sys.stderr, flush=True)
    child = os.fork()
    if not child:
        __import__(f"seedstep.cli.{module}")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""
"""Imports each module in a copy of a process that has loaded none, but what others publish."""


def test_the_module_of_a_command_needs_no_other_to_be_imported_before() -> None:
    """As other tests start commands where everything is loaded already."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTING, *MODULES], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.split()) == (0, MODULES)


@pytest.mark.parametrize(
    ("module", "home"), [("", "count-words"), ("seed", "seed"), ("run", "run")]
)
def test_a_command_that_is_not_where_its_line_says_is_told(module: str, home: str) -> None:
    entry = CommandEntry("count-words", "Grow", "Count words.", module)
    with pytest.raises(InputError) as told:
        _load(entry)
    assert str(told.value) == (
        f"the command 'count-words' is not in seedstep.cli.{home}. Call its function "
        "`count_words_command` there."
    )


def test_each_stage_has_a_command() -> None:
    assert set(STAGES) <= {entry.name for entry in COMMANDS}
