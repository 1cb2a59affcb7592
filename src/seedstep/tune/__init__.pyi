from seedstep.tune.data import (
    EffectiveBatch as EffectiveBatch,
    EncodedData as EncodedData,
    Preflight as Preflight,
    SizedData as SizedData,
    rank_and_processes as rank_and_processes,
    survey as survey,
)
from seedstep.tune.mixing import (
    Mixture as Mixture,
    SourcePart as SourcePart,
    mix as mix,
    usable as usable,
)
from seedstep.tune.records import (
    CHECKPOINTS as CHECKPOINTS,
    EvaluationLoss as EvaluationLoss,
    MetricsFile as MetricsFile,
    OptimizerStep as OptimizerStep,
    Training as Training,
    TuneWatch as TuneWatch,
    TuningData as TuningData,
)
from seedstep.tune.settings import (
    PRESETS as PRESETS,
    Preset as Preset,
    TuneSettings as TuneSettings,
    TuneSource as TuneSource,
    make_source as make_source,
)
