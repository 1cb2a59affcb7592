"""Tk-Instruct's prompts as its released code makes them, written down here once more."""

import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedstep.data import Example, Instance, Task
from seedstep.encode import Encoding, HfTokenizer, encode_task, tokenize
from support.encoding_tasks import SORT, TASKS
from support.made_tokenizers import t5_like


def released(
    task: Task, instance: Instance, encoding: Encoding, tokenizer: HfTokenizer
) -> tuple[str, list[int], list[int]]:
    """A prompt, its token ids and those of the first reference, from the algorithm in prose.

    An example is tried with those before it joined by spaces, without the task's name, with
    end-of-sequence. Too long a prompt is cut, turned into text, and cut again as any text is.
    """
    assert tokenizer.eos is not None
    end = [tokenizer.eos]

    def dotted(text: str) -> str:
        return text if text[-1] in string.punctuation else text + "."

    query = dotted("Now complete the following example -\nInput: " + instance.input.strip())
    query += "\nOutput: "
    definition = dotted("Definition: " + task.definition.strip()) + "\n\n"
    chosen: dict[str, list[str]] = {"Positive": [], "Negative": []}
    for kind, examples, number in (
        ("Positive", task.positive_examples, encoding.positive),
        ("Negative", task.negative_examples, encoding.negative),
    ):
        for place, example in enumerate(examples[:number]):
            text = dotted(f" {kind} Example {place + 1} -\nInput: {example.input.strip()}") + "\n"
            text += dotted(f" Output: {example.output.strip()}") + "\n"
            if encoding.explanations:
                text += dotted(f" Explanation: {example.explanation.strip()}") + "\n"
            text += "\n"
            before = " ".join(chosen["Positive"])
            if kind == "Negative":
                before += " ".join(chosen["Negative"])
            tried = definition + before + text + query
            if len(tokenizer.ids(tried) + end) > encoding.max_source:
                break
            chosen[kind].append(text)
    name = f"{task.id}. " if encoding.task_name else ""
    source = name + definition + "".join(chosen["Positive"] + chosen["Negative"]) + query
    ids = tokenizer.ids(source) + end
    if len(ids) > encoding.max_source:
        source = tokenizer.text(ids[: encoding.max_source])
    prompt = tokenizer.ids(source)[: encoding.max_source - 1] + end
    label = tokenizer.ids(instance.outputs[0])[: encoding.max_target - 1] + end
    return source, prompt, label


def ours(task: Task, instance: Instance, encoding: Encoding) -> tuple[str, list[int], list[int]]:
    encoded = encode_task(task, instance, encoding, t5_like())
    pair = tokenize(encoded, t5_like(), decoder_only=False)
    return encoded.prompt, list(pair.prompt), list(pair.target)


WORDS = st.lists(
    st.sampled_from(["numbers", "Sort", "the", ".", "?", "\n", "{", "é", "ab", "</s>", "🦆"]),
    max_size=12,
).map(" ".join)
EXAMPLES = st.lists(st.builds(Example, WORDS, WORDS, WORDS), max_size=4).map(tuple)
MADE = st.builds(
    Task,
    st.sampled_from(["t1", "task1_a"]),
    WORDS,
    st.tuples(st.builds(Instance, WORDS, st.tuples(WORDS), st.just("i"))),
    positive_examples=EXAMPLES,
    negative_examples=EXAMPLES,
)
ENCODING = st.builds(
    Encoding,
    task_name=st.booleans(),
    positive=st.integers(0, 3),
    negative=st.integers(0, 3),
    explanations=st.booleans(),
    fit=st.just("fidelity"),
    max_source=st.integers(2, 250),
    max_target=st.integers(2, 20),
)


@settings(deadline=None, max_examples=300)
@given(MADE, ENCODING)
def test_the_tokens_are_those_of_the_released_code(task: Task, encoding: Encoding) -> None:
    (instance,) = task.instances
    tokenizer = t5_like()
    assert ours(task, instance, encoding) == released(task, instance, encoding, tokenizer)
    pair = tokenize(encode_task(task, instance, encoding, tokenizer), tokenizer, decoder_only=True)
    assert len(pair.prompt) <= encoding.max_source
    assert len(pair.target) <= encoding.max_target


@pytest.mark.parametrize("most", range(10, 120, 5))
@pytest.mark.parametrize("knobs", [{}, {"negative": 2, "explanations": True}])
def test_so_are_they_at_every_budget(most: int, knobs: dict[str, Any]) -> None:
    encoding = Encoding(fit="fidelity", max_source=most, **knobs)
    for task in TASKS:
        for instance in task.instances:
            single = Instance(instance.input, instance.outputs[:1], instance.id)
            assert ours(task, single, encoding) == released(task, single, encoding, t5_like())


def test_what_is_cut_is_counted() -> None:
    encoding = Encoding(positive=0, fit="fidelity", max_source=20)
    encoded = encode_task(SORT, SORT.instances[0], encoding, t5_like())
    whole = encode_task(SORT, SORT.instances[0], encoding).prompt
    assert encoded.dropped.cut_tokens == len(t5_like().ids(whole)) - 19
    assert "Output:" not in encoded.prompt
