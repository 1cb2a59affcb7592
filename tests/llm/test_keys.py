"""The key of a request: everything that can change the reply, and nothing else."""

import re
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from seedstep.llm import Endpoint, Engine, MemoryLedger, Message, Request, Sampling, Schema

NUMBERS = st.floats(-2, 2).map(lambda number: number + 0.0)  # no negative zero
SAMPLINGS = st.builds(
    Sampling,
    max_tokens=st.integers(1, 3),
    temperature=NUMBERS,
    top_p=NUMBERS,
    frequency_penalty=NUMBERS,
    presence_penalty=NUMBERS,
    stop=st.lists(st.text(max_size=2), max_size=2).map(tuple),
)
TURNS = st.builds(Message, st.sampled_from(["user", "system"]), st.text(max_size=2))
SCHEMAS = st.builds(
    Schema, st.text(max_size=1), st.dictionaries(st.text(max_size=1), st.booleans())
)
REQUESTS = st.builds(
    Request,
    purpose=st.sampled_from(["generation", "instances"]),
    prompt=st.text(max_size=3) | st.lists(TURNS, max_size=2).map(tuple),
    sampling=SAMPLINGS,
    schema=st.none() | SCHEMAS,
    draw=st.integers(0, 2),
)
NAMES = st.text(max_size=2)

BASE = Request("test", "text", Sampling(16), draw=0)
TURN = Message("user", "text")
CHAT = replace(BASE, prompt=(TURN,), schema=Schema("name", {"type": "object"}))


def sampled(**changes: Any) -> Request:
    return replace(BASE, sampling=replace(BASE.sampling, **changes))


OTHERS = {
    "draw": replace(BASE, draw=1),
    "prompt": replace(BASE, prompt="text "),
    "max_tokens": sampled(max_tokens=17),
    "temperature": sampled(temperature=0.7),
    "top_p": sampled(top_p=0.5),
    "frequency_penalty": sampled(frequency_penalty=0.1),
    "presence_penalty": sampled(presence_penalty=0.1),
    "stop": sampled(stop=("\n",)),
    "stop-split": sampled(stop=("\n", "\n")),
    "stop-joined": sampled(stop=("\n\n",)),
    "conversation": replace(BASE, prompt=(TURN,)),
    "role": replace(BASE, prompt=(Message("system", "text"),)),
    "two-turns": replace(BASE, prompt=(TURN, TURN)),
    "schema": CHAT,
    "schema-name": replace(CHAT, schema=Schema("other", {"type": "object"})),
    "schema-body": replace(CHAT, schema=Schema("name", {"type": "array"})),
}


def test_each_part_of_a_request_makes_another_key() -> None:
    keys = {request.key("e", "m") for request in [BASE, *OTHERS.values()]}
    keys |= {BASE.key("e2", "m"), BASE.key("e", "m2"), BASE.key("em", ""), BASE.key("", "em")}
    assert len(keys) == 1 + len(OTHERS) + 4


@given(st.tuples(REQUESTS, NAMES, NAMES), st.tuples(REQUESTS, NAMES, NAMES))
def test_keys_are_equal_exactly_where_everything_but_the_purpose_is(
    first: tuple[Request, str, str], second: tuple[Request, str, str]
) -> None:
    def key(asked: tuple[Request, str, str]) -> str:
        return asked[0].key(asked[1], asked[2])

    def whole(asked: tuple[Request, str, str]) -> tuple[object, ...]:
        return replace(asked[0], purpose=""), asked[1], asked[2]

    assert (key(first) == key(second)) == (whole(first) == whole(second))
    assert key(first) == key((replace(first[0], purpose="another"), first[1], first[2]))


def test_a_key_is_the_same_in_every_version() -> None:
    """Else every run would be paid for again after an upgrade."""
    assert CHAT.key("e", "m") == "517240f754e3890a770ccd7606946a9b"


def test_the_engine_keys_by_identity_and_model_but_not_by_address_or_secret() -> None:
    def key(identity: str, model: str, url: str, secret: str) -> str:
        return Engine(Endpoint(identity, model, url, secret), MemoryLedger(), 1).key(BASE)

    same = key("e", "m", "http://127.0.0.1:1/v1", "")
    assert same == key("e", "m", "http://127.0.0.1:2/v1", "secret")
    assert len({same, key("e2", "m", "", ""), key("e", "m2", "", "")}) == 3


REQUEST = Request("generation", "a text", Sampling(8))

CHANGES: dict[str, Request] = {
    "prompt": replace(REQUEST, prompt="a text "),
    "message": replace(REQUEST, prompt=(Message("user", "a text"),)),
    "role": replace(REQUEST, prompt=(Message("system", "a text"),)),
    "two-messages": replace(REQUEST, prompt=(Message("user", "a"), Message("user", " text"))),
    "max-tokens": replace(REQUEST, sampling=Sampling(9)),
    "temperature": replace(REQUEST, sampling=Sampling(8, temperature=0.1)),
    "top-p": replace(REQUEST, sampling=Sampling(8, top_p=0.1)),
    "frequency-penalty": replace(REQUEST, sampling=Sampling(8, frequency_penalty=0.1)),
    "presence-penalty": replace(REQUEST, sampling=Sampling(8, presence_penalty=0.1)),
    "stop": replace(REQUEST, sampling=Sampling(8, stop=("a", "b"))),
    "stop-joined": replace(REQUEST, sampling=Sampling(8, stop=("a,b",))),
    "schema": replace(REQUEST, schema=Schema("x", {"type": "object"})),
    "schema-name": replace(REQUEST, schema=Schema("y", {"type": "object"})),
    "schema-body": replace(REQUEST, schema=Schema("x", {"type": "array"})),
    "draw": replace(REQUEST, draw=1),
}


def test_every_field_that_can_change_the_reply_changes_the_key() -> None:
    keys = {name: change.key("server", "model") for name, change in CHANGES.items()}
    keys["none"] = REQUEST.key("server", "model")
    keys["endpoint"] = REQUEST.key("server2", "model")
    keys["model"] = REQUEST.key("server", "model2")
    keys["endpoint-and-model-joined"] = REQUEST.key("serverm", "odel")
    assert len(set(keys.values())) == len(keys)
    assert all(re.fullmatch("[0-9a-f]{32}", key) for key in keys.values())


def test_the_purpose_does_not_change_the_key() -> None:
    other = replace(REQUEST, purpose="else")
    assert other.key("server", "model") == REQUEST.key("server", "model")
