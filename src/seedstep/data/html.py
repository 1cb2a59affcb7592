"""Tables and texts as HTML, as notebooks show the value of a cell. All texts are escaped.

Example::

    >>> print(html_table(("system", "score"), [("<b>", "1.5")]))
    <table><thead><tr><th>system</th><th>score</th></tr></thead>
    <tbody><tr><td>&lt;b&gt;</td><td>1.5</td></tr></tbody></table>
"""

import re
from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["as_html", "html_table"]

_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters, marks that turn text around, and halves of characters."""


def as_html(text: str) -> str:
    """Return a text as HTML: markup is escaped, harmful characters are replaced."""
    return escape(_HARMFUL.sub("\N{REPLACEMENT CHARACTER}", text)).replace("\n", "<br/>")


def html_table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """Return a table as HTML. An empty `head` is left out, and an empty `caption`."""
    parts = ["<table>"]
    if caption:
        parts.append(f"<caption>{as_html(caption)}</caption>")
    if head:
        parts.append(f"<thead>{_row(head, 'th')}</thead>\n")
    body = "\n".join(_row(row, "td") for row in rows)
    return "".join([*parts, f"<tbody>{body}</tbody></table>"])


def _row(cells: Sequence[str], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{as_html(cell)}</{tag}>" for cell in cells) + "</tr>"
