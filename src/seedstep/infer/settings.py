"""The settings of a system that predicts.

A system is a model together with options for asking it, such as the encoding. Several systems
predict the same tasks, which `seedstep.data.TaskChoice` chooses, so that they can be compared.

Example::

    PredictSettings.of(model="hf:checkpoints/tuned", encoding="steps", steps="runs/steps")
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from seedstep.encode import ENCODINGS, LAYOUTS, Encoding, make_encoding, named_layout
from seedstep.encode.layouts import unknown_encoding
from seedstep.encode.settings import ExamplesChoice, steps_setting
from seedstep.errors import InputError, unknown_name
from seedstep.llm import Budget, ModelRef, Sampling
from seedstep.llm.models import either, forms_of
from seedstep.llm.settings import (
    AskedModel,
    AskingSettings,
    override,
    prompt_style_of,
    sampling_setting,
)
from seedstep.settings import Count, Place, part, setting

__all__ = ["PROTOCOLS", "AskingProtocol", "PredictSettings", "SystemKind"]

SystemKind = Literal["baseline", "checkpoint", "server"]
"""The kind of a system: a baseline, a model loaded into this process, or a served model."""

PREDICTION = Sampling(max_tokens=128)
"""Greedy decoding of at most 128 tokens (section 4.2; Wang et al., 2022, section 5)."""


@dataclass(frozen=True, slots=True)
class AskingProtocol:
    """A paper's way to ask systems: its settings, and where the paper describes it."""

    section: str
    settings: Mapping[str, Any]


PROTOCOLS: Mapping[str, AskingProtocol] = MappingProxyType(
    {
        "self-instruct": AskingProtocol(
            "Self-Instruct, Table 4 and released answers: one prompt, no stops, 1,024 tokens",
            MappingProxyType(
                {"encoding": "self-instruct-fixed", "stop": (), "max_new_tokens": 1024}
            ),
        ),
        "superni": AskingProtocol(
            "Tk-Instruct's released code: definition and two examples, 1,024 tokens, 128 new ones",
            MappingProxyType({"encoding": "tk-instruct", "max_new_tokens": 128}),
        ),
        "step-by-step": AskingProtocol(
            "second paper, section 4.2: steps first, two examples, 1,224 tokens, 128 new ones",
            MappingProxyType({"encoding": "steps", "max_new_tokens": 128}),
        ),
    }
)
"""The protocols by name. Settings that are named besides one replace those of the protocol."""


def _encoding_of(name: str | None, options: dict[str, Any]) -> dict[str, Any]:
    """Return all options of the named encoding with these changed; without a name, these alone."""
    return options if name is None else asdict(make_encoding(name, options))


_BOTH_WAYS = either(forms_of(lambda provider: provider.is_served and provider.is_loaded))


