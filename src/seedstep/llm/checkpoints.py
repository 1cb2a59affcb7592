"""Models that are loaded into this process through transformers, to be tuned or to predict.

`hf:PATH_OR_ID` is a checkpoint, `local` the embedded model and `gguf:PATH` a GGUF file. A GGUF
file is dequantized once, and kept as a checkpoint in the user's cache.

Example::

    model = load_model("hf:checkpoints/tuned", dtype="bfloat16")
    tokenizer = load_tokenizer("hf:checkpoints/tuned")
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from seedstep.errors import InputError, MissingExtraError, ModelError
from seedstep.llm.models import embedded_model, file_fingerprint

__all__ = [
    "PRE_TOKENIZERS",
    "PreTokenizer",
    "checkpoint_of",
    "fingerprint_of",
    "gguf_of",
    "is_decoder_only",
    "load_config",
    "load_model",
    "load_tokenizer",
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
    """As `tokenizer.json` has it. With `ignore_merges` a piece that is a token is not merged."""

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
"""By llama.cpp's name: GPT-2's, SmolLM's (digits stand alone) and Llama 3's."""


def pre_tokenizer_name(tokenizer: Mapping[str, Any]) -> str | None:
    """llama.cpp's name for what a `tokenizer.json` says; None where none of ours fits."""
    model = tokenizer.get("model") or {}
    found = PreTokenizer(
        _essence(tokenizer.get("pre_tokenizer") or {}), bool(model.get("ignore_merges"))
    )
    plain = not tokenizer.get("normalizer") and not model.get("byte_fallback")
    names = (name for name, known in PRE_TOKENIZERS.items() if known == found)
    return next(names, None) if plain and model.get("type") == "BPE" else None


