"""Gates by a JSON schema."""

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from seedstep.bootstrap import Proposal
from seedstep.bootstrap.gate_kinds import parse_gates
from seedstep.bootstrap.gates import UndecidedError
from seedstep.data import Instance
from seedstep.errors import InputError, MissingExtraError
from support.gating import rejected_by
from support.growing import grow
from support.scripted_server import ScriptedServer

pytestmark = pytest.mark.usefixtures("no_backoff", "empty_directory")

PERSON = {
    "type": "object",
    "properties": {"age": {"$ref": "#/$defs/age"}, "name": {"type": "string"}},
    "required": ["age"],
    "additionalProperties": False,
    "$defs": {"age": {"type": "integer", "minimum": 0, "multipleOf": 0.5}},
}

SLOW = "^(a|aa)+$"
LONG = "a" * 60 + "b"
DRAFT_7 = "http://json-schema.org/draft-07/schema#"
ONLY_A: dict[str, Any] = {"patternProperties": {"^a": {}}}
SPREADING = {
    "anyOf": [{"$ref": "#/$defs/d0"}],
    "$defs": {
        f"d{depth}": {"anyOf": [{"$ref": f"#/$defs/d{depth + 1}"}] * 3} for depth in range(30)
    }
    | {"d30": {"type": "string"}},
}
"""Each part asks the next one three times."""


async def found(written: dict[str, Any], output: str) -> Any:
    (gate,) = parse_gates({"a": {"json": written}})
    return await gate.find(Proposal("Say.", Instance("", (output,)), "latin", "a", None, ()))  # type: ignore[arg-type]


