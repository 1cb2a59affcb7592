"""Token ids of prompts and targets, and the tokenizers they come from."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from seedstep.data import Instance
from seedstep.encode import (
    ENCODINGS,
    Encoded,
    Encoding,
    HfTokenizer,
    TaskEncoder,
    decoder_texts,
    encode_task,
    make_encoding,
    measure,
    tokenize,
)
from seedstep.errors import InputError
from support.encoding_tasks import SORT
from support.made_tokenizers import CHAT_TEMPLATE, byte_level, llama_like, t5_like, wrapped

FIRST = SORT.instances[0]
ALL = {"bytes": byte_level(), "bytes-bos": byte_level(bos=True), "llama": llama_like()}


def names(tokenizer: HfTokenizer, ids: Sequence[int]) -> list[str]:
    return [tokenizer.name(token) for token in ids]


def test_the_space_before_an_answer_belongs_to_the_answer() -> None:
    tokenizer = byte_level()
    encoded = Encoded("t", "i", "Output: ", "Paris")
    assert decoder_texts(encoded) == ("Output:", " Paris")
    pair = tokenize(encoded, tokenizer, decoder_only=True)
    assert names(tokenizer, pair.prompt) == ["Output", ":"]
    assert names(tokenizer, pair.target) == ["ĠParis", "<|end|>"]
    assert list(pair.prompt + pair.target[:-1]) == tokenizer.ids("Output: Paris")


def test_only_one_space_moves_and_no_other_white_space() -> None:
    assert decoder_texts(Encoded("t", "i", "a  ", "b")) == ("a ", " b")
    assert decoder_texts(Encoded("t", "i", "a\n", "b")) == ("a\n", "b")
    assert decoder_texts(Encoded("t", "i", "a:", " b")) == ("a:", " b")


def test_encoder_and_decoder_both_read_an_end() -> None:
    tokenizer = t5_like()
    pair = tokenize(Encoded("t", "i", "Output: ", "Sort"), tokenizer, decoder_only=False)
    assert names(tokenizer, pair.prompt) == ["▁Output:", "</s>"]
    assert names(tokenizer, pair.target)[-1] == "</s>"
    assert tokenizer.text(list(pair.target)) == "Sort"


def test_a_beginning_is_added_where_the_tokenizer_adds_one() -> None:
    for tokenizer, bos in ((byte_level(bos=True), "<|im_start|>"), (llama_like(), "<s>")):
        encoded = encode_task(SORT, FIRST, Encoding(), tokenizer)
        pair = tokenize(encoded, tokenizer, decoder_only=True)
        assert names(tokenizer, pair.prompt[:1]) == [bos]
        assert names(tokenizer, pair.target).count(bos) == 0
    chat = encode_task(SORT, FIRST, ENCODINGS["chat"], byte_level(bos=True))
    pair = tokenize(chat, byte_level(bos=True), decoder_only=True)
    assert names(byte_level(), pair.prompt[:2]) != ["<|im_start|>"] * 2


def test_an_answer_in_a_chat_ends_as_the_template_does() -> None:
    tokenizer = byte_level()
    pair = tokenize(
        encode_task(SORT, FIRST, ENCODINGS["chat"], tokenizer), tokenizer, decoder_only=True
    )
    assert names(tokenizer, pair.target[-1:]) == ["<|im_end|>"]


def test_a_template_without_a_closing_token_leaves_end_of_sequence() -> None:
    template = "{% for one in messages %}{{ one['role'] }}: {{ one['content'] }}\n{% endfor %}"
    made = Tokenizer(models.BPE({"a": 0}, []))
    made.add_special_tokens(["</s>"])
    tokenizer = wrapped(made, eos_token="</s>", chat_template=template)
    assert tokenizer.chat
    assert (tokenizer.chat.before, tokenizer.chat.after, tokenizer.chat.end) == (
        "user: ",
        "\n",
        None,
    )


BAD_TEMPLATES = {
    "fails": "{{ raise_exception('no system message') }}",
    "broken": "{% for %}",
    "without-the-message": "{% for one in messages %}{{ one['role'] }}{% endfor %}",
}


@pytest.mark.parametrize("template", BAD_TEMPLATES.values(), ids=BAD_TEMPLATES)
def test_a_template_that_can_t_be_used_is_told(template: str) -> None:
    tokenizer = wrapped(Tokenizer(models.BPE({"a": 0}, [])), chat_template=template)
    with pytest.raises(InputError, match=r"chat template .*Use another encoding"):
        encode_task(SORT, FIRST, ENCODINGS["chat"], tokenizer)


def test_a_tokenizer_without_an_end_is_refused() -> None:
    made = Tokenizer(models.BPE({"a": 0}, []))
    with pytest.raises(InputError, match="no end-of-sequence token"):
        tokenize(Encoded("t", "i", "a", "a"), wrapped(made), decoder_only=True)


def test_special_tokens_in_data_are_ordinary_text() -> None:
    text = "<|im_end|> </s> <s> <unk> <pad> <|end|>"
    for tokenizer in (*ALL.values(), t5_like()):
        found = names(tokenizer, tokenizer.ids(text))
        assert not set(found) & {"<|im_end|>", "</s>", "<s>", "<pad>", "<|end|>"}
    assert names(t5_like(), t5_like().ids("a</s>", marked=True))[-1] == "</s>"


@given(st.text(max_size=60), st.sampled_from(sorted(ALL)))
def test_tokens_stand_where_they_say(text: str, kind: str) -> None:
    tokenizer = ALL[kind]
    spans = tokenizer.spans(text)
    assert len(spans) == len(tokenizer.ids(text))
    assert spans == sorted(spans)
    if kind != "llama":
        assert tokenizer.text(tokenizer.ids(text)) == text
        covered = {place for start, end in spans for place in range(start, end)}
        assert covered == set(range(len(text)))


@given(st.text(st.sampled_from("ab :.\nPé"), max_size=20), st.sampled_from(sorted(ALL)))
def test_what_continues_a_text_has_no_space_added(text: str, kind: str) -> None:
    tokenizer = ALL[kind]
    tokens = tokenizer.ids("\n") + tokenizer.continued(text)
    if not text.startswith("\n"):
        assert tokenizer.text(tokens).lstrip(" ") == f"\n{text}".lstrip(" ")


@pytest.mark.parametrize("name", ENCODINGS)
@given(st.text(max_size=30), st.text(max_size=30))
def test_a_prompt_does_not_depend_on_the_target(name: str, target: str, other_target: str) -> None:
    tokenizer = byte_level(bos=True)
    encoder = TaskEncoder(SORT, ENCODINGS[name], tokenizer)
    first, second = (
        tokenize(encoder.encode(Instance("3 1", (text,), "i")), tokenizer, decoder_only=True)
        for text in (target, other_target)
    )
    assert first.prompt == second.prompt


@pytest.mark.parametrize("name", ["steps", "steps-append", "tk-instruct-full", "definition"])
@pytest.mark.parametrize("kind", ALL)
def test_the_prompts_of_a_task_share_all_tokens_of_its_text(name: str, kind: str) -> None:
    tokenizer = ALL[kind]
    encoder = TaskEncoder(SORT, ENCODINGS[name], tokenizer)
    encoded = [encoder.encode(instance) for instance in SORT.instances]
    pairs = [tokenize(pair, tokenizer, decoder_only=True) for pair in encoded]
    columns = zip(*(pair.prompt for pair in pairs), strict=False)
    shared = [column[0] for column in takewhile(lambda tokens: len(set(tokens)) == 1, columns)]
    text = encoded[0].prompt.partition("Now complete")[0]
    assert text.rstrip() in tokenizer.text(shared) or kind == "llama"
    assert len(shared) >= len(tokenizer.ids(text.rstrip()))


def test_totals_count_tokens_and_what_did_not_fit() -> None:
    encoding = make_encoding("steps", {"max_source": 190, "max_target": 5})
    totals = measure([SORT], encoding, byte_level(), decoder_only=True)
    encoder = TaskEncoder(SORT, encoding, byte_level())
    encoded = [encoder.encode(instance) for instance in SORT.instances]
    pairs = [tokenize(pair, byte_level(), decoder_only=True) for pair in encoded]
    assert (totals.tasks, totals.examples, totals.without_steps) == (1, 3, 0)
    lengths = [len(pair.prompt) for pair in pairs]
    assert (totals.prompt.longest, totals.prompt.tokens) == (max(lengths), sum(lengths))
    assert totals.prompt.mean == pytest.approx(sum(lengths) / 3)
    lost = [pair.dropped.target_tokens for pair in encoded]
    assert totals.lost["target_tokens"] == sum(lost) > 0
    assert totals.examples_with["target_tokens"] == sum(map(bool, lost))
    bare = replace(SORT, steps=())
    assert measure([bare], encoding, byte_level(), decoder_only=True).without_steps == 1


def test_a_tokenizer_that_can_t_tell_places_is_refused() -> None:
    class Slow:
        is_fast = False
        name_or_path = "models/old"

    with pytest.raises(InputError, match="models/old has no fast version"):
        HfTokenizer(Slow())


def test_the_tokenizer_s_own_cutting_and_padding_are_left_out() -> None:
    made = Tokenizer(models.BPE({"a": 0, "b": 1}, []))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.enable_truncation(2)
    made.enable_padding(length=9)
    fields: dict[str, Any] = {"eos_token": "b", "chat_template": CHAT_TEMPLATE}
    assert wrapped(made, **fields).ids("a a a a") == [0, 0, 0, 0]
