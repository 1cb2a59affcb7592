"""Task and instance to prompt and target."""

from seedstep.encode.records import (
    Dropped,
    Encoded,
    Encoding,
    Layout,
    StepsKind,
    TextTokenizer,
    TokenPair,
)
from seedstep.encode.self_instruct import Pair, encode_pair

__all__ = [
    "Dropped",
    "Encoded",
    "Encoding",
    "Layout",
    "Pair",
    "StepsKind",
    "TextTokenizer",
    "TokenPair",
    "encode_pair",
]
