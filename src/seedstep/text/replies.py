"""What a model's reply says, without what is around it.

Example::

    answer("<think>Hm.</think>\\n```\\n1. Read.\\n```")  # "1. Read."
"""

import json
import re
from typing import Any

__all__ = ["answer", "json_object", "plain_text"]

_NOT_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_FENCE = re.compile(r"\A\s*```\w*\n(?P<body>.*?)\n?(?:```\s*)?\Z", re.DOTALL)


def plain_text(text: str) -> str:
    """Without control characters and lone surrogates; a line ends with a line feed."""
    return _NOT_TEXT.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def answer(text: str) -> str:
    """A reply without a reasoning model's thoughts, and without one fence around it all."""
    _, closed, said = plain_text(text).rpartition("</think>")
    if not closed and said.lstrip().startswith("<think>"):
        return ""
    fenced = _FENCE.match(said)
    return fenced["body"] if fenced else said


def json_object(text: str) -> dict[str, Any] | None:
    """The one JSON object that a text is; None if it is none, or has a name twice."""
    try:
        record = json.loads(text, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a name stands twice")
    return record
