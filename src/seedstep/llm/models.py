"""References to models: a text such as `openai:NAME` is parsed into a record with its provider.

`PROVIDERS` has an entry for each provider, with everything that seedstep knows of it: how its
models are written, opened, loaded and tuned. `add_provider` adds one.

Two baselines ignore the definition and copy an answer (Wang et al. 2022). Published ROUGE-L on the
English test set: 14.20 for copying the input of the instance, 28.54 for copying the output of a
demonstration. The released script copies the output of the first positive example; according to
the paper it is a random one.

Example::

    >>> ref = ModelRef.parse("openai:my-model")
    >>> ref.name, ref.provider.is_served, str(ref)
    ('my-model', True, 'openai:my-model')
    >>> forms_of(lambda provider: provider.tuning == "job")
    ('openai:NAME',)
    >>> task = Task("t", "Repeat it.", (Instance("Hello.", ("Hello.",)),))
    >>> BASELINES["copy-input"](task, task.instances[0], None)
    'Hello.'
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from seedstep.data import Instance, Task
from seedstep.data.choice import draw_from
from seedstep.errors import InputError, MissingExtraError
from seedstep.llm.endpoints import (
    Copy,
    Endpoint,
    Opening,
    Provider,
    addresses_of,
    first_address,
    known_checkpoint,
    known_recording,
    known_server,
    last_part,
    open_recording,
    open_server,
    server_address,
)
from seedstep.llm.gguf import dequantized
from seedstep.llm.ledgers import recorded_style
from seedstep.llm.llama_cpp import INSTALL_EMBEDDED, embedded_model, known_gguf, serve_gguf

__all__ = [
    "BASELINES",
    "PROVIDERS",
    "ModelRef",
    "add_provider",
    "asked_model",
    "copy_demonstration",
    "copy_input",
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


def copy_input(task: Task, instance: Instance, seed: int | None) -> str:
    """Return the input of the instance."""
    return instance.input


def copy_demonstration(task: Task, instance: Instance, seed: int | None) -> str | None:
    """Return the output of the task's first positive example, or None if it has none.

    With a `seed`, the example is random; it depends on the seed and the instance's id alone.
    """
    examples = task.positive_examples
    if not examples:
        return None
    drawn = 0 if seed is None else draw_from(f"{seed} {instance.id}", len(examples))
    return examples[drawn].output


BASELINES: Mapping[str, Copy] = MappingProxyType(
    {"copy-input": copy_input, "copy-demonstration": copy_demonstration}
)
"""The baselines by name."""


def _hub_id_or_last_part(name: str) -> str:
    is_hub_id = name.count("/") <= 1 and not name.startswith(("/", ".", "~"))
    return name if is_hub_id else last_part(name)


_LOCAL = Provider(
    prefix="local",
    argument="",
    meaning=f"the small model of the demo; `{INSTALL_EMBEDDED}`",
    opens=lambda _, opening: serve_gguf(embedded_model(), opening.slots),
    known=lambda *_: known_gguf(embedded_model()),
    checkpoint=lambda _: str(dequantized(embedded_model())),
    path=lambda _: embedded_model(),
    is_gguf=True,
    tuning="here",
    likelihoods=True,
    style=lambda _: "dialogue",
    public_name=lambda _: "HuggingFaceTB/SmolLM2-135M-Instruct",
)
_GGUF = Provider(
    prefix="gguf",
    argument="PATH",
    meaning="a GGUF file, served by llama.cpp inside the process",
    opens=lambda name, opening: serve_gguf(Path(name), opening.slots),
    known=lambda name, _: known_gguf(Path(name)),
    checkpoint=lambda name: str(dequantized(Path(name))),
    path=Path,
    named_by_path=True,
    is_gguf=True,
    tuning="here",
    likelihoods=True,
    reasons=True,
)
_OPENAI = Provider(
    prefix="openai",
    argument="NAME",
    meaning="a model of any server with the OpenAI API: vLLM, SGLang, Ollama, llama-server, hosted "
    "ones",
    opens=open_server,
    known=known_server,
    address=server_address,
    tuning="job",
    encodes="server",
    reasons=True,
    takes_batches=True,
    style=lambda _: "chat",  # few servers still have completions
)
_REPLAY = Provider(
    prefix="replay",
    argument="FILE",
    meaning="a recording of an earlier run: no server, no cost, the same replies",
    opens=open_recording,
    known=known_recording,
    named_by_path=True,
    takes_batches=True,
    style=lambda name: recorded_style(Path(name)) or "chat",
)
_HF = Provider(
    prefix="hf",
    argument="PATH_OR_ID",
    meaning="a checkpoint, through transformers: to tune, and to ask in this process",
    known=known_checkpoint,
    checkpoint=lambda name: name,
    path=Path,
    named_by_path=True,
    tuning="here",
    likelihoods=True,
    encodes="here",
    public_name=_hub_id_or_last_part,
)
_BASELINE = Provider(
    prefix="baseline",
    argument="NAME",
    meaning="what copying alone would score, without a model",
    copies=BASELINES,
)

PROVIDERS: dict[str, Provider] = {
    provider.prefix: provider for provider in (_LOCAL, _GGUF, _OPENAI, _REPLAY, _HF, _BASELINE)
}
"""The providers by prefix."""


def add_provider(provider: Provider) -> None:
    """Add a provider to the table.

    Raises:
        InputError: another provider has its prefix, the prefix can't be used, or it lacks a
            function for what its models are said to do.
    """
    if provider.prefix in PROVIDERS:
        what = f"there is a provider '{provider.prefix}' already"
        raise InputError(what, "give yours another prefix")
    if not provider.prefix.isidentifier():
        raise InputError(f"'{provider.prefix}' can't be a prefix", "use letters and digits")
    provider.require_whole()
    PROVIDERS[provider.prefix] = provider


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
        """The text from which the reference is parsed."""
        return f"{self.prefix}:{self.name}" if self.provider.argument else self.prefix


def _parsed(text: str) -> ModelRef | None:
    prefix, colon, name = text.partition(":")
    provider = PROVIDERS.get(prefix)
    if provider is None or bool(provider.argument) != bool(name) or bool(name) != bool(colon):
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
    assert ref.provider.opens
    urls = addresses_of(resolve_base_url(ref, base_url))
    async with AsyncExitStack() as stack:
        first, *others = [
            await stack.enter_async_context(
                ref.provider.opens(ref.name, Opening(url, identity_url or urls[0], slots))
            )
            for url in urls
        ]
        yield replace(first, others=tuple(others)) if others else first
