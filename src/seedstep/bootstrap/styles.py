"""The table of prompt styles: what differs between them beside the prompts themselves.

Example::

    >>> STYLES["chat"].sampling["generation"].temperature, STYLES["dialogue"].shown
    (1.0, (3, 1))
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from seedstep.llm import Sampling
from seedstep.prompts import exchanges

__all__ = ["PAPER_SAMPLING", "STYLES", "TASK_STOPS", "PromptStyle"]

PAPER_SAMPLING: Mapping[str, Sampling] = MappingProxyType(
    # Appendix A.2, Table 4. From the released code are the stop `Example 6`, 350 tokens for
    # input-first instances (Table 4 has 300), and the stop `Task` for classification (Table 4:
    # `Task:`). A stop string stands at the start of a line, so that an instruction may contain
    # "16." or "Task:".
    {
        "generation": Sampling(
            max_tokens=1024,
            temperature=0.7,
            top_p=0.5,
            presence_penalty=2.0,
            stop=("\n\n", "\n16.", "\n16 ."),
        ),
        "classification": Sampling(max_tokens=3, stop=("\n", "Task")),
        "input_first": Sampling(
            max_tokens=350, presence_penalty=1.5, stop=("\nExample 6", "\nTask:")
        ),
        "output_first": Sampling(
            max_tokens=300, presence_penalty=1.5, stop=("\nExample 6", "\nTask:")
        ),
    }
)

TASK_STOPS = ("\n\n", "\nTask 16")
"""The stop strings of a list of instructions that is numbered as in Table 5."""

CHAT_SAMPLING: Mapping[str, Sampling] = MappingProxyType(
    # Not from the paper. A chat reply is JSON and ends by itself; penalties would break it.
    {
        "generation": Sampling(max_tokens=1024, temperature=1.0, top_p=0.95),
        "classification": Sampling(max_tokens=32),
        "input_first": Sampling(max_tokens=2048),
        "output_first": Sampling(max_tokens=2048),
    }
)


DIALOGUE_SAMPLING: Mapping[str, Sampling] = MappingProxyType(
    # Not from the papers. A reply is one turn: an instruction on one line, or a short answer.
    {
        "generation": Sampling(max_tokens=60, temperature=0.6, top_p=0.9, stop=("\n",)),
        "classification": PAPER_SAMPLING["classification"],
        "input_first": Sampling(max_tokens=120, frequency_penalty=0.5),
        "output_first": Sampling(max_tokens=120, frequency_penalty=0.5),
    }
)

REPLY_TOKENS: Mapping[str, int] = MappingProxyType(
    {"generation": 150, "classification": 3, "instances": 150}
)
TURN_TOKENS: Mapping[str, int] = MappingProxyType(
    {"generation": 15, "classification": 3, "instances": 40}
)
"""The assumed mean number of tokens of replies, by purpose of the request, and of turns."""


@dataclass(frozen=True, slots=True)
class PromptStyle:
    """A prompt style: the parameters of its requests, and what is not as in the paper.

    `shown` is how many tasks a generation request shows, and how many of these at most are
    machine-generated; seeds are `easy` ones, if there are any. `exchanges` returns the tasks and
    answers with which every request begins. `files` are the prompt files of this style alone.
    `numbers_lists` says whether the model continues a list whose numbering can be chosen.
    `accepted_each` is the assumed number of accepted instructions a request, and `reply_tokens` the
    assumed mean length of replies, by purpose.
    """

    sampling: Mapping[str, Sampling]
    shown: tuple[int, int] = (8, 2)
    easy: bool = False
    exchanges: Callable[[], tuple[tuple[str, str], ...]] = tuple
    files: Literal["dialogue"] | None = None
    numbers_lists: bool = True
    accepted_each: float = 2.0
    reply_tokens: Mapping[str, int] = field(default_factory=lambda: REPLY_TOKENS)

    @property
    def known(self) -> dict[str, str]:
        """The tasks with which every request begins, by ids."""
        return {f"shown_{n}": task for n, (task, _) in enumerate(self.exchanges(), start=1)}


STYLES: Mapping[str, PromptStyle] = MappingProxyType(
    {
        "completion": PromptStyle(PAPER_SAMPLING),
        "turns": PromptStyle(PAPER_SAMPLING),
        "dialogue": PromptStyle(
            DIALOGUE_SAMPLING,
            shown=(3, 1),
            easy=True,
            exchanges=exchanges,
            files="dialogue",
            numbers_lists=False,
            accepted_each=0.7,
            reply_tokens=TURN_TOKENS,
        ),
        "chat": PromptStyle(CHAT_SAMPLING, numbers_lists=False),
    }
)
"""The prompt styles by name; `seedstep.bootstrap.prompting` has the prompts of each."""
