"""Escape texts from data for Markdown, and make Markdown tables.

Example::

    >>> print(markdown_table(("name", "score"), [("a_b", "41.2")], right=(False, True)), end="")
    | name | score |
    | --- | ---: |
    | a\\_b | 41.2 |
"""

import re
from collections.abc import Callable, Iterable, Sequence

from seedstep.text.cleaning import one_line

__all__ = ["as_entities", "escaped", "markdown_table"]

_IN_TABLES = re.compile(r"[\\`*_<>#|~]|(?<=\])\(")
"""Markup in seedstep's own texts, which contain names. A parenthesis counts if it makes a link."""

_ANYWHERE = re.compile(r"[\\`*_{}\[\]<>()#!|~&:@$]")
"""All markup of Markdown and of the hub's dialects, with mentions, emoji and formulas."""

_IN_HTML = re.compile(r"[<>&|`\\[\]*_~#]")


def escaped(text: str, *, all_markup: bool = False) -> str:
    """Return a text on one line, with a backslash before what could be markup.

    `all_markup`, for texts that are entirely from data, also escapes dialects of Markdown.
    """
    return (_ANYWHERE if all_markup else _IN_TABLES).sub(r"\\\g<0>", one_line(text))


def as_entities(text: str) -> str:
    """Return a text on one line, with an HTML entity for what could be markup."""
    return _IN_HTML.sub(lambda found: f"&#{ord(found[0])};", " ".join(one_line(text).split()))


def markdown_table(
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    cell: Callable[[object], str] = lambda value: escaped(str(value)),
    right: Sequence[bool] = (),
    rule: str | None = None,
) -> str:
    """Return a table, each line with its end.

    `cell` makes a value a text without markup. Columns that are `right` are aligned there. `rule`
    is the line below the head, where it is not the usual one.
    """
    marks = ["---:" if is_right else "---" for is_right in right] or ["---"] * len(head)
    lines = [_line(map(cell, head)), rule or _line(marks)]
    lines += [_line(map(cell, row)) for row in rows]
    return "".join(f"{line}\n" for line in lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
