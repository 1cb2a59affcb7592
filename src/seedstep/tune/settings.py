"""The settings of a tuning, which are kept in its `tune.yaml`.

Example::

    settings = make_tune_settings({"model": "local", "data": ["runs/first"]}, "settings")
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Annotated, Any, Literal

import msgspec

from seedstep.errors import InputError
from seedstep.llm.settings import HELP, Count, convert_settings, explained
from seedstep.tune.presets import PRESETS
from seedstep.tune.records import Training
from seedstep.tune.sources import Source, source_of

__all__ = ["TuneSettings", "make_tune_settings", "training_of"]

NotNegative = Annotated[int, msgspec.Meta(ge=0)]
Rate = Annotated[float, msgspec.Meta(gt=0, le=10)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class TuneSettings:
    """What a tuning does."""

    preset: str | None = field(
        default=None,
        metadata=explained(f"A paper's hyperparameters: {', '.join(PRESETS)}."),
    )
    model: str = field(
        default="local",
        metadata=explained(
            "The model: local, gguf:PATH, hf:PATH_OR_ID, or openai:NAME for a fine-tuning job."
        ),
    )
    base_url: str | None = field(default=None, metadata=HELP["base_url"])
    data: list[Source] = field(
        default_factory=list,
        metadata=explained(
            "A source of examples: a bootstrap's run, an export (alpaca, superni), a directory of "
            "task files (then :SPLIT), or a JSONL file; then @ENCODING for another one than the "
            "tuning's, and =COUNT or =xWEIGHT for another part of it than all."
        ),
    )
    steps: str | None = field(
        default=None,
        metadata=explained("Step-by-step instructions: a run of `seedstep steps`, or its export."),
    )
    encoding: str = field(default="tk-instruct", metadata=explained("How prompts are made."))
    encoding_options: dict[str, Any] = field(
        default_factory=dict,
        metadata=explained("What differs from the named encoding: {max_source: 1224}."),
    )
    limit_tasks: Count | None = field(
        default=None, metadata=explained("Tasks used of each source, drawn by the seed.")
    )
    limit_instances: Count | None = field(
        default=None, metadata=explained("Instances used of each task, the first ones.")
    )
    held_out: NotNegative = field(
        default=0,
        metadata=explained("Tasks of the data that are not trained on; their loss is measured."),
    )
    held_out_data: list[Source] = field(
        default_factory=list,
        metadata=explained("Another source of tasks whose loss is measured: PATH, or PATH:SPLIT."),
    )
    held_out_instances: Count = field(
        default=10, metadata=explained("Instances used of each held-out task, the first ones.")
    )
    skip_bad: bool = field(
        default=False,
        metadata=explained("Go on without tasks and instances that can't be used, naming them."),
    )
    epochs: Count = field(default=2, metadata=explained("Passes over the data."))
    learning_rate: Rate = field(default=5e-5, metadata=explained("Learning rate of AdamW."))
    batch: Count = field(
        default=16, metadata=explained("Examples an optimiser step sees, over all processes.")
    )
    accumulate: Count = field(
        default=1, metadata=explained("Passes in which each process takes its part of a step.")
    )
    share: Count = field(
        default=8,
        metadata=explained(
            "Instances of a task behind one copy of their common prefix; 1: none (decoder-only)."
        ),
    )
    row_tokens: Count = field(
        default=4096, metadata=explained("Tokens of a packed row, at the most (decoder-only).")
    )
    lora: NotNegative = field(
        default=0, metadata=explained("Rank of LoRA's matrices; 0 trains all weights.")
    )
    bf16: bool = field(default=False, metadata=explained("Compute in bfloat16."))
    gradient_checkpointing: bool = field(
        default=False, metadata=explained("Less memory, more computation.")
    )
    weight_decay: Share = field(default=0.0, metadata=explained("Weight decay of AdamW."))
    warmup_steps: NotNegative = field(
        default=0, metadata=explained("Steps in which the learning rate rises.")
    )
    schedule: Literal["constant", "linear", "cosine"] = field(
        default="constant", metadata=explained("Course of the learning rate after that.")
    )
    max_steps: Count | None = field(
        default=None, metadata=explained("Optimiser steps at the most.")
    )
    save_every: Count = field(default=200, metadata=explained("Steps between two checkpoints."))
    evaluate_every: Count = field(
        default=100, metadata=explained("Steps between two measures of the held-out loss.")
    )
    seed: int = field(default=42, metadata=HELP["seed"])
    device: Literal["auto", "cpu", "cuda"] = field(
        default="auto", metadata=explained("Where to train: auto takes a GPU if there is one.")
    )
    prompt_loss_weight: Share | None = field(
        default=None,
        metadata=explained(
            "Of a fine-tuning job: how much prompts count, at servers that have it. OpenAI's "
            "learns targets only, which is 0."
        ),
    )
    gguf: bool = field(
        default=False, metadata=explained("Write the tuned model as a GGUF file, too.")
    )


def make_tune_settings(values: Mapping[str, Any], source: str) -> TuneSettings:
    """Settings from named values; others are the preset's, or as they are by default.

    Raises:
        InputError: a name is not known or a value does not fit; `source` says where it stands.
    """
    whole = {**_preset(values.get("preset"), source), **values}
    if isinstance(options := values.get("encoding_options"), Mapping):
        whole["encoding_options"] = {**_preset_options(values), **options}
    for name in ("data", "held_out_data"):
        if name in whole:
            whole[name] = _sources(whole[name], f"{source}, setting '{name}'")
    settings = convert_settings(TuneSettings, whole, source)
    if counted := [one for one in settings.held_out_data if one.count or one.weight]:
        what = f"{source}, setting 'held_out_data': '{counted[0]}' has an amount"
        raise InputError(what, "leave it out; held_out_instances limits those of each task")
    return settings


def training_of(settings: TuneSettings) -> Training:
    """How the model is trained, without where the data come from and go."""
    return Training(**{one.name: getattr(settings, one.name) for one in fields(Training)})


def _preset(name: object, source: str) -> Mapping[str, Any]:
    if name is None:
        return {}
    if not isinstance(name, str) or name not in PRESETS:
        known = ", ".join(PRESETS)
        raise InputError(f"{source}: there is no preset '{name}'", f"known are {known}")
    return PRESETS[name].settings


def _preset_options(values: Mapping[str, Any]) -> Mapping[str, Any]:
    options: Mapping[str, Any] = _preset(values.get("preset"), "").get("encoding_options", {})
    return options


def _sources(values: object, where: str) -> list[dict[str, Any]]:
    if not isinstance(values, list | tuple):
        raise InputError(f"{where}: not a list", "write one source a line, after `- `")
    return [asdict(one if isinstance(one, Source) else source_of(one, where)) for one in values]
