"""What a tuning tells as it proceeds, and what it returns.

Example::

    tuned = tune_model("tuned", model="local", data=["runs/first"])
    tuned.to_records()[-1]["loss"]
    write_report([tuned], "report")
"""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from seedstep.data.records import Tabulated, as_html, html_table
from seedstep.errors import SeedstepError
from seedstep.runs import Run
from seedstep.stages import TUNE
from seedstep.tune import Preflight, TuneSettings, TuneWatch
from seedstep.tune.openai_jobs import FineTuned, JobWatch

__all__ = ["TuneResult", "TuningWatch"]


@dataclass(frozen=True, slots=True)
class TuneResult(Tabulated):
    """The result of `tune_model`, which goes wherever a run of the tuning does.

    `left_out` names the data that could not be used, `notes` the files that could not be written
    besides the model. `model` is the path of the tuned model, None after a dry run or if the tuning
    was `stopped`. `finished_before` says that an earlier call had finished the tuning. A
    fine-tuning `job` has no preflight, and its model stays at the server.
    """

    path: Path
    settings: TuneSettings
    preflight: Preflight | None
    left_out: tuple[str, ...]
    model: Path | None = None
    job: FineTuned | None = None
    finished_before: bool = False
    stopped: bool = False
    notes: tuple[str, ...] = ()

    def __fspath__(self) -> str:
        """Return the directory, so that a tuning can be given wherever a path is."""
        return os.fspath(self.path)

    @property
    def is_begun(self) -> bool:
        """Whether anything was tuned, which it is not in a dry run."""
        return bool(self.model or self.job or self.stopped)

    def to_records(self) -> list[dict[str, Any]]:
        """Return a plain row for each step with a known loss: its `loss` and `held_out_loss`.

        There are none after a dry run, and of a server's job.

        Raises:
            RunError: the tuning is not there any more.
        """
        if not self.is_begun:
            return []
        with Run.read(TUNE, self.path) as run:
            return run.to_records()

    def _repr_html_(self) -> str:
        """Return the state of the tuning as HTML, as notebooks show it; of a dry run the counts."""
        if self.is_begun:
            try:
                with Run.read(TUNE, self.path) as run:
                    return run._repr_html_()
            except SeedstepError as error:
                return f"<div>{as_html(error.what)}</div>"
        counts = asdict(self.preflight) if self.preflight else {}
        rows = [(name, f"{count:,}") for name, count in counts.items() if isinstance(count, int)]
        title = f"<div><b>{as_html(str(self.path))}</b> seedstep tune, nothing tuned yet</div>"
        return title + (html_table((), rows) if rows else "")


class TuningWatch(TuneWatch, JobWatch, Protocol):
    """An object with methods that are called as a tuning proceeds, here or at a server."""

    def counted(
        self, settings: TuneSettings, preflight: Preflight, left_out: tuple[str, ...]
    ) -> None:
        """Called before the first step, with the counts of the data."""
