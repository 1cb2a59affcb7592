"""A small GGUF file, made by hand."""

import struct

__all__ = ["TENSORS", "VALUES", "gguf", "number", "tensor", "text", "words"]


def text(value: str) -> bytes:
    content = value.encode()
    return struct.pack("<Q", len(content)) + content


def number(name: str, value: int) -> bytes:
    return text(name) + struct.pack("<II", 4, value)


def words(name: str, *values: str) -> bytes:
    return text(name) + struct.pack("<IIQ", 9, 8, len(values)) + b"".join(map(text, values))


def scores(name: str, *values: float) -> bytes:
    return text(name) + struct.pack(f"<IIQ{len(values)}f", 9, 6, len(values), *values)


def tensor(name: str, shape: tuple[int, ...], kind: int, place: int) -> bytes:
    head = text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return head + struct.pack("<IQ", kind, place)


VALUES = (
    number("general.alignment", 32),
    words("tokenizer.ggml.tokens", "a", "b", "é"),
    scores("tokenizer.ggml.scores", 0.5, 1.0, 2.0),
    text("general.name") + struct.pack("<I", 8) + text("made"),
)
TENSORS = (tensor("first", (32, 2), 8, 0), tensor("second", (4,), 0, 96))


def gguf(values: tuple[bytes, ...] = VALUES, tensors: tuple[bytes, ...] = TENSORS) -> bytes:
    """A whole file: 2 blocks of 34 bytes, and at 96 four floats."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values))
    head += b"".join(values) + b"".join(tensors)
    return head + bytes(-len(head) % 32) + bytes(96 + 16)
