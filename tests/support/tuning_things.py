"""A small world to tune on: tasks about things and their colours, and models that can learn it."""

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from support.tiny_models import tiny_model

__all__ = [
    "KINDS",
    "lines_of",
    "save_llama",
    "save_t5",
    "things",
    "write_lines",
    "write_tasks",
]

KINDS = {
    "animal": ("cat", "dog", "fox", "hen"),
    "fruit": ("fig", "pear", "plum", "lime"),
    "tool": ("saw", "drill", "file", "axe"),
}
COLOURS = ("red", "blue", "green", "pink", "grey", "gold", "teal", "navy", "rust", "sand")
PLACES = ("now", "here", "again", "there")
QUESTIONS = ("Kind?", "What sort?", "Which class?", "Name its group.")


def things(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Different inputs, each with the kind of the thing in it."""
    chance = random.Random(seed)
    found: dict[str, str] = {}
    while len(found) < count:
        kind = chance.choice(list(KINDS))
        words = (chance.choice(COLOURS), chance.choice(COLOURS))
        found[" ".join((*words, chance.choice(KINDS[kind]), chance.choice(PLACES)))] = kind
    return list(found.items())


def lines_of(tasks: int = 1, instances: int = 20, *, seed: int = 0) -> list[dict[str, Any]]:
    """Tasks as JSON lines have them."""
    return [
        {
            "id": f"things_{number}",
            "definition": QUESTIONS[number % len(QUESTIONS)],
            "instances": [
                {"input": text, "output": kind} for text, kind in things(instances, seed + number)
            ],
        }
        for number in range(tasks)
    ]


def write_lines(path: Path, records: Iterable[Any]) -> Path:
    """Write JSON lines."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def write_tasks(path: Path, tasks: int = 1, instances: int = 20, *, seed: int = 0) -> Path:
    """Write tasks as JSON lines."""
    return write_lines(path, lines_of(tasks, instances, seed=seed))


def save_t5(path: Path, **settings: Any) -> str:
    """Write a small T5 with random weights, the same ones each time; returns its short name."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    tokenizer = _tokenizer()
    options = {
        "d_model": 32,
        "d_kv": 16,
        "d_ff": 128,
        "num_layers": 2,
        "num_decoder_layers": 2,
        "num_heads": 4,
        "dropout_rate": 0.0,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "decoder_start_token_id": 0,
    }
    config = T5Config(vocab_size=len(tokenizer), **(options | settings))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        T5ForConditionalGeneration(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return f"hf:{path}"


def save_llama(path: Path, **settings: Any) -> str:
    """Write a small Llama as `save_t5` does."""
    tokenizer = _tokenizer()
    tokens = {"vocab_size": len(tokenizer), "pad_token_id": 0, "eos_token_id": 1}
    tiny_model("Llama", **(tokens | {"bos_token_id": None} | settings)).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return f"hf:{path}"


def _tokenizer() -> Any:
    """As T5's, a unigram model, with all words of the world."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    texts = (
        *QUESTIONS,
        *COLOURS,
        *PLACES,
        *KINDS,
        *(character for some in KINDS.values() for character in some),
    )
    frame = "Definition: Now complete the following example - Input: Output: Task: ."
    words = sorted({word for text in (*texts, frame) for word in text.split()})
    pieces = {"<pad>": 0.0, "</s>": 0.0, "<unk>": 0.0}
    pieces |= {f"\u2581{word}": -1.0 for word in words}
    pieces |= dict.fromkeys(
        sorted({character for word in words for character in word} | {"\u2581"}), -9.0
    )
    made = Tokenizer(models.Unigram(list(pieces.items()), unk_id=2))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    made.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )
