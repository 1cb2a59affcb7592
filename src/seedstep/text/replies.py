"""What a model's reply says, without what is around it.

Example::

    answer("<think>Hm.</think>\\n```\\n1. Read.\\n```")  # "1. Read."
"""

import re

__all__ = ["answer", "plain_text"]

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
