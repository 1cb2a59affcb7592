"""GGUF files: their structure is checked, and they become checkpoints that transformers can load.

A checkpoint is made once, in the user's cache; its weights are dequantized. transformers drops the
pre-tokenizer, which cuts a text into pieces before tokens are made, so it is added again.

Example::

    require_whole(Path("model.gguf"))
    folder = dequantized(Path("model.gguf"))
"""

import json
import os
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

from seedstep.data.files import new_folder
from seedstep.errors import MissingExtraError, ModelError, first_line
from seedstep.llm.endpoints import file_fingerprint

__all__ = [
    "PRE_TOKENIZERS",
    "PreTokenizer",
    "dequantized",
    "from_checkpoint",
    "import_transformers",
    "not_loaded",
    "pre_tokenizer_name",
    "read_texts",
    "require_whole",
    "with_pre_tokenizer",
    "without_weights",
]

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


_LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _byte_level(*, use_regex: bool) -> dict[str, Any]:
    return {"type": "ByteLevel", "add_prefix_space": False, "use_regex": use_regex}


def _sequence(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": list(parts)}


@dataclass(frozen=True, slots=True)
class PreTokenizer:
    """A pre-tokenizer of `tokenizer.json`; `ignore_merges` leaves pieces that are tokens whole."""

    pieces: Mapping[str, Any]
    ignore_merges: bool = False


PRE_TOKENIZERS: MappingProxyType[str, PreTokenizer] = MappingProxyType(
    {
        "gpt-2": PreTokenizer(_byte_level(use_regex=True)),
        "smollm": PreTokenizer(
            _sequence({"type": "Digits", "individual_digits": True}, _byte_level(use_regex=True))
        ),
        "llama-bpe": PreTokenizer(
            _sequence(
                {
                    "type": "Split",
                    "pattern": {"Regex": _LLAMA_3},
                    "behavior": "Isolated",
                    "invert": False,
                },
                _byte_level(use_regex=False),
            ),
            ignore_merges=True,
        ),
    }
)
"""Pre-tokenizers by llama.cpp's names: GPT-2's, SmolLM's (single digits) and Llama 3's."""


def pre_tokenizer_name(tokenizer: Mapping[str, Any]) -> str | None:
    """Return llama.cpp's name of the pre-tokenizer in a `tokenizer.json`, or None if not known."""
    model = tokenizer.get("model") or {}
    found = PreTokenizer(
        _essence(tokenizer.get("pre_tokenizer") or {}), bool(model.get("ignore_merges"))
    )
    plain = not tokenizer.get("normalizer") and not model.get("byte_fallback")
    names = (name for name, known in PRE_TOKENIZERS.items() if known == found)
    return next(names, None) if plain and model.get("type") == "BPE" else None


def with_pre_tokenizer(tokenizer: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a `tokenizer.json` with the named pre-tokenizer; unchanged if it is not known."""
    changed = dict(tokenizer)
    if known := PRE_TOKENIZERS.get(name):
        changed["pre_tokenizer"] = _complete(known.pieces)
        changed["model"] = {**tokenizer["model"], "ignore_merges": known.ignore_merges}
    return changed


def _essence(pieces: Mapping[str, Any]) -> dict[str, Any]:
    """Remove what does not change tokens: `trim_offsets`, and sequences of a single element."""
    parts = pieces.get("pretokenizers")
    if parts is None:
        return {name: value for name, value in pieces.items() if name != "trim_offsets"}
    parts = [_essence(part) for part in parts]
    return parts[0] if len(parts) == 1 else {**pieces, "pretokenizers": parts}


def _complete(pieces: Mapping[str, Any]) -> dict[str, Any]:
    """Add `trim_offsets`, which the reader of a `tokenizer.json` requires."""
    if parts := pieces.get("pretokenizers"):
        return {**pieces, "pretokenizers": [_complete(part) for part in parts]}
    return {**pieces, "trim_offsets": True} if pieces["type"] == "ByteLevel" else dict(pieces)


CACHE_FORM = 2
"""The version of the conversion: increase it when checkpoints are made differently."""


def not_loaded(checkpoint: str, part: str, error: Exception) -> ModelError:
    """Return the error for a part of a checkpoint that can't be loaded."""
    return ModelError(
        f"{checkpoint}: transformers can't load its {part} ({first_line(error)})",
        "check the path or the name after `hf:`",
    )


def dequantized(path: Path) -> Path:
    """Return the checkpoint of a GGUF file; make it if it is not in the cache.

    Raises:
        ModelError: the file is missing or not whole, or of a kind that can't be converted.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such file", "check the path after `gguf:`")
    require_whole(path)
    target = _cache() / f"{path.stem}-{file_fingerprint(path)}-{CACHE_FORM}"
    if target.is_dir():
        return target
    config = import_transformers().GgufConfig(dequantize=True)
    folder = str(path.parent)
    source = {"gguf_file": path.name}
    try:
        model = from_checkpoint(
            "AutoModelForCausalLM", folder, **source, quantization_config=config, dtype="bfloat16"
        )
        with new_folder(target) as partial:
            model.save_pretrained(partial)
            from_checkpoint("AutoTokenizer", folder, **source).save_pretrained(partial)
            _cut_texts_as(path, partial / "tokenizer.json")
    except Exception as error:  # of any kind, where a file is broken
        if not target.is_dir():  # another process may have been faster
            raise not_loaded(str(path), "model", error) from None
    return target


def _cut_texts_as(path: Path, tokenizer: Path) -> None:
    """Add the pre-tokenizer of a GGUF file to a checkpoint, as transformers drops it."""
    name = read_texts(path, ["tokenizer.ggml.pre"]).get("tokenizer.ggml.pre")
    if isinstance(name, str) and tokenizer.is_file():
        changed = with_pre_tokenizer(json.loads(tokenizer.read_bytes()), name)
        tokenizer.write_text(json.dumps(changed, ensure_ascii=False), "utf-8")


def _cache() -> Path:
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        directory = Path(base) / "seedstep" / "checkpoints"
        directory.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:  # a RuntimeError where there is no home
        what = f"no place for checkpoints ({first_line(error)})"
        raise ModelError(what, "set XDG_CACHE_HOME to a directory you can write") from None
    return directory


def from_checkpoint(loader: str, checkpoint: str, **options: Any) -> Any:
    """Load a part of a checkpoint with the class of transformers that `loader` names.

    All of seedstep loads through here: code that a checkpoint brings is never run, and transformers
    does not ask on standard input whether it may be.

    Raises:
        MissingExtraError: transformers is not installed.
        Exception: of any kind, where a file is broken.
    """
    kind = getattr(import_transformers(), loader)
    return kind.from_pretrained(checkpoint, trust_remote_code=False, **options)


def without_weights(loader: str, config: Any, dtype: str) -> Any:
    """Return a model of a configuration, in evaluation mode, whose weights are not set.

    They are in memory of the CPU that is not touched, so that it takes none of the machine's.
    """
    import torch
    from accelerate import init_empty_weights

    kind, of_type = getattr(import_transformers(), loader), getattr(torch, dtype)
    with init_empty_weights(include_buffers=False):
        model = kind.from_config(config, trust_remote_code=False, dtype=of_type)
    for module in model.modules():  # in memory, as accelerate knows weights by their places there
        for name, weight in module.named_parameters(recurse=False):
            setattr(module, name, torch.nn.Parameter(torch.empty_like(weight, device="cpu")))
    model.tie_weights()
    return model.eval()


def import_transformers() -> Any:
    """Import and return `transformers`, which needs torch to load models.

    Raises:
        MissingExtraError: transformers or torch is not installed.
    """
    try:
        import torch  # noqa: F401
        import transformers
    except ImportError:
        raise MissingExtraError("loading a model into this process", extra="tune") from None
    return transformers
