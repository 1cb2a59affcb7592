"""Settings that all stages that ask a model share: the model, sampling, prices, and addresses.

Example::

    @dataclass(frozen=True, slots=True)
    class MyStageSettings(AskingSettings):
        SAMPLING: ClassVar[Mapping[str, Sampling]] = MY_SAMPLING

        model: AskedModel = part(AskedModel)
        budget: Budget = part(Budget)
        sampling: dict[str, Any] = sampling_setting(
            MY_SAMPLING, "{answer: {temperature: 0.7}}", drawn=("answer",)
        )
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, make_dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Self

import msgspec

from seedstep.errors import InputError, unknown_name
from seedstep.llm.addresses import require_address
from seedstep.llm.budget import Budget, Pricing
from seedstep.llm.models import ModelRef, asked_model, either, forms_of, resolve_base_url
from seedstep.llm.pacing import AHEAD, AHEAD_BY_BATCH
from seedstep.llm.records import Reasoning, Sampling, SendMode, SendOptions
from seedstep.settings import Count, SettingsRecord, change_settings, setting
from seedstep.values import wrong_value

__all__ = [
    "AskedModel",
    "AskingSettings",
    "asked_models",
    "override",
    "prompt_style_of",
    "require_price",
    "require_server",
    "sampling_setting",
]


@dataclass(frozen=True, slots=True)
class AskedModel:
    """A model, its address, and options for asking it. `str` returns its name."""

    name: str = setting(
        "local", f"The model: {either(forms_of(lambda known: known.is_asked))}.", name="model"
    )
    base_url: str | list[str] | None = setting(
        None,
        f"Address of the server for {either(forms_of(lambda provider: provider.address))}, such as "
        "http://127.0.0.1:8000/v1. Several are servers of the same model, among which requests are "
        "shared out.",
        each=require_address,
    )
    in_flight: Count = setting(8, "Requests sent to the model at a time, at the most.")
    reasoning: dict[str, Any] = setting(
        dict,
        "How a model that reasons is asked: {effort: low, room: 4000, extra: {...}}. effort is "
        "sent as reasoning_effort, room adds tokens for thoughts to each limit (by itself where "
        "the model is seen to reason; 0: none), extra are further fields of the request's body.",
        later=True,
    )
    send: SendMode = setting(
        "live",
        "How requests are sent: live, batch (by batches of the server, at half the price, within "
        "24 hours), or file (as files for `vllm run-batch`).",
        later=True,
    )
    finish_live: bool = setting(
        False,
        "Send the requests that a batch left unanswered live, at the full price.",
        later=True,
    )

    workers: Count = setting(
        1,
        "Processes that answer with a checkpoint, each with a copy of it: one a GPU, or a share of "
        "the cores. The answers equal those of one process, except for rounding, which depends on "
        "the number of threads.",
        later=True,
    )
    bf16: bool = setting(False, "Load a checkpoint with weights of 16 bits, not 32.", later=True)

    def __str__(self) -> str:
        return self.name

    @property
    def ref(self) -> ModelRef:
        """The reference to the model.

        Raises:
            InputError: its provider is not known, or has no such model.
        """
        return ModelRef.parse(self.name)

    @property
    def sending(self) -> SendOptions:
        """How requests are sent."""
        return SendOptions(self.send, self.finish_live)

    @property
    def ahead(self) -> int:
        """How many items are processed at a time, if an item is a series of requests."""
        return AHEAD * self.in_flight if self.send == "live" else AHEAD_BY_BATCH

    @property
    def reasoning_options(self) -> Reasoning:
        """The options for a model that reasons.

        Raises:
            msgspec.ValidationError: a value does not fit.
            InputError: there is no such setting.
        """
        known = [each.name for each in fields(Reasoning)]
        for name in self.reasoning:
            if name not in known:
                raise unknown_name("setting", name, known, "setting 'reasoning'")
        return msgspec.convert(self.reasoning, Reasoning)


def sampling_setting(
    table: Mapping[str, Sampling],
    example: str,
    *,
    drawn: tuple[str, ...] = (),
    long: tuple[str, ...] = (),
    than: str = "",
) -> Any:
    """Return a field for a settings record, for sampling parameters by the requests of `table`.

    The help of the field shows `example`. `than` says from what the parameters differ, if it is not
    from seedstep's own. On the command line there are also flags for the temperature of the
    requests in `drawn`, and for the tokens of the replies to those in `long`.
    """
    short: dict[str, tuple[str, tuple[str, ...], Any, str]] = {
        "temperature": ("temperature", drawn, float, f"Temperature of {_listed(drawn)}"),
        "max_new_tokens": ("max_tokens", long, int, f"Tokens of a reply to {_listed(long)}"),
    }
    flags = [
        (name, kind | None, setting(None, f"{text}. Default: {_usual(table, asked, key, than)}."))
        for name, (key, asked, kind, text) in short.items()
        if asked
    ]

    def combine(given: Mapping[str, Any] | None, keys: Mapping[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = dict(given or {})
        for name, value in keys.items():
            key, asked, _, _ = short[name]
            for request in asked:
                own = values.get(request, {})
                if isinstance(own, Mapping):  # of anything else the check of settings tells
                    values[request] = {key: value, **own}
        return values

    return setting(
        dict,
        f"Sampling parameters by request ({', '.join(table)}), where they shall differ from "
        f"{than or 'seedstep'}'s own: {example}.",
        keys=make_dataclass("SamplingFlags", flags, frozen=True) if flags else None,
        combine=combine if flags else None,
    )


def _listed(requests: tuple[str, ...]) -> str:
    return f"requests for {' and '.join(requests)}"


def _usual(table: Mapping[str, Sampling], asked: tuple[str, ...], key: str, than: str) -> str:
    """Return the usual values of a parameter, in words."""
    if than:
        return f"{than}'s own"
    values = {request: getattr(table[request], key) for request in asked}
    if len(set(values.values())) == 1:
        return f"{values[asked[0]]:g}"
    return ", ".join(f"{value:g} for {request}" for request, value in values.items())


class AskingSettings(SettingsRecord):
    """A base class, without fields, for the settings of a stage that asks a model.

    `SAMPLING` has the sampling parameters of each kind of request.
    """

    __slots__ = ()

    SAMPLING: ClassVar[Mapping[str, Sampling]]
    ADDRESSES: ClassVar[Mapping[str, str]] = MappingProxyType({"base_url": "identity_url"})
    """The settings that are addresses of servers.

    Each has the entry of a run's configuration with the address under which replies are stored.
    """

    model: AskedModel
    budget: Budget
    sampling: dict[str, Any]

    def resolved(self) -> Self:
        """Return the settings with addresses filled in from the environment, or with defaults.

        Raises:
            InputError: a model can't be asked, or an address can't be used or has a password.
        """
        address = resolve_base_url(self.model.name, self.model.base_url)
        return change_settings(self, base_url=address)

    @property
    def other_models(self) -> Mapping[str, str]:
        """The other models that are asked, by the purpose of the requests that are sent to them."""
        return {}

    @property
    def pricing(self) -> Pricing:
        """The prices of the models; `prices` may name a model with or without its provider."""
        price_of, others = self.budget.price_of, self.other_models
        named = {purpose: price_of(name) for purpose, name in others.items()}
        return Pricing(price_of(self.model.name), named)

    @property
    def style(self) -> str:
        """The prompt style that is used, which is not `auto`: that of the setting `prompt_style`.

        A stage without this setting has conversations.
        """
        return prompt_style_of(str(getattr(self, "prompt_style", "chat")), self.model.name)

    def sampling_of(self, request: str) -> Sampling:
        """Return the sampling parameters of a request: seedstep's own, with settings applied."""
        return override(self.SAMPLING[request], self.sampling.get(request, {}))

    @property
    def asks_checkpoint(self) -> bool:
        """Whether the model is a checkpoint that is loaded into this process, or into workers."""
        return not self.model.ref.provider.is_served

    def _check_checkpoint(self, source: str) -> None:
        """Raise InputError for what only a checkpoint, or only a served model, can be asked for."""
        model = self.model
        if (model.workers > 1 or model.bf16) and not self.asks_checkpoint:
            name, by = ("workers", "by workers") if model.workers > 1 else ("bf16", "here")
            what = f"{source}, setting '{name}': only checkpoints are loaded {by}"
            raise InputError(what, "leave it out; a served model takes --in-flight")
        if model.reasoning.keys() - {"room"} and self.asks_checkpoint:
            what = f"{source}, setting 'reasoning': a checkpoint takes only its room"
            raise InputError(what, "leave the rest out, or serve the model as openai:NAME")

    def check(self, source: str) -> None:
        """Raise InputError if sampling parameters don't fit, or are set for an unknown request."""
        if self.model.send != "live" and not self.model.ref.provider.takes_batches:
            forms = either(forms_of(lambda known: known.takes_batches))
            what = f"{source}, setting 'send': {self.model} takes no batches"
            raise InputError(what, f"use send: live, or a model {forms}")
        self._check_checkpoint(source)
        try:
            _ = self.model.reasoning_options
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


