from seedstep.data import Prediction as Prediction
from seedstep.evaluate.metrics import (
    METRICS as METRICS,
    Marks as Marks,
    Means as Means,
    Metric as Metric,
    PredictionMarker as PredictionMarker,
    PreparedText as PreparedText,
    ScoredPair as ScoredPair,
    add_metric as add_metric,
    category_metric as category_metric,
)
from seedstep.evaluate.scores import (
    InstanceResult as InstanceResult,
    Reference as Reference,
    Scores as Scores,
    references_of as references_of,
    score as score,
)
from seedstep.evaluate.tokens import (
    stemmed_tokens as stemmed_tokens,
    without_space_marks as without_space_marks,
)
