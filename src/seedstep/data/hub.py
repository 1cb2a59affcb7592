"""Load data sets of the hub, or of a directory, through `datasets`.

Example::

    rows = load_hub("hub:databricks/databricks-dolly-15k")
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seedstep.errors import InputError, MissingExtraError, first_line

__all__ = ["HUB", "load_hub"]

HUB = "hub:"
"""With what the name of a data set of the hub begins, as a source."""

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w-][\w.-]*(/[^\n]+)?)?")


def load_hub(place: str, split: str | None = None) -> Any:
    """Load a data set of the hub, or of a directory, through `datasets`: the split, or `train`.

    Raises:
        InputError: there is no such data set, configuration or split, or no network.
        MissingExtraError: `datasets` is not installed.
    """
    try:
        import datasets
    except ImportError:
        raise MissingExtraError("a data set of the hub", "pip install datasets") from None
    name, config = _hub_name(place)
    try:
        with _known_offline(datasets, name):
            return datasets.load_dataset(name, config, split=split or "train")
    except ConnectionError as error:
        what = f"{place}: the hub can't be reached, and no copy is here: {first_line(error)}"
        remedy = "connect to the network, or name a file of its rows"
        raise InputError(what, remedy) from None
    except Exception as error:  # of `datasets`, huggingface_hub, httpx, pyarrow and fsspec
        what = f"{place}: can't be loaded through `datasets`: {first_line(error)}"
        remedy = "check the name: hub:OWNER/NAME or hub:OWNER/NAME/CONFIG, and :SPLIT"
        raise InputError(what, remedy) from None


def _hub_name(place: str) -> tuple[str, str | None]:
    """Return the name and the configuration of a data set; a directory has no configuration.

    Raises:
        InputError: it is neither a directory nor the name of a data set.
    """
    name = place.removeprefix(HUB)
    if Path(name).is_dir():
        return name, None
    if not _HUB_NAME.fullmatch(name):
        what = f"{place}: neither a directory nor the name of a data set"
        raise InputError(what, "write hub:OWNER/NAME, hub:OWNER/NAME/CONFIG or hub:DIRECTORY")
    owner, _, rest = name.partition("/")
    short, _, config = rest.partition("/")
    return f"{owner}/{short}" if short else owner, config or None


@contextmanager
def _known_offline(datasets: Any, name: str) -> Iterator[None]:
    """Let `datasets` use its copies at once where the hub has no address, without retries."""
    import socket
    from urllib.parse import urlsplit
    from urllib.request import getproxies

    from huggingface_hub import constants

    host = urlsplit(constants.ENDPOINT).hostname or ""
    before = (datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE)
    if not Path(name).is_dir() and not getproxies():
        try:
            socket.getaddrinfo(host, None)
        except OSError:
            datasets.config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    shown = datasets.utils.logging.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE = before
        if shown:
            datasets.enable_progress_bars()
