"""Thoughts in replies: their marks, where they stand, and what is none."""

import pytest

from seedstep.text import split_thoughts


@pytest.mark.parametrize(
    "text",
    [
        "<longcat_think>a</longcat_think>42",
        "\ufeff<think>a</think>42",
        "\u200b<think>a</think>42",
        "<mm:think>a</mm:think>42",
        "<thinking>a</think>42",
        "<think>a</THINKING>\n42",
        "<think>a[/THINK]42",
        "< think >a</ think >42",
        "<think type='deep'>a</think >42",
        "<|channel>thought\na<channel|>42",
        "&lt;think&gt;a&lt;/think&gt;42",
        "<thought_process>a</thought_process>42",
        "[Reasoning]a[/Reasoning]42",
        "<|begin_of_thought|>a<|end_of_thought|>\n<|begin_of_solution|>42<|end_of_solution|>",
        "a\n[BEGIN FINAL RESPONSE]\n42\n[END FINAL RESPONSE]",
        "```thinking\na\n```\n42",
        "<think>a</think>\n<answer>42</answer>",
        "<think>a</think>42<|im_end|>",
        "<think>a</think>42<|eot_id|>\n",
        "<think>a</think>42<|im_end|>\n<|im_start|>user\nAnd 43?",
    ],
)
def test_more_marks_of_thoughts(text: str) -> None:
    assert split_thoughts(text) == ("42", "a")


@pytest.mark.parametrize(
    ("text", "said", "thoughts"),
    [
        ("Sure!\n<think>a</think>42", "42", "Sure! a"),
        ("Hello. <think>a</think> 42", "42", "Hello. a"),
        ("<|im_start|>assistant\n<think>a</think>42", "42", "<|im_start|>assistant a"),
        ("Let me think about it:\n\n<think>a", "", "Let me think about it: a"),
        ("Sure!\n<think>a</think>", "", "Sure! a"),
        ("42\n<think>a</think>", "42", "a"),
        ("```\n<think>a</think>\n42\n```", "```\n42\n```", "a"),
        ("<think>a <think>b</think> c</think>42", "42", "a <think>b</think> c"),
        ("<think>I write <think> here.</think>42", "42", "I write <think> here."),
        ("<think/>42", "42", ""),
        ("42<|im_end|>", "42", ""),
        ("a\n</analysis>\n42", "42", "a"),
        ("a\r\n </reasoning> \r\n42", "42", "a"),
        (
            "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>42"
            "<|end|><|start|>user<|message|>Next question?<|end|><|start|>assistant"
            "<|channel|>analysis<|message|>secret",
            "42",
            "analysis a assistant",
        ),
        ("final<|message|>42", "42", ""),
    ],
)
def test_where_thoughts_stand(text: str, said: str, thoughts: str) -> None:
    found, thought = split_thoughts(text)
    assert (found, " ".join(thought.split())) == (said, thoughts)


@pytest.mark.parametrize(
    "text",
    [
        "The tags are: <think> and </think>.",
        "<report>\n<analysis>good</analysis>\n<score>3</score>\n</report>",
        "```xml\n<analysis>good</analysis>\n```",
        "Use <|im_end|> to end a turn.",
        "Write </analysis> at the end of the file.",
        "Close it with </reflection>",
        "Strike <s>it</s>",
        "<answer>42</answer>",
        "a < b\n[1] c & d `e`",
    ],
)
def test_what_is_no_thought_stays(text: str) -> None:
    assert split_thoughts(text) == (text, "")


@pytest.mark.parametrize(
    "text",
    [
        "\uff1cthink\uff1ex\uff1c/think\uff1e42",
        "\u3008think\u3009x\u3008/think\u3009\n42",
        "<\u601d\u8003>x</\u601d\u8003>42",
        "<scratch_pad>x</scratch_pad>42",
        "<|think|>x<|endthink|>42",
        "[BEGIN THINKING]x[END THINKING]42",
        "```think\nx\n```\n42",
        "42<think>x</think>",
        "42 <think>x</think>\n",
        "<think>x</think>42</s>",
        "Thinking...\nx\n...done thinking.\n\n42",
        "Thinking\u2026\nx\n\u2026done thinking.\n42\n",
        "**Thinking:**\nx\n\n**Answer:** 42",
        "**Thinking**\nx\n**Final answer**: 42",
        "**Thought process:** x\n**Response:**\n42",
        "# Thinking\nx\n# Answer\n42",
        "### **Thoughts**\nx\n\n### Final Answer:\n42",
        "Thinking: x\nAnswer: 42",
        "*Thinking...*\nx\n**Output:** 42",
    ],
)
def test_further_marks_and_places_of_thoughts(text: str) -> None:
    assert split_thoughts(text) == ("42", "x")


