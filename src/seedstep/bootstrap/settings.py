"""The configuration of a bootstrap run. Every field says what it is, in which unit.

Example::

    BootstrapSettings(model="openai:my-model", tasks=1000, window=64)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from seedstep.llm import Price, Sampling, default_prompt_style
from seedstep.llm.settings import (
    HELP,
    Count,
    Dollars,
    Spending,
    explained,
    make_settings_of,
    override,
    require_price,
)

__all__ = [
    "CHAT_SAMPLING",
    "PAPER_SAMPLING",
    "PAPER_THRESHOLD",
    "BootstrapSettings",
    "make_settings",
    "override",
    "require_price",
]

PAPER_THRESHOLD = 0.7
"""ROUGE-L F1 from which an instruction is not novel (section 2.2)."""

PAPER_SAMPLING: Mapping[str, Sampling] = MappingProxyType(
    # Appendix A.2, Table 4, and the released code. A stop string stands at the start of a line,
    # so that an instruction may contain "16." or "Task:".
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

CHAT_SAMPLING: Mapping[str, Sampling] = MappingProxyType(
    # Ours: a chat reply ends by itself, as JSON, which penalties and stop strings would break.
    {
        "generation": Sampling(max_tokens=1024, temperature=1.0, top_p=0.95),
        "classification": Sampling(max_tokens=32),
        "input_first": Sampling(max_tokens=2048),
        "output_first": Sampling(max_tokens=2048),
    }
)


Threshold = Annotated[float, msgspec.Meta(gt=0, le=1)]


@dataclass(frozen=True, slots=True)
class BootstrapSettings(Spending):
    """What a bootstrap run does. A run's settings are kept in its `run.yaml`."""

    SAMPLING: ClassVar[Mapping[str, Sampling]] = PAPER_SAMPLING

    model: str = field(default="local", metadata=HELP["model"])
    base_url: str | None = field(default=None, metadata=HELP["base_url"])
    prompt_style: Literal["auto", "completion", "turns", "chat"] = field(
        default="auto",
        metadata=explained(
            "completion (the paper's few-shot texts, for base models), turns (the same as turns of "
            "a conversation, for small chat models), chat (asks for JSON, for capable chat "
            "models), or auto: turns for local, completion for gguf:PATH, chat for openai:NAME, "
            "the recording's own for replay:FILE."
        ),
    )
    seeds: str | None = field(
        default=None, metadata=explained("Seed tasks, a JSONL file. Default: seedstep's own 175.")
    )
    tasks: Count = field(
        default=100,
        metadata=explained("Finished tasks to make: accepted, with at least one good instance."),
    )
    seed: int = field(default=42, metadata=HELP["seed"])
    window: Count = field(
        default=8,
        metadata=explained(
            "Generation requests worked on ahead. Request i is built from the tasks finished up to "
            "request i - window, so the data depends on it, and not on how many are in flight."
        ),
    )
    in_flight: Count = field(default=8, metadata=HELP["in_flight"])
    novelty_threshold: Threshold = field(
        default=PAPER_THRESHOLD,
        metadata=explained("ROUGE-L F1 with a known instruction from which a new one is rejected."),
    )
    decontaminate: list[str] = field(
        default_factory=list,
        metadata=explained(
            "Evaluation sets: SUPER-NATURALINSTRUCTIONS (its test split, or task files), JSONL or "
            "text files. Instructions and inputs that are too close to them are rejected."
        ),
    )
    decontamination_threshold: Threshold = field(
        default=PAPER_THRESHOLD,
        metadata=explained("ROUGE-L F1 with an item of an evaluation set that is too close."),
    )
    tokens: Literal["latin", "unicode"] = field(
        default="latin",
        metadata=explained(
            "Tokens for novelty: latin (those of rouge-score), or unicode for runs that are not in "
            "English, which may then also start with a non-ASCII character."
        ),
    )
    fidelity: Literal["paper", "released"] = field(
        default="paper",
        metadata=explained(
            "Where paper and released code differ: paper, or released (a score of exactly the "
            "threshold is novel, a cut list of instructions is dropped whole, and two outputs for "
            "one input reject the task)."
        ),
    )
    extra_filters: bool = field(
        default=True,
        metadata=explained(
            "Reject, beyond the paper, statements in place of tasks, outputs without the input "
            "that the instruction points at, instances copied from the demonstrations, and "
            "outputs that repeat themselves."
        ),
    )
    patience: Count = field(
        default=50,
        metadata=explained(
            "Stop after so many generation requests in a row without a finished task."
        ),
    )
    max_requests: Count | None = field(default=None, metadata=HELP["max_requests"])
    max_tokens: Count | None = field(default=None, metadata=HELP["max_tokens"])
    max_usd: Dollars | None = field(default=None, metadata=HELP["max_usd"])
    prices: dict[str, Price] = field(default_factory=dict, metadata=HELP["prices"])
    sampling: dict[str, Any] = field(
        default_factory=dict,
        metadata=explained(
            "Sampling parameters by request (generation, classification, input_first, "
            "output_first), where they shall differ from the prompt style's own: "
            "{generation: {temperature: 0.9}}."
        ),
    )

    @property
    def style(self) -> str:
        """The prompt style with `auto` resolved."""
        automatic = self.prompt_style == "auto"
        return default_prompt_style(self.model) if automatic else self.prompt_style

    def sampling_of(self, request: str) -> Sampling:
        """The sampling parameters of a request: the style's own, with those that are set here."""
        table = CHAT_SAMPLING if self.style == "chat" else PAPER_SAMPLING
        return override(table[request], self.sampling.get(request, {}))


def make_settings(values: Mapping[str, Any], source: str) -> BootstrapSettings:
    """Settings from named values, all others as they are by default.

    Raises:
        InputError: a name is not known or a value does not fit; `source` says where it stands.
    """
    return make_settings_of(BootstrapSettings, values, source)
