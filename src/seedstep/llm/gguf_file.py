"""Check a GGUF file before llama.cpp reads it, and read texts from it.

llama.cpp says of a damaged file only that it can't be loaded, and some vocabularies make it end the
whole process. So the structure is read here, which names the place of a damage; and a copy without
weights, which takes no time to load, is first shown to llama.cpp in a process of its own.

Example::

    require_loadable(Path("model.gguf"))
"""

import re
import signal
import struct
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import BinaryIO

from seedstep.errors import ModelError

__all__ = ["read_texts", "require_loadable", "require_whole"]

MAGIC = b"GGUF"
KNOWN_VERSIONS = (2, 3)
"""The versions of the format that are checked. Others are left to llama.cpp."""

ALIGNMENT = 32
"""The alignment of weights, if the file names none."""

LONGEST_NAME = 65_535
MOST_DIMENSIONS = 4

STRING, ARRAY = 8, 9
SIZES: Mapping[int, int] = MappingProxyType(
    {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
)
"""The bytes of a value by its type, other than strings and arrays."""

BLOCKS: Mapping[int, tuple[int, int]] = MappingProxyType(
    {
        **{0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24)},
        **{8: (32, 34), 9: (32, 36), 10: (256, 84), 11: (256, 110), 12: (256, 144)},
        **{13: (256, 176), 14: (256, 210), 15: (256, 292), 24: (1, 1), 25: (1, 2)},
        **{26: (1, 4), 27: (1, 8), 28: (1, 8), 30: (1, 2)},
    }
)
"""The weights and the bytes of a block by its type. Sizes of other types are not checked."""

REMEDY = "download or convert it again"
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


class _Reader:
    """Reads the parts of a file in order. `what` is what is being read, for messages."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self.path = path
        self.size = path.stat().st_size
        self.place = 0
        self.what = "its beginning"

    def fault(self, what: str) -> ModelError:
        return ModelError(f"{self.path} is damaged: {what}", REMEDY)

    def take(self, count: int) -> bytes:
        if count > self.size - self.place:
            what = f"{self.what} ends after the file, which has {self.size:,} bytes"
            raise self.fault(what)
        self.place += count
        return self._file.read(count)

    def number(self, form: str) -> int:
        return int(struct.unpack(f"<{form}", self.take(struct.calcsize(form)))[0])

    def text(self) -> str:
        length = self.number("Q")
        if length > LONGEST_NAME and self.what.endswith("name"):
            raise self.fault(f"{self.what} has {length:,} bytes")
        return self.take(length).decode("utf-8", "replace")


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


def require_whole(path: Path) -> int | None:
    """Check the structure of a GGUF file, and return the place where its weights are listed.

    Returns None for a version that is not known.

    Raises:
        ModelError: it is no GGUF file, or damaged; the message names the place.
    """
    with path.open("rb") as file:
        reader = _Reader(file, path)
        if (counts := _counts(reader)) is None:
            return None
        tensors, values = counts
        found = _values(reader, values, ("general.alignment",)).get("general.alignment")
        end = reader.place
        _check_weights(reader, tensors, found if isinstance(found, int) and found else ALIGNMENT)
        return end


def read_texts(path: Path, names: Collection[str]) -> dict[str, str | list[str]]:
    """Return the values with these names that are texts or lists of texts.

    `gguf.GGUFReader` takes seconds for the vocabulary, which is passed over here. A file of a
    version that is not known has none.

    Raises:
        ModelError: it is no GGUF file, or damaged; the message names the place.
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        reader = _Reader(file, path)
        counts = _counts(reader)
        found = _values(reader, counts[1], names) if counts else {}
    return {name: value for name, value in found.items() if isinstance(value, str | list)}


def _counts(reader: _Reader) -> tuple[int, int] | None:
    """Read how many tensors and values follow; None if the version is not known."""
    if reader.size < len(MAGIC) or reader.take(len(MAGIC)) != MAGIC:
        raise ModelError(f"{reader.path}: not a GGUF file", "name a file in GGUF format")
    if reader.number("I") not in KNOWN_VERSIONS:
        return None
    return reader.number("Q"), reader.number("Q")


def _values(
    reader: _Reader, count: int, names: Collection[str]
) -> dict[str, int | str | list[str] | None]:
    """Read all values, and return those with the given names, as far as `_value` does."""
    found = {}
    for number in range(1, count + 1):
        reader.what = f"value {number} of {count:,}, its name"
        name = reader.text()
        reader.what = f"the value of '{name[:80]}'"
        value = _value(reader, reader.number("I"), is_text=name in names)
        if name in names:
            found[name] = value
    return found


def _value(reader: _Reader, kind: int, *, is_text: bool) -> int | str | list[str] | None:
    """Read a value. Return numbers of four bytes, and texts and lists of texts if asked for."""
    if kind == STRING:
        content = reader.take(reader.number("Q"))
        return content.decode("utf-8", "replace") if is_text else None
    if kind == ARRAY:
        inner, count = reader.number("I"), reader.number("Q")
        if inner == STRING and is_text:
            return [reader.text() for _ in range(count)]
        if inner == STRING:
            for _ in range(count):
                reader.take(reader.number("Q"))
        elif inner in SIZES:
            reader.take(count * SIZES[inner])
        else:
            raise reader.fault(f"{reader.what} is a list of the unknown type {inner}")
    elif kind == 4:
        return reader.number("I")
    elif kind in SIZES:
        reader.take(SIZES[kind])
    else:
        raise reader.fault(f"{reader.what} is of the unknown type {kind}")
    return None


def _check_weights(reader: _Reader, tensors: int, alignment: int) -> None:
    ends: list[tuple[int, str]] = []
    for number in range(1, tensors + 1):
        reader.what = f"tensor {number} of {tensors:,}, its name"
        name = reader.text()[:80]
        reader.what = f"the shape of the tensor '{name}'"
        dimensions = reader.number("I")
        if dimensions > MOST_DIMENSIONS:
            raise reader.fault(f"{reader.what} has {dimensions:,} dimensions")
        count = 1
        for _ in range(dimensions):
            count *= reader.number("Q")
        weights, size = BLOCKS.get(reader.number("I"), (1, 0))
        ends.append((reader.number("Q") + count // weights * size, name))
    start = reader.place + -reader.place % alignment
    for end, name in ends:
        if start + end > reader.size:
            what = f"the tensor '{name}' ends at byte {start + end:,} of {reader.size:,}"
            raise reader.fault(what)
