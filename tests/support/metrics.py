"""The published metrics by name, and scores by all metrics, for tests that hold if one is added."""

from seedstep.evaluate import METRICS, Marks

NAMED = {metric.name: metric for metric in METRICS}
ROUGE_L, ROUGE_1, EXACT_MATCH = NAMED["rouge_l"], NAMED["rouge_1"], NAMED["exact_match"]
PUBLISHED = (ROUGE_L, ROUGE_1, EXACT_MATCH)


def marks_of(rouge_l: float, rouge_1: float, exact_match: float) -> Marks:
    """These scores, and 0 by all other metrics."""
    others = dict.fromkeys(NAMED, 0.0)
    return {**others, "rouge_l": rouge_l, "rouge_1": rouge_1, "exact_match": exact_match}
