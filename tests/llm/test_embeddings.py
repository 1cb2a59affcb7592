"""Embeddings from a server: what is sent, what is read, and what is not taken."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from seedstep.errors import ModelError, UnreachableError
from seedstep.llm import Failure, MemoryLedger, Spent
from seedstep.llm.addresses import OPENAI_URL
from seedstep.llm.embeddings import Embedding, kept_embeddings, open_encoder
from seedstep.llm.endpoints import (
    Endpoint,
    Opening,
    Provider,
    known_server,
    open_server,
)
from seedstep.llm.providers import PROVIDERS, add_provider
from seedstep.runs.database import Database
from seedstep.runs.ledger import RequestLedger
from support.scripted_server import (
    Fault,
    ScriptedServer,
    embeddings,
    error,
    in_turn,
    made_up_embedding,
)

pytestmark = pytest.mark.usefixtures("no_backoff")


def embed(url: str, texts: Sequence[str], ledger: MemoryLedger | None = None) -> list[Embedding]:
    async def work() -> list[Embedding]:
        kept = ledger if ledger is not None else MemoryLedger()
        async with open_encoder("openai:encoder", url, kept, in_flight=4) as encoder:
            return await encoder.embed(texts)

    return asyncio.run(work())


def body(rows: list[list[float]], places: Sequence[int | None] = ()) -> Fault:
    data = [
        {"embedding": row, **({} if place is None else {"index": place})}
        for row, place in zip(rows, places or range(len(rows)), strict=True)
    ]
    return Fault(body=json.dumps({"data": data}).encode())


def test_texts_come_back_in_their_order_and_are_asked_once() -> None:
    texts = [f"text {'x' * (number % 7)} {number}" for number in range(75)]
    ledger = MemoryLedger()
    with ScriptedServer() as server:
        found = embed(server.url, texts, ledger)
        assert [len(each["input"]) for each in server.bodies] == [32, 32, 11]
        assert set(server.paths) == {"/v1/embeddings"}
        assert {each["model"] for each in server.bodies} == {"encoder"}
        again = embed(server.url, texts, ledger)
        assert len(server.bodies) == 3
    for text, vector, kept in zip(texts, found, again, strict=True):
        expected = np.array(made_up_embedding(text), np.float32)
        assert not isinstance(vector, Failure)
        assert np.array_equal(vector, expected)
        assert np.array_equal(vector, kept)  # type: ignore[arg-type]


def test_places_are_taken_from_the_server() -> None:
    with ScriptedServer(lambda number, asked: body([[1, 2], [3, 4]], (1, 0))) as server:
        first, second = embed(server.url, ["a", "b"])
    assert np.array_equal(first, [3, 4])  # type: ignore[arg-type]
    assert np.array_equal(second, [1, 2])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fault",
    [
        body([[1.0, 2.0]]),
        body([[1.0, 2.0], [3.0, 4.0]], (0, 0)),
        body([[1.0, 2.0], [3.0]]),
        body([[], []]),
        body([[1e300, 2.0], [3.0, 4.0]]),
        Fault(body=b'{"data": [{"embedding": ["a"]}]}'),
        Fault(body=b'{"data": null}'),
        Fault(body=b"<html>"),
        Fault(body=b"[" * 50_000),
    ],
    ids=lambda fault: str(fault.body[:40]),
)
def test_what_is_no_embeddings_of_the_texts_is_not_taken(fault: Fault) -> None:
    good = json.dumps(embeddings(["a", "b"])).encode()
    with ScriptedServer(lambda number, asked: fault if not number else Fault(body=good)) as server:
        found = embed(server.url, ["a", "b"])
        assert len(server.bodies) == 2
    assert np.array_equal(found[0], np.array(made_up_embedding("a"), np.float32))  # type: ignore[arg-type]


def test_of_a_request_that_is_refused_each_text_is_asked_alone() -> None:
    def refuse(_: int, asked: dict[str, Any]) -> Fault | None:
        return Fault(400, error("too long")) if "long" in asked["input"] else None

    with ScriptedServer(refuse) as server:
        short, long, other = embed(server.url, ["short", "long", "other"])
    assert isinstance(long, Failure)
    assert long.detail == "HTTP 400: too long"
    assert np.array_equal(short, np.array(made_up_embedding("short"), np.float32))  # type: ignore[arg-type]
    assert not isinstance(other, Failure)


def test_a_model_of_another_width_ends_it_before_anything_is_kept() -> None:
    ledger = MemoryLedger()
    with ScriptedServer() as server:
        embed(server.url, ["a"], ledger)
        server.script = lambda number, asked: Fault(
            body=json.dumps(embeddings(asked["input"], 5)).encode()
        )

        async def work() -> None:
            async with open_encoder("openai:encoder", server.url, ledger, in_flight=1) as encoder:
                await encoder.embed(["a"])
                await encoder.embed(["b"])

        with pytest.raises(ModelError, match="embeddings of 5 numbers, and gave some of 24"):
            asyncio.run(work())
    assert len(ledger.answers) == 1


def test_wide_embeddings_are_asked_once() -> None:
    """A request of 32 texts has an answer of a million characters and more."""
    texts = [f"text {number}" for number in range(32)]
    with ScriptedServer(lambda number, asked: body([[0.5] * 8192] * len(asked["input"]))) as server:
        found = embed(server.url, texts)
        assert len(server.bodies) == 1
    assert [len(each) for each in found if not isinstance(each, Failure)] == [8192] * 32


@pytest.mark.parametrize("counted", [2**63, 2**64, 10**15, 0, -3])
def test_a_count_of_tokens_that_can_not_be_is_estimated(counted: int, tmp_path: Path) -> None:
    answer = {**embeddings(["a text"]), "usage": {"prompt_tokens": counted}}
    script = in_turn(*[Fault(body=json.dumps(answer).encode())])
    database = Database.open(tmp_path / "run.db")
    spent = Spent()

    async def work(url: str) -> list[Embedding]:
        ledger = RequestLedger(database)
        async with open_encoder("openai:encoder", url, ledger, 1, spent=spent) as encoder:
            return await encoder.embed(["a text"])

    try:
        with ScriptedServer(script) as server:
            (found,) = asyncio.run(work(server.url))
    finally:
        database.close()
    assert not isinstance(found, Failure)
    assert 0 < spent.total_tokens < 10


def test_a_server_that_has_no_such_model_is_named() -> None:
    script = in_turn(*[Fault(404, error("no such model"))] * 20)
    with (
        ScriptedServer(script) as server,
        pytest.raises(ModelError, match="has no model 'encoder'"),
    ):
        embed(server.url, ["a"])
    with pytest.raises(UnreachableError, match="no server answers"):
        embed("http://127.0.0.1:9/v1", ["a"])


@patch.dict(PROVIDERS)
def test_what_is_kept_is_found_without_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    @asynccontextmanager
    async def opens(name: str, opening: Opening) -> AsyncIterator[Endpoint]:
        opened.append(name)
        async with open_server(name, opening) as endpoint:
            yield endpoint

    add_provider(
        Provider(
            prefix="vec",
            argument="NAME",
            meaning="",
            opens=opens,
            known=known_server,
            encodes="server",
        )
    )
    ledger = MemoryLedger()

    async def work(url: str) -> None:
        async with open_encoder("vec:e", url, ledger, 1, identity_url=OPENAI_URL) as encoder:
            await encoder.embed(["a"], alone=True)

    with ScriptedServer() as server:
        asyncio.run(work(server.url))
    assert opened == ["e"]
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)  # which only asking takes
    for name in ("vec:e", "openai:e"):
        found = asyncio.run(kept_embeddings(name, ["a", "b"], ledger, OPENAI_URL))
        assert list(found) == ["a"]
        assert np.array_equal(found["a"], np.array(made_up_embedding("a"), np.float32))  # type: ignore[arg-type]
    assert opened == ["e"]
