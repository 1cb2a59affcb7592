"""The texts of replies that are being written, for people who wait; nothing is made of them.

A model in this process sends its replies piece by piece.

Example::

    writing = Writing()
    with writing.listen("generation") as hear:
        hear(b'data: {"choices": [{"text": "Name a"}]}\\n')
        writing.latest()  # ("generation", "Name a")
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

__all__ = ["Writing"]

KEPT_CHARACTERS = 2000
"""The most characters that are kept of a text, its last ones."""

LONGEST_LINE = 1 << 16
"""A longer line of a stream is not read here."""


class Writing:
    """The texts that are being written, by the purpose of their requests, the oldest first."""

    def __init__(self) -> None:
        """Begin without texts."""
        self._texts: dict[int, tuple[str, str]] = {}
        self._numbers = itertools.count()

    @contextmanager
    def listen(self, purpose: str) -> Iterator[Callable[[bytes], None]]:
        """Give a function to call with each piece of a reply, whose text is kept until the end."""
        number = next(self._numbers)
        rest = b""

        def hear(piece: bytes) -> None:
            nonlocal rest
            *lines, rest = (rest + piece).split(b"\n")
            rest = rest if len(rest) < LONGEST_LINE else b""
            if new := "".join(map(_text_in, lines)):
                before = self._texts.get(number, (purpose, ""))[1]
                self._texts[number] = purpose, (before + new)[-KEPT_CHARACTERS:]

        try:
            yield hear
        finally:
            self._texts.pop(number, None)

    def latest(self) -> tuple[str, str] | None:
        """Return purpose and text of the reply that has been written for longest, or None."""
        return next(iter(self._texts.values()), None)


def _text_in(line: bytes) -> str:
    """Return the text in a line of a stream of events, or "" if it has none."""
    if not line.startswith(b"data: {"):
        return ""
    try:
        choice: Any = msgspec.json.decode(line[6:])["choices"][0]
        found = choice["text"] if "text" in choice else choice["delta"]["content"]
    except (ValueError, LookupError, TypeError):
        return ""
    return found if isinstance(found, str) else ""
