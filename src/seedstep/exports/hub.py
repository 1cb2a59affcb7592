"""Write the cards of data sets, which say how they were made and what they lack.

The layout is the one that `datasets.load_dataset` and the Hugging Face hub read. Numbers in the
card are those of the run; findings of the paper are marked as the paper's.

Example::

    text = data_card(run, run.tasks(), rows, "cc-by-4.0")

Example::

    text = distilled_card(run, tasks, rows, "cc-by-4.0")
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata, resources
from pathlib import Path
from statistics import fmean
from string import Template

import msgspec
import yaml

from seedstep.bootstrap import BootstrapSettings
from seedstep.bootstrap.prompting import PAPER_SAMPLING
from seedstep.data import Task
from seedstep.errors import InputError
from seedstep.infer.distill import DISTILL_SAMPLING, LEFT_OUT
from seedstep.llm.checkpoints import public_encoder
from seedstep.llm.settings import AskedModel
from seedstep.runs import BootstrapRun, DistillRun
from seedstep.runs.merges import merge_of
from seedstep.settings import flatten
from seedstep.text import as_entities, count_words, markdown_table

__all__ = [
    "ExportRow",
    "card_cell",
    "card_header",
    "card_table",
    "checked_by",
    "data_card",
    "distilled_card",
    "public_model",
    "recounted",
    "require_licence",
    "words_of",
]


@dataclass(frozen=True, slots=True)
class ExportRow:
    """An instance with its task. `cell` is what was asked for, by axis, if there are axes."""

    id: str
    instruction: str
    input: str
    output: str
    is_classification: bool
    cell: Mapping[str, str] = field(default_factory=dict)

    @property
    def request(self) -> str:
        """The instruction and the input, as a single message."""
        return f"{self.instruction}\n\n{self.input}" if self.input else self.instruction


CARD = "hub_card.md"

SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
)
LARGEST = "n>1M"

SHOWN = (
    "model",
    "seed",
    "window",
    "novelty_threshold",
    "tokens",
    "fidelity",
    "extra_filters",
    "decontamination_threshold",
)
SHOWN_IF_SET = ("topic", "language", "axes")
"""The settings in the card: those that decide on the data. Addresses and paths are private."""

DECONTAMINATED = "- Rows too close to these evaluation sets were left out: "
NOT_DECONTAMINATED = (
    "- Nothing was compared with evaluation sets: before you measure a model tuned on this, run "
    "`seedstep novelty --against`."
)


_LICENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,60}")


def require_licence(licence: str) -> None:
    """Check that a licence has the form of the hub's identifiers.

    Raises:
        InputError: it has another form.
    """
    if not _LICENCE.fullmatch(licence):
        what = f"'{licence}' is no licence" if licence else "no licence"
        raise InputError(what, "add --license with an identifier such as cc-by-4.0 or apache-2.0")


CHECKED_BY_NOBODY = "No person has checked these rows."
CHECKED = "People have looked at a part of these rows. Left out: {}."


def data_card(
    run: BootstrapRun,
    tasks: Sequence[Task],
    rows: Sequence[ExportRow],
    licence: str,
    left_out: str = "",
) -> str:
    """Return the card of a run's tasks and their rows, with the header that the hub reads.

    `licence` is an identifier as the hub knows them, such as cc-by-4.0. `left_out` says what people
    rejected, if they looked at the tasks.
    """
    classification = sum(task.is_classification for task in tasks)
    status = run.status()
    template = Template((resources.files("seedstep.exports") / CARD).read_text("utf-8"))
    settings = run.settings
    title = f"Tasks written by {public_model(settings.model)}"
    body = template.substitute(
        title=card_cell(title),
        version=metadata.version("seedstep"),
        seeds=f"{len(run.inputs()):,}",
        checked=checked_by(left_out),
        tasks=f"{len(tasks):,}",
        classification=f"{classification:,}",
        others=f"{len(tasks) - classification:,}",
        rows=f"{len(rows):,}",
        empty=f"{sum(not row.input for row in rows):,}",
        words=words_of(rows),
        settings=card_table(("setting", "value"), [*_settings(settings), *_gates(run)]),
        cell="\n| `cell` | what was asked for, by axis |" if settings.axes else "",
        rejected=card_table(("reason", "instructions"), status.rejected.items()),
        bad_instances=card_table(("reason", "instances"), status.bad_instances.items()),
        contamination=_contamination(settings),
        merged=_merged(run),
    )
    return f"---\n{card_header(len(rows), title, licence)}---\n{body}"


def _merged(run: BootstrapRun) -> str:
    """Return what the card of a merged run says of its shards; empty for other runs."""
    merge = merge_of(run.config)
    if not merge:
        return ""
    rows = [
        (each.round, each.shard or "", each.seed, _public(each.model), each.finished, each.kept)
        for each in merge.shards
    ]
    head = ("round", "shard", "seed", "model", "tasks", "of them kept")
    parts = [f"Grown in {len(rows)} shards, which were merged:", card_table(head, rows)]
    parts += [f"Incomplete: {card_cell(text)}." for text in merge.missing]
    if merge.differences:
        parts.append(f"The shards differ in {', '.join(map(card_cell, merge.differences))}.")
    return "".join(f"\n{part}\n" for part in parts)


def _public(model: str) -> str:
    return public_model(AskedModel(name=model))


def card_header(rows: int, title: str, licence: str) -> str:
    """Return the header that the hub reads, in YAML."""
    values = {
        "license": licence,
        "pretty_name": title,
        "task_categories": ["text-generation"],
        "size_categories": [_size(rows)],
        "tags": ["synthetic", "self-instruct", "instruction-tuning", "seedstep"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": "data/train-*.parquet"}],
            }
        ],
    }
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def _size(rows: int) -> str:
    return next((name for limit, name in SIZES if rows < limit), LARGEST)


def _settings(settings: BootstrapSettings) -> Iterator[tuple[str, object]]:
    values = {**flatten(settings), "model": public_model(settings.model)}
    yield from ((name, values[name]) for name in (*SHOWN, *SHOWN_IF_SET) if name in values)
    if settings.semantic:
        encoder = public_encoder(settings.semantic)
        yield "semantic", f"{encoder}, cosine of {settings.semantic_threshold:g}"
    yield "prompt_style", settings.style
    for request in PAPER_SAMPLING:
        sampling = asdict(settings.sampling_of(request))
        yield f"sampling of {request}", msgspec.json.encode(sampling).decode()


def _gates(run: BootstrapRun) -> Iterator[tuple[str, object]]:
    """Yield what instances had to pass, and which model was asked where it is not the run's."""
    models = run.settings.gate_models
    for name, meaning in run.records.gates().items():
        asked = f" ({public_model(AskedModel(models[name]))})" if name in models else ""
        yield f"gate {name}", f"rejects: {meaning}{asked}"


