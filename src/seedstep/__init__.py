"""seedstep: instruction-tuning data from a few seed tasks, and step-by-step instructions.

Example::

    from seedstep import export, self_instruct

    with self_instruct("runs/first", model="local", tasks=25) as run:
        export(run, "alpaca", "data")
"""

from seedstep import interruption  # noqa: F401 - before what takes time

# isort: split
from seedstep.lazy import public_names

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = public_names(__name__)
__all__ += ["__version__"]
