"""Find the parameters of requests that a server does not accept, one at a time.

A server that refuses a parameter explains it in its own words, often in a list of the parameters
that it accepts, or with the request repeated. So parameters are left out one by one, first the one
that the error names; if the same error comes again, it was another, or two of them. Parameters that
were left out of a request that succeeded are left out of later requests, and each reply records
them.

A limit of tokens that is too large is lowered to the one that the error names, or to what the
context leaves beside the prompt. A reply that reaches it is cut, as at any limit.

Example::

    parameters = Parameters()
    body = parameters.adapt(request, body)
    if parameters.give_way(request, error, body):
        ...  # ask again
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from types import MappingProxyType
from typing import Any

from seedstep.lazy import late_pattern
from seedstep.llm.faults import ServerError
from seedstep.llm.records import Request

__all__ = ["DEFAULTS", "OPTIONAL", "Parameters", "before_stop"]

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

_UNSUPPORTED = late_pattern(
    r"support|unknown|unrecogni[sz]ed|unexpected|unavailable|not permitted|not allowed|deprecated"
    r"|only \S+ is allowed|must be (?:exactly |set to |equal to )?1(?:\.0)?\b(?! and| to| or)"
    r"|may only|not enabled|disabled|or unset|not a valid|invalid (?:param|arg|temp)|\bboth\b"
    r"|should not (?:exist|be present)|extraneous|omitted|is fixed|only the default"
    r"|must not be (?:set|sent|given)"
    r"|mutually exclusive|only one of|one or the other|together|at the same time|simultaneous"
    r"|at once|conflict|incompatible|in combination|combined|either .{1,60} or |extra inputs"
    r"|nicht (?:erlaubt|zul\u00e4ssig)|non permis"
    r"|not accept|can(?:no|['\u2019]?)t (?:use|be (?:used|set|specified|given))"
    r"|not (?:be )?implemented|not available|cannot find field"
    r"|instead of|ignored|obsolete|removed|no such|nicht unterst"
    r"|cannot unmarshal"
    r"|unbekannt|pas pris en charge|inconnu|no (?:es )?(?:compatible|admite)|no soporta|desconocid"
    r"|não (?:é )?suporta|desconhecid|не поддерж|неизвест|不支持|不支援|未知|サポート|지원",
    re.IGNORECASE,
)
_OUT_OF_RANGE = late_pattern(
    r"(?:must|should|has to|needs to) be (?:between|in (?:the )?(?:range|\[)|at most|at least"
    r"|[<>\u2264\u2265]|less|greater|lower|higher|smaller|larger|strictly|positive|non-?negative)"
    r"|out of (?:the )?(?:range|bounds)"
    r"|(?:less|greater|smaller|larger|higher|lower) than (?:or equal to |the (?:min|max)|-?[0-9])"
    r"|(?:below|above|exceeds) the (?:min|max)"
)
"""How errors say that a value is not one that the server takes. Another value may be."""

_NEVER = late_pattern(
    r"support|only the default|is fixed|not allowed|not permitted|unknown|unexpected"
)

_CONTEXT = ("context length", "too large", "too long")

_REQUEST = re.compile(r"\b(?:model|messages|prompt|max_tokens)\b['\"]?\s*[:=]")
"""What tells that the part of an error in brackets repeats the request."""

_WORD = re.compile(r"[A-Za-z0-9_-]+")
_DIGIT = re.compile(r"[0-9]")

LIMIT = "max_tokens"
NEWER_LIMIT = "max_completion_tokens"

LEAST_LIMIT = 16
"""The fewest tokens to which the limit of a reply is lowered, as a server demands."""

_OF_LIMIT = late_pattern(
    r"max_tokens|max_completion_tokens|max_new_tokens|max_output_tokens|maxtokens"
    r"|(?:completion|output|new|generated) tokens|in the completion|for the completion"
)
_MOST = late_pattern(
    r"(?:at most|no more than|up to|less than or equal to|lower than or equal to|<=|not exceed"
    r"|n[o']t be (?:greater|larger|more) than|maximum (?:value |number )?(?:is|of|:)"
    r"|limit (?:is|of|:))\W{0,3}([0-9]{1,9})|[\[(] ?[0-9]{1,4} ?, ?([0-9]{1,9}) ?[\])]"
    r"|[0-9]{1,9} ?> ?([0-9]{1,9})(?! ?-)"
)
_CONTEXT_SIZE = late_pattern(
    r"context (?:length|window|size)\D{0,20}([0-9]{1,9})"
    r"|max_new_tokens\W{0,3} must be <= ([0-9]{1,9})"
)
_OF_PROMPT = late_pattern(
    r"([0-9]{1,9}) (?:`?inputs?`? tokens|prompt tokens|in (?:the|your) (?:messages|prompt|input)"
    r"|tokens (?:from|in|for) (?:the |your )?(?:input|messages|prompt))"
)
"""How errors name the largest limit of a reply, or the context and what the prompt takes of it."""

MOST_IN_PAIRS = 4
"""If an error names so many parameters at the most, pairs of them are left out, before all are."""

_CONTAINERS = (
    "body",
    "request",
    "json",
    "root",
    "query",
    "params",
    "parameters",
    "input",
    "inputs",
    "options",
    "config",
    "generation_config",
    "sampling_params",
    "kwargs",
    "arguments",
)
"""The names in a path such as `body.seed` that are no parameters."""


@dataclass(slots=True)
class _Trial:
    """The state of a request: what is left out now, and what was tried against the last error.

    `settled` are the parameters without which there was another error. `named` are those that may
    have caused the last error. While `request` is held here, no other has its address.
    """

    request: Request
    settled: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    refusal: tuple[str, str] | None = None
    named: tuple[str, ...] = ()
    tried: int = 0
    most: int | None = None
    of_context: bool = False

    def next(self) -> bool:
        """Leave out the next parameters; return False if there are none to be tried."""
        pairs = combinations(self.named, 2) if len(self.named) <= MOST_IN_PAIRS else ()
        sets = [*((name,) for name in self.named), *pairs]
        if len(self.named) > 2:
            sets.append(self.named)
        if self.tried == len(sets):
            return False
        self.without = self.settled | set(sets[self.tried])
        self.tried += 1
        return True


@dataclass(slots=True)
class Parameters:
    """The parameters that a server does not accept.

    `newer_limit` says that the server requires the newer name for the limit of tokens. `most` is
    the largest limit that it takes.
    """

    refused: set[str] = field(default_factory=set)
    newer_limit: bool = False
    most: int | None = None
    _trials: dict[int, _Trial] = field(default_factory=dict)

    def left_out(self, request: Request) -> set[str]:
        """Return the parameters that are not sent with a request."""
        trial = self._trials.get(id(request))
        return self.refused | trial.without if trial else self.refused

    def lowered(self, request: Request, body: Mapping[str, Any]) -> tuple[int, str] | None:
        """Return the limit of tokens that is sent in place of a larger one, and what is told."""
        trial = self._trials.get(id(request))
        limit, most = body.get(LIMIT), self.most
        of_context = False
        if trial and trial.most is not None and (most is None or trial.most < most):
            most, of_context = trial.most, trial.of_context
        if most is None or not isinstance(limit, int) or limit <= most:
            return None
        return most, f"{LIMIT} {'beyond its context' if of_context else f'above {most}'}"

    def adapt(self, request: Request, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body of a request without the parameters that the server does not accept."""
        left_out = self.left_out(request)
        adapted = {name: value for name, value in body.items() if name not in left_out}
        if lowered := self.lowered(request, body):
            adapted[LIMIT] = lowered[0]
        if self.newer_limit and LIMIT in adapted:
            adapted[NEWER_LIMIT] = adapted.pop(LIMIT)
        return adapted

    def succeeded(self, request: Request) -> None:
        """Note that a request was answered: later requests leave the same parameters out."""
        if trial := self._trials.pop(id(request), None):
            self.refused |= trial.without
            if trial.most is not None and not trial.of_context:
                self.most = min(trial.most, self.most or trial.most)

    def failed(self, request: Request) -> None:
        """Forget what was tried for a request."""
        self._trials.pop(id(request), None)

    def give_way(self, request: Request, error: ServerError, body: Mapping[str, Any]) -> bool:
        """Change what is sent after a refusal; return False if parameters are not the cause."""
        if error.status not in (400, 422, 501):
            return False
        text = error.detail.lower()
        if self._lower(request, text, body):
            return True
        if any(words in text for words in _CONTEXT) and not _param(error, body):
            return False
        if NEWER_LIMIT in text and LIMIT in body:
            self.newer_limit = True
            return True
        if _OUT_OF_RANGE.search(text) and not (_NEVER.search(text) or "seed" in text + error.param):
            return False  # the user's value is wrong, and is not left out in silence
        if not _UNSUPPORTED.search(f"{text} {error.code}") and not _param(error, body):
            return False
        trial = self._trials.setdefault(id(request), _Trial(request))
        if trial.refusal != _said(error):
            trial.settled, trial.refusal, trial.tried = trial.without, _said(error), 0
            trial.named = tuple(_candidates(error, body))
        return trial.next()

    def _lower(self, request: Request, text: str, body: Mapping[str, Any]) -> bool:
        """Lower the limit of tokens to what an error names; return False if it names none."""
        limit = body.get(LIMIT, body.get(NEWER_LIMIT))
        found = _largest(re.sub(r"(?<=\d),(?=\d{3})", "", text)) if limit else None
        if found is None or not LEAST_LIMIT <= found[0] < limit:
            return False
        trial = self._trials.setdefault(id(request), _Trial(request))
        trial.most, trial.of_context = found
        return True


