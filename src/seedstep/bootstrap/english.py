"""Checks of the wording of English instructions.

Example::

    >>> is_statement("The sky is blue.")
    True
    >>> lacks_material("Sort these words.")  # it does not have the words
    True
"""

import re

__all__ = ["is_statement", "lacks_material"]

_MATERIAL = (
    "sentence|text|paragraph|passage|article|e-?mail|message|poem|story|essay|review|comment|tweet"
    "|dialogue|conversation|list|table|number|word|phrase|equation|problem|puzzle|riddle|code"
    "|snippet|function|recipe|ingredient|fruit|item|name|date|event|quote|headline|title"
    "|description|statement|question|fact|document|note|product|animal|object"
)
_COUNT = "two |three |four |five |six "
_THIS = rf"(?:this|these|those) (?:{_COUNT})?(?:\w+ )?(?:{_MATERIAL})s?\b"
_POINTS_AT_INPUT = re.compile(
    rf"\b(?:the following|the given|the provided|given (?:an?|the)\b|{_THIS}|below|above)",
    re.IGNORECASE,
)
_BRINGS_MATERIAL = re.compile(r"[:\"“”`\n]\s*\S")
_STARTS_LIKE_STATEMENT = re.compile(
    r"(?:An?|The|He|She|It|They|We|There|His|Her|Their|My|One|Some|Many|This is|That is)\b"
    r"|(?:You are|You're|I am|I'm|I have)\b(?!.*,)"
)
_ASKS = re.compile(
    r"\?|\b(?:should|must|needs? to|has to|have to|could|please)\b|[.!:;]\s+\S", re.I
)


def is_statement(instruction: str) -> bool:
    """Return whether an English text is one sentence that states something and asks for nothing."""
    return bool(_STARTS_LIKE_STATEMENT.match(instruction)) and not _ASKS.search(instruction)


def lacks_material(instruction: str) -> bool:
    """Return whether an instruction points at a text, a list and so on that it does not hold."""
    points = _POINTS_AT_INPUT.search(instruction)
    return points is not None and not _BRINGS_MATERIAL.search(instruction)