def public_model(model: AskedModel) -> str:
    """Return a model's reference, without the directories of a file."""
    ref = model.ref
    return f"{ref.provider.prefix}:{ref.public_name}" if ref.provider.named_by_path else str(model)


def _contamination(settings: BootstrapSettings) -> str:
    if not settings.decontaminate:
        return NOT_DECONTAMINATED
    return DECONTAMINATED + ", ".join(card_cell(Path(path).name) for path in settings.decontaminate)


def words_of(rows: Sequence[ExportRow]) -> str:
    """Return the mean words of instructions, of inputs that are not empty, and of outputs."""
    texts = (
        list({row.instruction: None for row in rows}),
        [row.input for row in rows if row.input],
        [row.output for row in rows],
    )
    return " / ".join(map(_mean_words, texts))


def checked_by(left_out: str) -> str:
    """Return a sentence on whether people looked at the rows, and what was left out then."""
    return CHECKED.format(left_out) if left_out else CHECKED_BY_NOBODY


def _mean_words(texts: Sequence[str]) -> str:
    return f"{fmean(map(count_words, texts)):.1f}" if texts else "none"


def card_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table in Markdown, or `None.` without rows."""
    found = list(rows)
    table = markdown_table(head, found, cell=card_cell, rule="|---" * len(head) + "|")
    return table.rstrip("\n") if found else "None."


def card_cell(value: object) -> str:
    """Return a value as a text that holds no markup."""
    return as_entities(f"{value:,}" if type(value) is int else str(value))


def recounted(card: str, rows: Sequence[ExportRow], left_out: str) -> str:
    """Return a card whose counts are those of the rows that are left, after people rejected some.

    How many outputs were changed is not known of rows alone: the card does not say it any more.
    """
    tasks = {row.id: bool(row.is_classification) for row in rows}
    classification = sum(tasks.values())
    counts = {
        "tasks (instructions)": f"{len(tasks):,}",
        "classification / other tasks": f"{classification:,} / {len(tasks) - classification:,}",
        "rows (instances)": f"{len(rows):,}",
        "rows with an empty input": f"{sum(not row.input for row in rows):,}",
        "mean words: instruction / non-empty input / output": words_of(rows),
    }
    for label, value in counts.items():
        card = re.sub(rf"(?m)^(\| {re.escape(label)} \|).*", rf"\1 {value} |", card)
    card = re.sub(r"(?m)^\| rows whose output is other than before \|.*\n", "", card)
    card = re.sub(r"(size_categories:\n- ).*", rf"\1{_size(len(rows))}", card)
    card = re.sub(
        r"(at a part of these rows\. Left out: [^*]*)\.\*\*", rf"\1, and {left_out}.**", card
    )
    return card.replace(CHECKED_BY_NOBODY, checked_by(left_out))


DISTILLED_CARD = "distilled_card.md"


def distilled_card(
    run: DistillRun,
    tasks: Sequence[Task],
    rows: Sequence[ExportRow],
    licence: str,
    left_out: str = "",
) -> str:
    """Return the card of tasks with new outputs and of their rows, with the header of the hub.

    The arguments are those of `data_card`.
    """
    settings, model = run.settings, public_model(run.settings.model)
    done = [entry.result for entry in run.entries()]
    missing = Counter(each.reason for task in done for each in task.left_out)
    title = f"Outputs written anew by {model}"
    shown: list[tuple[str, object]] = [("model", model), ("prompt_style", settings.style)]
    for request in DISTILL_SAMPLING:
        sampling = msgspec.json.encode(asdict(settings.sampling_of(request))).decode()
        shown.append((f"sampling of {request}", sampling))
    template = Template((resources.files("seedstep.exports") / DISTILLED_CARD).read_text("utf-8"))
    body = template.substitute(
        title=card_cell(title),
        version=metadata.version("seedstep"),
        source=card_cell(Path(settings.source or "").name),
        checked=checked_by(left_out),
        tasks=f"{len(tasks):,}",
        rows=f"{len(rows):,}",
        empty=f"{sum(not row.input for row in rows):,}",
        changed=f"{sum(task.changed for task in done):,}",
        words=words_of(rows),
        settings=card_table(("setting", "value"), shown),
        missing=card_table(
            ("reason", "instances"),
            [(LEFT_OUT[name], count) for name, count in missing.most_common()],
        ),
    )
    return f"---\n{card_header(len(rows), title, licence)}---\n{body}"