def _largest(text: str) -> tuple[int, bool] | None:
    """Return the largest limit that an error names, and whether it is what the context leaves."""
    if not _OF_LIMIT.search(text):
        return None
    if context := _CONTEXT_SIZE.search(text):
        prompt = _OF_PROMPT.search(text)
        return (int(context[1] or context[2]) - int(prompt[1]), True) if prompt else None
    found = _MOST.search(text)
    return (int(next(filter(None, found.groups()))), False) if found else None


def _said(error: ServerError) -> tuple[str, str]:
    """Return the parameter and the text of an error, without the request if it repeats that.

    Words with digits, such as the number of the request, are left out. Two errors that differ in
    the rest are about different parameters.
    """
    text = error.detail
    for start, end in reversed(_brackets(text)):
        if _REQUEST.search(text, start, end):
            text = text[:start] + text[end:]
    return error.param, _WORD.sub(lambda word: "" if _DIGIT.search(word[0]) else word[0], text)


def _brackets(text: str) -> list[tuple[int, int]]:
    """Return where the outermost brackets of a text begin and end. One may be cut at its end."""
    found: list[tuple[int, int]] = []
    start = depth = 0
    for place, sign in enumerate(text):
        if sign in "[{":
            start = start if depth else place
            depth += 1
        elif sign in "]}" and depth:
            depth -= 1
            if not depth:
                found.append((start, place + 1))
    return [*found, (start, len(text))] if depth else found


