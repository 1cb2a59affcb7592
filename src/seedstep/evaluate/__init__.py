"""Metrics, scores and baselines; `compare` and `agreement` beside them need numpy."""

from seedstep.evaluate.metrics import Marker, Marks, Metric, stemmed_tokens, without_space_marks
from seedstep.evaluate.scores import (
    CATEGORY_METRICS,
    Means,
    Prediction,
    Reference,
    Result,
    Scores,
    category_metric,
    references_of,
    score,
)
from seedstep.infer.predict import copy_demonstrations, copy_inputs

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
    "copy_demonstrations",
    "copy_inputs",
    "references_of",
    "score",
    "stemmed_tokens",
    "without_space_marks",
]
