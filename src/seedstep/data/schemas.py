"""Check texts by a regular expression, and values by a JSON schema, that a user wrote.

Both may take for ever on some texts: `(a|aa)+$` does on thirty letters. A check that takes more
than `SECONDS` of the processor's time raises `TimeoutError`. The load of the machine does not
matter.

Example::

    >>> is_found = pattern_check("^[0-9]+$", "settings")
    >>> is_found("12"), is_found("twelve")
    (True, False)
    >>> fault = schema_check({"type": "array", "minItems": 1}, "settings")
    >>> fault([1]), fault({})
    ('', "$: {} is not of type 'array'")
"""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import regex

from seedstep.errors import InputError, MissingExtraError, short_line

__all__ = ["SECONDS", "pattern_check", "schema_check"]

SECONDS = 1.0
"""How long a check may take, in seconds of the processor's time."""

LONGEST_FAULT = 200
"""The most characters that are kept of what a schema says of an output, which it quotes."""


def pattern_check(pattern: str, where: str) -> Callable[[str], bool]:
    """Return a function that says whether a regular expression is found in a text.

    The function raises `TimeoutError` where that takes too long.

    Raises:
        InputError: it is no regular expression.
    """
    try:
        compiled = regex.compile(pattern)
    except (regex.error, RecursionError, OverflowError) as error:
        what = f"{where}: {pattern!r} is no regular expression: {error}"
        raise InputError(what, "correct it") from None
    return lambda text: bool(compiled.search(text, timeout=SECONDS))


def schema_check(schema: dict[str, Any], where: str) -> Callable[[Any], str]:
    """Return a function that says what of a value does not fit a JSON schema; empty for nothing.

    Nothing is fetched: a schema may refer to its own parts and to the drafts of JSON schema. The
    function raises `TimeoutError` where a value takes too long.

    Raises:
        MissingExtraError: `jsonschema` is not installed.
        InputError: it is no JSON schema, refers to what is elsewhere, or can't be bounded in time.
    """
    try:
        from jsonschema import Draft202012Validator, SchemaError
        from jsonschema.exceptions import best_match
        from jsonschema.validators import validator_for
        from jsonschema_specifications import REGISTRY
        from referencing.exceptions import Unresolvable
        from referencing.jsonschema import specification_with
    except ImportError:
        raise MissingExtraError("a JSON schema", extra="schema") from None
    kind = validator_for(schema, default=Draft202012Validator)
    try:
        with warnings.catch_warnings(action="ignore"):  # of patterns that `re` may read otherwise
            kind.check_schema(schema)
        draft = specification_with(kind.META_SCHEMA.get("$schema", ""))
        root = draft.create_resource(schema)
        keywords = _require_parts(root, REGISTRY.resolver_with_root(root))
    except SchemaError as error:
        what = f"{where}: {error.json_path} is wrong: {error.message}"
        raise InputError(what, "correct the schema") from None
    except Unresolvable as error:
        what = f"{where}: $ref '{error.ref}' is not in the schema, and nothing is fetched"
        raise InputError(what, "write it under $defs, and refer to it as #/$defs/NAME") from None
    except (regex.error, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{where}: no JSON schema: {error}", "correct the schema") from None
    if {"unevaluatedProperties", "patternProperties"} <= keywords:
        what = f"{where}: unevaluatedProperties beside patternProperties has no bound of time"
        raise InputError(what, "write additionalProperties")
    bounded = _Bounded(kind)
    validator = bounded.kind(schema, registry=REGISTRY)

    def fault(value: Any) -> str:
        bounded.start()
        try:
            found = best_match(validator.iter_errors(value))
        except (RecursionError, ArithmeticError):
            return "it is nested too deeply, or has numbers too large, to be checked"
        return short_line(f"{found.json_path}: {found.message}", LONGEST_FAULT) if found else ""

    return fault


def _require_parts(resource: Any, resolver: Any) -> set[str]:
    """Check a schema's references, without fetching any, and patterns. Return its keywords.

    Raises:
        referencing.exceptions.Unresolvable: what it refers to is not there.
        regex.error: a pattern is no regular expression.
    """
    contents = resource.contents if isinstance(resource.contents, Mapping) else {}
    for name in ("$ref", "$dynamicRef"):
        if isinstance(contents.get(name), str):
            resolver.lookup(contents[name])
    for pattern in (contents.get("pattern", ""), *contents.get("patternProperties", ())):
        regex.compile(pattern)
    parts = (
        _require_parts(part, resolver.in_subresource(part)) for part in resource.subresources()
    )
    return set(contents).union(*parts)


class _Bounded:
    """The keywords of a kind of schema, none of which takes longer than the check may."""

    def __init__(self, kind: Any) -> None:
        from jsonschema import ValidationError
        from jsonschema.validators import extend

        self._error = ValidationError
        self._additional = kind.VALIDATORS.get("additionalProperties")
        self._end = 0.0
        own = {
            "pattern": self._pattern,
            "patternProperties": self._pattern_properties,
            "additionalProperties": self._additional_properties,
            "uniqueItems": self._unique_items,
        }
        keywords = {**kind.VALIDATORS, **own}
        self.kind = extend(kind, {name: self._timed(check) for name, check in keywords.items()})

    def start(self) -> None:
        """Begin a check."""
        self._end = time.process_time() + SECONDS

    def _left(self) -> float:
        """Return the seconds that are left.

        Raises:
            TimeoutError: no time is left.
        """
        left = self._end - time.process_time()
        if left <= 0:
            raise TimeoutError
        return left

    def _timed(self, keyword: Callable[..., Any]) -> Callable[..., Any]:
        def check(*given: Any) -> Any:
            self._left()
            return keyword(*given)

        return check

    def _is_found(self, pattern: str, text: str) -> bool:
        return bool(regex.search(pattern, text, timeout=self._left()))

    def _pattern(self, validator: Any, wanted: str, value: Any, schema: Any) -> Iterator[Any]:
        if validator.is_type(value, "string") and not self._is_found(wanted, value):
            yield self._error(f"{value!r} does not match {wanted!r}")

    def _pattern_properties(
        self, validator: Any, wanted: Any, value: Any, schema: Any
    ) -> Iterator[Any]:
        for pattern, part in wanted.items() if validator.is_type(value, "object") else ():
            for name in value:
                if self._is_found(pattern, name):
                    yield from validator.descend(value[name], part, name, pattern)

    def _additional_properties(
        self, validator: Any, wanted: Any, value: Any, schema: Any
    ) -> Iterator[Any]:
        others = {name: part for name, part in schema.items() if name != "patternProperties"}
        if validator.is_type(value, "object"):
            patterns = schema.get("patternProperties", ())
            found = {name for name in value if any(self._is_found(each, name) for each in patterns)}
            value = {name: part for name, part in value.items() if name not in found}
        yield from self._additional(validator, wanted, value, others) or ()

    def _unique_items(self, validator: Any, wanted: bool, value: Any, schema: Any) -> Iterator[Any]:
        is_list = wanted and validator.is_type(value, "array")
        if is_list and len({_hashable(item) for item in value}) < len(value):
            yield self._error(f"{value!r} has non-unique elements")


def _hashable(value: Any) -> Any:
    """Return what is equal for values that JSON schema takes for equal, and can be in a set."""
    if isinstance(value, dict):
        return dict, frozenset((name, _hashable(part)) for name, part in value.items())
    if isinstance(value, list):
        return list, tuple(map(_hashable, value))
    return isinstance(value, bool), value
