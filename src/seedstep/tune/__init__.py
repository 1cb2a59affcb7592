"""Tuning: tasks with step-by-step instructions become a better model."""

from seedstep.tune.data import EncodedData
from seedstep.tune.metrics import MetricsFile
from seedstep.tune.mixing import Mixture, Part, mix, usable
from seedstep.tune.preflight import (
    EffectiveBatch,
    Preflight,
    rank_and_processes,
    require_context,
    survey,
)
from seedstep.tune.presets import PRESETS, Preset
from seedstep.tune.records import (
    CHECKPOINTS,
    Evaluated,
    Step,
    Training,
    TuneWatch,
    TuningData,
)
from seedstep.tune.settings import TuneSettings, make_tune_settings, training_of
from seedstep.tune.sources import Source, make_source

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
