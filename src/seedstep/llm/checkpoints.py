"""Load models, tokenizers and configurations into this process through transformers.

Example::

    model = load_model("hf:checkpoints/tuned", dtype="bfloat16")
    tokenizer = load_tokenizer("hf:checkpoints/tuned")
"""

import hashlib
from pathlib import Path
from typing import Annotated, Any

import msgspec

from seedstep.errors import ModelError, first_line
from seedstep.llm.dequantize import from_checkpoint, import_transformers, not_loaded
from seedstep.llm.endpoints import file_fingerprint
from seedstep.llm.models import ModelRef, loaded_model

__all__ = [
    "checkpoint_of",
    "computing_type",
    "fingerprint_of",
    "gguf_fingerprint",
    "is_decoder_only",
    "load_config",
    "load_model",
    "load_tokenizer",
    "require_generation_settings",
]


def checkpoint_of(model: str | ModelRef) -> str:
    """Return the path or the hub id of the checkpoint of a model reference.

    Raises:
        InputError: transformers can't load models of its provider.
        MissingExtraError: the embedded model or transformers is not installed.
        ModelError: a GGUF file is not there, or can't be read.
    """
    ref = loaded_model(model)
    assert ref.provider.checkpoint
    return ref.provider.checkpoint(ref.name)


def fingerprint_of(model: str | ModelRef) -> str:
    """Return a fingerprint of a checkpoint on the disk; an empty text for a hub id.

    It is made from the sizes, the beginnings and the ends of the checkpoint's files.

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


def gguf_fingerprint(model: str) -> str:
    """Return the fingerprint of the file of a `gguf:PATH`; empty for other models, or without it.

    The embedded model is always the same.
    """
    ref = ModelRef.parse(model)
    path = ref.path if ref.provider.prefix == "gguf" else None
    return file_fingerprint(path) if path and path.is_file() else ""


def load_tokenizer(model: str | ModelRef) -> Any:
    """Load the tokenizer of a model.

    Raises:
        MissingExtraError: transformers is not installed.
        ModelError: there is no tokenizer, or it can't be read.
    """
    return _read(model, "AutoTokenizer", "tokenizer")


def load_config(model: str | ModelRef) -> Any:
    """Load the configuration of a model.

    Raises:
        MissingExtraError: transformers is not installed.
        ModelError: there is no configuration, or it can't be read.
    """
    return _read(model, "AutoConfig", "configuration")


def is_decoder_only(model: str | ModelRef) -> bool:
    """Return False for an encoder-decoder model, such as T5. Only its configuration is read.

    Raises:
        MissingExtraError: transformers is not installed.
        ModelError: the configuration can't be read.
    """
    return not load_config(model).is_encoder_decoder


def computing_type(*, bf16: bool, on_cpu: bool | None = None) -> tuple[str, str]:
    """Return the name of the type in which a model computes, and a note if bfloat16 was asked for
    and it isn't that.

    A processor without instructions for bfloat16 takes tens of times as long for it as for float32,
    and computes in float32. If `on_cpu` is None, the model runs on a GPU if there is one.
    """
    if not bf16:
        return "float32", ""
    import torch

    if on_cpu is None:
        on_cpu = not torch.cuda.is_available()
    mkldnn = torch.backends.mkldnn
    if not on_cpu or (mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        return "bfloat16", ""
    return (
        "float32",
        "this processor has no instructions for bfloat16: the model computes in float32",
    )


def load_model(model: str | ModelRef, *, dtype: str = "auto") -> Any:
    """Load a decoder-only or encoder-decoder model, in evaluation mode, on the CPU.

    `dtype` is the name of a type of torch, or "auto" for the type of the checkpoint.

    Raises:
        MissingExtraError: transformers is not installed.
        ModelError: the model is not there, or can't be read.
    """
    checkpoint = checkpoint_of(model)
    import_transformers()
    require_generation_settings(Path(checkpoint))
    try:
        config = from_checkpoint("AutoConfig", checkpoint)
        kind = "Seq2SeqLM" if config.is_encoder_decoder else "CausalLM"
        return from_checkpoint(f"AutoModelFor{kind}", checkpoint, config=config, dtype=dtype)
    except Exception as error:  # of any kind, where a file is broken
        raise not_loaded(checkpoint, "model", error) from None


GENERATION = "generation_config.json"
TOKENS = (
    "eos_token_id",
    "bos_token_id",
    "pad_token_id",
    "decoder_start_token_id",
    "forced_bos_token_id",
)
"""The settings of generation that name tokens: a number, a list of numbers, or none."""

Token = Annotated[int, msgspec.Meta(ge=-1, lt=2**31)]


def require_generation_settings(folder: Path) -> None:
    """Check the file that says which tokens end an answer.

    transformers goes on without it if it can't be read, so that answers have no end, and fails
    somewhere else if a token is none.

    Raises:
        ModelError: it is damaged.
    """
    path, place = folder / GENERATION, ""
    try:
        values = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        for name in TOKENS:
            place = f"{name}: "
            msgspec.convert(values.get(name), Token | list[Token] | None)
    except (FileNotFoundError, NotADirectoryError):
        return  # then config.json says it
    except (ValueError, RecursionError, OSError) as error:
        what = f"{path} is damaged: {place}{first_line(error)}"
        raise ModelError(what, "copy it again from where the checkpoint is from") from None


def _read(model: str | ModelRef, kind: str, part: str) -> Any:
    checkpoint = checkpoint_of(model)
    import_transformers()
    try:
        return from_checkpoint(kind, checkpoint)
    except Exception as error:  # of any kind, where a file is broken
        raise not_loaded(checkpoint, part, error) from None
