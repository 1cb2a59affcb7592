"""What all commands print with. Texts that a model wrote are shown without control characters.

Example::

    console.print(plain(task.definition))
"""

import re

from rich.console import Console
from rich.text import Text

__all__ = ["console", "duration", "errors", "plain"]

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def plain(text: str, style: str = "") -> Text:
    """Untrusted text for the terminal: no markup, no escape codes, no direction marks."""
    return Text(_UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text), style=style)


def duration(seconds: float) -> str:
    """Seconds as a clock shows them: 0:42, 12:05, 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
