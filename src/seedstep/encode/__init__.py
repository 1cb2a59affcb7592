"""Task and instance to prompt and target."""

from seedstep.encode.elements import Elements
from seedstep.encode.encoder import TaskEncoder, encode_task
from seedstep.encode.encodings import (
    ChatFrame,
    Dropped,
    Encoded,
    Encoding,
    StepsKind,
    TextTokenizer,
    TokenPair,
)
from seedstep.encode.layouts import (
    LAYOUTS,
    Layout,
    Pair,
    add_layout,
    encode_pair,
    named_layout,
)
from seedstep.encode.named import ENCODINGS, make_encoding
from seedstep.encode.tokenizers import HfTokenizer, decoder_texts, tokenize
from seedstep.encode.totals import TokenLengths, Totals, measure

__all__ = [
    "ENCODINGS",
    "LAYOUTS",
    "ChatFrame",
    "Dropped",
    "Elements",
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
    "add_layout",
    "decoder_texts",
    "encode_pair",
    "encode_task",
    "make_encoding",
    "measure",
    "named_layout",
    "tokenize",
]
