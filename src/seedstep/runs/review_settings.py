"""The settings of a review, which the stage table, the review app and its command share.

Example::

    ReviewSettings.of(form="pairs", runs=("runs/test",), raters=("ann", "bob"), per_task=3)
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from seedstep.settings import Count, SettingsRecord, setting

__all__ = ["ReviewSettings", "Version"]

Number = Annotated[int, msgspec.Meta(ge=0)]
Version = Literal["refined", "unrefined", "both"]


@dataclass(frozen=True, slots=True)
class ReviewSettings(SettingsRecord):
    """The settings of a review: what is reviewed, and by which raters."""

    form: str = setting(
        "data", "What raters are asked: data, steps, rating, pairs, or a YAML file."
    )
    runs: tuple[str, ...] = setting((), "What is looked at: runs, or data for the form data.")
    raters: tuple[str, ...] = setting(("me",), "Names of the raters.")
    names: tuple[str, ...] = setting((), "Which systems of the runs. Default: all.")
    sample: Count | None = setting(None, "Number of items, drawn at random. Default: all.")
    shared: tuple[Number, ...] = setting(
        (),
        "Number of items that all raters see, or one number for each run and version; the rest is "
        "dealt out. Default: all raters see all.",
    )
    per_task: Count | None = setting(None, "Number of instances of each task, drawn at random.")
    version: Version = setting("refined", "Which step-by-step instructions.")
    seed: int | None = setting(
        None,
        "Seed of draws and orders. A rater who knows it can work out which system an answer is "
        "from. Default: a secret one.",
    )