class TestSchema:
    @pytest.mark.parametrize(
        ("output", "fault"),
        [
            ('{"age": 3}', ""),
            ('{"age": 3, "name": "Ann"}', ""),
            ('{"age": -1}', "$.age: -1 is less than the minimum of 0"),
            ('{"age": "3"}', "$.age: '3' is not of type 'integer'"),
            ('{"name": "Ann"}', "$: 'age' is a required property"),
            ("[3]", "$: [3] is not of type 'object'"),
            ("prose", "no JSON"),
            ('{"age": 3} and more', "no JSON"),
            ('{"age": NaN}', "no JSON"),
            ('{"age": 1e400}', "it is nested too deeply, or has numbers too large, to be checked"),
            ("[" * 100_000, "no JSON"),
        ],
    )
    async def test_an_output_fits_or_it_is_said_where_not(self, output: str, fault: str) -> None:
        assert ((await found({"schema": PERSON}, output)) or "") == fault

    async def test_fields_are_wanted_beside_a_schema(self) -> None:
        written = {"schema": {"minProperties": 1}, "fields": ["name"]}
        assert await found(written, '{"age": 1}') == "without name"
        assert not await found(written, '{"name": 1}')

    async def test_values_that_are_nested_for_ever_are_rejected(self) -> None:
        schema = {"anyOf": [{"type": "array", "items": {"$ref": "#"}}, {"type": "null"}]}
        assert not await found({"schema": schema}, "[[null], []]")
        assert await found({"schema": schema}, "[" * 900 + "]" * 900)

    async def test_what_a_reply_quotes_is_short_and_of_one_line(self) -> None:
        said = await found({"schema": {"type": "string"}}, json.dumps(["\n\x1b[2J"] * 1000))
        assert len(said) <= 200
        assert "\n" not in said
        assert "\x1b" not in said

    @pytest.mark.parametrize(
        ("schema", "output"),
        [
            ({"pattern": SLOW}, json.dumps(LONG)),
            ({"propertyNames": {"pattern": SLOW}}, json.dumps({LONG: 1})),
            ({"patternProperties": {SLOW: False}}, json.dumps({LONG: 1})),
            ({"additionalProperties": False, "patternProperties": {SLOW: {}}}, f'{{"{LONG}": 1}}'),
            ({"$schema": DRAFT_7, "items": {"pattern": SLOW}}, json.dumps([LONG])),
            (SPREADING, "0"),
        ],
    )
    async def test_what_takes_too_long_is_undecided(
        self, schema: dict[str, Any], output: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("seedstep.data.schemas.SECONDS", 0.1)
        with pytest.raises(UndecidedError, match="it takes more than 1 second to decide"):
            await found({"schema": schema}, output)

    async def test_a_pattern_is_read_without_a_warning(self) -> None:
        with warnings.catch_warnings(action="error"):
            assert not await found({"schema": {"pattern": "[[a]"}}, '"["')

    async def test_many_items_are_compared_once(self) -> None:
        items: list[Any] = [{"number": number} for number in range(30_000)]
        unique = {"schema": {"uniqueItems": True}}
        assert not await found(unique, json.dumps([*items, 1, True, "1", [1]]))
        for twice in ([{"a": 1, "b": [0]}, {"b": [0], "a": 1.0}], [False, False]):
            assert "has non-unique elements" in await found(unique, json.dumps([*twice, *items]))

    @pytest.mark.parametrize(
        ("schema", "fits", "fails"),
        [
            ({"pattern": "^a"}, '"ab"', '"b"'),
            ({"pattern": "^a"}, "1", '"b"'),
            ({"patternProperties": {"^a": {"type": "null"}}}, '{"a": null, "b": 1}', '{"ab": 1}'),
            ({**ONLY_A, "additionalProperties": False}, '{"a": 1}', '{"b": 1}'),
            (
                {**ONLY_A, "properties": {"b": {}}, "additionalProperties": {"type": "null"}},
                '{"a": 1, "b": 1, "c": null}',
                '{"c": 1}',
            ),
            ({"unevaluatedProperties": False, "properties": {"b": {}}}, '{"b": 1}', '{"a": 1}'),
        ],
    )  # fmt: skip
    async def test_keywords_with_a_bound_say_what_they_said(
        self, schema: dict[str, Any], fits: str, fails: str
    ) -> None:
        assert not await found({"schema": schema}, fits)
        assert await found({"schema": schema}, fails)

    @pytest.mark.parametrize(
        ("schema", "message"),
        [
            ({"type": "objekt"}, r"gate 'a', option 'schema': \$.type is wrong"),
            ({"properties": {"a": {"minimum": "x"}}}, r"\$.properties.a.minimum is wrong"),
            ({"$ref": "http://127.0.0.1:1/s.json"}, "is not in the schema, and nothing is fetched"),
            ({"items": {"$ref": "file:///etc/passwd"}}, "'file:///etc/passwd' is not in the"),
            ({"properties": {"a": {"$ref": "other.json#/a"}}}, "'other.json#/a' is not in"),
            ({"$ref": "#/$defs/none"}, "is not in the schema"),
            ({"$ref": "#none"}, "is not in the schema"),
            ({"items": {"pattern": "("}}, r"\$.items.pattern is wrong: '\(' is not a 'regex'"),
            ({"unevaluatedProperties": False, "patternProperties": {}}, "has no bound of time"),
            ({"$schema": "http://x.org/s", "$ref": "http://x.org/t"}, "is not in the schema"),
        ],
    )
    def test_a_schema_that_can_not_be_used_is_named(
        self, schema: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(InputError, match=message):
            parse_gates({"a": {"json": {"schema": schema}}})

    def test_older_drafts_and_their_meta_schemas_are_there(self) -> None:
        draft = {"$schema": "http://json-schema.org/draft-07/schema#"}
        for schema in (
            {**draft, "$ref": "http://json-schema.org/draft-07/schema#"},
            {"$ref": "https://json-schema.org/draft/2020-12/schema"},
            {"const": {"$ref": "http://x.org/not-a-reference"}},
        ):
            parse_gates({"a": {"json": {"schema": schema}}})

    def test_what_is_not_installed_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "jsonschema", None)
        with pytest.raises(MissingExtraError, match=r"seedstep\[schema\]"):
            parse_gates({"a": {"json": {"schema": PERSON}}})
        parse_gates({"a": {"json": {"fields": ["name"]}}})

    def test_a_run_says_what_did_not_fit(self) -> None:
        gates = {"form": {"json": {"schema": {"type": "object"}}}}
        with ScriptedServer() as server:
            made = grow(Path("run"), server, tasks=1, gates=gates, patience=1)
        assert made.status.finished == 0
        assert {detail for *_, detail in rejected_by(made, "form")} == {"no JSON"}

    def test_a_run_names_what_could_not_be_decided(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("seedstep.data.schemas.SECONDS", 0.05)
        gates = {"slow": {"match": {"of": "instruction", "pattern": r"^(\p{Any}|\p{Any}{2})+\d$"}}}
        with ScriptedServer() as server:
            made = grow(Path("run"), server, tasks=1, gates=gates, patience=1)
        details = {detail for *_, detail in rejected_by(made, "slow_undecided")}
        assert details == {"it takes more than 1 second to decide"}
