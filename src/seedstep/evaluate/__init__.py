"""Metrics and scores; `compare` and `agreement` beside them need numpy."""

from seedstep.data import Prediction
from seedstep.evaluate.metrics import (
    Marks,
    Metric,
    PredictionMarker,
    stemmed_tokens,
    without_space_marks,
)
from seedstep.evaluate.scores import (
    CATEGORY_METRICS,
    InstanceResult,
    Means,
    Reference,
    Scores,
    category_metric,
    references_of,
    score,
)

__all__ = [
    "CATEGORY_METRICS",
    "InstanceResult",
    "Marks",
    "Means",
    "Metric",
    "Prediction",
    "PredictionMarker",
    "Reference",
    "Scores",
    "category_metric",
    "references_of",
    "score",
    "stemmed_tokens",
    "without_space_marks",
]
