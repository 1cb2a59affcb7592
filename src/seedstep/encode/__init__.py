"""Task and instance to prompt and target."""

from seedstep.encode.budget import ModelSizes
from seedstep.encode.encoder import TaskEncoder, TokenLengths, Totals, encode_task, measure
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
    Elements,
    Layout,
    Pair,
    add_layout,
    encode_pair,
    named_layout,
)
from seedstep.encode.settings import ENCODINGS, make_encoding
from seedstep.encode.tokenizers import HfTokenizer, decoder_texts, tokenize

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
    "ModelSizes",
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
