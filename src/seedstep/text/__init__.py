"""Tokenisation, ROUGE-L, and what a model's reply says."""

from seedstep.text.loops import loops
from seedstep.text.replies import answer, plain_text
from seedstep.text.rouge import lcs_f1, rouge_l
from seedstep.text.tokens import TOKENIZERS, Tokenizer, latin_tokens, unicode_tokens

__all__ = [
    "TOKENIZERS",
    "Tokenizer",
    "answer",
    "latin_tokens",
    "lcs_f1",
    "loops",
    "plain_text",
    "rouge_l",
    "unicode_tokens",
]
