"""The model card of a tuned model: what it was made from and how, in a README.md.

The names of files, models and tasks come from elsewhere: they are written so that neither YAML
nor Markdown reads anything into them.

Example::

    write_card(Path("out/checkpoint/README.md"), facts)
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from seedstep.data import write_atomically
from seedstep.encode import Encoding
from seedstep.llm import ModelRef
from seedstep.text import escaped, markdown_table, one_line
from seedstep.tune.records import Training

__all__ = ["CardFacts", "CardSource", "render_card", "write_card"]

LONGEST = 300
"""Characters of a name that are written at the most."""


@dataclass(frozen=True, slots=True)
class CardSource:
    """One source of the training data: its name, what was used of it, and in which encoding."""

    name: str
    tasks: int
    instances: int
    encoding: str


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card tells.

    Of `base_model` the public name is told. `encodings` are those that the sources name.
    `effective_batch` is the number of examples of an optimiser step over `processes`. Losses are
    means over target tokens, None where they were not measured. `license` is that of the tuned
    model, None where only its maker can tell. `versions` are packages' versions by name.
    `directory` is where the model lies, as seen from the card. `encoder_decoder` models are loaded
    in another way.
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
    """Write a model card, whole or not at all.

    Raises:
        RunError: it can't be written.
    """
    write_atomically(path, render_card(facts).encode())


def render_card(facts: CardFacts) -> str:
    """The text of a model card: YAML for the hub, then Markdown for people."""
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
    batch = f"{facts.effective_batch} examples a step, over {_count(facts.processes, 'process')}"
    rows = [
        ("effective batch", batch),
        ("optimiser steps", facts.steps),
        *_settings(facts.training),
    ]
    return "## Training\n\n" + _table(("setting", "value"), rows)


def _losses(facts: CardFacts) -> str:
    held_out = f"held-out, {_count(facts.held_out_tasks, 'task')}"
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
    return [(name.replace("_", " "), value) for name, value in asdict(record).items()]


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


def _count(number: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def _line(text: str) -> str:
    """A name of others on one line, cut where it is too long."""
    text = one_line(text)
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def _text(text: str) -> str:
    """A name of others that Markdown shows as it is."""
    return escaped(_line(text), all_markup=True)
