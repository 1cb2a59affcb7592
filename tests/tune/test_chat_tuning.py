"""Tuning on prompts in a chat template: the end of answers, and templates that hold the date."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from seedstep.encode import HfTokenizer
from seedstep.errors import InputError, RunMismatchError
from seedstep.recipes import predict, tune_model
from support.made_tokenizers import CHAT_TEMPLATE, byte_level
from support.tiny_models import tiny_model
from support.tuning_things import save_llama, write_tasks

CHATML = (
    "{% for m in messages %}<|im_start|> {{ m['role'] }} {{ m['content'] }} <|im_end|> {% endfor %}"
    "{% if add_generation_prompt %}<|im_start|> assistant {% endif %}"
)
DATED = "{{ strftime_now('%d %b %Y') }} " + CHATML


def save_base(folder: Path, template: str, *, special: bool = True) -> str:
    """A base model whose end of sequence is not the end of a turn in its template."""
    from transformers import AutoTokenizer

    model = save_llama(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    marks = ["<|im_start|>", "<|im_end|>"]
    tokenizer.add_tokens(marks, special_tokens=special)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    tokens = {"vocab_size": len(tokenizer), "pad_token_id": 0, "eos_token_id": 1}
    tiny_model("Llama", **tokens, bos_token_id=None).save_pretrained(folder)
    return model


def tuned(folder: Path, model: str, data: Path, **settings: Any) -> Any:
    return tune_model(
        folder, model=model, data=[str(data)], encoding="chat", device="cpu", **settings
    )


@pytest.mark.parametrize("special", [True, False])
def test_a_base_model_tuned_on_a_template_ends_as_it_does(special: bool, tmp_path: Path) -> None:
    from transformers import AutoTokenizer, GenerationConfig

    model = save_base(tmp_path / "base", CHATML, special=special)
    data = write_tasks(tmp_path / "data.jsonl", tasks=1, instances=40)
    out = tmp_path / "tuned"
    tuned(out, model, data, epochs=8, learning_rate=3e-3, batch=8)
    tokenizer = AutoTokenizer.from_pretrained(out / "model")
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert end != tokenizer.eos_token_id
    ends = GenerationConfig.from_pretrained(out / "model").eos_token_id
    assert ends == [end, tokenizer.eos_token_id]
    config = json.loads((out / "model" / "config.json").read_text())
    assert config["eos_token_id"] == ends
    answering = f"hf:{out / 'model'}"
    with predict(tmp_path / "run", tasks=str(data), model=answering, max_new_tokens=12) as run:
        found = list(run.predictions(answering))
        counts = run.records.counts(answering)
    assert counts.cut == 0
    assert not any("<|im" in each.text for each in found)


def test_an_end_that_the_model_names_already_is_left_as_it_is(tmp_path: Path) -> None:
    ends_with_eos = CHATML.replace("<|im_end|>", "</s>")
    model = save_base(tmp_path / "base", ends_with_eos)
    data = write_tasks(tmp_path / "data.jsonl")
    tuned(tmp_path / "tuned", model, data, max_steps=1)
    config = json.loads((tmp_path / "tuned" / "model" / "generation_config.json").read_text())
    assert config["eos_token_id"] == 1


def on_day(monkeypatch: pytest.MonkeyPatch, day: str) -> None:
    """Let templates see another day."""
    from datetime import datetime

    class Today(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.fromisoformat(day)

    monkeypatch.setattr("transformers.utils.chat_template_utils.datetime", Today)


def test_a_template_with_the_date_lets_a_tuning_go_on_another_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = save_base(tmp_path / "base", DATED)
    data = write_tasks(tmp_path / "data.jsonl")
    steps = iter([False, True])
    on_day(monkeypatch, "2026-11-28")
    first = tuned(tmp_path / "out", model, data, stop=lambda: next(steps))
    assert first.stopped
    whole = tuned(tmp_path / "whole", model, data)
    assert whole.model
    on_day(monkeypatch, "2026-12-24")
    assert "28 Nov 2026" in (tmp_path / "out" / "chat.json").read_text()
    second = tuned(tmp_path / "out", model, data)
    assert second.model
    assert not second.finished_before
    weights = [
        (folder / "model" / "model.safetensors").read_bytes()
        for folder in (tmp_path / "out", tmp_path / "whole")
    ]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("message['content'][:40]", "leaves a user's message out"),
        ("message['content']|tojson", "leaves a user's message out"),
        ("'(' ~ message['content']|length ~ ')' ~ message['content']", "other text around other"),
    ],
)
def test_a_template_that_treats_other_messages_otherwise_is_named(content: str, said: str) -> None:
    outer = copy.deepcopy(byte_level()._outer)
    outer.chat_template = CHAT_TEMPLATE.replace("message['content']", content)
    with pytest.raises(InputError, match=said):
        assert HfTokenizer(outer).chat


@pytest.mark.parametrize(
    "condition",
    [
        "message['content']|length > 500",
        "'1' in message['content']",
        "message['content'].endswith('?')",
    ],
)
def test_a_template_that_says_more_of_some_messages_is_named(condition: str) -> None:
    outer = copy.deepcopy(byte_level()._outer)
    told = f"{{% if {condition} %}}Mind this: {{% endif %}}"
    outer.chat_template = "{% for message in messages %}" + told + "{% endfor %}" + CHAT_TEMPLATE
    with pytest.raises(InputError, match="other text around other"):
        assert HfTokenizer(outer).chat


@pytest.mark.parametrize(
    ("closing", "token"),
    [("{% if not loop.last %}<|im_end|>{% endif %}", "<|im_end|>"), ("", None)],
)
def test_an_answer_is_closed_by_what_stands_before_the_next_message(
    closing: str, token: str | None
) -> None:
    outer = copy.deepcopy(byte_level()._outer)
    turn = "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    outer.chat_template = "{% for message in messages %}" + turn + closing + "{% endfor %}"
    tokenizer = HfTokenizer(outer)
    end = tokenizer.frame.end
    assert (None if end is None else tokenizer.name(end)) == token


def test_a_template_that_writes_the_time_has_a_frame() -> None:
    outer = copy.deepcopy(byte_level()._outer)
    outer.chat_template = "{{ strftime_now('%S.%f') }}" + CHAT_TEMPLATE
    assert HfTokenizer(outer).chat


def test_another_template_is_not_taken_for_that_of_the_tuning(tmp_path: Path) -> None:
    model = save_base(tmp_path / "base", CHATML)
    data = write_tasks(tmp_path / "data.jsonl")
    steps = iter([False, True])
    assert tuned(tmp_path / "out", model, data, stop=lambda: next(steps)).stopped
    save_base(tmp_path / "base", "be brief " + CHATML)
    with pytest.raises(RunMismatchError, match="training examples"):
        tuned(tmp_path / "out", model, data)
