"""Check values against a JSON schema, of which nothing is ever fetched.

Example::

    >>> fault = schema_check({"type": "array", "minItems": 1}, "settings")
    >>> fault([1]), fault({})
    ('', "$: {} is not of type 'array'")
"""

from collections.abc import Callable, Mapping
from typing import Any

from seedstep.errors import InputError, MissingExtraError, short_line

__all__ = ["schema_check"]

LONGEST_FAULT = 200
"""The most characters that are kept of what a schema says of an output, which it quotes."""


def schema_check(schema: dict[str, Any], where: str) -> Callable[[Any], str]:
    """Return a function that says what of a value does not fit a JSON schema; empty for nothing.

    Nothing is fetched: a schema may refer to its own parts and to the drafts of JSON schema.

    Raises:
        MissingExtraError: `jsonschema` is not installed.
        InputError: it is no JSON schema, or refers to what is elsewhere.
    """
    try:
        from jsonschema import Draft202012Validator, SchemaError
        from jsonschema.exceptions import best_match
        from jsonschema.validators import validator_for
        from jsonschema_specifications import REGISTRY
        from referencing.exceptions import Unresolvable
        from referencing.jsonschema import specification_with
    except ImportError:
        raise MissingExtraError("a JSON schema", "pip install 'seedstep[schema]'") from None
    kind = validator_for(schema, default=Draft202012Validator)
    try:
        kind.check_schema(schema)
        draft = specification_with(kind.META_SCHEMA.get("$schema", ""))
        root = draft.create_resource(schema)
        _require_parts(root, REGISTRY.resolver_with_root(root))
    except SchemaError as error:
        what = f"{where}: {error.json_path} is wrong: {error.message}"
        raise InputError(what, "correct the schema") from None
    except Unresolvable as error:
        what = f"{where}: $ref '{error.ref}' is not in the schema, and nothing is fetched"
        raise InputError(what, "write it under $defs, and refer to it as #/$defs/NAME") from None
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{where}: no JSON schema: {error}", "correct the schema") from None
    validator = kind(schema, registry=REGISTRY)

    def fault(value: Any) -> str:
        try:
            found = best_match(validator.iter_errors(value))
        except (RecursionError, ArithmeticError):
            return "it is nested too deeply, or has numbers too large, to be checked"
        return short_line(f"{found.json_path}: {found.message}", LONGEST_FAULT) if found else ""

    return fault


def _require_parts(resource: Any, resolver: Any) -> None:
    """Check that all that a schema refers to is there, without fetching any of it.

    Raises:
        referencing.exceptions.Unresolvable: it is not.
    """
    contents = resource.contents
    for name in ("$ref", "$dynamicRef") if isinstance(contents, Mapping) else ():
        if isinstance(contents.get(name), str):
            resolver.lookup(contents[name])
    for part in resource.subresources():
        _require_parts(part, resolver.in_subresource(part))
