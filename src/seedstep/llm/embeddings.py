"""Embeddings of texts, by an encoder in this process or by a server, through the request engine.

So what was embedded once is in the ledger, and a run that goes on embeds nothing again.
`seedstep.llm.checkpoints` says how encoders are named.

Example::

    async with open_encoder("minilm", None, MemoryLedger(), in_flight=8) as encoder:
        vectors = await encoder.embed(["Sort the list."])
"""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from seedstep.errors import InputError, ModelError, first_line
from seedstep.llm.budget import NO_LIMITS, UNPRICED, Budget, Pricing, Spent
from seedstep.llm.checkpoints import (
    PURPOSE,
    SentenceModel,
    encoder_checkpoint,
    fingerprint_of,
    is_served_encoder,
)
from seedstep.llm.endpoints import Endpoint, Opening
from seedstep.llm.engine import Engine
from seedstep.llm.exchange import open_session
from seedstep.llm.faults import Retryable, ServerError
from seedstep.llm.ledgers import Ledger
from seedstep.llm.models import ModelRef, known_model
from seedstep.llm.pacing import Priority
from seedstep.llm.records import Failure, Message, Reply, Request, Sampling, estimated_tokens
from seedstep.llm.replies import MOST_TOKENS
from seedstep.llm.wire import Wire

__all__ = [
    "Embedding",
    "Encoder",
    "kept_embeddings",
    "open_encoder",
]

BATCH = 32
"""How many texts are in a request."""

Embedding = NDArray[np.float32] | Failure


