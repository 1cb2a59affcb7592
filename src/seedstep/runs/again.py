"""Ask again for what failed: records without a result are removed, and answers are passed over.

The answer to a request is kept, whatever it is, and a run that goes on uses it. Where the user
wants what failed to be asked again, the requests that are to blame are noted as passed over: the
request engine asks each of them with another draw, as it would be answered alike otherwise. Nothing
that was paid for is deleted.

Example::

    changes = ask_again(run, run.changes)
    print("\\n".join(changes.told))
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from seedstep.runs.database import Statement
from seedstep.runs.lists import GONE, ListChanges

if TYPE_CHECKING:
    from seedstep.runs.database import Database
    from seedstep.runs.predictions import ChosenSystem
    from seedstep.runs.run import Run

__all__ = ["Failed", "FailedPredictions", "ask_again", "failed_predictions"]

Failed = Literal["keep", "again"]
"""What becomes of tasks without a result when a run goes on: `again` asks for them once more."""

NOTE = "INSERT OR IGNORE INTO passed_over VALUES (?)"


def ask_again(
    run: "Run[Any, Any, Any]", changes: ListChanges, *, write: bool = True
) -> ListChanges:
    """Remove the records of tasks without a result, so that they are done again.

    `changes` are those of the list, which is returned with what is asked again. Without `write`,
    return only what would be done.
    """
    contents = run.stage.contents
    if contents is None or not run.database.has_rows("results"):
        return changes
    here = contents(run.inputs()).keys() - {*changes.changed, *changes.touched, *changes.unsure}
    missing: dict[str, tuple[str, ...]] = {
        entry.task: keys
        for entry in run.entries()
        if entry.task in here and (keys := run.stage.unanswered(entry.result))
    }
    passed = frozenset(key for found in missing.values() for key in found)
    if write and missing:
        statements: list[Statement] = [(NOTE, (key,)) for key in sorted(passed)]
        statements += [(GONE, (task,)) for task in missing]
        run.database.write_together(statements)
    return replace(changes, failed=tuple(missing), passed_over=passed)


@dataclass(frozen=True, slots=True)
class FailedPredictions:
    """The places of a system's failed predictions, and the requests that are asked again.

    `statements` remove the predictions and note the requests.
    """

    places: frozenset[int] = frozenset()
    passed_over: frozenset[str] = frozenset()
    statements: tuple[Statement, ...] = ()

    @property
    def told(self) -> tuple[str, ...]:
        """What the user is told, by line."""
        count = len(self.places)
        what = f"{count:,} failed prediction{'s' * (count != 1)}: asked again"
        return (what,) if count else ()


_FAILED = "SELECT place FROM predictions WHERE system = ? AND failed != ''"
_REFUSED = """
SELECT key FROM requests WHERE failure IS NOT NULL AND (
    key IN (SELECT key FROM request_models WHERE model = ?)
    OR key NOT IN (SELECT key FROM request_models)
)
"""


def failed_predictions(
    database: "Database", system: "ChosenSystem", failed: Failed
) -> FailedPredictions:
    """Return the failed predictions of a system, and what asks for them again; none with `keep`."""
    here = (system.name,)
    places = frozenset(row[0] for row in database.rows(_FAILED, here) if failed == "again")
    if not places:
        return FailedPredictions()
    model = system.settings.model.name
    keys = frozenset(row[0] for row in database.rows(_REFUSED, (model,)))
    statements: list[Statement] = [
        ("DELETE FROM scores WHERE name = ?", here),
        *(("DELETE FROM thoughts WHERE system = ? AND place = ?", (*here, at)) for at in places),
        ("DELETE FROM predictions WHERE system = ? AND failed != ''", here),
        *((NOTE, (key,)) for key in sorted(keys)),
    ]
    return FailedPredictions(places, keys, tuple(statements))
