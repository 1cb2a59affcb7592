"""Answers of models in this process: those of plain greedy decoding, whatever is shared."""

import random
from collections.abc import Sequence
from typing import Any

import pytest

from seedstep.infer.generate import Checkpoint, GeneratedText
from seedstep.llm.parameters import before_stop
from support.answering_models import ENDS, SHARING, answering_model, plainly
from support.made_tokenizers import byte_level, t5_like

NEW = 12


def prompts_of(common: int, rests: Sequence[int], seed: int = 0) -> list[list[int]]:
    """Prompts that begin with the same tokens, and go on with so many others each."""
    chance = random.Random(seed)

    def tokens(count: int) -> list[int]:
        return chance.choices(range(3, 490), k=count)

    start = tokens(common)
    return [start + tokens(rest) for rest in rests]


def tokenizer_of(model: Any) -> Any:
    return (t5_like() if model.config.is_encoder_decoder else byte_level())._outer


def checkpoint(model: Any, **settings: Any) -> Checkpoint:
    return Checkpoint(model, tokenizer_of(model), **{"new_tokens": NEW, **settings})


def answers(model: Checkpoint, prompts: Sequence[Sequence[int]]) -> list[GeneratedText]:
    found = {place: answer for batch in model.answers(prompts) for place, answer in batch}
    assert sorted(found) == list(range(len(prompts)))
    return [found[place] for place in range(len(prompts))]


