"""Small models with random weights that answer prompts, and what plain decoding makes of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from support.made_tokenizers import save_byte_level, save_t5_like
from support.tiny_models import SIZES as TINY_SIZES

__all__ = ["SHARING", "answering_model", "plainly", "save_bart", "save_model"]

SHARING = ("Llama", "Qwen2", "Qwen3", "Gemma", "GPT2", "Phi3")
"""Families whose layers attend to all earlier tokens."""

ENDS = [0, 7, 8, 9, 50, 51, 52, 100, 101, 102, 103, 200, 300, 301, 302]
"""Tokens that end an answer: so many that random models end theirs after different times."""

SIZES = TINY_SIZES | {
    "vocab_size": 500,
    "initializer_range": 0.3,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
}


T5_SIZES: dict[str, Any] = {
    "vocab_size": 76,
    "d_model": 48,
    "d_kv": 12,
    "d_ff": 96,
    "num_layers": 2,
    "num_heads": 4,
    "initializer_factor": 8.0,
    "decoder_start_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 0,
}


def answering_model(family: str, ends: Sequence[int] = ENDS, **settings: Any) -> Any:
    """A model of a family, with the same weights each time, and the tokens that end an answer."""
    config = getattr(transformers, f"{family}Config")(
        **(T5_SIZES if family == "T5" else SIZES) | settings
    )
    kind = "ForConditionalGeneration" if family == "T5" else "ForCausalLM"
    if family in ("GPT2", "Mamba"):
        kind = "LMHeadModel" if family == "GPT2" else kind
    family = family.removesuffix("Text")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = getattr(transformers, f"{family}{kind}")(config).eval()
    model.generation_config.eos_token_id = list(ends)
    return model


def save_model(family: str, folder: Path, **settings: Any) -> str:
    """Write a model with a tokenizer; returns the name under which seedstep knows it."""
    answering_model(family, **settings).save_pretrained(folder)
    (save_t5_like if family == "T5" else save_byte_level)(folder)
    return f"hf:{folder}"


def save_bart(folder: Path, positions: int) -> str:
    """Write a BART of few positions as `save_model` does."""
    config = transformers.BartConfig(
        vocab_size=500,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        max_position_embeddings=positions,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
        decoder_start_token_id=0,
        forced_eos_token_id=None,
    )
    transformers.BartForConditionalGeneration(config).save_pretrained(folder)
    save_byte_level(folder)
    return f"hf:{folder}"


def plainly(model: Any, prompt: Sequence[int], new_tokens: int) -> list[int]:
    """What plain greedy decoding of one prompt writes, without a cache of ours, or padding."""
    ids = torch.tensor([list(prompt)])
    with torch.inference_mode():
        found = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=new_tokens,
            do_sample=False,
        )
    start = 1 if model.config.is_encoder_decoder else len(prompt)
    return [int(token) for token in found[0, start:]]
