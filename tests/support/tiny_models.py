"""Small models with random weights, and made-up examples to tune them on."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seedstep.encode import TokenPair

VOCABULARY = 200
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 12,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
SHAPES = ("Llama", "Qwen2", "Qwen3", "Gemma2", "Gemma3")


def tiny_model(shape: str, **settings: Any) -> Any:
    """A causal model of a family, of some 100,000 weights, with the same ones each time."""
    import torch
    import transformers

    name = {"Gemma3": "Gemma3Text"}.get(shape, shape)
    config = getattr(transformers, f"{name}Config")(**SIZES | settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return getattr(transformers, f"{shape}ForCausalLM")(config)


def made_pairs(tasks: int, instances: int, *, prefix: int = 20, seed: int = 0) -> list[TokenPair]:
    """Examples of tasks with a common prefix each, and rests and targets of several lengths."""
    chance = random.Random(seed)

    def tokens(count: int) -> tuple[int, ...]:
        return tuple(chance.choices(range(3, VOCABULARY), k=count))

    pairs = []
    for task in range(tasks):
        start = tokens(prefix + task)
        for instance in range(instances):
            prompt = start + tokens(chance.randint(1, 8))
            target = (*tokens(chance.randint(0, 5)), 2)
            pairs.append(TokenPair(f"task{task}", f"{task}-{instance}", prompt, target))
    return pairs


@dataclass(frozen=True)
class MadeData:
    """The same examples in each epoch."""

    pairs: Sequence[TokenPair]
    held_out: Sequence[TokenPair] = ()

    def training(self, epoch: int) -> Sequence[TokenPair]:
        """All of them."""
        return self.pairs
