"""Convert GGUF files to checkpoints that transformers can load, once, in the user's cache.

The weights are dequantized. transformers drops the pre-tokenizer, which cuts a text into pieces
before tokens are made, so it is added again.

Example::

    folder = dequantized(Path("model.gguf"))
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from seedstep.data.files import new_folder
from seedstep.errors import MissingExtraError, ModelError, first_line
from seedstep.llm.endpoints import file_fingerprint
from seedstep.llm.gguf_file import read_texts, require_whole

__all__ = [
    "INSTALL",
    "PRE_TOKENIZERS",
    "PreTokenizer",
    "dequantized",
    "from_checkpoint",
    "import_transformers",
    "not_loaded",
    "pre_tokenizer_name",
    "with_pre_tokenizer",
]

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


INSTALL = "pip install 'seedstep[tune]'"

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
        MissingExtraError: one of them is not installed.
    """
    try:
        import torch  # noqa: F401
        import transformers
    except ImportError:
        raise MissingExtraError("loading a model into this process", INSTALL) from None
    return transformers
