"""Task and instance to prompt and target."""

from seedstep.encode.self_instruct import Pair, encode_pair

__all__ = ["Pair", "encode_pair"]
