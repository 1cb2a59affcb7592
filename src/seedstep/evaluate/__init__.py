"""Metrics and scores; `compare` and `agreement` beside them need numpy."""

from seedstep.data import Prediction
from seedstep.evaluate.metrics import Marker, Marks, Metric, stemmed_tokens, without_space_marks
from seedstep.evaluate.scores import (
    CATEGORY_METRICS,
    Means,
    Reference,
    Result,
    Scores,
    category_metric,
    references_of,
    score,
)

__all__ = [
    "CATEGORY_METRICS",
    "Marker",
    "Marks",
    "Means",
    "Metric",
    "Prediction",
    "Reference",
    "Result",
    "Scores",
    "category_metric",
    "references_of",
    "score",
    "stemmed_tokens",
    "without_space_marks",
]