def with_pre_tokenizer(tokenizer: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A `tokenizer.json` that cuts texts as the name says; unchanged where we don't know it."""
    changed = dict(tokenizer)
    if known := PRE_TOKENIZERS.get(name):
        changed["pre_tokenizer"] = _complete(known.pieces)
        changed["model"] = {**tokenizer["model"], "ignore_merges": known.ignore_merges}
    return changed


def _essence(pieces: Mapping[str, Any]) -> dict[str, Any]:
    """Without what has no influence on tokens: `trim_offsets`, and a sequence of one."""
    parts = pieces.get("pretokenizers")
    if parts is None:
        return {name: value for name, value in pieces.items() if name != "trim_offsets"}
    parts = [_essence(part) for part in parts]
    return parts[0] if len(parts) == 1 else {**pieces, "pretokenizers": parts}


def _complete(pieces: Mapping[str, Any]) -> dict[str, Any]:
    """With `trim_offsets`, which the reader of a `tokenizer.json` asks for."""
    if parts := pieces.get("pretokenizers"):
        return {**pieces, "pretokenizers": [_complete(part) for part in parts]}
    return {**pieces, "trim_offsets": True} if pieces["type"] == "ByteLevel" else dict(pieces)


INSTALL = "pip install 'seedstep[tune]'"

CACHE_FORM = 2
"""Raised when a GGUF file is made into another checkpoint than before."""


def checkpoint_of(model: str) -> str:
    """The path or the hub id of the checkpoint that a model's short name stands for.

    Raises:
        InputError: the name is of no kind that transformers can load.
        MissingExtraError: the embedded model is not installed.
    """
    kind, _, name = model.partition(":")
    if kind == "hf" and name:
        return name
    if path := gguf_of(model):
        return str(_dequantized(path))
    raise InputError(f"model '{model}' can't be loaded", "use local, gguf:PATH or hf:PATH_OR_ID")


def gguf_of(model: str) -> Path | None:
    """The GGUF file that a model's short name stands for; None for one of another kind.

    Raises:
        MissingExtraError: the embedded model is not installed.
    """
    if model == "local":
        return embedded_model()
    kind, _, name = model.partition(":")
    return Path(name) if kind == "gguf" and name else None


def fingerprint_of(model: str) -> str:
    """What tells a checkpoint on the disk from another at its place; empty for a hub id.

    The sizes, heads and tails of its files are read, not gigabytes.

    Raises:
        InputError: the name is of no kind that transformers can load.
        MissingExtraError: the embedded model is not installed.
    """
    kind, _, name = model.partition(":")
    if kind == "hf":
        folder = Path(checkpoint_of(model))
        files = sorted(one for one in folder.glob("*") if one.is_file()) if folder.is_dir() else []
    else:
        files = [embedded_model() if model == "local" else Path(name)]
    parts = [f"{one.name} {file_fingerprint(one)}" for one in files if one.is_file()]
    if not parts:
        return ""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def load_tokenizer(model: str) -> Any:
    """The tokenizer of a model.

    Raises:
        MissingExtraError: transformers is not installed.
        ModelError: there is none, or it can't be read.
    """
    return _read(model, "AutoTokenizer", "tokenizer")


def load_config(model: str) -> Any:
    """The configuration of a model.

    Raises:
        MissingExtraError: transformers is not installed.
        ModelError: there is none, or it can't be read.
    """
    return _read(model, "AutoConfig", "configuration")


def is_decoder_only(model: str) -> bool:
    """False for an encoder-decoder model, such as T5. Only its configuration is read.

    Raises:
        MissingExtraError: transformers is not installed.
        ModelError: the configuration can't be read.
    """
    return not load_config(model).is_encoder_decoder


def load_model(model: str, *, dtype: str = "auto") -> Any:
    """The model in evaluation mode on the CPU: decoder-only, or encoder-decoder where it is one.

    `dtype` is a torch type's name, or "auto" for that of the checkpoint.

    Raises:
        MissingExtraError: transformers is not installed.
        ModelError: it is not there, or can't be read.
    """
    checkpoint = checkpoint_of(model)
    transformers = _transformers()
    try:
        config = transformers.AutoConfig.from_pretrained(checkpoint)
        kind = "Seq2SeqLM" if config.is_encoder_decoder else "CausalLM"
        loader = getattr(transformers, f"AutoModelFor{kind}")
        return loader.from_pretrained(checkpoint, config=config, dtype=dtype)
    except Exception as error:  # of any kind, where a file is broken
        raise _not_loaded(checkpoint, "model", error) from None


def _read(model: str, kind: str, part: str) -> Any:
    checkpoint = checkpoint_of(model)
    transformers = _transformers()
    try:
        return getattr(transformers, kind).from_pretrained(checkpoint)
    except Exception as error:  # of any kind, where a file is broken
        raise _not_loaded(checkpoint, part, error) from None


def _not_loaded(checkpoint: str, part: str, error: Exception) -> ModelError:
    reason = (str(error).strip().splitlines() or ["no reason given"])[0]
    return ModelError(
        f"{checkpoint}: transformers can't load its {part} ({reason})",
        "check the path or the name after `hf:`",
    )


def _dequantized(path: Path) -> Path:
    """A GGUF file as a checkpoint, made if it is not in the cache yet."""
    if not path.is_file():
        raise ModelError(f"{path}: no such file", "check the path after `gguf:`")
    target = _cache() / f"{path.stem}-{file_fingerprint(path)}-{CACHE_FORM}"
    if target.is_dir():
        return target
    transformers = _transformers()
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    config = transformers.GgufConfig(dequantize=True)
    source = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
    try:
        model = transformers.AutoModelForCausalLM.from_pretrained(
            **source, quantization_config=config, dtype="bfloat16"
        )
        model.save_pretrained(partial)
        transformers.AutoTokenizer.from_pretrained(**source).save_pretrained(partial)
        _cut_texts_as(path, partial / "tokenizer.json")
        partial.rename(target)
    except (OSError, ValueError, KeyError) as error:
        if not target.is_dir():  # another process may have been faster
            raise _not_loaded(str(path), "model", error) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _cut_texts_as(path: Path, tokenizer: Path) -> None:
    """Transformers leaves out the name of the pre-tokenizer, and tokens would differ."""
    import gguf

    name = gguf.GGUFReader(path).get_field("tokenizer.ggml.pre")
    if name and tokenizer.is_file():
        changed = with_pre_tokenizer(json.loads(tokenizer.read_bytes()), str(name.contents()))
        tokenizer.write_text(json.dumps(changed, ensure_ascii=False), "utf-8")


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    directory = Path(base) / "seedstep" / "checkpoints"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _transformers() -> Any:
    try:
        import torch  # noqa: F401
        import transformers
    except ImportError:
        raise MissingExtraError("loading a model into this process", INSTALL) from None
    return transformers
