"""ROUGE-L and ROUGE-1: the F1 of what two token lists share, in order or in any order.

The arithmetic follows rouge-score 0.1.2 operation by operation, so that scores are equal to the
last bit and a score that lies exactly on a threshold is decided alike.

Example::

    rouge_l(["sort", "the", "list"], ["list", "the", "sort"])  # 0.333...
    rouge_1(["sort", "the", "list"], ["list", "the", "sort"])  # 1.0
"""

from collections.abc import Sequence

from rapidfuzz.distance import LCSseq

__all__ = ["lcs_f1", "rouge_l", "rouge_l_and_1"]


def rouge_l(one: Sequence[str], other: Sequence[str]) -> float:
    """ROUGE-L F1 in [0, 1]; 0 where a side has no tokens."""
    return lcs_f1(LCSseq.similarity(one, other), len(one), len(other))


def rouge_l_and_1(one: Sequence[str], other: Sequence[str]) -> tuple[float, float]:
    """ROUGE-L and ROUGE-1 F1, which asks for shared tokens in any order, as of sorted lists."""
    in_order = LCSseq.similarity(one, other)
    score = lcs_f1(in_order, len(one), len(other))
    if in_order in (0, min(len(one), len(other))):
        return score, score  # nothing more can be shared
    return score, rouge_l(sorted(one), sorted(other))


def lcs_f1(common: int, one: int, other: int) -> float:
    """F1 of a common subsequence of `common` tokens between lists of `one` and `other`."""
    if common == 0:
        return 0.0
    precision = common / one
    recall = common / other
    return 2 * precision * recall / (precision + recall)
