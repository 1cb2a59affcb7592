"""The parts of which the settings of every stage that asks a model are made.

Example::

    @dataclass(frozen=True, slots=True)
    class MyStageSettings(AskingSettings):
        SAMPLING: ClassVar[Mapping[str, Sampling]] = MY_SAMPLING

        model: AskedModel = part(AskedModel)
        budget: Budget = part(Budget)
        sampling: dict[str, Any] = sampling_setting(MY_SAMPLING, "{answer: {temperature: 0.7}}")
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, ClassVar, Self

import msgspec

from seedstep.errors import InputError, unknown_name
from seedstep.llm.models import ModelRef, either, forms_of, resolve_base_url
from seedstep.llm.records import Budget, Price, Pricing, Reasoning, Sampling
from seedstep.settings import Count, SettingsRecord, change_settings, setting, wrong_value

__all__ = [
    "AskedModel",
    "AskingSettings",
    "override",
    "require_price",
    "sampling_setting",
]


@dataclass(frozen=True, slots=True)
class AskedModel:
    """A model, where it is served, and how it is asked. As a text it is its name."""

    name: str = setting(
        "local", f"The model: {either(forms_of(lambda known: known.is_served))}.", name="model"
    )
    base_url: str | None = setting(
        None, "Address of the server for openai:NAME, such as http://127.0.0.1:8000/v1."
    )
    in_flight: Count = setting(8, "Requests sent to the model at a time, at the most.")
    reasoning: dict[str, Any] = setting(
        dict,
        "How a model that reasons is asked: {effort: low, room: 4000, extra: {...}}. effort is "
        "sent as reasoning_effort, room adds tokens for thoughts to each limit (by itself where "
        "the model is seen to reason; 0: none), extra are further fields of the request's body.",
        later=True,
    )

    def __str__(self) -> str:
        return self.name

    @property
    def ref(self) -> ModelRef:
        """The model that the name stands for.

        Raises:
            InputError: its provider is not known, or has no such model.
        """
        return ModelRef.parse(self.name)

    @property
    def manner(self) -> Reasoning:
        """How it is asked to reason.

        Raises:
            msgspec.ValidationError: a value does not fit.
            InputError: there is no such setting.
        """
        known = [each.name for each in fields(Reasoning)]
        for name in self.reasoning:
            if name not in known:
                raise unknown_name("setting", name, known, "setting 'reasoning'")
        return msgspec.convert(self.reasoning, Reasoning)


def sampling_setting(table: Mapping[str, Sampling], example: str, *, than: str = "") -> Any:
    """The field of a settings record for sampling parameters by the requests of `table`.

    `example` is shown in its help, and `than` says what the parameters may differ from, where that
    is not seedstep's own.
    """
    return setting(
        dict,
        f"Sampling parameters by request ({', '.join(table)}), where they shall differ from "
        f"{than or 'seedstep'}'s own: {example}.",
    )


class AskingSettings(SettingsRecord):
    """A base, without fields of its own, for the settings of a stage that asks a model.

    `SAMPLING` has the sampling parameters of each kind of request.
    """

    __slots__ = ()

    SAMPLING: ClassVar[Mapping[str, Sampling]]
    ADDRESSES: ClassVar[Mapping[str, str]] = MappingProxyType({"base_url": "identity_url"})
    """Settings that are addresses of servers, each with the entry of a run's configuration that has
    the address under which replies from there are kept.
    """

    model: AskedModel
    budget: Budget
    sampling: dict[str, Any]

    def resolved(self) -> Self:
        """The settings with the addresses that are asked, also where only the environment names
        them.

        Raises:
            InputError: a model can't be asked, or an address is none or carries a password.
        """
        address = resolve_base_url(self.model.name, self.model.base_url)
        return change_settings(self, base_url=address)

    @property
    def other_models(self) -> Mapping[str, str]:
        """The models that are asked besides, by the purpose of the requests that go to them."""
        return {}

    @property
    def pricing(self) -> Pricing:
        """What tokens cost, by model; `prices` names a model with its provider or without."""
        others = {purpose: self._price_of(name) for purpose, name in self.other_models.items()}
        return Pricing(self._price_of(self.model.name), others)

    def _price_of(self, model: str) -> Price | None:
        return self.budget.price_of(ModelRef.parse(model).name, model)

    @property
    def style(self) -> str:
        """The prompt style: a conversation, unless the stage has others."""
        return "chat"

    def sampling_of(self, request: str) -> Sampling:
        """The sampling parameters of a request: seedstep's own, with those that are set here."""
        return override(self.SAMPLING[request], self.sampling.get(request, {}))

    def check(self, source: str) -> None:
        """Raise InputError if sampling parameters are set for what is no request, or do not fit."""
        try:
            _ = self.model.manner
        except msgspec.ValidationError as error:
            raise wrong_value(f"{source}, setting 'reasoning'", error) from None
        where = f"{source}, setting 'sampling"
        for name, values in self.sampling.items():
            if name not in self.SAMPLING:
                raise unknown_name("request", name, self.SAMPLING, f"{where}'")
            try:
                override(self.SAMPLING[name], msgspec.convert(values, dict[str, Any]))
            except (msgspec.ValidationError, TypeError) as error:
                raise wrong_value(f"{where}.{name}'", error) from None


def require_price(settings: AskingSettings) -> None:
    """Make sure that a budget in money can be held.

    Raises:
        InputError: the price of a model that is asked is not known.
    """
    if settings.budget.max_usd is None:
        return
    for model in (settings.model.name, *settings.other_models.values()):
        name = ModelRef.parse(model).name or model
        if settings.budget.price_of(name, model) is None:
            raise InputError(
                f"max_usd: the price of '{name}' is not known",
                f"add it in a --config file: prices: {{{name}: {{input: 0.15, output: 0.6}}}}",
            )


def override(default: Sampling, values: Mapping[str, Any]) -> Sampling:
    """Sampling parameters with some replaced.

    Raises:
        TypeError: there is no such parameter.
        msgspec.ValidationError: a value has the wrong type.
    """
    names = [each.name for each in fields(Sampling)]
    if unknown := sorted(set(values) - set(names)):
        raise TypeError(f"there is no '{unknown[0]}', known are {', '.join(names)}")
    return msgspec.convert({**msgspec.to_builtins(default), **values}, Sampling)
