"""The configuration of a bootstrap run. Every field says what it is, in which unit.

Example::

    Settings(model="openai:my-model", tasks=1000, window=64)
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec

from seedstep.errors import InputError
from seedstep.llm import Budget, Price, Sampling, default_prompt_style

__all__ = [
    "CHAT_SAMPLING",
    "PAPER_SAMPLING",
    "PAPER_THRESHOLD",
    "Settings",
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


def _help(text: str) -> dict[str, str]:
    return {"help": text}


Count = Annotated[int, msgspec.Meta(ge=1)]
Threshold = Annotated[float, msgspec.Meta(gt=0, le=1)]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a bootstrap run does. A run's settings are kept in its `run.yaml`."""

    model: str = field(
        default="local", metadata=_help("The model: local, gguf:PATH, openai:NAME or replay:FILE.")
    )
    base_url: str | None = field(
        default=None,
        metadata=_help("Address of the server for openai:NAME, such as http://127.0.0.1:8000/v1."),
    )
    prompt_style: Literal["auto", "completion", "turns", "chat"] = field(
        default="auto",
        metadata=_help(
            "completion (the paper's few-shot texts, for base models), turns (the same as turns of "
            "a conversation, for small chat models), chat (asks for JSON, for capable chat "
            "models), or auto: turns for local, completion for gguf:PATH, chat for openai:NAME, "
            "the recording's own for replay:FILE."
        ),
    )
    seeds: str | None = field(
        default=None, metadata=_help("Seed tasks, a JSONL file. Default: seedstep's own 175.")
    )
    tasks: Count = field(
        default=100,
        metadata=_help("Finished tasks to make: accepted, with at least one good instance."),
    )
    seed: int = field(default=42, metadata=_help("Seed of every random choice."))
    window: Count = field(
        default=8,
        metadata=_help(
            "Generation requests worked on ahead. Request i is built from the tasks finished up to "
            "request i - window, so the data depends on it, and not on how many are in flight."
        ),
    )
    in_flight: Count = field(
        default=8, metadata=_help("Requests sent to the model at a time, at the most.")
    )
    novelty_threshold: Threshold = field(
        default=PAPER_THRESHOLD,
        metadata=_help("ROUGE-L F1 with a known instruction from which a new one is rejected."),
    )
    decontaminate: list[str] = field(
        default_factory=list,
        metadata=_help(
            "Evaluation sets: SUPER-NATURALINSTRUCTIONS (its test split, or task files), JSONL or "
            "text files. Instructions and inputs that are too close to them are rejected."
        ),
    )
    decontamination_threshold: Threshold = field(
        default=PAPER_THRESHOLD,
        metadata=_help("ROUGE-L F1 with an item of an evaluation set that is too close."),
    )
    tokens: Literal["latin", "unicode"] = field(
        default="latin",
        metadata=_help(
            "Tokens for novelty: latin (those of rouge-score), or unicode for runs that are not in "
            "English, which may then also start with a non-ASCII character."
        ),
    )
    fidelity: Literal["paper", "released"] = field(
        default="paper",
        metadata=_help(
            "Where paper and released code differ: paper, or released (a score of exactly the "
            "threshold is novel, a cut list of instructions is dropped whole, and two outputs for "
            "one input reject the task)."
        ),
    )
    extra_filters: bool = field(
        default=True,
        metadata=_help(
            "Reject, beyond the paper, statements in place of tasks, outputs without the input "
            "that the instruction points at, instances copied from the demonstrations, and "
            "outputs that repeat themselves."
        ),
    )
    patience: Count = field(
        default=50,
        metadata=_help("Stop after so many generation requests in a row without a finished task."),
    )
    max_requests: Count | None = field(
        default=None,
        metadata=_help("Requests the run may send in all, repetitions included; never exceeded."),
    )
    max_tokens: Count | None = field(
        default=None,
        metadata=_help(
            "Tokens of prompts and replies the run may use in all, as the server counts them; "
            "what is in flight then comes on top."
        ),
    )
    max_usd: Annotated[float, msgspec.Meta(gt=0)] | None = field(
        default=None,
        metadata=_help("US dollars the run may spend in all, by `prices`, as with max_tokens."),
    )
    prices: dict[str, Price] = field(
        default_factory=dict,
        metadata=_help(
            "US dollars per million tokens by model: {my-model: {input: 0.15, output: 0.6}}."
        ),
    )
    sampling: dict[str, Any] = field(
        default_factory=dict,
        metadata=_help(
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

    @property
    def budget(self) -> Budget:
        """What the run may spend in all."""
        return Budget(self.max_requests, self.max_tokens, self.max_usd, self.price)

    @property
    def price(self) -> Price | None:
        """The model's price, if it is known; `prices` names it with its kind or without."""
        name = self.model.partition(":")[2]
        return self.prices.get(name) or self.prices.get(self.model)

    def sampling_of(self, request: str) -> Sampling:
        """The sampling parameters of a request: the style's own, with those that are set here."""
        table = CHAT_SAMPLING if self.style == "chat" else PAPER_SAMPLING
        return override(table[request], self.sampling.get(request, {}))


def make_settings(values: Mapping[str, Any], source: str) -> Settings:
    """Settings from named values, all others as they are by default.

    Raises:
        InputError: a name is not known or a value does not fit; `source` says where it stands.
    """
    known = [one.name for one in fields(Settings)]
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            remedy = f"write '{near[0]}'" if near else f"known are {', '.join(known)}"
            raise InputError(f"{source}: there is no setting '{name}'", remedy)
    try:
        settings = msgspec.convert(dict(values), Settings)
    except msgspec.ValidationError as error:
        raise _wrong_value(source, "", error) from None
    _check_sampling(settings.sampling, source)
    return settings


def require_price(settings: Settings) -> None:
    """Make sure that a budget in money can be held.

    Raises:
        InputError: the model's price is not known.
    """
    if settings.max_usd is not None and settings.price is None:
        name = settings.model.partition(":")[2] or settings.model
        raise InputError(
            f"max_usd: the price of '{name}' is not known",
            f"add it in a --config file: prices: {{{name}: {{input: 0.15, output: 0.6}}}}",
        )


def _wrong_value(source: str, place: str, error: Exception) -> InputError:
    text, _, path = str(error).rstrip("`").partition(" - at `$")
    name = f"{place}{path}".lstrip(".")
    return InputError(
        f"{source}, setting '{name}': {text[:1].lower() + text[1:]}", "correct the value"
    )


def _check_sampling(sampling: Mapping[str, Any], source: str) -> None:
    for name, values in sampling.items():
        if name not in PAPER_SAMPLING:
            raise InputError(
                f"{source}, setting 'sampling': there is no request '{name}'",
                f"known are {', '.join(PAPER_SAMPLING)}",
            )
        try:
            override(PAPER_SAMPLING[name], msgspec.convert(values, dict[str, Any]))
        except (msgspec.ValidationError, TypeError) as error:
            raise _wrong_value(source, f"sampling.{name}", error) from None


def override(default: Sampling, values: Mapping[str, Any]) -> Sampling:
    """Sampling parameters with some replaced.

    Raises:
        TypeError: there is no such parameter.
        msgspec.ValidationError: a value has the wrong type.
    """
    names = [one.name for one in fields(Sampling)]
    if unknown := sorted(set(values) - set(names)):
        raise TypeError(f"there is no '{unknown[0]}', known are {', '.join(names)}")
    return msgspec.convert({**msgspec.to_builtins(default), **values}, Sampling)
