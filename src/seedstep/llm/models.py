"""References to models: a text such as `openai:NAME` is parsed into a record with its provider.

`seedstep.llm.providers` has the table of providers.

Example::

    >>> ref = ModelRef.parse("openai:my-model")
    >>> ref.name, ref.provider.is_served, str(ref)
    ('my-model', True, 'openai:my-model')
    >>> forms_of(lambda provider: provider.tuning == "job")
    ('openai:NAME',)
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from seedstep.errors import InputError, MissingExtraError
from seedstep.llm.addresses import addresses_of, first_address
from seedstep.llm.endpoints import Endpoint, Opening, Provider
from seedstep.llm.providers import PROVIDERS

__all__ = [
    "ModelRef",
    "asked_model",
    "either",
    "forms_of",
    "gguf_of",
    "known_model",
    "loaded_model",
    "open_model",
    "resolve_base_url",
    "served_model",
    "tuned_model",
]


def forms_of(wanted: Callable[[Provider], object]) -> tuple[str, ...]:
    """Return the forms in which models of the wanted providers are written."""
    return tuple(
        form for provider in PROVIDERS.values() if wanted(provider) for form in provider.forms
    )


def either(forms: Sequence[str]) -> str:
    """Join the forms to a text: `a, b or c`."""
    *first, last = forms
    return f"{', '.join(first)} or {last}" if first else last


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A reference to a model: the prefix of its provider, and its name, which may be empty.

    Example::

        ModelRef.parse("hf:checkpoints/tuned") == ModelRef("hf", "checkpoints/tuned")
    """

    prefix: str
    name: str = ""

    @classmethod
    def parse(cls, text: "str | ModelRef") -> "ModelRef":
        """Parse a text; a reference is returned unchanged.

        Raises:
            InputError: the provider is not known, or has no such model.
        """
        if isinstance(text, ModelRef):
            return text
        ref = _required(text, lambda _: True)
        copies = ref.provider.copies
        if copies and ref.name not in copies:
            raise InputError(f"there is no {text}", f"known are {' and '.join(ref.provider.forms)}")
        return ref

    @property
    def provider(self) -> Provider:
        """The provider of the model."""
        return PROVIDERS[self.prefix]

    @property
    def path(self) -> Path | None:
        """The file or directory of the model on this disk, or None if it is elsewhere.

        Raises:
            MissingExtraError: the embedded model is not installed.
        """
        return self.provider.path(self.name) if self.provider.path else None

    @property
    def public_name(self) -> str:
        """The name of the model for others to read, without parent directories."""
        return self.provider.public_name(self.name)

    @property
    def style(self) -> str:
        """The default prompt style of the model."""
        return self.provider.style(self.name)

    def __str__(self) -> str:
        """Return the text from which the reference is parsed."""
        return f"{self.prefix}:{self.name}" if self.provider.takes_names else self.prefix


def _parsed(text: str) -> ModelRef | None:
    prefix, colon, name = text.partition(":")
    provider = PROVIDERS.get(prefix)
    if provider is None or provider.takes_names != bool(name) or bool(name) != bool(colon):
        return None
    return ModelRef(prefix, name)


def _required(
    model: "str | ModelRef",
    wanted: Callable[[Provider], object],
    fault: str = "is not of a known kind",
) -> ModelRef:
    """Return the reference to a model of a provider that is wanted; else raise InputError."""
    ref = model if isinstance(model, ModelRef) else _parsed(model)
    if ref is None or not wanted(ref.provider):
        raise InputError(f"model '{model}' {fault}", f"use {either(forms_of(wanted))}")
    return ref


def served_model(model: str | ModelRef) -> ModelRef:
    """Return the reference to a model to which the request engine can send requests.

    Raises:
        InputError: its provider is not known, or does not serve models.
    """
    return _required(model, lambda provider: provider.is_served)


def asked_model(model: str | ModelRef) -> ModelRef:
    """Return the reference to a model that is served, or that can be loaded and asked here.

    Raises:
        InputError: its provider is not known, or has no such models.
    """
    return _required(model, lambda provider: provider.is_asked)


def loaded_model(model: str | ModelRef) -> ModelRef:
    """Return the reference to a model that transformers can load into this process.

    Raises:
        InputError: its provider is not known, or has no such models.
    """
    return _required(model, lambda provider: provider.is_loaded, "can't be loaded")


def tuned_model(model: str | ModelRef) -> ModelRef:
    """Return the reference to a model that can be tuned.

    Raises:
        InputError: its provider is not known, or its models can't be tuned.
    """
    return _required(model, lambda provider: provider.tuning, "can't be tuned")


def gguf_of(model: str | ModelRef) -> Path | None:
    """Return the GGUF file of a model, or None if it is not a GGUF file.

    Raises:
        InputError: its provider is not known.
        MissingExtraError: the embedded model is not installed.
    """
    ref = ModelRef.parse(model)
    return ref.path if ref.provider.is_gguf else None


def resolve_base_url(
    model: str | ModelRef, base_url: str | Sequence[str] | None
) -> str | list[str] | None:
    """Return the address of a model's server: `base_url`, that of the environment, or the default.

    Returns a list if `base_url` has several, and None for a model without an address.

    Raises:
        InputError: the model's provider is not known or its models can't be asked, or an address
            can't be used, or is there twice.
    """
    address = asked_model(model).provider.address
    if not address:
        return None
    found = [address(each) for each in addresses_of(base_url)]
    bare = [each.rstrip("/") for each in found]
    if twice := next((each for each in bare if bare.count(each) > 1), ""):
        raise InputError(f"base URL '{twice}' is given twice", "give each server once")
    return found if len(found) > 1 else found[0]


def known_model(
    model: str | ModelRef, base_url: str | Sequence[str] | None, identity_url: str | None = None
) -> Endpoint:
    """Return the endpoint of a model as the keys of its requests know it, without opening it.

    The arguments are those of `open_model`. Of the embedded model that is not installed, and of a
    provider that does not say, nothing is known: no stored reply is its own.

    Raises:
        InputError: the model or the address is not known, or the recording can't be read.
        ModelError: the GGUF file is not there.
    """
    ref = asked_model(model)
    url = first_address(resolve_base_url(ref, base_url))
    with suppress(MissingExtraError):
        if ref.provider.known:
            return ref.provider.known(ref.name, Opening(url, identity_url or url, 1))
    return Endpoint("", ref.name, url or "")


@asynccontextmanager
async def open_model(
    model: str | ModelRef,
    base_url: str | Sequence[str] | None,
    slots: int,
    identity_url: str | None = None,
) -> AsyncIterator[Endpoint]:
    """Open the endpoint of a model, which is served until the context ends.

    `base_url` may have the addresses of several servers of the model. `slots` is the number of
    requests that a model in this process processes at a time. `identity_url` is the address under
    which replies are stored, if it is not that of the first server.

    Raises:
        InputError: the model or the address is not known, or the recording can't be read.
        MissingExtraError: llama.cpp or the embedded model is not installed.
        ModelError: the GGUF file can't be loaded.
    """
    ref = served_model(model)
    urls = addresses_of(resolve_base_url(ref, base_url))
    async with AsyncExitStack() as stack:
        first, *others = [
            await stack.enter_async_context(
                ref.provider.opened(ref.name, Opening(url, identity_url or urls[0], slots))
            )
            for url in urls
        ]
        yield replace(first, others=tuple(others)) if others else first
