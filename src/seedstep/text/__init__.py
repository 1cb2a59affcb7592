"""Tokens and ROUGE, the normal form of answers, and the cleaning of texts."""

from seedstep.text.cleaning import (
    answer,
    as_entities,
    escaped,
    json_fields,
    json_object,
    loops,
    markdown_table,
    one_line,
    plain_text,
    visible,
)
from seedstep.text.refusals import is_refusal, mentions_refusal
from seedstep.text.scripts import Script, count_words, language_of_texts, script_of
from seedstep.text.talk import talk_around, without_talk_of_examples
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
    "Script",
    "Tokenizer",
    "answer",
    "as_entities",
    "count_words",
    "escaped",
    "is_refusal",
    "json_fields",
    "json_object",
    "language_of_texts",
    "latin_tokens",
    "lcs_f1",
    "loops",
    "markdown_table",
    "mentions_refusal",
    "normal_answer",
    "one_line",
    "plain_text",
    "rouge_l",
    "rouge_l_and_1",
    "script_of",
    "split_thoughts",
    "talk_around",
    "unicode_tokens",
    "visible",
    "without_marks",
    "without_talk_of_examples",
]