def require_server(settings: object, asked: Mapping[str, Any]) -> None:
    """Check that the address that a user asked for is not that of a model without a server.

    Raises:
        InputError: the provider of the model in the settings asks no server at an address.
    """
    model = getattr(settings, "model", None)
    if isinstance(model, AskedModel) and asked.get("base_url") and not model.ref.provider.address:
        forms = either(forms_of(lambda provider: provider.address))
        raise InputError(f"{model} has no server at a base URL", f"leave it out, or use {forms}")


def asked_models(settings: object) -> tuple[str, ...]:
    """Return the models that a stage with these settings asks; none if it asks no model."""
    if not isinstance(settings, AskingSettings):
        return ()
    return (settings.model.name, *settings.other_models.values())


def require_price(settings: AskingSettings) -> None:
    """Check that prices are known if there is a budget in money.

    Raises:
        InputError: the price of a model that is asked is not known.
    """
    if settings.budget.max_usd is None:
        return
    for model in asked_models(settings):
        name = ModelRef.parse(model).name or model
        if settings.budget.price_of(model) is None:
            raise InputError(
                f"max_usd: the price of '{name}' is not known",
                f"add it in a --config file: prices: {{{name}: {{input: 0.15, output: 0.6}}}}",
            )


def prompt_style_of(asked: str, model: str) -> str:
    """Return the prompt style `asked` for; for `auto` chat or completion, as suits the model."""
    if asked != "auto":
        return asked
    return "chat" if asked_model(model).style == "chat" else "completion"


def override(default: Sampling, values: Mapping[str, Any]) -> Sampling:
    """Return sampling parameters with some replaced.

    Raises:
        TypeError: there is no such parameter.
        msgspec.ValidationError: a value has the wrong type.
    """
    names = [each.name for each in fields(Sampling)]
    if unknown := sorted(set(values) - set(names)):
        raise TypeError(f"there is no '{unknown[0]}', known are {', '.join(names)}")
    return msgspec.convert({**msgspec.to_builtins(default), **values}, Sampling)
