"""The configuration of predictions: on which tasks, and by which system.

A system is a model with a way of asking it. Many systems predict the same tasks, so that they can
be compared.

Example::

    ChosenTasks(tasks="natural-instructions", split="test", limit_instances=100)
    SystemSettings(model="hf:checkpoints/tuned", encoding=ENCODINGS["steps"], steps="runs/steps")
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from seedstep.encode import Encoding, named_layout
from seedstep.errors import InputError
from seedstep.llm import ModelRef, Price, Sampling, default_prompt_style
from seedstep.llm.settings import (
    HELP,
    Count,
    Dollars,
    Spending,
    convert_settings,
    explained,
    make_settings_of,
    override,
)

__all__ = [
    "ChosenTasks",
    "SystemKind",
    "SystemSettings",
    "make_chosen_tasks",
    "make_system_settings",
]

SystemKind = Literal["baseline", "checkpoint", "server"]
"""What answers: a baseline, a model that transformers loads into this process, or an endpoint."""

PREDICTION = Sampling(max_tokens=128)
"""Greedy, 128 new tokens at the most (section 4.2; Wang et al., 2022, section 5)."""


@dataclass(frozen=True, slots=True)
class ChosenTasks:
    """The tasks and instances that a run of predictions is about."""

    tasks: str | None = field(
        default=None,
        metadata=explained(
            "The tasks: a SUPER-NATURALINSTRUCTIONS directory or task file, or JSON lines with "
            "a definition (or instruction) and instances."
        ),
    )
    split: str | None = field(
        default=None, metadata=explained("Split of a directory, such as test. Default: all tasks.")
    )
    track: str = field(
        default="default", metadata=explained("Directory of the split: default, xlingual.")
    )
    limit_tasks: Count | None = field(
        default=None, metadata=explained("Number of tasks, the first ones. Default: all.")
    )
    limit_instances: Count | None = field(
        default=None,
        metadata=explained("Instances of each task, the first ones. Default: all."),
    )
    skip_bad: bool = field(
        default=False, metadata=explained("Go on without tasks that can't be read.")
    )


@dataclass(frozen=True, slots=True)
class SystemSettings(Spending):
    """A model, how it is asked, and what it may cost."""

    SAMPLING: ClassVar[Mapping[str, Sampling]] = MappingProxyType({"prediction": PREDICTION})

    model: str = field(
        default="local",
        metadata=explained(
            "The model: local, gguf:PATH, openai:NAME, replay:FILE, hf:PATH_OR_ID (a checkpoint, "
            "loaded through transformers), baseline:copy-input or baseline:copy-demonstration."
        ),
    )
    base_url: str | None = field(default=None, metadata=HELP["base_url"])
    backend: Literal["auto", "transformers"] = field(
        default="auto",
        metadata=explained(
            "transformers loads local and gguf:PATH into this process too. auto: llama.cpp for "
            "these, transformers for hf:PATH_OR_ID."
        ),
    )
    prompt_style: Literal["auto", "completion", "chat"] = field(
        default="auto",
        metadata=explained(
            "Of a served model: chat, completion, or auto: chat for openai:NAME, completion for "
            "local and gguf:PATH, the recording's own for replay:FILE."
        ),
    )
    encoding: Encoding = field(
        default_factory=Encoding, metadata=explained("What a prompt is made of.")
    )
    steps: str | None = field(
        default=None,
        metadata=explained("Step-by-step instructions: a run of `seedstep steps`, or JSON lines."),
    )
    tokenizer: str | None = field(
        default=None,
        metadata=explained(
            "Tokenizer by which prompts of a served model are fitted to max_source: local, "
            "gguf:PATH or hf:PATH_OR_ID. Default: they are not; a checkpoint has its own."
        ),
    )
    max_new_tokens: Count = field(
        default=PREDICTION.max_tokens, metadata=explained("Tokens of an answer, at the most.")
    )
    stop: tuple[str, ...] | None = field(
        default=None,
        metadata=explained(
            "Texts before which an answer ends. Default: what the prompt's layout would write next."
        ),
    )
    seed: int | None = field(
        default=None,
        metadata=explained(
            "For baseline:copy-demonstration: copy a random demonstration, by this seed. Default: "
            "the first one."
        ),
    )
    batch: Count = field(
        default=16, metadata=explained("Instances that a checkpoint answers at a time.")
    )
    bf16: bool = field(
        default=False, metadata=explained("Load a checkpoint with weights of 16 bits, not 32.")
    )
    in_flight: Count = field(default=8, metadata=HELP["in_flight"])
    max_requests: Count | None = field(default=None, metadata=HELP["max_requests"])
    max_tokens: Count | None = field(default=None, metadata=HELP["max_tokens"])
    max_usd: Dollars | None = field(default=None, metadata=HELP["max_usd"])
    prices: dict[str, Price] = field(default_factory=dict, metadata=HELP["prices"])
    sampling: dict[str, Any] = field(
        default_factory=dict,
        metadata=explained(
            "Sampling parameters of a served model, where they shall differ from greedy decoding: "
            "{prediction: {temperature: 0.7}}."
        ),
    )

    @property
    def kind(self) -> SystemKind:
        """What answers."""
        provider = ModelRef.parse(self.model).provider
        if provider.only_copies:
            return "baseline"
        if self.backend == "transformers" or not provider.is_served:
            return "checkpoint"
        return "server"

    @property
    def style(self) -> str:
        """The prompt style with `auto` resolved."""
        if named_layout(self.encoding.layout).in_template:
            return "chat"
        if self.kind != "server":
            return "completion"
        if self.prompt_style != "auto":
            return self.prompt_style
        return "chat" if default_prompt_style(self.model) == "chat" else "completion"

    @property
    def stop_texts(self) -> tuple[str, ...]:
        """The texts before which an answer ends."""
        return _layout_stop(self) if self.stop is None else self.stop

    @property
    def prediction(self) -> Sampling:
        """How a served model is sampled."""
        own = {"max_tokens": self.max_new_tokens, "stop": self.stop_texts}
        return override(PREDICTION, {**own, **self.sampling.get("prediction", {})})


def make_chosen_tasks(values: Mapping[str, Any], source: str) -> ChosenTasks:
    """Settings from named values, all others as they are by default.

    Raises:
        InputError: a name is not known or a value does not fit; `source` says where it stands.
    """
    return convert_settings(ChosenTasks, values, source)


def make_system_settings(values: Mapping[str, Any], source: str) -> SystemSettings:
    """As `make_chosen_tasks`, for a system.

    Raises:
        InputError: as there; or the settings don't go together.
    """
    settings = make_settings_of(SystemSettings, values, source)
    try:
        ModelRef.parse(settings.model)
    except InputError as error:
        raise InputError(f"{source}, setting 'model': {error.what}", error.remedy) from None
    if settings.kind == "checkpoint" and settings.sampling:
        what = f"{source}, setting 'sampling': a checkpoint decodes greedily"
        raise InputError(what, "leave it out, or serve the model and name it openai:NAME")
    return settings


def _layout_stop(settings: SystemSettings) -> tuple[str, ...]:
    """What a base model would write after its answer: the beginning of the prompt's next part.

    A model that continues a text does not know that one answer is wanted. With examples in the
    prompt a blank line ends each answer there, so it does here; without, an answer may have blank
    lines. Conversations end by themselves. Four texts are as many as the OpenAI API takes.
    """
    encoding = settings.encoding
    if settings.kind == "baseline" or settings.style == "chat":
        return ()
    layout = named_layout(encoding.layout)
    return (
        layout.stop_after_examples if encoding.positive or encoding.negative else layout.stop_texts
    )
