"""The texts of requests, stored without what they share: prompts have frames and demonstrations.

A frame is a beginning and an end that texts of one purpose have in common. It is found by comparing
a text with the one before it, and stored once; a request keeps what stands between.
`whole_requests` puts texts together again, in SQL alone.

Example::

    >>> _shared("Is it? Task: sing. Answer:", "Is it? Task: dance. Answer:")
    Frame(head='Is it? Task: ', tail='. Answer:')
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import msgspec

from seedstep.llm import Request
from seedstep.runs.database import Database, Statement

__all__ = ["COLUMNS", "Frame", "Frames", "request_text", "searched_requests", "whole_requests"]

LONGEST_REST = 200
"""The most characters of a text that its frame may leave before a better frame is sought."""

LEAST_SAVED = 100
"""How many characters a new frame saves at least, for each text, over those that are known."""

MOST_FRAMES = 500

COLUMNS = (
    "key, purpose, request, reply, finish_reason, prompt_tokens, completion_tokens, estimated,"
    " failure, detail, status, attempts, seconds, at"
)
"""The columns of a request, with its whole text."""

_TEXT = "coalesce(head, '') || request || coalesce(tail, '') AS request"
_WHOLE = f"""
(SELECT r.rowid AS rowid, {COLUMNS.replace("request", _TEXT, 1)}
FROM requests r LEFT JOIN frames ON frames.id = r.frame)
"""  # noqa: S608 - constants


_PUT_FRAME = "INSERT OR IGNORE INTO frames VALUES (?, ?, ?)"


def request_text(request: Request) -> str:
    """Return a request without its purpose, as JSON."""
    asked: dict[str, Any] = {
        "prompt": request.prompt,
        "sampling": request.sampling,
        "schema": request.schema,
        "draw": request.draw,
    }
    if request.reasoning:
        asked["reasoning"] = request.reasoning
    if request.scored_from is not None:
        asked["scored_from"] = request.scored_from
    return msgspec.json.encode(asked).decode()


def whole_requests(database: Database) -> str:
    """Return what stands for the table `requests` in a query, with the whole text of each."""
    return _WHOLE if database.has_rows("frames") else "requests"


_HAS_TEXT = """
(frame IN (
    SELECT id FROM frames WHERE instr(lower(head), lower({0})) OR instr(lower(tail), lower({0})))
OR instr(lower(substr(coalesce(head, ''), -length({0})) || request
   || substr(coalesce(tail, ''), 1, length({0}))), lower({0})))
"""


def searched_requests(database: Database, text: str) -> tuple[str, str]:
    """Return what stands for the table `requests`, and a condition: that its text has `text`.

    `text` is SQL. The condition looks at each frame once, not at the whole text of each
    request.
    """
    if not database.has_rows("frames"):
        return "requests", f"instr(lower(request), lower({text}))"
    return "requests LEFT JOIN frames ON frames.id = requests.frame", _HAS_TEXT.format(text)


@dataclass(frozen=True, slots=True)
class Frame:
    """What texts begin and end with."""

    head: str
    tail: str

    @property
    def id(self) -> int:
        """A number that follows from the texts, so that two processes give it the same."""
        found = sha256(f"{len(self.head)} {self.head}{self.tail}".encode()).digest()
        return int.from_bytes(found[:8]) >> 1  # as SQLite has signed numbers

    def __len__(self) -> int:
        return len(self.head) + len(self.tail)

    def fits(self, text: str) -> bool:
        """Return whether a text begins and ends so."""
        long = len(text) >= len(self)
        return long and text.startswith(self.head) and text.endswith(self.tail)

    def cut_from(self, text: str) -> str:
        """Return what stands between in a text that fits."""
        return text[len(self.head) : len(text) - len(self.tail)]


class Frames:
    """The frames of a run's requests."""

    def __init__(self, database: Database) -> None:
        """Use the frames that the database has, and add new ones."""
        self._database = database
        self._last: dict[str, str] = {}
        self._new: set[Frame] = set()

    @cached_property
    def _known(self) -> list[Frame]:
        return [Frame(*row) for row in self._database.rows("SELECT head, tail FROM frames")]

    def shorten(self, purpose: str, text: str) -> tuple[str, int | None, list[Statement]]:
        """Return what is to be stored of a text, and the number of its frame, if it has one.

        The statements store the frame, where it is not known to be on the disk.
        """
        frame = self._find(purpose, text)
        if not frame:
            return text, None, []
        values = (frame.id, frame.head, frame.tail)
        stores: list[Statement] = [(_PUT_FRAME, values)] if frame in self._new else []
        return frame.cut_from(text), frame.id, stores

    def _find(self, purpose: str, text: str) -> Frame:
        """Return the frame that saves most, which may be a new one, or is empty."""
        last, self._last[purpose] = self._last.get(purpose, ""), text
        best = max((frame for frame in self._known if frame.fits(text)), key=len, default=NO_FRAME)
        if len(text) - len(best) > LONGEST_REST and len(self._known) < MOST_FRAMES:
            found = _shared(last, text)
            if len(found) >= len(best) + LEAST_SAVED:
                self._known.append(found)
                self._new.add(found)
                return found
        return best

    def are_stored(self, statements: Sequence[Statement]) -> None:
        """Note that statements were committed: frames that they store need no more to be."""
        for statement, values in statements:
            if statement == _PUT_FRAME:
                self._new.discard(Frame(*values[1:]))


NO_FRAME = Frame("", "")
"""The frame of texts that share nothing."""


def _shared(first: str, second: str) -> Frame:
    """Return what two texts begin and end with."""
    shorter = min(len(first), len(second))
    head = _longest(shorter, lambda size: first[:size] == second[:size])
    tail = _longest(
        shorter - head, lambda size: first[len(first) - size :] == second[len(second) - size :]
    )
    return Frame(first[:head], first[len(first) - tail :])


def _longest(most: int, agree: Callable[[int], bool]) -> int:
    """Return the largest size up to `most` at which texts agree, as they do at smaller ones."""
    least = 0
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if agree(middle) else (least, middle - 1)
    return least
