"""What a checkpoint writes as the answer to a prompt: without thoughts, and up to its end."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from seedstep.errors import InputError
from seedstep.llm.checkpoints import TRAINING_RECORD
from seedstep.recipes import predict
from seedstep.runs import Run
from seedstep.runs.database import Database
from seedstep.runs.directory import DATABASE
from seedstep.stages import PREDICT
from seedstep.text.thought_marks import THOUGHT_MARKS
from support.chain_models import CHATML, save_chain
from support.predicting import write_word_tasks

CHAT_MARKS = ["<|im_start|>", "<|im_end|>"]


def answer_of(folder: Path, chain: str, *, asked: dict[str, Any] | None = None, **made: Any) -> Any:
    """The prediction of a checkpoint that writes a chain of words, and its thoughts."""
    model = save_chain(folder / "model", chain, **made)
    tasks = write_word_tasks(folder / "ni", 1, 1)
    settings = {"encoding": "definition", "tasks": tasks, "model": model, **(asked or {})}
    with predict(folder / "run", **settings) as run:
        (found,) = run.predictions(model)
        return found, run.records.thoughts(model).get(found.instance, "")


def plain(folder: Path, chain: str, **made: Any) -> Any:
    """As `answer_of`, to a prompt that ends with `Output:`."""
    first = chain.split()[0]
    return answer_of(folder, chain, starts={"Output:": first}, **made)


@pytest.mark.parametrize("kind", ["special", "plain", "words"])
@pytest.mark.parametrize("marks", [("<think>", "</think>"), *THOUGHT_MARKS[-4:]])
def test_thoughts_are_no_part_of_an_answer_whatever_their_marks_are(
    kind: str, marks: tuple[str, str], tmp_path: Path
) -> None:
    chain = f"{marks[0]} it is short {marks[1]} SUN </s>"
    tokens = {} if kind == "words" else {kind: list(marks)}
    found, thoughts = plain(tmp_path, chain, **tokens)
    assert (found.text, found.failed, thoughts) == ("SUN", "", "it is short")
    with Run.read(PREDICT, tmp_path / "run") as run:
        shown = str(list(PREDICT.shown(run, found.instance)))
    assert "it is short" in shown


def test_channels_are_thoughts_but_for_the_last(tmp_path: Path) -> None:
    marks = ["<|channel|>", "<|message|>", "<|start|>", "<|end|>", "<|return|>"]
    last = "assistant<|channel|>final<|message|>SUN"
    chain = f"<|channel|> analysis <|message|> hm <|end|> <|start|> {last} <|return|>"
    found, thoughts = plain(tmp_path, chain, special=marks, eos="<|return|>")
    assert found.text == "SUN"
    assert "hm" in thoughts


def test_an_answer_used_up_by_thinking_has_failed(tmp_path: Path) -> None:
    chain = "<think> a b c d e f </think> SUN </s>"
    asked = {"max_new_tokens": 4, "reasoning": {"room": 0}}
    found, thoughts = plain(tmp_path, chain, special=["<think>", "</think>"], asked=asked)
    assert found.text == ""
    assert found.failed == (
        "used_up_by_thinking: all 4 tokens of the answer went into the model's thoughts; raise "
        "`room` under `reasoning`"
    )
    assert thoughts == "a b c"
    with Run.read(PREDICT, tmp_path / "run") as run:
        counts = run.records.counts(run.records.names()[0])
    assert (counts.failed, counts.empty, counts.cut) == (1, 0, 0)


@pytest.mark.parametrize(("room", "text"), [(None, "SUN"), (6, "SUN"), (3, "")])
def test_thoughts_have_room_of_their_own(room: int | None, text: str, tmp_path: Path) -> None:
    chain = "<think> a b c d e f </think> SUN </s>"
    asked = {"max_new_tokens": 4, "reasoning": {} if room is None else {"room": room}}
    found, _ = plain(tmp_path, chain, asked=asked)
    assert (found.text, bool(found.failed)) == (text, not text)


def test_an_answer_without_thoughts_has_no_room_for_them(tmp_path: Path) -> None:
    found, _ = plain(tmp_path, "a b c d e f g </s>", asked={"max_new_tokens": 4})
    assert found.text == "a b c d"


def test_thoughts_that_the_prompt_opens_need_not_be_opened_again(tmp_path: Path) -> None:
    template = CHATML.replace("assistant {%", "assistant <think> {%")
    made: dict[str, Any] = {"template": template, "special": CHAT_MARKS, "plain": ["<think>"]}
    starts = {"<think>": "a"}
    asked = {"encoding": "chat", "max_new_tokens": 3, "reasoning": {"room": 0}}
    found, thoughts = answer_of(
        tmp_path / "cut", "a b c d </think> SUN <|im_end|>", starts=starts, asked=asked, **made
    )
    assert found.failed.startswith("used_up_by_thinking")
    assert thoughts == "a b c"
    found, thoughts = answer_of(
        tmp_path / "all",
        "a b c d </think> SUN <|im_end|>",
        starts=starts,
        asked={"encoding": "chat", "max_new_tokens": 3},
        **made,
    )
    assert (found.text, thoughts) == ("SUN", "a b c d")


def test_a_tuned_model_answers_where_the_prompt_opens_thoughts(tmp_path: Path) -> None:
    """Its data had answers behind the mark; thoughts that it closes are thoughts all the same."""
    made: dict[str, Any] = {
        "template": CHATML.replace("assistant {%", "assistant <think> {%"),
        "special": CHAT_MARKS,
        "plain": ["<think>"],
    }
    asked = {"encoding": "chat", "max_new_tokens": 8}
    for name, chain, thought in (
        ("answer", "SUN <|im_end|>", ""),
        ("thoughts", "a b </think> SUN <|im_end|>", "a b"),
    ):
        (tmp_path / name / "model").mkdir(parents=True)
        (tmp_path / name / "model" / TRAINING_RECORD).write_text("{}")
        starts = {"<think>": chain.split()[0]}
        found, thoughts = answer_of(tmp_path / name, chain, starts=starts, asked=asked, **made)
        assert (found.text, found.failed, thoughts) == ("SUN", "", thought)


def test_stop_texts_are_looked_for_in_what_is_said_only(tmp_path: Path) -> None:
    found, thoughts = plain(
        tmp_path,
        "<think> a STOP b </think> SUN STOP more </s>".replace("STOP b", "STOPX b"),
        asked={"stop": ["STOP"]},
    )
    assert (found.text, thoughts) == ("SUN", "a STOPX b")


@pytest.mark.parametrize("kind", ["special", "plain"])
@pytest.mark.parametrize("encoding", ["chat", "definition"])
def test_an_answer_ends_where_the_template_ends_turns(
    kind: str, encoding: str, tmp_path: Path
) -> None:
    """The tokenizer's end of sequence is another token, as in base models with ChatML."""
    made: dict[str, Any] = {"template": CHATML, kind: CHAT_MARKS}
    chain = "SUN <|im_end|> user again </s>"
    starts = {"assistant": "SUN", "Output:": "SUN"}
    found, _ = answer_of(tmp_path, chain, starts=starts, asked={"encoding": encoding}, **made)
    assert (found.text, found.failed) == ("SUN", "")
    with Run.read(PREDICT, tmp_path / "run") as run:
        assert run.records.counts(run.records.names()[0]).cut == 0


