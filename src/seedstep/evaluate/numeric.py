"""numpy, which the extra `evaluate` installs; who lacks it is told so in one line.

Example::

    from seedstep.evaluate.numeric import np
"""

from seedstep.errors import MissingExtraError

try:
    import numpy as np
except ModuleNotFoundError:
    raise MissingExtraError("this statistic", "pip install 'seedstep[evaluate]'") from None

__all__ = ["np"]
