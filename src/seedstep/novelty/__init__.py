"""Exact search for similar texts by ROUGE-L: for single texts, and for whole files."""

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
from seedstep.novelty.texts import Texts, TokenNumbers, encode, ranks

__all__ = [
    "Contamination",
    "Decisions",
    "Nearest",
    "Neighbor",
    "NoveltyIndex",
    "Overlap",
    "TellSettled",
    "Texts",
    "TokenNumbers",
    "decide",
    "decide_on_ray",
    "encode",
    "nearest_known",
    "ranks",
    "ray_cluster",
]