def expected(model: Any, prompts: Sequence[Sequence[int]]) -> list[GeneratedText]:
    """By plain decoding, one prompt at a time."""
    found = []
    for prompt in prompts:
        ids = plainly(model, prompt, NEW)
        text = tokenizer_of(model).decode(
            ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        found.append(GeneratedText(text.strip(), cut=ids[-1] not in ENDS))
    return found


def tokens_read(model: Any) -> list[int]:
    """How many tokens each later call of a model reads, padding included."""
    counts: list[int] = []

    def count(module: Any, args: Any, named: Any) -> None:
        counts.append(int(named["input_ids"].numel()))

    model.register_forward_pre_hook(count, with_kwargs=True)
    return counts


def rows_read(model: Any) -> list[int]:
    """How many rows each later call of a model has."""
    counts: list[int] = []

    def count(module: Any, args: Any, named: Any) -> None:
        counts.append(len(named["input_ids"]))

    model.register_forward_pre_hook(count, with_kwargs=True)
    return counts


RESTS = [1, 9, 3, 3, 25, 7, 2, 14]


@pytest.mark.parametrize("family", SHARING)
@pytest.mark.parametrize("batch", [1, 3, 16])
def test_a_shared_prefix_and_padding_change_no_answer(family: str, batch: int) -> None:
    model = answering_model(family)
    prompts = prompts_of(40, RESTS)
    wanted = expected(model, prompts)
    sharing = checkpoint(model, batch=batch)
    assert sharing.note == ""
    assert answers(sharing, prompts) == wanted
    assert len({answer.text for answer in wanted}) > 4


@pytest.mark.parametrize(
    "family, settings, reason",
    [
        ("Mistral", {"sliding_window": 8}, "do not attend to all earlier tokens"),
        ("Gemma3Text", {"sliding_window": 8}, "do not attend to all earlier tokens"),
        ("Bloom", {"n_layer": 2, "n_head": 4}, "takes no positions"),
        ("Mamba", {}, "takes no positions"),
    ],
)
def test_where_a_prefix_can_not_be_shared_prompts_are_padded_and_masked(
    family: str, settings: dict[str, Any], reason: str
) -> None:
    model = answering_model(family, **settings)
    prompts = prompts_of(20, RESTS)
    wanted = expected(model, prompts)
    whole = checkpoint(model)
    assert reason in whole.note
    assert whole.takes_padding
    read = rows_read(model)
    assert answers(whole, prompts) == wanted
    assert read[0] == len(RESTS)
    assert len({answer.text for answer in wanted}) > 4


def test_where_padding_changes_answers_only_prompts_of_one_length_are_answered_together() -> None:
    model = answering_model("Mamba")
    forward = model.forward

    def without_mask(*args: Any, attention_mask: Any = None, **named: Any) -> Any:
        return forward(*args, **named)

    prompts = prompts_of(20, RESTS)
    wanted = expected(model, prompts)
    model.forward = without_mask
    whole = checkpoint(model)
    assert not whole.takes_padding
    read = rows_read(model)
    assert answers(whole, prompts) == wanted
    assert max(read) == 2


def test_a_model_that_answers_otherwise_with_a_shared_prefix_is_found_out() -> None:
    model = answering_model("Llama")
    forward = model.forward

    def without_positions(*args: Any, position_ids: Any = None, **named: Any) -> Any:
        return forward(*args, **named)

    prompts = prompts_of(20, RESTS)
    wanted = expected(model, prompts)
    model.forward = without_positions
    whole = checkpoint(model)
    assert whole.note == "with a shared prefix it gives other answers"
    assert answers(whole, prompts) == wanted


@pytest.mark.parametrize("batch", [1, 16])
def test_an_encoder_decoder_model_answers_padded_prompts_as_it_does_one(batch: int) -> None:
    model = answering_model("T5")
    prompts = [[token % 70 for token in prompt] for prompt in prompts_of(3, RESTS)]
    wanted = expected(model, prompts)
    assert answers(checkpoint(model, batch=batch), prompts) == wanted
    assert len({answer.text for answer in wanted}) > 4


def test_what_a_task_has_in_common_is_read_once() -> None:
    model = answering_model("Llama")
    sharing = checkpoint(model, new_tokens=1, batch=4)
    read = tokens_read(model)
    answers(sharing, prompts_of(100, [5, 5, 5, 5, 5, 5, 5, 5]))
    assert read == [100, 20, 20]


def test_finished_answers_are_read_no_more() -> None:
    model = answering_model("Llama", ends=range(0, 500, 7))
    prompts = prompts_of(40, RESTS)
    lengths = sorted(len(plainly(model, prompt, 40)) for prompt in prompts)
    assert lengths[len(RESTS) // 2] < lengths[-1]
    sharing = checkpoint(model, new_tokens=40)
    read = tokens_read(model)
    answers(sharing, prompts)
    assert len(read) == 1 + lengths[-1]
    assert read[-1] <= len(RESTS) // 2


@pytest.mark.parametrize(
    "prompts",
    [
        [[5, 6, 7]],
        [[5, 6, 7], [5, 6, 7]],
        [[5, 6, 7], [5, 6, 7, 8, 9]],
        [[5], [6, 7]],
        [[5, 6], [7, 8, 9]],
    ],
)
def test_prompts_that_have_all_or_nothing_in_common(prompts: list[list[int]]) -> None:
    model = answering_model("Llama")
    wanted = expected(model, prompts)
    assert answers(checkpoint(model), prompts) == wanted


def test_no_prompts_have_no_answers() -> None:
    assert answers(checkpoint(answering_model("Llama")), []) == []


@pytest.mark.parametrize("family", ["Llama", "Mistral"])
def test_an_answer_ends_before_a_stop_text_and_is_not_cut(family: str) -> None:
    settings = {"sliding_window": 8} if family == "Mistral" else {}
    model = answering_model(family, ends=[0], **settings)
    (prompt,) = prompts_of(20, [4])
    text = tokenizer_of(model).decode(plainly(model, prompt, NEW))
    stop = text[len(text) // 2 :][:3]
    read = tokens_read(model)
    stopped = checkpoint(model, stop=["nowhere in it", stop])
    read.clear()
    assert answers(stopped, [prompt])[0] == GeneratedText(
        text[: text.index(stop)].strip(), cut=False
    )
    assert 0 < len(read) < NEW
    (unstopped,) = answers(checkpoint(model, stop=["nowhere in it"]), [prompt])
    assert unstopped == GeneratedText(text.strip(), cut=True)


def test_what_a_checkpoint_asks_for_besides_is_left_out() -> None:
    model = answering_model("Mistral", sliding_window=8)
    prompts = prompts_of(20, RESTS)
    wanted = expected(model, prompts)
    model.generation_config.repetition_penalty = 5.0
    model.generation_config.num_beams = 4
    assert answers(checkpoint(model), prompts) == wanted


def test_the_first_stop_text_counts() -> None:
    assert before_stop("a. b, c", [",", "."]) == "a"
    assert before_stop("a. b, c", ["x"]) is None
    assert before_stop("", [""]) == ""
