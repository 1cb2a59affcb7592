"""Metrics and scores of predictions. The modules `compare` and `agreement` need numpy."""

from seedstep.data import Prediction
from seedstep.evaluate.metrics import (
    METRICS,
    Marks,
    Metric,
    PredictionMarker,
    PreparedText,
    ScoredPair,
    category_metric,
    stemmed_tokens,
    without_space_marks,
)
from seedstep.evaluate.scores import InstanceResult, Means, Reference, Scores, references_of, score

__all__ = [
    "METRICS",
    "InstanceResult",
    "Marks",
    "Means",
    "Metric",
    "Prediction",
    "PredictionMarker",
    "PreparedText",
    "Reference",
    "ScoredPair",
    "Scores",
    "category_metric",
    "references_of",
    "score",
    "stemmed_tokens",
    "without_space_marks",
]
