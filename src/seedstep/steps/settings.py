"""The settings of the stages that write step-by-step instructions and generate examples.

Example::

    StepsSettings(model="openai:my-model", tasks="natural-instructions", split="test")
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from seedstep.llm import Sampling, default_prompt_style
from seedstep.llm.settings import Asking, explained, make_settings_of

__all__ = [
    "ExamplesSettings",
    "StepsSettings",
    "make_examples_settings",
    "make_steps_settings",
]

STEPS_SAMPLING: Mapping[str, Sampling] = MappingProxyType(
    # Ours: the paper does not say how ChatGPT was sampled. The completion frame is drawn anew where
    # the first draw has faults, which takes a temperature; a low one makes very small models repeat
    # themselves. The stops end the list of steps.
    {
        "conversation": Sampling(max_tokens=1024),
        "completion": Sampling(
            max_tokens=350, temperature=0.8, top_p=0.9, stop=("\n\n", "\nTask:", "\nCategory:")
        ),
        "judge": Sampling(max_tokens=1024),
    }
)

EXAMPLES_SAMPLING: Mapping[str, Sampling] = MappingProxyType(
    # Ours, as above.
    {
        "generate": Sampling(max_tokens=2048, temperature=0.7, top_p=0.95),
        "rank": Sampling(max_tokens=1024),
    }
)


@dataclass(frozen=True, slots=True)
class StepsSettings(Asking):
    """How step-by-step instructions are written. A run's settings are kept in its `run.yaml`."""

    SAMPLING: ClassVar[Mapping[str, Sampling]] = STEPS_SAMPLING

    prompt_style: Literal["auto", "completion", "chat"] = field(
        default="auto",
        metadata=explained(
            "chat (the paper's conversation), completion (one few-shot text, for base and very "
            "small models), or auto: chat for openai:NAME, completion for local and gguf:PATH, "
            "the recording's own for replay:FILE."
        ),
    )
    tasks: str | None = field(
        default=None,
        metadata=explained(
            "The tasks: a SUPER-NATURALINSTRUCTIONS directory or task file, JSON lines with at "
            "least a definition, or a bootstrap's run."
        ),
    )
    split: str | None = field(
        default=None, metadata=explained("Split of a directory, such as test. Default: all tasks.")
    )
    track: str = field(
        default="default",
        metadata=explained("Directory of the split: default, xlingual."),
    )
    skip_bad: bool = field(
        default=False, metadata=explained("Go on without tasks that can't be read.")
    )
    refine: Literal["full", "none"] = field(
        default="full",
        metadata=explained(
            "full (the paper's five turns), or none (the first only, for the refining ablation)."
        ),
    )
    repairs: Annotated[int, msgspec.Meta(ge=0)] = field(
        default=2,
        metadata=explained(
            "Further turns, at the most, that ask to correct what the checks found; in completion "
            "style new draws. The version with the fewest faults is kept."
        ),
    )
    judge: str | None = field(
        default=None,
        metadata=explained(
            "A model that judges correctness and completeness: gguf:PATH, openai:NAME, ..."
        ),
    )
    judge_base_url: str | None = field(
        default=None, metadata=explained("Address of the server for the judge.")
    )
    sampling: dict[str, Any] = field(
        default_factory=dict,
        metadata=explained(
            "Sampling parameters by request (conversation, completion, judge), where they shall "
            "differ from seedstep's own: {conversation: {temperature: 0.7}}."
        ),
    )

    @property
    def style(self) -> str:
        """The prompt style with `auto` resolved."""
        if self.prompt_style != "auto":
            return self.prompt_style
        return "chat" if default_prompt_style(self.model) == "chat" else "completion"


@dataclass(frozen=True, slots=True)
class ExamplesSettings(Asking):
    """How examples are generated and ranked (appendix C); always as a conversation."""

    SAMPLING: ClassVar[Mapping[str, Sampling]] = EXAMPLES_SAMPLING

    steps: str | None = field(
        default=None,
        metadata=explained("The run of `seedstep steps` whose instructions are used."),
    )
    count: Annotated[int, msgspec.Meta(ge=2, le=50)] = field(
        default=5, metadata=explained("Examples to ask for, of which two are chosen.")
    )
    sampling: dict[str, Any] = field(
        default_factory=dict,
        metadata=explained(
            "Sampling parameters by request (generate, rank), where they shall differ from "
            "seedstep's own: {generate: {temperature: 1.0}}."
        ),
    )


def make_steps_settings(values: Mapping[str, Any], source: str) -> StepsSettings:
    """Settings from named values, all others as they are by default.

    Raises:
        InputError: a name is not known or a value does not fit; `source` says where it stands.
    """
    return make_settings_of(StepsSettings, values, source)


def make_examples_settings(values: Mapping[str, Any], source: str) -> ExamplesSettings:
    """As `make_steps_settings`, for generated examples.

    Raises:
        InputError: as there.
    """
    return make_settings_of(ExamplesSettings, values, source)
