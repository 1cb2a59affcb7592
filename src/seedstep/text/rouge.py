"""ROUGE-L: the F1 of the longest common subsequence of two token lists.

The arithmetic follows rouge-score 0.1.2 operation by operation, so that scores are equal to the
last bit and a score that lies exactly on a threshold is decided alike.

Example::

    rouge_l(["sort", "the", "list"], ["sort", "this", "list"])  # 0.666...
"""

from collections.abc import Sequence

from rapidfuzz.distance import LCSseq

__all__ = ["lcs_f1", "rouge_l"]


def rouge_l(one: Sequence[str], other: Sequence[str]) -> float:
    """ROUGE-L F1 in [0, 1]; 0 where a side has no tokens."""
    return lcs_f1(LCSseq.similarity(one, other), len(one), len(other))


def lcs_f1(common: int, one: int, other: int) -> float:
    """F1 of a common subsequence of `common` tokens between lists of `one` and `other`."""
    if common == 0:
        return 0.0
    precision = common / one
    recall = common / other
    return 2 * precision * recall / (precision + recall)
