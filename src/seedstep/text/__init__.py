"""Tokenisation and ROUGE-L."""

from seedstep.text.rouge import lcs_f1, rouge_l
from seedstep.text.tokens import TOKENIZERS, Tokenizer, latin_tokens, unicode_tokens

__all__ = ["TOKENIZERS", "Tokenizer", "latin_tokens", "lcs_f1", "rouge_l", "unicode_tokens"]