@dataclass(frozen=True, slots=True)
class PredictSettings(AskingSettings):
    """The settings of `predict`: a model, the options for asking it, and a budget."""

    SAMPLING: ClassVar[Mapping[str, Sampling]] = MappingProxyType({"prediction": PREDICTION})

    model: AskedModel = part(
        AskedModel,
        name=Place(help=f"The model: {either(forms_of(lambda provider: True))}."),
        bf16=None,
    )
    backend: Literal["auto", "transformers"] = setting(
        "auto",
        f"transformers loads {_BOTH_WAYS} into this process, too. auto: only where a model is not "
        "served.",
    )
    prompt_style: Literal["auto", "completion", "chat"] = setting(
        "auto",
        "Of a served model: chat, completion, or auto: chat for openai:NAME, completion for "
        "local and gguf:PATH, the recording's own for replay:FILE.",
        flags=("--style", "--prompt-style"),
    )
    protocol: str | None = setting(
        None,
        f"A paper's way to ask, in place of single settings: {', '.join(PROTOCOLS)}. It says how a "
        "prompt is made, where an answer ends and how long it may be.",
        metavar="NAME",
        later=True,
    )
    encoding: Encoding = setting(
        Encoding,
        f"How a prompt is made: {', '.join(ENCODINGS)}. Default: as the checkpoint was tuned, or "
        "tk-instruct.",
        metavar="NAME",
        keys=Encoding,
        combine=_encoding_of,
    )
    steps: str | None = steps_setting()
    generated: ExamplesChoice = part(ExamplesChoice)
    tokenizer: str | None = setting(
        None,
        "Tokenizer by which prompts of a served model are fitted to max_source: "
        f"{either(forms_of(lambda provider: provider.is_loaded))}. Default: they are not; a "
        "checkpoint has its own.",
    )
    max_new_tokens: Count = setting(PREDICTION.max_tokens, "Tokens of an answer, at the most.")
    stop: tuple[str, ...] | None = setting(
        None,
        "A text before which an answer ends. Default: what the prompt's layout would write next.",
    )
    seed: int | None = setting(
        None,
        "For baseline:copy-demonstration: copy a random demonstration, by this seed. Default: "
        "the first one.",
    )
    batch: Count = setting(16, "Instances that a checkpoint answers at a time.")
    bf16: bool = setting(False, "Load a checkpoint with weights of 16 bits, not 32.")
    budget: Budget = part(Budget)
    sampling: dict[str, Any] = sampling_setting(
        {"prediction": PREDICTION},
        "{prediction: {temperature: 0.7}}",
        drawn=("prediction",),
    )

    @classmethod
    def complete(cls, values: Mapping[str, Any], source: str) -> Mapping[str, Any]:
        """Return the values with those of the protocol, and options in place of an encoding's name.

        Raises:
            InputError: there is no such protocol or encoding.
        """
        values = _with_protocol(values, source)
        encoding = values.get("encoding")
        if isinstance(encoding, str):
            encoding = make_encoding(encoding)
        return (
            {**values, "encoding": asdict(encoding)} if isinstance(encoding, Encoding) else values
        )

    def check(self, source: str) -> None:
        """Raise InputError if the settings do not go together."""
        AskingSettings.check(self, source)
        try:
            ModelRef.parse(self.model.name)
        except InputError as error:
            raise InputError(f"{source}, setting 'model': {error.what}", error.remedy) from None
        if self.encoding.layout not in LAYOUTS:
            where = f"{source}, setting 'encoding'"
            raise unknown_encoding("layout", self.encoding.layout, LAYOUTS, where)
        if self.kind == "checkpoint" and self.sampling:
            what = f"{source}, setting 'sampling': a checkpoint decodes greedily"
            raise InputError(what, "leave it out, or serve the model and name it openai:NAME")

    @property
    def asks_checkpoint(self) -> bool:
        """Whether the model is a checkpoint that is loaded into this process, or into workers."""
        return self.kind == "checkpoint"

    @property
    def kind(self) -> SystemKind:
        """The kind of the system."""
        provider = self.model.ref.provider
        if provider.copies:
            return "baseline"
        if self.backend == "transformers" or not provider.is_served:
            return "checkpoint"
        return "server"

    @property
    def style(self) -> str:
        """The prompt style that is used, which is not `auto`."""
        if named_layout(self.encoding.layout).in_template:
            return "chat"
        if self.kind != "server":
            return "completion"
        return prompt_style_of(self.prompt_style, self.model.name)

    @property
    def stop_texts(self) -> tuple[str, ...]:
        """The texts before which an answer ends."""
        return _layout_stop(self) if self.stop is None else self.stop

    @property
    def prediction(self) -> Sampling:
        """The sampling parameters for a served model."""
        own = {"max_tokens": self.max_new_tokens, "stop": self.stop_texts}
        return override(PREDICTION, {**own, **self.sampling.get("prediction", {})})


def _with_protocol(values: Mapping[str, Any], source: str) -> Mapping[str, Any]:
    """Return the values with those of the protocol added; of an encoding, with its options."""
    name = values.get("protocol")
    if name is None:
        return values
    if not isinstance(name, str) or name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS, source)
    settings = dict(PROTOCOLS[name].settings)
    whole = asdict(make_encoding(settings.pop("encoding")))
    given = values.get("encoding")
    if isinstance(given, str | Encoding):
        return {**settings, **values}
    return {**settings, **values, "encoding": {**whole, **(given or {})}}


def _layout_stop(settings: PredictSettings) -> tuple[str, ...]:
    """Return the texts at which the answer of a base model ends.

    A base model goes on after its answer with the next part of the prompt: the layout says where
    that begins, which may differ for prompts with examples. Answers in conversations end by
    themselves.
    """
    encoding = settings.encoding
    if settings.kind == "baseline" or settings.style == "chat":
        return ()
    has_examples = bool(encoding.positive or encoding.negative)
    return named_layout(encoding.layout).stops(examples=has_examples)
