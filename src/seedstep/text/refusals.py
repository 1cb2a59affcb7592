"""Texts in which a model says that it will not, or can not, do what it was asked.

English only: a refusal in another language is not found.

Example::

    >>> is_refusal("I'm sorry, but I can't assist with that.")
    True
    >>> is_refusal("Say sorry to a friend.")
    False
"""

import re

__all__ = ["is_refusal", "mentions_refusal"]

_LOOKED_AT = 300
"""Characters at the beginning of a text that are looked at."""

_SELF = (
    r"I(?:['’]m| am) (?:an? )?(?:AI|artificial|(?:large |just a )?language model)"
    r"|as an? (?:AI|artificial intelligence|large language model|language model|text-based)\b"
)
_DO = (
    r"(?:assist|help|fulfil+|comply|complete|provide|create|generate|write|answer|respond|continue"
    r"|produce|do that|do this|process|access|engage|discuss|perform|satisfy|support|offer|share"
    r"|participate|carry out|come up|proceed|accommodate|give|see any|see the|find (?:any|the|an?)"
    r"|determine|identify|translate|classify|summari[sz]e|read the|view|open|be able to)"
)
_CANNOT = (
    r"(?:cannot|can['’]?t|can not|won['’]?t|will not|am (?:unable|not able|not allowed) to"
    r"|['’]m (?:unable|not able|not allowed) to|must decline to|am not going to|['’]m not going to)"
)
_REFUSAL = re.compile(
    r"\s*+[\"'“*]*+(?:(?:unfortunately|sure|no|hi|hello|well|thank you)[,.!]*+\s++)?+(?:"
    rf"(?:{_SELF})"
    r"|(?:I(?:['’]m| am) )?(?:(?:very|so|really|truly|terribly) )?sorry,? ?"
    rf"(?:but|however)?,? (?:I|as an AI|this request|that request|your request)\b[ ]?"
    rf"(?:{_CANNOT}|don['’]?t|do not|can be|have no|is|goes)"
    r"|I(?:['’]m| am) (?:very |so |really )?sorry,? but\b"
    r"|I (?:do )?apologi[sz]e,? (?:but|for)\b"
    r"|my apologies\b"
    rf"|I ?(?:just |really |simply )?{_CANNOT} (?:\w+ly )?{_DO}"
    r"|I (?:do not|don['’]?t) have (?:the (?:ability|capability)|access to|enough (?:info|context))"
    r"|I must decline\b"
    r")",
    re.IGNORECASE,
)
_MENTION = re.compile(
    r"\b(?:sorry|apologi[sz]e|as an? (?:ai|language model)"
    r"|I(?: am|['’]m)? (?:unable to|not able to|cannot|can['’]t|won['’]t))\b",
    re.IGNORECASE,
)


def is_refusal(text: str) -> bool:
    """Return whether a text begins as a model's refusal or apology does."""
    return _REFUSAL.match(text[:_LOOKED_AT]) is not None


def mentions_refusal(text: str) -> bool:
    """Return whether the beginning of a text has words of refusals, in a reply of no other form."""
    return _MENTION.search(text[:_LOOKED_AT]) is not None
