"""Write what belongs to a tuned model: its model card, and a GGUF file of it.

The card is Markdown with a YAML header for the hub. It names the data, the encoding, the
hyperparameters, the losses and the versions of packages; names are written as plain text.

Example::

    require_gguf(load_config("local"))
    write_tuning_gguf(Path("tuned"), settings, model=Path("tuned/model"))
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from seedstep.data import write_atomically
from seedstep.encode import Encoding
from seedstep.errors import ModelError
from seedstep.llm import ModelRef
from seedstep.llm.checkpoints import is_decoder_only
from seedstep.llm.models import gguf_of
from seedstep.text import counted, escaped, markdown_table, one_line, shortened
from seedstep.tune.data import Preflight
from seedstep.tune.gguf import ARCHITECTURE, write_gguf
from seedstep.tune.records import Training, read_losses
from seedstep.tune.settings import TuneSettings, TuneSource

__all__ = [
    "CardFacts",
    "CardSource",
    "render_card",
    "require_gguf",
    "write_card",
    "write_tuning_card",
    "write_tuning_gguf",
]

LONGEST = 300
"""The most characters of a name that a card shows."""


@dataclass(frozen=True, slots=True)
class CardSource:
    """One source of the training data: its name, what was used of it, and in which encoding."""

    name: str
    tasks: int
    instances: int
    encoding: str


@dataclass(frozen=True, slots=True)
class CardFacts:
    """The facts that a model card states.

    The card shows the public name of `base_model`. `encodings` has the encodings of all sources by
    name. `effective_batch` is the number of examples of an optimiser step over all `processes`.
    Losses are means over target tokens, None if they were not measured. `license` is the licence of
    the tuned model, None if only its maker can tell. `versions` are versions of packages by name.
    `directory` is the path of the model relative to the card. `encoder_decoder` says which class of
    transformers loads the model.
    """

    name: str
    base_model: ModelRef
    sources: tuple[CardSource, ...]
    encodings: Mapping[str, Encoding]
    training: Training
    effective_batch: int
    processes: int
    steps: int
    first_loss: float | None
    last_loss: float | None
    held_out_tasks: int
    held_out_first: float | None
    held_out_last: float | None
    versions: Mapping[str, str]
    directory: str = "model"
    encoder_decoder: bool = False
    license: str | None = None


def write_card(path: Path, facts: CardFacts) -> None:
    """Write a model card atomically.

    Raises:
        RunError: it can't be written.
    """
    write_atomically(path, render_card(facts).encode())


def render_card(facts: CardFacts) -> str:
    """Return the text of a model card: YAML for the hub, then Markdown for people."""
    sections = (
        _title(facts),
        _data(facts),
        _encodings(facts.encodings),
        _training(facts),
        _losses(facts),
        _usage(facts),
        _limits(facts),
        "## Versions\n\n" + _table(("package", "version"), sorted(facts.versions.items())),
    )
    return f"---\n{_front_matter(facts)}---\n\n" + "\n\n".join(sections) + "\n"


def _front_matter(facts: CardFacts) -> str:
    matter: dict[str, object] = {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "base_model": _line(facts.base_model.public_name),
        "datasets": list(dict.fromkeys(_line(source.name) for source in facts.sources)),
        "tags": ["instruction-tuning", "seedstep"],
    }
    if facts.license:
        matter["license"] = _line(facts.license)
    return yaml.safe_dump(matter, sort_keys=False, allow_unicode=True, width=1000)


def _title(facts: CardFacts) -> str:
    paragraphs = [
        f"# {_text(facts.name)}",
        f"Made from {_text(facts.base_model.public_name)} by tuning it with seedstep to follow "
        "instructions. How tasks stand in its prompts is told below.",
    ]
    if not facts.license:
        paragraphs.append(
            "The licence is not stated. It depends on those of the base model and of the data: "
            "add `license:` to the header of this file before you publish the model."
        )
    return "\n\n".join(paragraphs)


def _data(facts: CardFacts) -> str:
    rows = [
        (source.name, source.encoding, source.tasks, source.instances) for source in facts.sources
    ]
    if len(rows) > 1:
        tasks = sum(source.tasks for source in facts.sources)
        rows.append(("all", "", tasks, sum(source.instances for source in facts.sources)))
    return "## Data\n\n" + _table(("source", "encoding", "tasks", "instances"), rows)


def _encodings(encodings: Mapping[str, Encoding]) -> str:
    columns = [_settings(encoding) for encoding in encodings.values()]
    rows = [(same[0][0], *(value for _, value in same)) for same in zip(*columns, strict=True)]
    head = ("setting", *encodings)
    return "## Encoding\n\n" + _table(head, rows)


def _training(facts: CardFacts) -> str:
    batch = f"{facts.effective_batch} examples a step, over {counted(facts.processes, 'process')}"
    rows = [
        ("effective batch", batch),
        ("optimiser steps", facts.steps),
        *_settings(facts.training),
    ]
    return "## Training\n\n" + _table(("setting", "value"), rows)


def _losses(facts: CardFacts) -> str:
    held_out = f"held-out, {counted(facts.held_out_tasks, 'task')}"
    rows = [("training", facts.first_loss, facts.last_loss)]
    if facts.held_out_tasks:
        rows.append((held_out, facts.held_out_first, facts.held_out_last))
    head = "## Losses\n\nMeans over the target tokens, in nats. Held-out tasks were not trained on."
    table = _table(("loss", "first", "last"), ((name, _loss(a), _loss(b)) for name, a, b in rows))
    return f"{head}\n\n{table}"


def _usage(facts: CardFacts) -> str:
    loader = f"AutoModelFor{'Seq2SeqLM' if facts.encoder_decoder else 'CausalLM'}"
    place = json.dumps(facts.directory)
    return (
        "## Use\n\n```python\n"
        f"from transformers import {loader}, AutoTokenizer\n\n"
        f"model = {loader}.from_pretrained({place})\n"
        f"tokenizer = AutoTokenizer.from_pretrained({place})\n```\n\n"
        "Prompts must have the form that the model was tuned on (Encoding, above). seedstep makes "
        f"them: `seedstep predict --model hf:{facts.directory}`."
    )


def _limits(facts: CardFacts) -> str:
    prompt = max(encoding.max_source for encoding in facts.encodings.values())
    target = max(encoding.max_target for encoding in facts.encodings.values())
    return (
        "## Limits\n\n"
        f"- Prompts were at most {prompt} tokens, targets {target}: what is longer was not seen.\n"
        "- A loss on held-out tasks tells how well their references are predicted, not how good or "
        "how safe answers are. Evaluate the model on tasks like yours.\n"
        "- Data that a model has written carries its errors and biases on."
    )


def _settings(record: Encoding | Training) -> list[tuple[str, object]]:
    values = asdict(record).items()
    shown = [item for item in values if item[0] not in ("report_to", "save_dtype")]
    return [(name.replace("_", " "), value) for name, value in shown]


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    return markdown_table(head, rows, cell=_cell).rstrip("\n")


def _cell(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return _text(str(value))


def _loss(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"


def _line(text: str) -> str:
    """Return a name that users or others chose on one line, cut if it is too long."""
    return shortened(one_line(text), LONGEST)


def _text(text: str) -> str:
    """Return a name that users or others chose, escaped so that Markdown shows it unchanged."""
    return escaped(_line(text), all_markup=True)


CARD = "README.md"
GGUF = "model.gguf"
PACKAGES = ("seedstep", "torch", "transformers", "accelerate", "peft")
"""The packages whose versions the card shows."""


def require_gguf(config: Any) -> None:
    """Check, before a model is tuned, that it can be written as a GGUF file.

    Raises:
        ModelError: it is of another architecture.
    """
    names = config.architectures or ["unknown"]
    if ARCHITECTURE not in names:
        what = f"a {names[0]} can't be written as a GGUF file, only a {ARCHITECTURE}"
        raise ModelError(what, "leave --gguf out")


def write_tuning_gguf(out: Path, settings: TuneSettings, *, model: Path) -> None:
    """Write the tuned `model` as a GGUF file, if the settings ask for it and it isn't there yet.

    Raises:
        ModelError: the model can't be written as a GGUF file.
        MissingExtraError: the package that writes GGUF files is not installed.
    """
    if settings.gguf and not (out / GGUF).exists():
        write_gguf(model, out / GGUF, source=gguf_of(settings.model.ref))


def write_tuning_card(
    out: Path,
    settings: TuneSettings,
    preflight: Preflight,
    encodings: Mapping[str, Encoding],
    *,
    model: Path,
    metrics: Path,
) -> None:
    """Write the card of a tuned `model`. `metrics` is the file of its losses.

    Raises:
        ModelError: the configuration of the base model can't be read.
        RunError: the card can't be written.
    """
    losses, held_out = read_losses(metrics)
    training, measured = [*losses.values()], [*held_out.values()]
    facts = CardFacts(
        name=out.resolve().name,
        base_model=settings.model.ref,
        sources=tuple(
            CardSource(
                _without_folders(source),
                tasks,
                examples,
                source.encoding or settings.encoding.name,
            )
            for source, (_, tasks, examples) in zip(settings.data, preflight.sources, strict=True)
        ),
        encodings=encodings,
        training=settings.training,
        effective_batch=preflight.batch.examples,
        processes=preflight.batch.processes,
        steps=preflight.steps,
        first_loss=training[0] if training else None,
        last_loss=training[-1] if training else None,
        held_out_tasks=preflight.held_out_tasks,
        held_out_first=measured[0] if measured else None,
        held_out_last=measured[-1] if measured else None,
        versions=_versions(),
        directory=model.name,
        encoder_decoder=not is_decoder_only(settings.model.ref),
    )
    write_card(out / CARD, facts)


def _without_folders(source: TuneSource) -> str:
    """Return the source without its parent directories, which may hold private names."""
    return str(replace(source, path=Path(source.path).name or source.path))


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
