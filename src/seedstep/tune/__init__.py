"""Tuning: tasks with step-by-step instructions become a better model."""

from seedstep.tune.data import (
    EffectiveBatch,
    EncodedData,
    Preflight,
    SizedData,
    rank_and_processes,
    survey,
)
from seedstep.tune.mixing import Mixture, SourcePart, mix, usable
from seedstep.tune.records import (
    CHECKPOINTS,
    EvaluationLoss,
    MetricsFile,
    OptimizerStep,
    Training,
    TuneWatch,
    TuningData,
)
from seedstep.tune.settings import PRESETS, Preset, TuneSettings, TuneSource, make_source

__all__ = [
    "CHECKPOINTS",
    "PRESETS",
    "EffectiveBatch",
    "EncodedData",
    "EvaluationLoss",
    "MetricsFile",
    "Mixture",
    "OptimizerStep",
    "Preflight",
    "Preset",
    "SizedData",
    "SourcePart",
    "Training",
    "TuneSettings",
    "TuneSource",
    "TuneWatch",
    "TuningData",
    "make_source",
    "mix",
    "rank_and_processes",
    "survey",
    "usable",
]