@pytest.mark.parametrize("kind", ["special", "plain"])
def test_an_answer_ends_where_the_next_user_s_message_begins(kind: str, tmp_path: Path) -> None:
    """GLM-4 closes no turn: the next one begins with the token of its role."""
    template = (
        "{% for message in messages %}<|{{ message['role'] }}|> {{ message['content'] }}"
        "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    made: dict[str, Any] = {"template": template, kind: ["<|user|>", "<|assistant|>"]}
    chain = "SUN <|user|> again </s>"
    starts = {"<|assistant|>": "SUN"}
    found, _ = answer_of(tmp_path, chain, starts=starts, asked={"encoding": "chat"}, **made)
    assert (found.text, found.failed) == ("SUN", "")


def test_an_end_that_is_no_token_is_a_stop_text(tmp_path: Path) -> None:
    found, _ = answer_of(
        tmp_path,
        "SUN <|im_end|> user again </s>",
        starts={"assistant": "SUN"},
        template=CHATML,
        asked={"encoding": "chat"},
    )
    assert found.text == "SUN"


def test_a_template_that_can_t_be_used_matters_to_a_chat_only(tmp_path: Path) -> None:
    template = "{{ 1 / 0 }}"
    starts = {"Output:": "SUN"}
    found, _ = answer_of(tmp_path / "a", "SUN </s>", starts=starts, template=template)
    assert found.text == "SUN"
    with pytest.raises(InputError, match=r"chat template can't be used \(division by zero\)"):
        answer_of(
            tmp_path / "b", "SUN </s>", starts=starts, template=template, asked={"encoding": "chat"}
        )


def test_what_a_checkpoint_is_not_asked_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a checkpoint takes only its room"):
        plain(tmp_path, "SUN </s>", asked={"reasoning": {"effort": "low"}})


def test_a_loop_of_thoughts_ends_with_the_positions(tmp_path: Path) -> None:
    starts = {"Output:": "<think>", "<think>": "a", "b": "a"}
    found, thoughts = answer_of(
        tmp_path,
        "a b",
        starts=starts,
        asked={"max_new_tokens": 4},
        max_position_embeddings=60,
    )
    used = int(found.failed.partition("all ")[2].partition(" ")[0])
    assert 4 < used < 60
    assert thoughts.split()[:4] == ["a", "b", "a", "b"]


def test_a_date_in_the_template_is_that_of_the_first_prompts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a run that goes on another day asks as it began."""
    from seedstep.infer.generate import Checkpoint

    asked: list[list[int]] = []
    answers = Checkpoint.answers

    def spied(self: Checkpoint, prompts: Any, *others: Any) -> Any:
        asked.extend(map(list, prompts))
        return answers(self, prompts, *others)

    monkeypatch.setattr(Checkpoint, "answers", spied)
    template = "{{ strftime_now('%f')|list|join(' ') }} " + CHATML
    model = save_chain(
        tmp_path / "model",
        "SUN <|im_end|>",
        starts={"assistant": "SUN"} | {f"{digit}": "SUN" for digit in range(10)},
        template=template,
        special=CHAT_MARKS,
    )
    tasks = write_word_tasks(tmp_path / "ni", 1, 2)
    settings: dict[str, Any] = {"encoding": "chat", "tasks": tasks, "model": model}
    with predict(tmp_path / "run", **settings) as run:
        kept = run.records.kept(model)
    assert kept
    with closing(Database.open(tmp_path / "run" / DATABASE)) as database:
        database.write_now("DELETE FROM predictions WHERE place = ?", [(1,)])
    with predict(tmp_path / "run", **settings) as run:
        assert run.records.kept(model) == kept
    assert len(asked) == 3
    assert asked[1] == asked[2]
