"""Models that are loaded into this process through transformers, to be tuned or to predict.

Example::

    model = load_model("hf:checkpoints/tuned", dtype="bfloat16")
    tokenizer = load_tokenizer("hf:checkpoints/tuned")
"""

import hashlib
from typing import Any

from seedstep.llm.dequantize import from_checkpoint, import_transformers, not_loaded
from seedstep.llm.endpoints import file_fingerprint
from seedstep.llm.models import ModelRef, loaded_model

__all__ = [
    "checkpoint_of",
    "fingerprint_of",
    "is_decoder_only",
    "load_config",
    "load_model",
    "load_tokenizer",
]


def checkpoint_of(model: str | ModelRef) -> str:
    """The path or the hub id of the checkpoint that a model reference stands for.

    Raises:
        InputError: transformers can't load models of its provider.
        MissingExtraError: the embedded model or transformers is not installed.
        ModelError: a GGUF file is not there, or can't be read.
    """
    ref = loaded_model(model)
    assert ref.provider.checkpoint
    return ref.provider.checkpoint(ref.name)


def fingerprint_of(model: str | ModelRef) -> str:
    """What tells a checkpoint on the disk from another at its place; empty for a hub id.

    The sizes, heads and tails of its files are read, not gigabytes.

    Raises:
        InputError: transformers can't load models of its provider.
        MissingExtraError: the embedded model is not installed.
    """
    ref = loaded_model(model)
    path = ref.path
    found = sorted(path.glob("*")) if path and path.is_dir() else [path] if path else []
    files = [file for file in found if file.is_file()]
    if not files:
        return ""
    parts = [f"{file.name} {file_fingerprint(file)}" for file in files]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def load_tokenizer(model: str | ModelRef) -> Any:
    """The tokenizer of a model.

    Raises:
        MissingExtraError: transformers is not installed.
        ModelError: there is none, or it can't be read.
    """
    return _read(model, "AutoTokenizer", "tokenizer")


def load_config(model: str | ModelRef) -> Any:
    """The configuration of a model.

    Raises:
        MissingExtraError: transformers is not installed.
        ModelError: there is none, or it can't be read.
    """
    return _read(model, "AutoConfig", "configuration")


def is_decoder_only(model: str | ModelRef) -> bool:
    """False for an encoder-decoder model, such as T5. Only its configuration is read.

    Raises:
        MissingExtraError: transformers is not installed.
        ModelError: the configuration can't be read.
    """
    return not load_config(model).is_encoder_decoder


def load_model(model: str | ModelRef, *, dtype: str = "auto") -> Any:
    """The model in evaluation mode on the CPU: decoder-only, or encoder-decoder where it is one.

    `dtype` is a torch type's name, or "auto" for that of the checkpoint.

    Raises:
        MissingExtraError: transformers is not installed.
        ModelError: it is not there, or can't be read.
    """
    checkpoint = checkpoint_of(model)
    import_transformers()
    try:
        config = from_checkpoint("AutoConfig", checkpoint)
        kind = "Seq2SeqLM" if config.is_encoder_decoder else "CausalLM"
        return from_checkpoint(f"AutoModelFor{kind}", checkpoint, config=config, dtype=dtype)
    except Exception as error:  # of any kind, where a file is broken
        raise not_loaded(checkpoint, "model", error) from None


def _read(model: str | ModelRef, kind: str, part: str) -> Any:
    checkpoint = checkpoint_of(model)
    import_transformers()
    try:
        return from_checkpoint(kind, checkpoint)
    except Exception as error:  # of any kind, where a file is broken
        raise not_loaded(checkpoint, part, error) from None
