"""Each command can be imported by itself."""

import subprocess
import sys

from seedstep.cli import COMMANDS

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