def _candidates(error: ServerError, body: Mapping[str, Any]) -> list[str]:
    """Return the parameters that an error may be about, the most likely first."""
    sent = [name for name in OPTIONAL if name in body]
    if param := _param(error, body):
        return [param]
    named = [(distance, name) for name in sent if (distance := _distance(error, name)) is not None]
    return [name for _, name in sorted(named, key=lambda item: item[0])]


def _param(error: ServerError, body: Mapping[str, Any]) -> str:
    """Return the optional parameter that the error's field `param` names, alone or in a path."""
    words = [re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word) for word in re.findall(r"\w+", error.param)]
    named = next((word.lower() for word in words if word.lower() not in _CONTAINERS), "")
    return named if named in OPTIONAL and named in body else ""


def _distance(error: ServerError, name: str) -> int | None:
    """Return the distance of a parameter from words such as "not supported", or None."""
    camels = re.sub("_(.)", lambda match: match[1].upper(), name)
    forms = [
        rf"['\"`]{name}['\"`]|\[{name}\]",
        rf"(?i:(?:argument|param[eèé]t|parámetro|parâmetro|параметр|property|field)\w*\b[^.]*"
        rf"|参数|參數|パラメータ|매개변수)[:\uff1a ]*+{name}\b",
    ]
    if "_" in name:
        spaced = name.replace("_", "[ _-]")
        forms.append(rf"\b(?:{camels}|(?i:{spaced}))\b")
    forms.append(rf"(?i:values? (?:of|for)) {name}\b")
    if name == "response_format":
        forms.append(r"json_schema|\bschema\b|(?i:json mode|structured outputs?)")
    if name == "stop":
        forms.append(r"(?i:stop sequences?)")
    forms.append(rf"\b{name}[ :]+(?i:extra inputs|is unsupported|unsupported)|\.{name} of type")
    forms.append(rf"^\W*{name}(?![A-Za-z0-9_])|:\s*\W*{name}\b(?!\s*[,=])|(?i:invalid) {name}\b")
    places = [match.end() for form in forms for match in re.finditer(form, error.detail)]
    if not places:
        return None
    words = [match.start() for match in _UNSUPPORTED.finditer(error.detail)] or [0]
    return min(abs(place - word) for place in places for word in words)


def before_stop(text: str, stops: Sequence[str]) -> str | None:
    """Return a text up to the first of some stop strings, or None if it contains none."""
    ends = [place for stop in stops if (place := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else None
