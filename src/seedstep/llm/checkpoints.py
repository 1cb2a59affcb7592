"""Load models and tokenizers into this process through transformers.

Example::

    model = load_model("hf:checkpoints/tuned", dtype="bfloat16")
    tokenizer = load_tokenizer("hf:checkpoints/tuned")
"""

from pathlib import Path
from typing import Annotated, Any

import msgspec

from seedstep.errors import ModelError, first_line
from seedstep.llm.dequantize import (
    from_checkpoint,
    import_transformers,
    not_loaded,
    without_weights,
)
from seedstep.llm.endpoints import file_fingerprint, folder_fingerprint
from seedstep.llm.models import ModelRef, loaded_model

__all__ = [
    "TRAINING_RECORD",
    "checkpoint_of",
    "computing_type",
    "fingerprint_of",
    "gguf_fingerprint",
    "is_decoder_only",
    "load_config",
    "load_model",
    "load_tokenizer",
    "on_device",
    "require_generation_settings",
    "was_tuned_here",
]

TRAINING_RECORD = "training-data.json"
"""The file in the directory of a model that was tuned here, with a record of its data."""


def was_tuned_here(model: str | ModelRef) -> bool:
    """Return whether a model's directory has the record of a tuning by this program."""
    place = (ModelRef.parse(model) if isinstance(model, str) else model).path
    return place is not None and (place / TRAINING_RECORD).is_file()


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
    path = loaded_model(model).path
    return folder_fingerprint(path) if path else ""


def gguf_fingerprint(model: str) -> str:
    """Return the fingerprint of the file of a `gguf:PATH`; empty for other models, or without it.

    The embedded model, which is not named by a path, is always the same.
    """
    ref = ModelRef.parse(model)
    path = ref.path if ref.provider.is_gguf and ref.provider.named_by_path else None
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


def load_model(model: str | ModelRef, *, dtype: str = "auto", empty: bool = False) -> Any:
    """Load a decoder-only or encoder-decoder model, in evaluation mode, on the CPU.

    `dtype` is the name of a type of torch, or "auto" for the type of the checkpoint. An `empty`
    model has weights that are not read, nor set, and take no memory.

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
        if empty:
            return without_weights(f"AutoModelFor{kind}", config, dtype)
        return from_checkpoint(f"AutoModelFor{kind}", checkpoint, config=config, dtype=dtype)
    except Exception as error:  # of any kind, where a file is broken
        raise not_loaded(checkpoint, "model", error) from None


def on_device(model: Any) -> Any:
    """Return a model on the GPU, if there is one, in evaluation mode."""
    import torch

    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()


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