@pytest.mark.parametrize(
    "text",
    [
        "<s>old</s> new <s>older</s>",
        "Put <think>x</think> first.",
        "a <think> b",
        "**Thinking** is hard.\nAnswer: no",
        "Thought: x\nAnswer: 42",
        "Thinking of you... always.",
        "**Thinking:**\nx",
        "# Thinking fast\nx\n# Answer\n42",
    ],
)
def test_what_is_no_thought_is_unchanged(text: str) -> None:
    assert split_thoughts(text) == (text, "")


@pytest.mark.parametrize(
    "text",
    [
        "<|inner_prefix|>Hm.<|inner_suffix|>42",
        "<|cot_start|>Hm.<|cot_end|>42",
        "<|think:begin|>Hm.<|think:end|>42",
        "commentaryHm.assistantfinal42",
        "Here is my thought process:\nHm.\n\nHere is my response:\n42",
        "Here's my thought process:\nHm.\nHere's my final answer:\n42",
        "<think>Hm.</think>\n42<|user|>",
        "<think>Hm.</think>\n42[|endofturn|]",
        "<think>Hm.</think><|start_header_id|>assistant<|end_header_id|>\n\n42",
        "<|im_start|>assistant\n<think>Hm.</think>42<|im_end|>",
    ],
)
def test_marks_of_further_models(text: str) -> None:
    assert split_thoughts(text) == ("42", "Hm.") or text.startswith("<|im_start|>")
    assert split_thoughts(text)[0] == "42"


def test_later_thoughts_of_a_model_that_marks_them_are_no_part_of_what_it_says() -> None:
    text = "<think>a</think>1. Read.\n<think>b</think>2. Write.\n<think>\nc\n</think>\n"
    assert split_thoughts(text) == ("1. Read.\n2. Write.\n\n", "a\nb\nc")
    for said in ("The tag <think>x</think> opens it.", "```\n<think>x</think>\n```"):
        assert split_thoughts(f"<think>a</think>{said}") == (said, "a")


def test_a_turn_that_is_written_out_is_no_part_of_what_is_said() -> None:
    assert split_thoughts("<|im_start|>assistant\n42<|im_end|>")[0] == "42"
    assert split_thoughts("<|start_header_id|>assistant<|end_header_id|>\n\n42")[0] == "42"


def test_thoughts_that_a_command_line_shows_and_does_not_end_say_nothing() -> None:
    assert split_thoughts("Thinking...\nWe need") == ("", "We need")


_FOLDED = (
    '<details type="reasoning" done="true" duration="3">\n<summary>Thought for 3 s</summary>\n'
)


@pytest.mark.parametrize(
    "text",
    [
        f"{_FOLDED}> Hm\n</details>\n42",
        f"{_FOLDED}> Hm\n</details>\n{_FOLDED}> Hm\n</details>\n42<|im_end|>",
        "<details>\n<summary>Thought for a few seconds</summary>\nHm\n</details>\n\n42",
        "<details><summary>Reasoning</summary>Hm</details>42",
        "Thinking... Hm ...done thinking.\n\n42",
        "Thinking\u2026\nHm\n\u2026 done thinking.\n42",
        "**Thinking...**\nHm\n**...done thinking.**\n\n42",
        "Thinking\u2026 done thinking\n42",
        "Hm\n...done thinking.\n\n42",
        "<think>Hm</think><|begin_of_box|>42<|end_of_box|>",
        "<|begin_of_box|>42",
        "assistantanalysisHm.assistantfinal42",
        "<think>Hm</think>42<|assistant_end|>",
        "<think>Hm</think>\n<response>\n42\n</response>\n</s>",
        "<|im_start|>think\nHm\n<|im_start|>answer\n42<|im_end|>",
        "<|think|>Hm<|end|><|begin|>assistant<|content|>42<|end|>",
    ],
)
def test_thoughts_that_programs_show_and_marks_around_an_answer_are_taken_out(text: str) -> None:
    assert split_thoughts(text)[0] == "42"


@pytest.mark.parametrize(
    "text",
    [
        "<details><summary>Spoiler</summary>He wins.</details>\n42",
        "Use the tag `</think>` to end.",
        "Thinking... she was done thinking.\nShe left.",
        "Say '...done thinking.' at the end",
        "```\n</think>\n```",
        "The token <|content|> is used.",
        "<details open><summary>Reasoning behind the law</summary>Text</details>",
    ],
)
def test_what_looks_like_shown_thoughts_is_unchanged(text: str) -> None:
    assert split_thoughts(text) == (text, "")


def test_a_box_inside_an_answer_leaves_the_answer_around_it() -> None:
    assert split_thoughts("It is <|begin_of_box|>42<|end_of_box|>.") == ("It is 42.", "")
    assert split_thoughts(f"{_FOLDED}> We need")[0] == ""
