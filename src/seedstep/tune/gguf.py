"""Write a tuned checkpoint as a GGUF file, which the embedded engine and llama.cpp can serve.

Models of the Llama architecture (SmolLM, Llama 3) with byte-level BPE are supported. The file has
the same tokens, and the same weights rounded to 16 or 8 bits. On SmolLM2-135M the answers with the
default of 16 bits are those of transformers. With 8 bits the file is half as large (138 MiB) and
writes a quarter more tokens a second on two cores, but answers differ from the checkpoint's after
some dozen tokens.

Example::

    write_gguf(Path("out/checkpoint"), Path("out/tuned.gguf"), source=gguf_of("local"))
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from seedstep.data.files import whole_file
from seedstep.encode import HfTokenizer
from seedstep.errors import InputError, MissingExtraError, ModelError, first_line
from seedstep.llm.checkpoints import load_tokenizer
from seedstep.llm.gguf import (
    PRE_TOKENIZERS,
    from_checkpoint,
    pre_tokenizer_name,
    read_texts,
)

__all__ = ["GgufVocabulary", "Weights", "add_vocabulary", "read_vocabulary", "write_gguf"]

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5
"""llama.cpp's numbers for the types of tokens."""

_SPECIAL = ("bos", "eos", "unk", "pad")


@dataclass(frozen=True, slots=True)
class GgufVocabulary:
    """The vocabulary of a GGUF file.

    `tokens` and `kinds` are in the order of ids, padded to the size of the embeddings. `special`
    has the ids of special tokens by transformers' names ("bos", "eos", "unk", "pad"), and of "eot",
    the end of a turn, where the chat template has one that is not "eos".
    """

    tokens: tuple[str, ...]
    kinds: tuple[int, ...]
    merges: tuple[str, ...]
    pre_tokenizer: str
    special: Mapping[str, int]
    add_bos: bool
    add_eos: bool
    chat_template: str | None


def read_vocabulary(checkpoint: Path, size: int) -> GgufVocabulary:
    """Read the vocabulary of a checkpoint whose embeddings have `size` rows.

    Raises:
        ModelError: there is no `tokenizer.json`, or it is of a kind that is not supported: only
            byte-level BPE with a pre-tokenizer in `PRE_TOKENIZERS`.
    """
    path = checkpoint / "tokenizer.json"
    try:
        tokenizer = load_tokenizer(f"hf:{checkpoint}")
        content = json.loads(path.read_bytes())
        model = content["model"]
        name = pre_tokenizer_name(content)
        if name is None or any(map(_takes_more, content["added_tokens"])):
            raise _unsupported(path, str(model.get("type")))
        tokens, kinds = _tokens(content, size, path)
        merges = tuple(
            merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]
        )
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}", "save the tokenizer there too") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ModelError(f"{path}: not a tokenizer", "save the tokenizer there again") from None
    bare = tokenizer("a", add_special_tokens=False).input_ids
    full = tokenizer("a").input_ids
    return GgufVocabulary(
        tokens,
        kinds,
        merges,
        name,
        {**_special_ids(tokenizer), **_turn_end(tokenizer)},
        full[:1] != bare[:1] and full[:1] == [tokenizer.bos_token_id],
        full[-1:] != bare[-1:] and full[-1:] == [tokenizer.eos_token_id],
        tokenizer.chat_template if isinstance(tokenizer.chat_template, str) else None,
    )


def add_vocabulary(writer: Any, vocabulary: GgufVocabulary) -> None:
    """Write a vocabulary to a `gguf.GGUFWriter`."""
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(vocabulary.pre_tokenizer)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.kinds)
    writer.add_token_merges(vocabulary.merges)
    writer.add_add_space_prefix(False)
    writer.add_add_bos_token(vocabulary.add_bos)
    writer.add_add_eos_token(vocabulary.add_eos)
    for name, token in vocabulary.special.items():
        getattr(writer, f"add_{name}_token_id")(token)
    if vocabulary.chat_template:
        writer.add_chat_template(vocabulary.chat_template)


