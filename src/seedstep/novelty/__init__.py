"""The ROUGE-L novelty index."""

from seedstep.novelty.index import Neighbor, NoveltyIndex

__all__ = ["Neighbor", "NoveltyIndex"]
