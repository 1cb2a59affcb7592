"""The table of providers of models: how their models are written, opened, loaded and tuned.

`PROVIDERS` has an entry for each provider, with everything that seedstep knows of it.
`add_provider` adds one.

Two baselines ignore the definition and copy an answer (Wang et al. 2022). Published ROUGE-L on the
English test set: 14.20 for copying the input of the instance, 28.54 for copying the output of a
demonstration. The released script copies the output of the first positive example; according to
the paper it is a random one.

Example::

    >>> PROVIDERS["openai"].forms, PROVIDERS["openai"].is_served
    (('openai:NAME',), True)
    >>> task = Task("t", "Repeat it.", (Instance("Hello.", ("Hello.",)),))
    >>> BASELINES["copy-input"](task, task.instances[0], None)
    'Hello.'
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from seedstep.data import Instance, Task
from seedstep.data.choice import draw_from
from seedstep.entries import FieldKind, require_entry, require_fields
from seedstep.errors import InputError
from seedstep.llm.addresses import server_address
from seedstep.llm.endpoints import (
    OPENAI_KEY,
    Copy,
    Provider,
    guarded_provider,
    known_checkpoint,
    known_recording,
    known_server,
    last_part,
    open_recording,
    open_server,
)
from seedstep.llm.gguf import dequantized
from seedstep.llm.ledgers import recorded_style
from seedstep.llm.llama_cpp import INSTALL_EMBEDDED, embedded_model, known_gguf, serve_gguf

__all__ = ["BASELINES", "PROVIDERS", "add_provider", "copy_demonstration", "copy_input"]


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
    key_variable=OPENAI_KEY,
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
    meaning="what copying alone would score, without a model",
    copies=BASELINES,
)

PROVIDERS: dict[str, Provider] = {
    provider.prefix: provider for provider in (_LOCAL, _GGUF, _OPENAI, _REPLAY, _HF, _BASELINE)
}
"""The providers by prefix."""


_PREFIX = FieldKind("letters and digits, such as 'mine'", str.isidentifier)

_OWN = frozenset(PROVIDERS)
"""The prefixes of the providers that are not added."""


def add_provider(provider: Provider) -> None:
    """Add a provider to the table. One of its prefix that was added before is replaced.

    Raises:
        EntryError: it is no provider, or its prefix or another field is of no use.
        InputError: a provider of seedstep's own has its prefix, its models can do nothing, or it
            lacks a function for what they are said to do.
    """
    require_entry("add_provider", provider, Provider)
    require_fields("a provider", provider, {"prefix": _PREFIX})
    if provider.prefix in _OWN:
        what = f"seedstep has a provider '{provider.prefix}' already"
        raise InputError(what, "give yours another prefix")
    provider.require_whole()
    PROVIDERS[provider.prefix] = guarded_provider(provider)
