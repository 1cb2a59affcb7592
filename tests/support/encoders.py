"""A small encoder of sentences with random weights, as sentence-transformers saves one."""

import json
from pathlib import Path

__all__ = ["WIDTH", "save_encoder"]

WIDTH = 32
WORDS = "[PAD] [UNK] [CLS] [SEP] sort the list of numbers order these write a poem about rain . sea"


def save_encoder(path: Path, pooling: str | None = "mean_tokens", *modules: str) -> Path:
    """Write a small BERT; with None, without the files of sentence-transformers."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = {word: number for number, word in enumerate(WORDS.split())}
    made = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", model_max_length=64
    )
    tokenizer.save_pretrained(path)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=64,
        initializer_range=0.5,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(config).save_pretrained(path)
    if pooling:
        kinds = ["Transformer", "Pooling", *modules]
        listed = [
            {
                "idx": place,
                "path": "" if not place else f"{place}_{kind}",
                "type": f"sentence_transformers.models.{kind}",
            }
            for place, kind in enumerate(kinds)
        ]
        (path / "modules.json").write_text(json.dumps(listed))
        (path / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 8}))
        (path / "1_Pooling").mkdir()
        options = {f"pooling_mode_{pooling}": True}
        (path / "1_Pooling" / "config.json").write_text(json.dumps(options))
    return path
