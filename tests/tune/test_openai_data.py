"""Training files of the fine-tuning API."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedstep.encode import Encoded
from seedstep.errors import InputError
from seedstep.tune.data import chat_lines, check_chat

EXAMPLE = Encoded("letters", "letters-3", "Name a letter.", "b")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


@given(TEXTS, TEXTS)
def test_a_line_is_one_conversation_with_the_same_texts(prompt: str, target: str) -> None:
    (line,) = chat_lines([Encoded("task", "1", prompt, target)])
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line.decode("utf-8")) == {
        "messages": [
            {"role": "user", "content": prompt},
            {"role": "assistant", "content": target},
        ]
    }


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"target": ""}, "the target is empty"),
        ({"target": " \n"}, "the target is empty"),
        ({"prompt": ""}, "the prompt is empty"),
        ({"target": "half \ud83d"}, "surrogate"),
    ],
)
def test_what_the_api_does_not_take_is_told_with_its_place(
    changes: dict[str, str], what: str
) -> None:
    with pytest.raises(InputError, match=f"task letters, instance letters-3: .*{what}"):
        check_chat([EXAMPLE] * 20 + [replace(EXAMPLE, **changes)], "any")  # type: ignore[arg-type]


def test_ten_examples_are_enough() -> None:
    size = check_chat([EXAMPLE] * 10, "any")
    assert (size.examples, size.too_long, size.max_tokens) == (10, 0, None)
    assert size.bytes == len(b"".join(chat_lines([EXAMPLE] * 10)))
    with pytest.raises(InputError, match="9 examples"):
        check_chat([EXAMPLE] * 9, "any")
    with pytest.raises(InputError, match="0 examples"):
        check_chat([], "any")


def test_a_file_larger_than_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seedstep.tune.data.MAX_FILE_BYTES", 1 << 20)
    long = replace(EXAMPLE, prompt="x" * 100_000)
    assert check_chat([long] * 10, "any").examples == 10
    with pytest.raises(InputError, match="larger than 1 MiB"):
        check_chat([long] * 11, "any")


def test_the_digest_depends_on_content_and_order() -> None:
    other = replace(EXAMPLE, target="c")
    rows = [EXAMPLE] * 10
    digests = {
        check_chat(lines, "any").digest for lines in (rows, [*rows, other], [other, *rows], rows)
    }
    assert len(digests) == 3
