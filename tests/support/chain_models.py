"""Checkpoints that write what a test says: each word makes the model write the word after it.

The weights of a Llama are set so that its layers add nothing, and its head is a table of which
token follows which. So what it writes depends on the last token alone, and a test can tell a
checkpoint on the disk to write thoughts, marks and ends.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

__all__ = ["CHATML", "chain_tokenizer", "save_chain"]

CHATML = (
    "{% for message in messages %}<|im_start|> {{ message['role'] }} "
    "{{ message['content'] }} <|im_end|> {% endfor %}"
    "{% if add_generation_prompt %}<|im_start|> assistant {% endif %}"
)


def chain_tokenizer(
    words: Sequence[str],
    *,
    template: str | None = None,
    special: Sequence[str] = (),
    plain: Sequence[str] = (),
    eos: str | None = "</s>",
) -> Any:
    """A tokenizer of whole words. `special` and `plain` are added tokens of either kind."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    known = dict.fromkeys(["<unk>", *([eos] if eos else []), *words])
    made = Tokenizer(
        models.WordLevel({word: place for place, word in enumerate(known)}, unk_token="<unk>")
    )
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.add_special_tokens([AddedToken(text, special=True) for text in special])
    made.add_tokens([AddedToken(text, special=False) for text in plain])
    return PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token=eos, unk_token="<unk>", chat_template=template
    )


def save_chain(
    folder: Path, chain: str, *, starts: Mapping[str, str] | None = None, **settings: Any
) -> str:
    """Write a checkpoint that writes the words of `chain` one after the other, each known once.

    `starts` are further pairs of a word and the word that follows it, such as the last one of a
    prompt and the first of the chain. Returns the name under which seedstep knows the checkpoint.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    words = chain.split()
    follows = {**dict(pairwise(words)), **(starts or {})}
    options = {
        name: settings.pop(name)
        for name in ("template", "special", "plain", "eos")
        if name in settings
    }
    marks = {*options.get("special", ()), *options.get("plain", ())}
    known = dict.fromkeys([*follows, *follows.values()])
    tokenizer = chain_tokenizer([word for word in known if word not in marks], **options)
    size = len(tokenizer)
    width = -(-size // 8) * 8
    config = LlamaConfig(
        **{
            "vocab_size": size,
            "hidden_size": width,
            "intermediate_size": 8,
            "num_hidden_layers": 1,
            "num_attention_heads": 1,
            "max_position_embeddings": 4096,
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": None,
            "tie_word_embeddings": False,
        }
        | settings
    )
    model = LlamaForCausalLM(config)
    ids = tokenizer.convert_tokens_to_ids
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        model.model.norm.weight.fill_(1.0)
        model.model.embed_tokens.weight.copy_(torch.eye(config.vocab_size, width))
        for word, following in follows.items():
            model.lm_head.weight[ids(following), ids(word)] = 1.0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return f"hf:{folder}"
