"""What the settings of every stage that asks a model have in common.

A stage's settings are a frozen dataclass with the fields that it needs. What is said about those
that several stages have stands here.

Example::

    @dataclass(frozen=True, slots=True)
    class Settings(Spending):
        model: str = field(default="local", metadata=HELP["model"])
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, TypeVar

import msgspec

from seedstep.errors import InputError, unknown_name
from seedstep.llm.models import ModelRef, either, forms_of
from seedstep.llm.records import Budget, Price, Sampling

__all__ = [
    "HELP",
    "Asking",
    "Count",
    "Dollars",
    "Spending",
    "convert_settings",
    "explained",
    "make_settings_of",
    "override",
    "price_of",
    "require_price",
]

Count = Annotated[int, msgspec.Meta(ge=1)]
Dollars = Annotated[float, msgspec.Meta(gt=0)]


def explained(text: str) -> dict[str, str]:
    """The metadata of a field: what it is, as `--help` and `run.yaml` say it."""
    return {"help": text}


HELP: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "model": explained(f"The model: {either(forms_of(lambda one: one.is_served))}."),
        "base_url": explained(
            "Address of the server for openai:NAME, such as http://127.0.0.1:8000/v1."
        ),
        "seed": explained("Seed of every random choice."),
        "in_flight": explained("Requests sent to the model at a time, at the most."),
        "max_requests": explained(
            "Requests the run may send in all, repetitions included; never exceeded."
        ),
        "max_tokens": explained(
            "Tokens of prompts and replies the run may use in all, as the server counts them; "
            "what is in flight then comes on top."
        ),
        "max_usd": explained(
            "US dollars the run may spend in all, by `prices`, as with max_tokens."
        ),
        "prices": explained(
            "US dollars per million tokens by model: {my-model: {input: 0.15, output: 0.6}}."
        ),
    }
)
"""The metadata of the fields that several stages have, by their names."""


class Spending:
    """The budget that settings stand for; a base without fields of its own.

    `SAMPLING` has the sampling parameters of each kind of request.
    """

    __slots__ = ()

    SAMPLING: ClassVar[Mapping[str, Sampling]]
    model: str
    max_requests: Count | None
    max_tokens: Count | None
    max_usd: Dollars | None
    prices: dict[str, Price]
    sampling: dict[str, Any]

    @property
    def budget(self) -> Budget:
        """What the run may spend in all."""
        return Budget(self.max_requests, self.max_tokens, self.max_usd, self.price)

    @property
    def price(self) -> Price | None:
        """The model's price, if it is known; `prices` names it with its kind or without."""
        return price_of(self.model, self.prices)


@dataclass(frozen=True, slots=True)
class Asking(Spending):
    """The settings of a stage that asks one model about each of some tasks."""

    model: str = field(default="local", metadata=HELP["model"])
    base_url: str | None = field(default=None, metadata=HELP["base_url"])
    limit: Count | None = field(
        default=None, metadata=explained("Number of tasks, the first ones. Default: all.")
    )
    seed: int = field(default=42, metadata=HELP["seed"])
    in_flight: Count = field(default=8, metadata=HELP["in_flight"])
    max_requests: Count | None = field(default=None, metadata=HELP["max_requests"])
    max_tokens: Count | None = field(default=None, metadata=HELP["max_tokens"])
    max_usd: Dollars | None = field(default=None, metadata=HELP["max_usd"])
    prices: dict[str, Price] = field(default_factory=dict, metadata=HELP["prices"])
    sampling: dict[str, Any] = field(default_factory=dict)

    @property
    def style(self) -> str:
        """The prompt style: a conversation, unless the stage has others."""
        return "chat"

    def sampling_of(self, request: str) -> Sampling:
        """The sampling parameters of a request: seedstep's own, with those that are set here."""
        return override(self.SAMPLING[request], self.sampling.get(request, {}))


def price_of(model: str, prices: Mapping[str, Price]) -> Price | None:
    """The price of a model, if it is known; `prices` names it with its provider or without.

    Raises:
        InputError: the model's provider is not known.
    """
    return prices.get(ModelRef.parse(model).name) or prices.get(model)


AnySettings = TypeVar("AnySettings", bound=Spending)
T = TypeVar("T")


def make_settings_of(
    kind: type[AnySettings], values: Mapping[str, Any], source: str
) -> AnySettings:
    """Settings from named values, all others as they are by default.

    Raises:
        InputError: a name is not known or a value does not fit; `source` says where it stands.
    """
    settings = convert_settings(kind, values, source)
    _check_sampling(settings, source)
    return settings


def convert_settings(kind: type[T], values: Mapping[str, Any], source: str) -> T:
    """As `make_settings_of`, for settings that spend nothing.

    Raises:
        InputError: a name is not known or a value does not fit; `source` says where it stands.
    """
    known = [one.name for one in fields(kind)]  # type: ignore[arg-type]  # all are dataclasses
    for name in values:
        if name not in known:
            raise unknown_name("setting", name, known, source)
    try:
        return msgspec.convert(dict(values), kind)
    except msgspec.ValidationError as error:
        raise _wrong_value(source, "", error) from None


def require_price(settings: Spending) -> None:
    """Make sure that a budget in money can be held.

    Raises:
        InputError: the model's price is not known.
    """
    if settings.max_usd is not None and settings.price is None:
        name = ModelRef.parse(settings.model).name or settings.model
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


def _check_sampling(settings: Spending, source: str) -> None:
    for name, values in settings.sampling.items():
        if name not in settings.SAMPLING:
            raise unknown_name("request", name, settings.SAMPLING, f"{source}, setting 'sampling'")
        try:
            override(settings.SAMPLING[name], msgspec.convert(values, dict[str, Any]))
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