@dataclass(slots=True)
class _Width:
    """The width that all embeddings of an encoder have; 0 while it is not known."""

    encoder: str
    known: int = 0

    def require(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the rows, if they have the width.

        Raises:
            ModelError: a row has another width, or numbers that are not finite.
        """
        if not np.isfinite(rows).all():
            what = f"{self.encoder} gives embeddings with numbers that are not finite"
            raise ModelError(what, "use another encoder")
        width = rows.shape[1]
        if self.known and width != self.known:
            raise ModelError(
                f"{self.encoder} gives embeddings of {width} numbers, and gave some of "
                f"{self.known} before: it is another model",
                "let the model of before answer under this name and address, or start anew",
            )
        self.known = width
        return rows


@asynccontextmanager
async def open_encoder(
    name: str,
    base_url: str | None,
    ledger: Ledger,
    in_flight: int,
    *,
    identity_url: str | None = None,
    budget: Budget = NO_LIMITS,
    spent: Spent | None = None,
    pricing: Pricing = UNPRICED,
) -> AsyncIterator["Encoder"]:
    """Open an encoder. One in this process is loaded when it is first asked.

    `identity_url` is the address under which embeddings are stored, if it is not that of the
    server. The other arguments are those of an `Engine`.

    Raises:
        InputError: the address or the key can't be used.
        MissingExtraError: the package of `minilm` is not installed.
        UnreachableError: no server answers at the address.
    """
    width = _Width(name)
    async with (
        _endpoint(name, base_url, in_flight, identity_url, width) as endpoint,
        Engine(endpoint, ledger, in_flight, budget, spent, pricing) as engine,
    ):
        await engine.check()
        yield Encoder(name, engine, width)


async def kept_embeddings(
    name: str, texts: Sequence[str], ledger: Ledger, identity_url: str | None
) -> dict[str, Embedding]:
    """Return the embeddings of texts, each embedded alone, that a ledger has.

    Nothing is asked, nor is a server started or looked for. `identity_url` is the address under
    which they are stored.

    Raises:
        InputError: the address can't be used.
        MissingExtraError: the package of `minilm` is not installed.
    """
    if is_served_encoder(name):
        endpoint = await asyncio.to_thread(known_model, name, identity_url, identity_url)
    else:
        endpoint = await _loaded_endpoint(name, _Width(name))
    engine = Engine(endpoint, ledger, 1)  # which is not opened, so it can't send
    found: dict[str, Embedding] = {}
    for text in texts:
        if isinstance(answer := engine.stored_answer(_request([text])), Reply):
            (found[text],) = _unpacked(answer.text, 1)
    return found


@asynccontextmanager
async def _endpoint(
    name: str, base_url: str | None, in_flight: int, identity_url: str | None, width: _Width
) -> AsyncIterator[Endpoint]:
    if not is_served_encoder(name):
        yield await _loaded_endpoint(name, width)
        return
    opening = Opening(base_url, identity_url or base_url, in_flight)
    ref = ModelRef.parse(name)
    async with ref.provider.opened(ref.name, opening) as endpoint:
        wire = _EmbeddingWire(open_session(endpoint), endpoint, width=width)
        yield replace(endpoint, sender=wire, gives_texts=False)


async def _loaded_endpoint(name: str, width: _Width) -> Endpoint:
    """Return the endpoint of an encoder in this process, which is loaded when it is first asked."""
    ref = encoder_checkpoint(name)
    print_of = await asyncio.to_thread(fingerprint_of, ref)
    sender = _LoadedEncoder(ref, width)
    return Endpoint(f"encoder:{print_of or ref}", "", name, sender=sender, gives_texts=False)


@dataclass(slots=True)
class Encoder:
    """Embeds texts through an engine. All embeddings have the same width."""

    name: str
    _engine: Engine = field(repr=False)
    _width: _Width = field(repr=False)

    async def embed(
        self, texts: Sequence[str], priority: Priority = (0,), *, alone: bool = False
    ) -> list[Embedding]:
        """Return for each text its embedding, or why there is none.

        A request has several texts, or one with `alone`: then a text has the same embedding, and
        is found again in the ledger, whatever it is asked with.

        Raises:
            ModelError: the encoder can't be loaded or asked, or its embeddings have another width
                than before.
            BudgetReached: the budget is spent.
        """
        size = 1 if alone else BATCH
        order = list(range(len(texts)))
        if len(order) > size:  # texts of like length are computed together
            order.sort(key=lambda place: len(texts[place]))
        parts = [order[start : start + size] for start in range(0, len(order), size)]
        done = await asyncio.gather(
            *(self._part([texts[place] for place in part], priority) for part in parts)
        )
        found: list[Embedding] = [Failure("", "")] * len(texts)
        for part, embeddings in zip(parts, done, strict=True):
            for place, embedding in zip(part, embeddings, strict=True):
                found[place] = embedding
        return found

    async def _part(self, texts: list[str], priority: Priority) -> list[Embedding]:
        """Embed some texts with a request; if it fails, each with one of its own."""
        answer = await self._engine.ask(_request(texts), priority)
        if isinstance(answer, Reply):
            return list(self._width.require(_unpacked(answer.text, len(texts))))
        if len(texts) == 1:
            return [answer]
        alone = await asyncio.gather(*(self._part([text], priority) for text in texts))
        return [embedding for embeddings in alone for embedding in embeddings]


def _request(texts: Sequence[str]) -> Request:
    return Request(PURPOSE, tuple(Message("input", text) for text in texts), Sampling(1))


def _packed(rows: NDArray[np.float32]) -> str:
    """Return embeddings as a text: their width, and the numbers in base 64."""
    data = np.ascontiguousarray(rows, "<f4").tobytes()
    return f"{rows.shape[1]} {base64.b64encode(data).decode()}"


def _unpacked(text: str, count: int) -> NDArray[np.float32]:
    width, _, data = text.partition(" ")
    try:
        numbers = np.frombuffer(base64.b64decode(data, validate=True), "<f4")
        rows = numbers.astype(np.float32).reshape(count, int(width))
    except ValueError:
        what = "the stored reply to a request for embeddings is damaged"
        raise InputError(what, "start a new run") from None
    return rows


@dataclass(frozen=True, slots=True)
class _Row:
    embedding: list[float]
    index: int | None = None


@dataclass(frozen=True, slots=True)
class _Usage:
    prompt_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class _Body:
    data: list[_Row]
    usage: _Usage | None = None


@dataclass
class _EmbeddingWire(Wire):
    """A client of a server's endpoint for embeddings, which become the text of a reply."""

    width: _Width = field(default_factory=lambda: _Width(""))

    async def send(self, request: Request) -> Reply:
        """Send a request once, as `Wire.send` does."""
        texts = _texts(request)
        started = time.monotonic()
        body = {"model": self.endpoint.model, "input": texts}
        status, headers, data = await self._post("embeddings", body, request.purpose)
        if status != 200:
            raise self._classify(ServerError.read(status, data, self.endpoint.key), headers)
        try:
            read = msgspec.json.decode(data, type=_Body)
            rows = _rows(read.data, len(texts))
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            detail = f"no embeddings: {first_line(error)}"
            raise Retryable("malformed_reply", detail, 200) from None
        counted = (read.usage and read.usage.prompt_tokens) or 0
        is_count = 0 < counted < MOST_TOKENS
        tokens = counted if is_count else sum(map(estimated_tokens, texts))
        seconds = round(time.monotonic() - started, 3)
        text = _packed(self.width.require(rows))  # before it is stored
        return Reply(text, "stop", tokens, 0, estimated=tokens != counted, seconds=seconds)


def _texts(request: Request) -> list[str]:
    prompt = request.prompt
    return [prompt] if isinstance(prompt, str) else [message.content for message in prompt]


def _rows(data: list[_Row], count: int) -> NDArray[np.float32]:
    """Return the embeddings in the order of the texts.

    Raises:
        ValueError: the number of rows is not `count`, or a row is empty, not finite, or of another
            width.
    """
    if [row.index for row in data] != [None] * len(data):
        data = sorted(data, key=lambda row: -1 if row.index is None else row.index)
        if [row.index for row in data] != list(range(len(data))):
            raise ValueError("the places of the embeddings are not those of the texts")
    widths = {len(row.embedding) for row in data}
    if len(data) != count or len(widths) != 1 or 0 in widths:
        raise ValueError(f"{len(data)} of widths {sorted(widths)[:5]} for {count} texts")
    rows = np.array([row.embedding for row in data], np.float64)
    if not (np.abs(rows) < 1e30).all():
        raise ValueError("numbers that are not finite")
    return rows.astype(np.float32)


class _LoadedEncoder:
    """Answers requests for embeddings by a checkpoint in this process, one after the other."""

    def __init__(self, ref: ModelRef, width: _Width) -> None:
        self._ref = ref
        self._width = width
        self._model: SentenceModel | None = None
        self._turn = asyncio.Lock()

    async def send(self, request: Request) -> Reply:
        """Return the embeddings of the texts. They cost no tokens."""
        async with self._turn:
            rows = await asyncio.to_thread(self._encode, _texts(request))
        return Reply(_packed(self._width.require(rows)), "stop", 0, 0)

    async def check(self) -> int:
        """Return 200, the status of a server that answers."""
        return 200

    async def close(self) -> None:
        """Forget the model."""
        self._model = None

    def _encode(self, texts: list[str]) -> NDArray[np.float32]:
        self._model = self._model or SentenceModel(self._ref)
        return self._model.encode(texts)
