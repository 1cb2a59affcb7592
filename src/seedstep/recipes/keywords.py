"""Typed keywords for the functions that run a stage: a `TypedDict` for each settings record.

The settings records have the meaning and the default of each setting. A test checks that names and
types here equal theirs, but for the keywords for which a function accepts more types.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypedDict

from seedstep.data import PathOrTasks, StrPath
from seedstep.encode import Encoding, EncodingKeywords
from seedstep.llm import Price
from seedstep.llm.records import SendMode
from seedstep.tune import TuneSource

__all__ = [
    "BootstrapKeywords",
    "DistillKeywords",
    "ExamplesKeywords",
    "ImportKeywords",
    "JudgeKeywords",
    "PredictKeywords",
    "StepsKeywords",
    "SuperniKeywords",
    "TuneKeywords",
]

Prices = Mapping[str, Price | Mapping[str, float]]
Sources = PathOrTasks | Sequence[PathOrTasks | Mapping[str, object] | TuneSource]
Encodings = Encoding | Mapping[str, object] | str
Paths = StrPath | Iterable[StrPath]
Texts = str | Iterable[str]


class SamplingKeywords(TypedDict, total=False):
    """The sampling parameters of a request: those of `seedstep.llm.Sampling`."""

    max_tokens: int
    temperature: float | None
    top_p: float | None
    frequency_penalty: float | None
    presence_penalty: float | None
    stop: Sequence[str]


class ReasoningKeywords(TypedDict, total=False):
    """How a model that reasons is asked: the fields of `seedstep.llm.records.Reasoning`."""

    effort: str | None
    room: int | None
    extra: Mapping[str, object]


class AxisKeywords(TypedDict, total=False):
    """An axis with a line for prompts, in which `{value}` stands for the value."""

    values: "AxisValues"
    line: str


AxisValues = int | Sequence[str | float] | Mapping[str, float]
"""The values of an axis: how many the model names, a list, or the share of each."""

Axes = Mapping[str, AxisValues | AxisKeywords]
"""The values of each axis along which tasks are spread, by its name."""

Gates = Mapping[str, Mapping[str, Mapping[str, object] | None]]
"""The kind of each gate with its options, by the name of the gate."""


class AskingKeywords(TypedDict, total=False):
    """The settings of all stages that ask a model: those of `AskedModel`, and of `Budget`."""

    model: str
    base_url: str | list[str] | None
    in_flight: int
    reasoning: ReasoningKeywords
    send: SendMode
    finish_live: bool
    workers: int
    bf16: bool
    max_requests: int | None
    max_tokens: int | None
    max_usd: float | None
    prices: Prices
    sampling: Mapping[str, SamplingKeywords]


class TaskKeywords(TypedDict, total=False):
    """The settings that say where tasks are, of `TaskChoice`."""

    tasks: PathOrTasks | None
    split: str | None
    track: str


class BootstrapKeywords(AskingKeywords, total=False):
    """The settings of `self_instruct`: those of `BootstrapSettings`."""

    prompt_style: Literal["auto", "completion", "turns", "dialogue", "chat"]
    seeds: PathOrTasks | None
    tasks: int
    seed: int
    window: int
    novelty_threshold: float
    decontaminate: PathOrTasks | Sequence[PathOrTasks]
    decontamination_threshold: float
    semantic: str | None
    semantic_threshold: float
    semantic_base_url: str | None
    tokens: Literal["auto", "latin", "unicode"]
    fidelity: Literal["paper", "released"]
    numbering: Literal["number", "task"]
    extra_filters: bool
    gates: Gates
    gate_base_urls: Mapping[str, str | Sequence[str]]
    axes: StrPath | Axes
    topic: str | None
    language: str | None
    patience: int
    shard: str | None
    round: int
    pool: StrPath | None


class DistillKeywords(AskingKeywords, total=False):
    """The settings of `distill`: those of `DistillSettings`."""

    source: PathOrTasks | None
    prompt_style: Literal["auto", "completion", "chat"]
    limit: int | None
    limit_instances: int | None
    skip_bad: bool
    seed: int


class StepsKeywords(AskingKeywords, TaskKeywords, total=False):
    """The settings of `write_instructions`: those of `StepsSettings`."""

    prompt_style: Literal["auto", "completion", "chat"]
    limit: int | None
    skip_bad: bool
    seed: int
    refine: Literal["full", "none"]
    repairs: int
    candidates: int
    language: str | None
    judge: str | None
    judge_base_url: str | list[str] | None


class SuperniKeywords(TaskKeywords, total=False):
    """The settings of `take_superni`: those of `SuperniSettings`."""


class ImportKeywords(TaskKeywords, total=False):
    """The settings of `import_instructions`: those of `ImportSettings`."""

    skip_bad: bool


class ExamplesKeywords(AskingKeywords, total=False):
    """The settings of `make_examples`: those of `ExamplesSettings`."""

    steps: StrPath | None
    count: int
    limit: int | None
    seed: int


class PredictKeywords(AskingKeywords, TaskKeywords, total=False):
    """The settings of `predict`: those of `TaskChoice` and `PredictSettings`."""

    limit_tasks: int | None
    limit_instances: int | None
    instances_seed: int | None
    skip_bad: bool
    backend: Literal["auto", "transformers"]
    prompt_style: Literal["auto", "completion", "chat"]
    protocol: str | None
    encoding: Encodings
    steps: StrPath | None
    examples: StrPath | None
    choose: Literal["ranked", "drawn"]
    tokenizer: str | None
    max_new_tokens: int
    stop: Texts | None
    seed: int | None
    batch: int


class JudgeKeywords(AskingKeywords, TaskKeywords, total=False):
    """The settings of `judge`: those of `JudgeSettings`."""

    sources: Paths
    names: Texts
    limit_instances: int | None
    instances_seed: int | None
    limit: int | None
    seed: int
    mode: Literal["rating", "pairwise"]
    against: str | None
    rubric: StrPath | None


class TuneKeywords(TypedDict, total=False):
    """The settings of `tune_model`: those of `TuneSettings`."""

    preset: str | None
    model: str
    base_url: str | list[str] | None
    data: Sources
    steps: StrPath | None
    examples: StrPath | None
    choose: Literal["ranked", "drawn"]
    draw: Literal["random", "covering"]
    reviewed: StrPath | None
    encoding: Encodings
    encoding_options: EncodingKeywords
    limit_tasks: int | None
    limit_instances: int | None
    instances_seed: int | None
    skip_bad: bool
    held_out: int
    held_out_data: Sources
    held_out_instances: int
    epochs: int
    learning_rate: float
    batch: int
    accumulate: int
    share: int
    row_tokens: int
    lora: int
    bf16: bool
    gradient_checkpointing: bool
    weight_decay: float
    warmup_steps: int
    schedule: Literal["constant", "linear", "cosine"]
    max_steps: int | None
    save_every: int
    evaluate_every: int
    seed: int
    device: Literal["auto", "cpu", "cuda"]
    save_dtype: Literal["float32", "bfloat16"]
    report_to: Literal["none", "tensorboard", "wandb", "mlflow"]
    prompt_loss_weight: float | None
    gguf: bool
    device_price: float | None
