"""Import modules with entries of your own when a command or a worker starts.

The environment variable SEEDSTEP_PLUGINS names the modules, with commas between them. It reaches
the stages of an experiment and the workers of a prediction, which are processes of their own. No
file that is read as data or as an experiment can name a module.

Example::

    SEEDSTEP_PLUGINS=my_entries PYTHONPATH=lib seedstep run experiment.yaml --out runs/all
"""

import os
from importlib import import_module

from seedstep.errors import InputError, SeedstepError, first_line, short_line

__all__ = ["PLUGINS", "load_plugins"]

PLUGINS = "SEEDSTEP_PLUGINS"
"""The environment variable."""


def load_plugins() -> None:
    """Import the modules that SEEDSTEP_PLUGINS names.

    Raises:
        InputError: a module is not there, raised an error, or ended the process.
    """
    for name in filter(None, map(str.strip, os.environ.get(PLUGINS, "").split(","))):
        try:
            import_module(name)
        except SeedstepError as error:  # of an entry that it adds
            raise InputError(f"{PLUGINS}: module '{name}': {error.what}", error.remedy) from error
        except (Exception, SystemExit) as error:
            why = first_line(error)
            if isinstance(error, SystemExit):
                why = f"it ends the process: {why}"
            what = f"{PLUGINS}: module '{short_line(name)}' can't be imported ({why})"
            raise InputError(
                what, "correct it, put its directory in PYTHONPATH, or leave it out"
            ) from error
