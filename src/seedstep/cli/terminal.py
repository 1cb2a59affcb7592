"""What all commands print with. Texts that a model wrote are shown without control characters.

Example::

    console.print(plain(task.definition))
"""

from rich.console import Console
from rich.text import Text

from seedstep.text import visible

__all__ = ["console", "duration", "errors", "plain"]

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def plain(text: str, style: str = "") -> Text:
    """Untrusted text for the terminal: no markup, no escape codes, no direction marks."""
    return Text(visible(text), style=style)


def duration(seconds: float) -> str:
    """Seconds as a clock shows them: 0:42, 12:05, 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
