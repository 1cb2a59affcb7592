"""The vocabulary of a checkpoint, as a GGUF file has it: tokens, merges, special ones, template.

Example::

    vocabulary = read_vocabulary(Path("out/checkpoint"), size=49152)
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedstep.errors import ModelError
from seedstep.llm.checkpoints import load_tokenizer
from seedstep.llm.pretokenizers import PRE_TOKENIZERS, pre_tokenizer_name

__all__ = ["Vocabulary", "add_vocabulary", "read_vocabulary"]

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5
"""llama.cpp's kinds of tokens."""

_SPECIAL = ("bos", "eos", "unk", "pad")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`tokens` and `kinds` by id, padded to the size of the embeddings.

    `special` are ids by transformers' names ("bos", "eos", "unk", "pad"), where there are any.
    """

    tokens: tuple[str, ...]
    kinds: tuple[int, ...]
    merges: tuple[str, ...]
    pre_tokenizer: str
    special: Mapping[str, int]
    add_bos: bool
    add_eos: bool
    chat_template: str | None


def read_vocabulary(checkpoint: Path, size: int) -> Vocabulary:
    """The vocabulary of a checkpoint whose embeddings have `size` rows.

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
        merges = tuple(one if isinstance(one, str) else " ".join(one) for one in model["merges"])
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}", "save the tokenizer there too") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ModelError(f"{path}: not a tokenizer", "save the tokenizer there again") from None
    bare = tokenizer("a", add_special_tokens=False).input_ids
    full = tokenizer("a").input_ids
    return Vocabulary(
        tokens,
        kinds,
        merges,
        name,
        _special_ids(tokenizer),
        full[:1] != bare[:1] and full[:1] == [tokenizer.bos_token_id],
        full[-1:] != bare[-1:] and full[-1:] == [tokenizer.eos_token_id],
        tokenizer.chat_template if isinstance(tokenizer.chat_template, str) else None,
    )


def add_vocabulary(writer: Any, vocabulary: Vocabulary) -> None:
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
    """Texts and kinds of all tokens. Rows of the embeddings without a token are unused."""
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
    """True for an added token that takes spaces with it, or stands for whole words only."""
    return any(added.get(name) for name in ("lstrip", "rstrip", "single_word"))


def _special_ids(tokenizer: Any) -> dict[str, int]:
    ids = {name: getattr(tokenizer, f"{name}_token_id") for name in _SPECIAL}
    return {name: number for name, number in ids.items() if number is not None}


def _unsupported(path: Path, kind: str) -> ModelError:
    return ModelError(
        f"{path}: this kind of tokenizer can't be written as GGUF ({kind})",
        f"byte-level BPE can, cut as {', '.join(PRE_TOKENIZERS)}: tune such a model, "
        "or predict with the checkpoint itself, hf:PATH",
    )
