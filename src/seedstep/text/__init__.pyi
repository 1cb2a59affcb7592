from seedstep.text.characters import (
    Script as Script,
    count_words as count_words,
    counted as counted,
    language_of_texts as language_of_texts,
    one_line as one_line,
    plain_text as plain_text,
    script_of as script_of,
    shortened as shortened,
    single_spaced as single_spaced,
    visible as visible,
)
from seedstep.text.cleaning import (
    answer as answer,
    as_entities as as_entities,
    escaped as escaped,
    json_fields as json_fields,
    json_object as json_object,
    loops as loops,
    markdown_table as markdown_table,
    talk_around as talk_around,
    without_talk_of_examples as without_talk_of_examples,
)
from seedstep.text.refusals import (
    REFUSED as REFUSED,
    is_refusal as is_refusal,
    is_unasked_refusal as is_unasked_refusal,
    mentions_refusal as mentions_refusal,
)
from seedstep.text.thoughts import split_thoughts as split_thoughts, without_marks as without_marks
from seedstep.text.tokens import (
    TOKENIZERS as TOKENIZERS,
    Tokenizer as Tokenizer,
    latin_tokens as latin_tokens,
    lcs_f1 as lcs_f1,
    normal_answer as normal_answer,
    rouge_l as rouge_l,
    rouge_l_and_1 as rouge_l_and_1,
    unicode_tokens as unicode_tokens,
)
