"""Find the parameters of requests that a server does not accept, one at a time.

A server that refuses a parameter explains it in its own words, often in a list of the parameters
that it accepts, or with the request repeated. So parameters are left out one by one, first the one
that the error names; if the same error comes again, it was another. Parameters that were left out
of a request that succeeded are left out of later requests, and each reply records them.

Example::

    parameters = Parameters()
    body = parameters.adapt(request, body)
    if parameters.give_way(request, error, body):
        ...  # ask again
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from seedstep.llm.exchange import ServerError
from seedstep.llm.records import Request

__all__ = ["DEFAULTS", "OPTIONAL", "Parameters", "stopped"]

OPTIONAL = (
    "response_format",
    "reasoning_effort",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "top_p",
    "temperature",
    "stop",
)
"""The parameters that may be left out, in the order in which that is tried."""

DEFAULTS: Mapping[str, float] = MappingProxyType(
    {"temperature": 1.0, "top_p": 1.0, "frequency_penalty": 0.0, "presence_penalty": 0.0}
)
"""The API's default values, which are not sent, as some servers refuse them."""

_UNSUPPORTED = re.compile(
    r"support|unknown|unrecogni[sz]ed|unexpected|unavailable|not permitted|not allowed|deprecated"
    r"|only \S+ is allowed|must be (?:exactly |set to |equal to )?1(?:\.0)?\b(?! and| to| or)"
    r"|may only|not enabled|disabled|or unset|not a valid|invalid (?:param|arg|temp)|\bboth\b"
    r"|mutually exclusive|only one of|together|extra inputs|not accept",
    re.IGNORECASE,
)
_CONTEXT = ("context length", "too large", "too long")

_REPEATED = re.compile(r"[{\[].*(?:[}\]]|$)", re.DOTALL)

LIMIT = "max_tokens"
NEWER_LIMIT = "max_completion_tokens"


@dataclass(slots=True)
class _Trial:
    """The state of a request: parameters left out for now or in vain, and the last error."""

    without: set[str] = field(default_factory=set)
    innocent: set[str] = field(default_factory=set)
    last: str = ""
    refusal: str = ""


@dataclass(slots=True)
class Parameters:
    """The parameters that a server does not accept.

    `newer_limit` says that the server requires the newer name for the limit of tokens.
    """

    refused: set[str] = field(default_factory=set)
    newer_limit: bool = False
    _trials: dict[int, _Trial] = field(default_factory=dict)

    def left_out(self, request: Request) -> set[str]:
        """The parameters that are not sent with a request."""
        trial = self._trials.get(id(request))
        return self.refused | trial.without if trial else self.refused

    def adapt(self, request: Request, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body of a request without the parameters that the server does not accept."""
        left_out = self.left_out(request)
        adapted = {name: value for name, value in body.items() if name not in left_out}
        if self.newer_limit and LIMIT in adapted:
            adapted[NEWER_LIMIT] = adapted.pop(LIMIT)
        return adapted

    def succeeded(self, request: Request) -> None:
        """Note that a request was answered: later requests leave the same parameters out."""
        if trial := self._trials.pop(id(request), None):
            self.refused |= trial.without

    def failed(self, request: Request) -> None:
        """Forget what was tried for a request."""
        self._trials.pop(id(request), None)

    def give_way(self, request: Request, error: ServerError, body: Mapping[str, Any]) -> bool:
        """Change what is sent after a refusal; return False if parameters are not the cause."""
        if error.status not in (400, 422):
            return False
        text = error.detail.lower()
        if any(words in text for words in _CONTEXT):
            return False
        if NEWER_LIMIT in text and LIMIT in body:
            self.newer_limit = True
            return True
        if not _UNSUPPORTED.search(f"{text} {error.code}") and not _param(error, body):
            return False
        trial = self._trials.setdefault(id(request), _Trial())
        refusal = _said(error)
        if trial.last and trial.refusal == refusal:
            trial.without.discard(trial.last)
            trial.innocent.add(trial.last)
        # what another request has found out meanwhile is not in the next body
        candidates = [
            name for name in _candidates(error, body) if name not in trial.innocent | trial.without
        ]
        if not candidates:
            return False
        trial.last, trial.refusal = candidates[0], refusal
        trial.without.add(candidates[0])
        return True


def _said(error: ServerError) -> str:
    """Return the text of an error without the parts of the request that it repeats."""
    return _REPEATED.sub("", error.detail)


def _candidates(error: ServerError, body: Mapping[str, Any]) -> list[str]:
    """Return the parameters that an error may be about, the most likely first."""
    sent = [name for name in OPTIONAL if name in body]
    if param := _param(error, body):
        return [param]
    named = [(distance, name) for name in sent if (distance := _distance(error, name)) is not None]
    return [name for _, name in sorted(named, key=lambda item: item[0])]


def _param(error: ServerError, body: Mapping[str, Any]) -> str:
    """Return the optional parameter that the error's field `param` names, as in `body.seed`."""
    named = error.param.split(".")
    return next((name for name in OPTIONAL if name in body and name in named), "")


def _distance(error: ServerError, name: str) -> int | None:
    """Return the distance of a parameter from words such as "not supported", or None."""
    camels = re.sub("_(.)", lambda match: match[1].upper(), name)
    forms = [rf"['\"`]{name}['\"`]", rf"(?:argument|parameter|property|field)s?\b[^.]*[: ]{name}\b"]
    if "_" in name:
        forms.append(rf"\b(?:{name}|{camels})\b")
    if name == "response_format":
        forms.append(r"json_schema|\bschema\b|(?i:json mode|structured outputs?)")
    if name == "stop":
        forms.append(r"(?i:stop sequences?)")
    forms.append(rf"^\W*{name}\b|:\s*\W*{name}\b(?!\s*[,=])|(?i:invalid) {name}\b")
    places = [match.end() for form in forms for match in re.finditer(form, error.detail)]
    if not places:
        return None
    words = [match.start() for match in _UNSUPPORTED.finditer(error.detail)] or [0]
    return min(abs(place - word) for place in places for word in words)


def stopped(text: str, stops: tuple[str, ...]) -> str | None:
    """Return a text up to the first of some stop strings, or None if it contains none."""
    ends = [place for stop in stops if (place := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else None
