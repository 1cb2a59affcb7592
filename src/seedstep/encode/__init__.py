"""Task and instance to prompt and target."""

from seedstep.encode.encoder import TaskEncoder, encode_task
from seedstep.encode.encodings import (
    ENCODINGS,
    ChatFrame,
    Dropped,
    Encoded,
    Encoding,
    Layout,
    StepsKind,
    TextTokenizer,
    TokenPair,
    make_encoding,
)
from seedstep.encode.layouts import Pair, encode_pair
from seedstep.encode.tokenizers import HfTokenizer, decoder_texts, tokenize
from seedstep.encode.totals import TokenLengths, Totals, measure

__all__ = [
    "ENCODINGS",
    "ChatFrame",
    "Dropped",
    "Encoded",
    "Encoding",
    "HfTokenizer",
    "Layout",
    "Pair",
    "StepsKind",
    "TaskEncoder",
    "TextTokenizer",
    "TokenLengths",
    "TokenPair",
    "Totals",
    "decoder_texts",
    "encode_pair",
    "encode_task",
    "make_encoding",
    "measure",
    "tokenize",
]
