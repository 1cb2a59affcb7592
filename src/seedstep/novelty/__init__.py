"""Exact search for similar texts, by ROUGE-L and by meaning: for single texts, and whole files."""

from seedstep.novelty.bulk import (
    Decisions,
    Nearest,
    TellSettled,
    decide,
    decide_on_ray,
    nearest_known,
    ray_cluster,
)
from seedstep.novelty.contamination import Contamination, Overlap
from seedstep.novelty.index import Neighbor, NoveltyIndex
from seedstep.novelty.meaning import (
    MEANING_THRESHOLD,
    MeaningContamination,
    MeaningIndex,
    Vector,
    decide_by_meaning,
    nearest_by_meaning,
    unit_rows,
)
from seedstep.novelty.texts import Texts, TokenNumbers, encode, ranks

__all__ = [
    "MEANING_THRESHOLD",
    "Contamination",
    "Decisions",
    "MeaningContamination",
    "MeaningIndex",
    "Nearest",
    "Neighbor",
    "NoveltyIndex",
    "Overlap",
    "TellSettled",
    "Texts",
    "TokenNumbers",
    "Vector",
    "decide",
    "decide_by_meaning",
    "decide_on_ray",
    "encode",
    "nearest_by_meaning",
    "nearest_known",
    "ranks",
    "ray_cluster",
    "unit_rows",
]
