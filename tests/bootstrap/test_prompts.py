"""Requests: their texts, demonstrations, sampling and keys."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import pytest

from seedstep import BootstrapSettings, Instance, Task
from seedstep.bootstrap.instances import (
    CandidateReply,
    labeled_inputs,
    says_classification,
    worked_examples,
)
from seedstep.bootstrap.prompting import BootstrapPrompts, as_shown, make_prompts
from seedstep.llm import Request, Sampling
from seedstep.prompts import Demonstration, demonstrations, fingerprint, heading, render
from support.read_replies import as_pairs

Style = Literal["completion", "turns", "chat"]
STYLES: tuple[Style, ...] = ("completion", "turns", "chat")
STEPS = ("generation", "classification", "input_first", "output_first")

INSTRUCTION = 'Say whether the two words rhyme; answer "yes" or "no".'


def task(number: int, definition: str = "") -> Task:
    text = definition or f"Made-up task number {number}."
    return Task(f"t{number}", text, (Instance("", ("x",)),))


SHOWN = tuple(
    task(number, definition)
    for number, definition in enumerate(
        (
            "Name three rivers.",
            "Translate the sentence into Spanish:",
            "Say which of the\n  words is  the longest.\n\nOne word only.",
            "What is 2 + 2?",
            "Décrivez la scène.",
            'Fill in {name} and {{next}} in "the form".',
            "Explain the regular expression \\d+\\g<0>.",
            "Use at most 16. Words, that is.",
        )
    )
)


def prompts_of(style: Style, **settings: Any) -> BootstrapPrompts:
    return make_prompts(BootstrapSettings.of(prompt_style=style, **settings))


def request_of(prompts: BootstrapPrompts, step: str, instruction: str = INSTRUCTION) -> Request:
    if step == "generation":
        return prompts.generation(SHOWN, 3)
    if step == "classification":
        return prompts.classification(instruction)
    return prompts.instances(instruction, is_classification=step == "output_first")


def as_text(request: Request) -> str:
    """A prompt as one text; turns of a conversation stand below their roles."""
    if isinstance(request.prompt, str):
        return request.prompt
    return "".join(f"[{turn.role}]\n{turn.content}\n" for turn in request.prompt)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("style", STYLES)
def test_prompts_are_those_of_the_golden_files(
    style: Style, step: str, golden: Callable[[str, str], None]
) -> None:
    golden(f"{style}_{step}", as_text(request_of(prompts_of(style), step)))


def test_demonstrations_are_31_11_and_16() -> None:
    counts = {name: len(shown) for name, shown in demonstrations().items()}
    assert counts == {"classification": 31, "input_first": 11, "output_first": 16}


def test_the_classification_prompt_shows_12_tasks_that_are_and_19_that_are_not() -> None:
    text = as_text(request_of(prompts_of("completion"), "classification"))
    answers = re.findall(r"^Is it classification\? (.*)$", text, re.MULTILINE)
    assert (answers.count("Yes"), answers.count("No"), len(answers)) == (12, 19, 31)
    shown = demonstrations()["classification"]
    assert [demonstration.task.is_classification for demonstration in shown] == [
        answer == "Yes" for answer in answers
    ]


@pytest.mark.parametrize(
    ("style", "step", "blocks"),
    [
        ("completion", "classification", 31),
        ("completion", "input_first", 11),
        ("completion", "output_first", 16),
        ("turns", "classification", 31),
        ("turns", "input_first", 11),
        ("turns", "output_first", 16),
        ("chat", "classification", 6),
        ("chat", "input_first", 4),
        ("chat", "output_first", 4),
    ],
)
def test_every_demonstration_and_the_target_begin_with_task(
    style: Style, step: str, blocks: int
) -> None:
    text = as_text(request_of(prompts_of(style), step))
    tasks = re.findall(r"^Task: (.*)$", text, re.MULTILINE)
    assert len(tasks) == blocks + 1
    assert tasks[-1] == INSTRUCTION
    assert len(set(tasks)) == len(tasks)


def test_output_first_demonstrations_are_classification_with_different_labels() -> None:
    for demonstration in demonstrations()["output_first"]:
        labels = [example.output for example in demonstration.examples]
        assert demonstration.task.is_classification
        assert len(labels) >= 2
        assert len(set(labels)) == len(labels)
        assert all(example.input for example in demonstration.examples)


def test_input_first_demonstrations_are_not_classification() -> None:
    shown = demonstrations()["input_first"]
    assert not any(demonstration.task.is_classification for demonstration in shown)
    assert all(demonstration.examples for demonstration in shown)
    assert any(not demonstration.examples[0].input for demonstration in shown)
    assert any(len(demonstration.examples) > 1 for demonstration in shown)


def expected_inputs(demonstration: Demonstration) -> list[tuple[str, str]]:
    """The examples as they stand in the paper's frames, with the field's name."""
    label = f"{demonstration.label}: " if demonstration.label else ""
    return [(f"{label}{ex.input}" if ex.input else "", ex.output) for ex in demonstration.examples]


def answers_of(style: Style, step: str) -> list[str]:
    """The answers that the prompt shows, as a model would write them."""
    request = request_of(prompts_of(style), step)
    if style == "turns":
        assert isinstance(request.prompt, tuple)
        return [turn.content for turn in request.prompt if turn.role == "assistant"]
    blocks = as_text(request).split("\n\nTask: ")[1:-1]
    return [block.split("\n", 1)[1] for block in blocks]


@pytest.mark.parametrize("style", ["completion", "turns"])
@pytest.mark.parametrize(
    ("step", "read"), [("input_first", worked_examples), ("output_first", labeled_inputs)]
)
def test_shown_examples_read_back_as_they_are(
    style: Style, step: str, read: Callable[[str], CandidateReply]
) -> None:
    shown = demonstrations()[step]
    for demonstration, answer in zip(shown, answers_of(style, step), strict=True):
        assert as_pairs(read(answer)) == expected_inputs(demonstration)


@pytest.mark.parametrize(
    ("step", "read"), [("input_first", worked_examples), ("output_first", labeled_inputs)]
)
def test_shown_json_examples_read_back_as_they_are(
    step: str, read: Callable[[str], CandidateReply]
) -> None:
    for demonstration, answer in zip(
        demonstrations()[step][:4], answers_of("chat", step), strict=True
    ):
        assert as_pairs(read(answer)) == [(ex.input, ex.output) for ex in demonstration.examples]


@pytest.mark.parametrize("style", STYLES)
def test_shown_classifications_read_back_as_they_are(style: Style) -> None:
    shown = [
        demonstration.task.is_classification for demonstration in demonstrations()["classification"]
    ]
    answers = answers_of(style, "classification")
    read = [says_classification(answer.removeprefix("Is it classification?")) for answer in answers]
    assert read == ([True, False] * 3 if style == "chat" else shown)


@pytest.mark.parametrize("style", ["completion", "turns"])
@pytest.mark.parametrize("step", ["input_first", "output_first"])
def test_no_shown_answer_holds_a_stop_string(style: Style, step: str) -> None:
    stops = request_of(prompts_of(style), step).sampling.stop
    for answer in answers_of(style, step):
        assert [stop for stop in stops if stop in answer] == []


ODD = "{{instruction}} {{demonstrations}} {{next}} {0} \\1 \\g<0> \\n $1 %s"


@pytest.mark.parametrize("step", STEPS[1:])
@pytest.mark.parametrize("style", STYLES)
def test_an_instruction_is_filled_in_literally_and_once(style: Style, step: str) -> None:
    prompts = prompts_of(style)
    text = as_text(request_of(prompts, step, ODD))
    plain = as_text(request_of(prompts, step, "@@"))
    assert text == plain.replace("@@", ODD)
    assert text.count(ODD) == 1


@pytest.mark.parametrize("style", STYLES)
def test_shown_tasks_are_filled_in_literally_and_once(style: Style) -> None:
    prompts = prompts_of(style)
    text = as_text(prompts.generation([task(1, ODD), task(2)], 0))
    assert text == as_text(prompts.generation([task(1, "@@"), task(2)], 0)).replace("@@", ODD)


def test_a_prompt_file_is_filled_in_once() -> None:
    text = render(
        "completion/classification", demonstrations="{{instruction}}", instruction="\\g<0>"
    )
    assert text.count("{{instruction}}") == text.count("\\g<0>") == 1


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("step", STEPS)
def test_no_placeholder_is_left(style: Style, step: str) -> None:
    prompts = prompts_of(style)
    request = (
        prompts.generation([task(1)], 0) if step == "generation" else request_of(prompts, step)
    )
    assert "{{" not in as_text(request)


def test_the_list_of_a_generation_prompt_ends_with_the_next_number() -> None:
    prompts = prompts_of("completion")
    assert as_text(prompts.generation(SHOWN, 0)).endswith("\n9.")
    assert as_text(prompts.generation(SHOWN[:3], 0)).endswith("\n4.")


@pytest.mark.parametrize("style", ["completion", "turns"])
def test_a_list_can_be_numbered_as_in_table_5(style: Style) -> None:
    request = prompts_of(style, numbering="task").generation(SHOWN, 0)
    text = as_text(request)
    assert text.startswith("Come up with a series of tasks:\nTask 1: ")
    assert text.endswith("\nTask 9:")
    assert text.count("Task ") == 9
    assert request.sampling.stop == ("\n\n", "\nTask 16")


def test_the_released_output_first_frame_shows_two_tasks_without_input() -> None:
    paper, released = prompts_of("completion"), prompts_of("completion", fidelity="released")
    for prompts, count in ((paper, 0), (released, 2)):
        blocks = as_text(request_of(prompts, "output_first")).split("Task: ")[1:-1]
        assert len(blocks) == 16
        assert sum(len(block.strip().splitlines()) == 2 for block in blocks) == count
    for step in ("classification", "input_first"):
        assert request_of(released, step) == request_of(paper, step)


def test_turns_show_a_system_heading_and_one_exchange_a_demonstration() -> None:
    request = request_of(prompts_of("turns"), "classification")
    assert isinstance(request.prompt, tuple)
    roles = [turn.role for turn in request.prompt]
    assert roles == ["system", *["user", "assistant"] * 31, "user"]
    assert request.prompt[0].content == heading("completion/classification")
    assert request.prompt[-1].content == f"Task: {INSTRUCTION}\nIs it classification?"


def test_turns_continue_the_same_list_as_completions() -> None:
    turns, completions = prompts_of("turns"), prompts_of("completion")
    assert turns.generation(SHOWN, 5) == completions.generation(SHOWN, 5)


@pytest.mark.parametrize("step", STEPS)
def test_a_chat_prompt_is_one_message_with_the_schema_of_its_answer(step: str) -> None:
    request = request_of(prompts_of("chat"), step)
    assert isinstance(request.prompt, tuple)
    assert [turn.role for turn in request.prompt] == ["user"]
    assert request.schema is not None
    body = request.schema.body
    assert (body["required"], body["additionalProperties"]) == (list(body["properties"]), False)
    assert f'"{body["required"][0]}"' in as_text(request).splitlines()[-1]


def test_a_chat_schema_asks_for_the_label_before_the_input_and_the_output_after_it() -> None:
    prompts = prompts_of("chat")
    for step, order in (("output_first", ["label", "input"]), ("input_first", ["input", "output"])):
        schema = request_of(prompts, step).schema
        assert schema is not None
        items = schema.body["properties"]["examples"]["items"]
        assert items["required"] == list(items["properties"]) == order
        shown = json.loads(answers_of("chat", step)[0])
        assert list(shown["examples"][0]) == order


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("style", ["completion", "turns"])
def test_text_styles_ask_for_no_schema(style: Style, step: str) -> None:
    assert request_of(prompts_of(style), step).schema is None


PAPER: dict[str, Sampling] = {
    "generation": Sampling(
        max_tokens=1024,
        temperature=0.7,
        top_p=0.5,
        frequency_penalty=0,
        presence_penalty=2,
        stop=("\n\n", "\n16.", "\n16 ."),
    ),
    "classification": Sampling(max_tokens=3, temperature=0, stop=("\n", "Task")),
    "input_first": Sampling(
        max_tokens=350, temperature=0, presence_penalty=1.5, stop=("\nExample 6", "\nTask:")
    ),
    "output_first": Sampling(
        max_tokens=300, temperature=0, presence_penalty=1.5, stop=("\nExample 6", "\nTask:")
    ),
}
"""Table 4 and the released code; a stop string stands at the start of a line."""


@pytest.mark.parametrize("step", STEPS)
def test_completions_are_sampled_as_in_the_paper(step: str) -> None:
    assert request_of(prompts_of("completion"), step).sampling == PAPER[step]


@pytest.mark.parametrize("step", STEPS)
def test_chat_replies_have_room_for_json_and_no_stop_strings(step: str) -> None:
    sampling = request_of(prompts_of("chat"), step).sampling
    assert sampling.stop == ()
    assert (sampling.presence_penalty, sampling.frequency_penalty) == (0, 0)
    assert sampling.max_tokens >= 32


@pytest.mark.parametrize("style", STYLES)
def test_settings_change_the_sampling_of_the_named_request_only(style: Style) -> None:
    own = {"input_first": {"temperature": 0.3, "stop": ["x"]}}
    changed, plain = prompts_of(style, sampling=own), prompts_of(style)
    for step in STEPS:
        sampling = request_of(plain, step).sampling
        if step == "input_first":
            sampling = replace(sampling, temperature=0.3, stop=("x",))
        assert request_of(changed, step).sampling == sampling


@pytest.mark.parametrize("style", STYLES)
def test_only_generation_requests_have_a_draw(style: Style) -> None:
    draws = {step: request_of(prompts_of(style), step).draw for step in STEPS}
    assert draws == {"generation": 3, "classification": 0, "input_first": 0, "output_first": 0}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Sort it.", "Sort it."),
        ("  Sort \n\n it.\t", "Sort it."),
        ("Translate it:", "Translate it"),
        ("Translate it:\n", "Translate it"),
        ("Translate: it", "Translate: it"),
        ("", ""),
    ],
)
def test_one_line(text: str, line: str) -> None:
    assert as_shown(text) == line


def test_the_fingerprint_of_the_prompt_files_is_16_digits_and_stays() -> None:
    assert re.fullmatch("[0-9a-f]{16}", fingerprint())
    assert fingerprint() == fingerprint()
