"""Filters of our own, beyond the paper's; `extra_filters: false` switches them off.

Small models make faults that the paper's filters let through. On what people wrote (the seeds and
the user-oriented tasks of Self-Instruct, and our own seeds), each of these refuses at most 1 text
in 100.

Example::

    extra_instance_fault("Sort these words.", RawInstance("", "ant, bee"))  # "missing_input"
"""

import re
from functools import cache

from seedstep.bootstrap.parse import RawInstance
from seedstep.prompts import demonstrations
from seedstep.text import loops

__all__ = ["extra_instance_fault", "is_statement"]

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
    """Whether an English text is one sentence that states something and asks for nothing."""
    return bool(_STARTS_LIKE_STATEMENT.match(instruction)) and not _ASKS.search(instruction)


def extra_instance_fault(instruction: str, one: RawInstance) -> str:
    """`missing_input`, `copies_demonstration`, `repeats_itself`, or empty."""
    if not one.input and _lacks_material(instruction):
        return "missing_input"
    if (one.input, one.output) in _shown():
        return "copies_demonstration"
    return "repeats_itself" if loops(one.output) else ""


def _lacks_material(instruction: str) -> bool:
    """Whether it points at a text, a list and so on, and does not bring it along."""
    points = _POINTS_AT_INPUT.search(instruction)
    return points is not None and not _BRINGS_MATERIAL.search(instruction)


@cache
def _shown() -> frozenset[tuple[str, str]]:
    """All (input, output) of the fixed demonstrations, inputs with and without their label."""
    pairs = set()
    for approach in ("input_first", "output_first"):
        for shown in demonstrations()[approach]:
            for one in shown.examples:
                pairs |= {(one.input, one.output), (f"{shown.label}: {one.input}", one.output)}
    return frozenset(pairs)
