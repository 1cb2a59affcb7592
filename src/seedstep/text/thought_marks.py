"""The marks that models and servers write around thoughts, answers and turns.

`seedstep.text.thoughts` reads replies by these tables.

Example::

    >>> ("<think>", "</think>") in THOUGHT_MARKS
    True
"""

import re

from seedstep.lazy import late_pattern

__all__ = [
    "BOX",
    "END_MARK",
    "FINAL_MARKS",
    "OTHER_TAG_WORDS",
    "TAG_WORDS",
    "THOUGHT_MARKS",
    "TURN_START",
]

TAG_WORDS = (
    *("think", "thinking", "thought", "thoughts", "think_fast", "longcat_think", "antThinking"),
    *("mm:think", "seed:think", "thought_process", "thinking_process", "inner_monologue"),
    *("scratch_pad", "inner_thought", "deliberation", "thinking_tokens", "\u601d\u8003"),
    *("internal_monologue", "inner_thoughts", "internal_thoughts", "chain_of_thought"),
)
OTHER_TAG_WORDS = (
    *("reasoning", "reasoning_process", "reasoning_content", "reasoning_steps", "analysis"),
    *("scratchpad", "reflection", "cot"),
)
"""The names of tags. The others may also be parts of what is said, if text stands before them.

A lone closing mark of these closes thoughts only where it stands alone on its line.
"""

_TOKEN_WORDS = ("think", "thinking", "thought", "thoughts", "reasoning", "cot")

THOUGHT_MARKS = (
    *((f"<{word}>", f"</{word}>") for word in (*TAG_WORDS, *OTHER_TAG_WORDS)),
    *((f"[{word.upper()}]", f"[/{word.upper()}]") for word in _TOKEN_WORDS),
    *((f"<|{word}|>", f"<|/{word}|>") for word in _TOKEN_WORDS),
    *((f"<|{word}_start|>", f"<|{word}_end|>") for word in _TOKEN_WORDS),
    *((f"<|start_{word}|>", f"<|end_{word}|>") for word in _TOKEN_WORDS),
    *((f"<|begin_{word}|>", f"<|end_{word}|>") for word in _TOKEN_WORDS),
    *((f"<|begin_of_{word}|>", f"<|end_of_{word}|>") for word in _TOKEN_WORDS),
    *((f"<|{word}:begin|>", f"<|{word}:end|>") for word in _TOKEN_WORDS),
    *((f"&lt;{word}&gt;", f"&lt;/{word}&gt;") for word in _TOKEN_WORDS),
    *((f"```{word}\n", "\n```") for word in ("think", "thinking", "thoughts", "reasoning")),
    ("<\uff5cthink\uff5c>", "<\uff5c/think\uff5c>"),
    ("\uff1cthink\uff1e", "\uff1c/think\uff1e"),
    ("\u3008think\u3009", "\u3008/think\u3009"),
    ("\u2039think\u203a", "\u2039/think\u203a"),
    ("<|think|>", "<|endthink|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("[BEGIN THINKING]", "[END THINKING]"),
    ("<|channel>thought", "<channel|>"),
    ("◁think▷", "◁/think▷"),
    ("<unused94>", "<unused95>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
)
"""The marks that open and close thoughts, as models write them; case does not matter."""

FINAL_MARKS = tuple(
    (
        late_pattern(re.escape(opening), re.IGNORECASE),
        late_pattern(re.escape(closing), re.IGNORECASE),
    )
    for opening, closing in (
        ("[BEGIN FINAL RESPONSE]", "[END FINAL RESPONSE]"),
        ("<|begin_of_solution|>", "<|end_of_solution|>"),
        ("<|begin_of_answer|>", "<|end_of_answer|>"),
        ("<|START_RESPONSE|>", "<|END_RESPONSE|>"),
        ("<|im_start|>answer\n", "<|im_end|>"),
        ("assistant<|content|>", "<|end|>"),
    )
)
"""The marks around what is said. All that stands before the last opening one is a thought."""

END_MARK = late_pattern(
    r"(?:<\|(?:im_end|eot_id|eom_id|eot|end|endoftext|end_of_text|end_of_turn|eos|return|call|user"
    r"|observation|assistant_end|role_end|endofresponse)\|>|\[\|endofturn\|\]|\[e~\[|<end_of_turn>|<\uff5cend\u2581of\u2581sentence\uff5c>)\s*+(?=<\|(?:im_)?start|<start_of|\Z)",
    re.IGNORECASE,
)
"""The end of a turn, written out: nothing behind it is said."""

BOX = late_pattern(r"<\|(?:begin|end)_of_box\|>", re.IGNORECASE)
"""The marks that GLM models put around an answer, or a part of one."""

TURN_START = late_pattern(
    r"\s*(?:<\|start_header_id\|>\s*assistant\s*<\|end_header_id\|>|<\|im_start\|>\s*assistant\b"
    r"|<\|assistant\|>|<start_of_turn>\s*model\b|<\uff5cassistant\uff5c>)\s*",
    re.IGNORECASE,
)
"""The start of a turn, written out."""
