"""Tokenisation, ROUGE, the normal form of answers, and plain text out of replies."""

from seedstep.text.answers import normal_answer
from seedstep.text.loops import loops
from seedstep.text.replies import answer, json_object, plain_text
from seedstep.text.rouge import lcs_f1, rouge_l, rouge_l_and_1
from seedstep.text.tokens import TOKENIZERS, Tokenizer, latin_tokens, unicode_tokens
from seedstep.text.visible import visible

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
    "unicode_tokens",
    "visible",
]
