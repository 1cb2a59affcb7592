"""The sampling parameters of a bootstrap's requests, by prompt style.

Example::

    >>> SAMPLING_BY_STYLE["chat"]["generation"].temperature
    1.0
"""

from collections.abc import Mapping
from types import MappingProxyType

from seedstep.llm import Sampling

__all__ = ["CHAT_SAMPLING", "PAPER_SAMPLING", "SAMPLING_BY_STYLE", "TASK_STOPS"]

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

SAMPLING_BY_STYLE: Mapping[str, Mapping[str, Sampling]] = MappingProxyType(
    {"chat": CHAT_SAMPLING, "dialogue": DIALOGUE_SAMPLING}
)
"""The parameters of styles that don't have those of the paper."""