def _tokens(
    content: Mapping[str, Any], size: int, path: Path
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return texts and types of all tokens; rows of the embeddings without a token are unused."""
    known = {number: (text, NORMAL) for text, number in content["model"]["vocab"].items()}
    for added in content["added_tokens"]:
        kind = CONTROL if added["special"] else USER_DEFINED
        known[added["id"]] = (added["content"], kind)
    if max(known) >= size:
        raise ModelError(
            f"{path}: {max(known) + 1} tokens, but the model has embeddings for {size}",
            "save the model's own tokenizer with it",
        )
    rows = [known.get(number, (f"[unused {number}]", UNUSED)) for number in range(size)]
    return tuple(text for text, _ in rows), tuple(kind for _, kind in rows)


def _takes_more(added: Mapping[str, Any]) -> bool:
    """Return whether an added token includes spaces around it, or matches whole words only."""
    return any(added.get(name) for name in ("lstrip", "rstrip", "single_word"))


def _special_ids(tokenizer: Any) -> dict[str, int]:
    ids = {name: getattr(tokenizer, f"{name}_token_id") for name in _SPECIAL}
    return {name: number for name, number in ids.items() if number is not None}


def _turn_end(tokenizer: Any) -> dict[str, int]:
    try:
        frame = HfTokenizer(tokenizer).chat
    except InputError:
        return {}
    end = frame.end if frame else None
    return {} if end is None or end == tokenizer.eos_token_id else {"eot": end}


def _unsupported(path: Path, kind: str) -> ModelError:
    return ModelError(
        f"{path}: this kind of tokenizer can't be written as GGUF ({kind})",
        f"byte-level BPE can, cut as {', '.join(PRE_TOKENIZERS)}: tune such a model, "
        "or predict with the checkpoint itself, hf:PATH",
    )


Weights = Literal["f32", "f16", "q8_0"]
"""How matrices are stored. Vectors (norms, biases) are always 32-bit floats."""

ARCHITECTURE = "LlamaForCausalLM"
"""The one architecture that can be written, by its name in transformers."""

_KEPT = ("size_label", "license", "license.name", "license.link", "languages", "tags")
"""The fields that are copied from the base model."""

_NAMED = ("name", "author", "version", "organization", "url", "repo_url")
"""The fields of the base model that are copied to describe it as the base model."""


def write_gguf(
    checkpoint: Path, out: Path, *, weights: Weights = "f16", source: Path | None = None
) -> None:
    """Write a checkpoint as a GGUF file, atomically.

    `source` is the GGUF file that the checkpoint was tuned from, if any: its licence, languages
    and tags are kept, and it is named as the base model.

    Raises:
        MissingExtraError: transformers or gguf is not installed.
        ModelError: the checkpoint can't be read, or is of a kind that is not supported.
        RunError: `out` can't be written.
    """
    gguf = _gguf()
    config = _config(checkpoint)
    tensors = [*_tensors(gguf, checkpoint, config, weights)]
    vocabulary = read_vocabulary(checkpoint, config.vocab_size)
    # The writer opens the file by its name; what it writes is then synced and put in place.
    with whole_file(out) as file, closing(gguf.GGUFWriter(file.name, "llama")) as writer:
        _add_description(gguf, writer, out.stem, source)
        _add_shape(gguf, writer, config, weights)
        add_vocabulary(writer, vocabulary)
        _write_weights(gguf, writer, tensors, _rotary_factors(config))


def _write_weights(
    gguf: Any, writer: Any, tensors: Sequence["_Tensor"], factors: Any | None
) -> None:
    """Write all tensors, with one at a time in memory."""
    number = np.dtype(np.float32)
    if factors is not None:
        writer.add_tensor_info("rope_freqs.weight", factors.shape, number, factors.nbytes)
    for tensor in tensors:
        writer.add_tensor_info(tensor.name, tensor.shape, number, tensor.bytes, tensor.kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    if factors is not None:
        writer.write_tensor_data(factors)
    for tensor in tensors:
        writer.write_tensor_data(_values(gguf, tensor))
    writer.flush()


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A tensor: where it is read, and how it is written.

    `heads` is the number of heads whose rows are reordered for llama.cpp's rotary positions, 0 if
    no rows are reordered.
    """

    file: Path
    key: str
    name: str
    shape: tuple[int, ...]
    kind: Any
    bytes: int
    heads: int


def _config(checkpoint: Path) -> Any:
    """Return the configuration of a checkpoint, checked to be of a kind that can be written."""
    try:
        config = from_checkpoint("AutoConfig", str(checkpoint), local_files_only=True)
    except Exception as error:  # of many kinds, for a file that may hold anything
        remedy = "name the directory of a whole checkpoint; LoRA's weights are merged first"
        raise ModelError(f"{checkpoint}: no checkpoint ({first_line(error)})", remedy) from None
    kinds = config.architectures or ["none named"]
    if kinds != [ARCHITECTURE]:
        raise _unsupported_gguf(checkpoint, f"architecture {', '.join(kinds)}")
    if config.attention_bias or config.mlp_bias:
        raise _unsupported_gguf(checkpoint, "biases")
    if config.hidden_act != "silu":
        raise _unsupported_gguf(checkpoint, f"activation {config.hidden_act}")
    if (rotary := config.rope_parameters["rope_type"]) not in ("default", "llama3"):
        raise _unsupported_gguf(checkpoint, f"rotary positions {rotary}")
    return config


def _tensors(gguf: Any, checkpoint: Path, config: Any, weights: Weights) -> Iterator[_Tensor]:
    found = _found(checkpoint)
    if config.tie_word_embeddings:
        found.pop("lm_head.weight", None)
    # Nine a layer, the embeddings, the last norm, and the head if it is not the embeddings.
    expected = 9 * config.num_hidden_layers + 2 + (not config.tie_word_embeddings)
    if len(found) != expected:
        what = f"{checkpoint}: {len(found)} weights, {expected} expected"
        raise ModelError(what, "save the model again")
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    for key, (path, shape) in found.items():
        if (name := names.get_name(key, try_suffixes=(".weight",))) is None:
            raise _unsupported_gguf(checkpoint, f"weights named {key}")
        kind = _kind(gguf, shape, weights)
        size = int(np.prod(gguf.quant_shape_to_byte_shape(shape, kind)))
        yield _Tensor(path, key, name, shape, kind, size, heads.get(key.split(".")[-2], 0))


def _found(checkpoint: Path) -> dict[str, tuple[Path, tuple[int, ...]]]:
    """Return the file and the shape of each weight by name."""
    import safetensors

    files = sorted(checkpoint.glob("*.safetensors"))
    if not files:
        raise ModelError(f"{checkpoint}: no weights", "save the model as safetensors")
    found = {}
    for path in files:
        try:
            with safetensors.safe_open(path, "numpy") as file:
                for key in file.keys():  # noqa: SIM118 - not a mapping
                    found[key] = path, tuple(file.get_slice(key).get_shape())
        except (OSError, safetensors.SafetensorError) as error:
            raise ModelError(f"{path}: {error}", "save the model again") from None
    return found


def _kind(gguf: Any, shape: tuple[int, ...], weights: Weights) -> Any:
    """Return how a tensor is stored: in 16 bits if its rows can't be divided into 8-bit blocks."""
    kinds = gguf.GGMLQuantizationType
    if len(shape) == 1 or weights == "f32":
        return kinds.F32
    block, _ = gguf.GGML_QUANT_SIZES[kinds.Q8_0]
    return kinds.Q8_0 if weights == "q8_0" and shape[-1] % block == 0 else kinds.F16


def _values(gguf: Any, tensor: _Tensor) -> Any:
    import safetensors

    with safetensors.safe_open(tensor.file, "pt") as file:  # numpy has no bfloat16
        values = file.get_tensor(tensor.key).float().numpy()
    if tensor.heads:
        values = _interleaved(values, tensor.heads)
    with np.errstate(over="ignore"):
        stored = gguf.quants.quantize(values, tensor.kind)
    if stored.dtype != np.uint8 and not np.isfinite(stored).all():
        raise ModelError(
            f"{tensor.file}: weights of {tensor.key} are not finite, or too large for 16 bits",
            "choose an earlier checkpoint, or 32 bits",
        )
    return stored


def _interleaved(values: Any, heads: int) -> Any:
    """Reorder the rows of each head for llama.cpp, which rotates neighbouring rows as pairs.

    transformers pairs a row of the first half of a head with a row of its second half.
    """
    rows, *rest = values.shape
    return values.reshape(heads, 2, rows // heads // 2, *rest).swapaxes(1, 2).reshape(rows, *rest)


def _rotary_factors(config: Any) -> Any | None:
    """Return the factors by which Llama 3.1 and later divide the frequencies of positions."""
    if config.rope_parameters["rope_type"] == "default":
        return None
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
    powers = np.arange(0, config.head_dim, 2) / config.head_dim
    frequencies = config.rope_parameters["rope_theta"] ** -powers
    return (frequencies / scaled.numpy()).astype(np.float32)


def _add_description(gguf: Any, writer: Any, name: str, source: Path | None) -> None:
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(name)
    if source is None:
        return
    try:
        texts = read_texts(source, [f"general.{name}" for name in (*_KEPT, *_NAMED)])
    except OSError as error:
        raise ModelError(f"{source}: can't be read ({error})", "check the path") from None
    for kept in _KEPT:
        match texts.get(f"general.{kept}"):
            case str(text):
                writer.add_string(f"general.{kept}", text)
            case list(items):
                writer.add_array(f"general.{kept}", items)
    writer.add_base_model_count(1)
    for named in _NAMED:
        if isinstance(value := texts.get(f"general.{named}"), str):
            writer.add_string(f"general.base_model.0.{named}", value)


def _add_shape(gguf: Any, writer: Any, config: Any, weights: Weights) -> None:
    kinds = {"f32": "ALL_F32", "f16": "MOSTLY_F16", "q8_0": "MOSTLY_Q8_0"}
    writer.add_file_type(gguf.LlamaFileType[kinds[weights]])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(config.vocab_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])


def _unsupported_gguf(checkpoint: Path, what: str) -> ModelError:
    return ModelError(
        f"{checkpoint}: can't be written as GGUF ({what})",
        "Llama models without biases, with plain rotary positions or Llama 3's, can; predict with "
        "the checkpoint itself, hf:PATH",
    )


def _gguf() -> Any:
    try:
        import gguf
        import transformers  # noqa: F401
    except ImportError:
        raise MissingExtraError("writing a GGUF file", extra="tune") from None
    return gguf
