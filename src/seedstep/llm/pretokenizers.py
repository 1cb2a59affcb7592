"""How a byte-level BPE tokenizer cuts a text before it merges: llama.cpp's names for it.

A GGUF file only names the way, a `tokenizer.json` spells it out. Read the one for the other, and
the same text has the same tokens on both sides.

Example::

    pre_tokenizer_name(json.loads(Path("tokenizer.json").read_text()))  # "smollm"
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

__all__ = ["PRE_TOKENIZERS", "PreTokenizer", "pre_tokenizer_name", "with_pre_tokenizer"]

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
