"""Tokenisation, ROUGE and the normal form of answers."""

from seedstep.text.answers import normal_answer
from seedstep.text.rouge import lcs_f1, rouge_l, rouge_l_and_1
from seedstep.text.tokens import TOKENIZERS, Tokenizer, latin_tokens, unicode_tokens

__all__ = [
    "TOKENIZERS",
    "Tokenizer",
    "latin_tokens",
    "lcs_f1",
    "normal_answer",
    "rouge_l",
    "rouge_l_and_1",
    "unicode_tokens",
]
