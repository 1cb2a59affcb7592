"""The exact ROUGE-L index: for one text at a time, and for whole files."""

from seedstep.novelty.bulk import Decisions, Nearest, Tell, decide, nearest_known
from seedstep.novelty.index import Neighbor, NoveltyIndex
from seedstep.novelty.texts import Texts, Vocabulary, encode, ranks

__all__ = [
    "Decisions",
    "Nearest",
    "Neighbor",
    "NoveltyIndex",
    "Tell",
    "Texts",
    "Vocabulary",
    "decide",
    "encode",
    "nearest_known",
    "ranks",
]
