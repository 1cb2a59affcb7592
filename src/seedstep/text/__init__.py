"""Tokenisation, ROUGE, the normal form of answers, and plain text out of replies."""

from seedstep.text.cleaning import answer, json_object, loops, plain_text, visible
from seedstep.text.thoughts import split_thoughts, without_marks
from seedstep.text.tokens import (
    TOKENIZERS,
    Tokenizer,
    latin_tokens,
    lcs_f1,
    normal_answer,
    rouge_l,
    rouge_l_and_1,
    unicode_tokens,
)

__all__ = [
    "TOKENIZERS",
    "Tokenizer",
    "answer",
    "json_object",
    "latin_tokens",
    "lcs_f1",
    "loops",
    "normal_answer",
    "plain_text",
    "rouge_l",
    "rouge_l_and_1",
    "split_thoughts",
    "unicode_tokens",
    "visible",
    "without_marks",
]
