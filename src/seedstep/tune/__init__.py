"""Tuning: tasks with step-by-step instructions become a better model."""

from seedstep.tune.data import (
    EffectiveBatch,
    EncodedData,
    Preflight,
    rank_and_processes,
    require_context,
    survey,
)
from seedstep.tune.mixing import Mixture, Part, mix, usable
from seedstep.tune.records import (
    CHECKPOINTS,
    Evaluated,
    MetricsFile,
    Step,
    Training,
    TuneWatch,
    TuningData,
)
from seedstep.tune.settings import (
    PRESETS,
    Preset,
    Source,
    TuneSettings,
    make_source,
    make_tune_settings,
    training_of,
)

__all__ = [
    "CHECKPOINTS",
    "PRESETS",
    "EffectiveBatch",
    "EncodedData",
    "Evaluated",
    "MetricsFile",
    "Mixture",
    "Part",
    "Preflight",
    "Preset",
    "Source",
    "Step",
    "Training",
    "TuneSettings",
    "TuneWatch",
    "TuningData",
    "make_source",
    "make_tune_settings",
    "mix",
    "rank_and_processes",
    "require_context",
    "survey",
    "training_of",
    "usable",
]
