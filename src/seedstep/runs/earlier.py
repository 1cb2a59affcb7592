"""Earlier tunings of a directory: what is kept when the data of a tuning have changed.

A tuning on other data is a new one. The files of the earlier one are moved to `earlier/1`, those of
the next to `earlier/2`, where they are a tuning of their own. Other files, such as a run of
predictions below the directory, stay. `tune.yaml` is copied last, so that a move that was
interrupted is known and finished.

Example::

    folder = EarlierTunings(Path("tuned")).set_aside()
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from seedstep.data import write_atomically
from seedstep.errors import RunError
from seedstep.runs.places import GIVEN
from seedstep.runs.tune import TUNE_CONFIG, WRITTEN

__all__ = ["EARLIER", "EarlierTunings"]

EARLIER = "earlier"
"""The directory of the earlier tunings."""


@dataclass(frozen=True, slots=True)
class EarlierTunings:
    """The earlier tunings of the tuning in the directory `path`."""

    path: Path

    @property
    def count(self) -> int:
        """How many there are."""
        return len(list((self.path / EARLIER).glob(f"*/{TUNE_CONFIG}")))

    @property
    def interrupted(self) -> Path | None:
        """The directory to which files were being moved, or None."""
        last = self._last()
        folder = self._folder(last)
        return folder if last and not (folder / TUNE_CONFIG).exists() else None

    def next(self) -> Path:
        """Return the directory for the tuning that is there now."""
        return self.interrupted or self._folder(self._last() + 1)

    def set_aside(self) -> Path:
        """Move the tuning to its directory below `earlier`, or finish that; return the directory.

        Raises:
            RunError: files can't be moved.
        """
        folder = self.next()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if (self.path / GIVEN).is_dir():
                shutil.copytree(self.path / GIVEN, folder / GIVEN, dirs_exist_ok=True)
            for file in (self.path / name for name in WRITTEN):
                if file.exists():
                    file.rename(folder / file.name)
            write_atomically(folder / TUNE_CONFIG, (self.path / TUNE_CONFIG).read_bytes())
        except OSError as error:
            raise RunError(f"{folder}: {error.strerror}", "correct its rights") from None
        return folder

    def take_back(self) -> None:
        """Move back what an interrupted move took away, as the data are those of before again.

        Raises:
            RunError: files can't be moved.
        """
        folder = self.interrupted
        if folder is None:
            return
        try:
            for file in sorted(folder.iterdir()):
                if file.name != GIVEN:
                    file.rename(self.path / file.name)
            shutil.rmtree(folder)
        except OSError as error:
            raise RunError(f"{folder}: {error.strerror}", "correct its rights") from None

    def _folder(self, number: int) -> Path:
        return self.path / EARLIER / str(number)

    def _last(self) -> int:
        """Return the number of the last one, 0 if there is none."""
        below = (self.path / EARLIER).glob("*")
        return max((int(each.name) for each in below if each.name.isdecimal()), default=0)
