"""Small tokenizers of the kinds that models have, made while the tests run."""

from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from seedstep.encode import HfTokenizer

__all__ = [
    "CHAT_TEMPLATE",
    "byte_level",
    "llama_like",
    "save_byte_level",
    "save_t5_like",
    "t5_like",
    "wrapped",
]

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

LINES = [
    "Definition: Sort the numbers in ascending order.",
    "Step by Step Instruction: 1. Read the input. 2. Compare the numbers. 3. Output the list.",
    " Positive Example 1 -\nInput: 3 2 1.\n Output: 1 2 3.\n Explanation: It is sorted.\n",
    " Negative Example 2 -\nInput: the café is open.\n Output: closed.",
    "Now complete the following example -\nInput: where is the capital of France?\nOutput: Paris",
]


@cache
def byte_level(*, bos: bool = False) -> HfTokenizer:
    """As SmolLM2's or, with bos, Llama 3's: byte-level BPE with a chat template."""
    return HfTokenizer(_byte_level(bos=bos))


@cache
def t5_like() -> HfTokenizer:
    """As T5's: a unigram model to which all white space is a space, and unknown characters."""
    return HfTokenizer(_t5_like())


def save_byte_level(path: Path) -> None:
    """Write the tokenizer of `byte_level` as a checkpoint has it."""
    _byte_level().save_pretrained(path)


def save_t5_like(path: Path) -> None:
    """Write the tokenizer of `t5_like` as a checkpoint has it."""
    _t5_like().save_pretrained(path)


def _byte_level(*, bos: bool = False) -> Any:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    special = ["<|end|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        LINES,
        trainers.BpeTrainer(
            vocab_size=500, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        ),
    )
    if bos:
        made.post_processor = processors.TemplateProcessing(
            single="<|im_start|> $A", special_tokens=[("<|im_start|>", 1)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        eos_token="<|end|>",
        bos_token="<|im_start|>",
        additional_special_tokens=special[1:],
        chat_template=CHAT_TEMPLATE,
    )


def _t5_like() -> Any:
    text = " ".join(LINES)
    pieces = {"<pad>": 0.0, "</s>": 0.0, "<unk>": 0.0, "▁": -3.0}
    pieces |= dict.fromkeys(sorted(set(text) - {" ", "\n"}), -6.0)
    pieces |= {f"▁{word}": -8.0 for word in sorted(set(text.split())) if len(word) > 2}
    made = Tokenizer(models.Unigram(list(pieces.items()), unk_id=2))
    made.normalizer = normalizers.Sequence(
        [normalizers.Replace("\n", " "), normalizers.Strip(left=False, right=True)]
    )
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    made.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )


@cache
def llama_like() -> HfTokenizer:
    """As Llama 2's: BPE that puts a space before every text, and a token that starts it."""
    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    made.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    made.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    made.train_from_iterator(
        LINES,
        trainers.BpeTrainer(vocab_size=600, special_tokens=special[:3], show_progress=False),
    )
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    return wrapped(made, eos_token="</s>", bos_token="<s>", unk_token="<unk>")


def wrapped(made: Tokenizer, **fields: Any) -> HfTokenizer:
    """A tokenizer as `load_tokenizer` gives it."""
    return HfTokenizer(PreTrainedTokenizerFast(tokenizer_object=made, **fields))
