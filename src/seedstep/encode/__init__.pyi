from seedstep.encode.budget import ModelSizes as ModelSizes
from seedstep.encode.elements import Elements as Elements
from seedstep.encode.encoder import (
    TaskEncoder as TaskEncoder,
    TaskEncoders as TaskEncoders,
    TokenLengths as TokenLengths,
    Totals as Totals,
    encode_task as encode_task,
    measure as measure,
)
from seedstep.encode.encodings import (
    ENCODINGS as ENCODINGS,
    Encoding as Encoding,
    EncodingKeywords as EncodingKeywords,
    StepsKind as StepsKind,
    add_encoding as add_encoding,
    add_layout as add_layout,
    make_encoding as make_encoding,
)
from seedstep.encode.layouts import (
    LAYOUTS as LAYOUTS,
    Layout as Layout,
    Pair as Pair,
    encode_pair as encode_pair,
    named_layout as named_layout,
)
from seedstep.encode.settings import (
    ChatFrame as ChatFrame,
    Dropped as Dropped,
    Encoded as Encoded,
    TextTokenizer as TextTokenizer,
    TokenPair as TokenPair,
)
from seedstep.encode.tokenizers import (
    HfTokenizer as HfTokenizer,
    decoder_texts as decoder_texts,
    tokenize as tokenize,
)
