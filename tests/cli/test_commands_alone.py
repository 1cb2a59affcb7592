"""Each command can be imported by itself."""

import subprocess
import sys

import pytest

from seedstep.cli import COMMANDS

MODULES = sorted({entry.module or entry.name for entry in COMMANDS})


@pytest.mark.parametrize("module", MODULES)
def test_the_module_of_a_command_needs_no_other_to_be_imported_before(module: str) -> None:
    """As other tests start commands where everything is loaded already."""
    done = subprocess.run(
        [sys.executable, "-c", f"import seedstep.cli.{module}"], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
