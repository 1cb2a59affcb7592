"""Training files of the fine-tuning API: chat conversations as JSON lines, within its limits.

Example::

    size = check_chat(examples, model="gpt-4.1-mini")
    write_in_parts(Path("out/training.jsonl"), chat_lines(examples))
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from seedstep.encode import Encoded
from seedstep.errors import InputError

__all__ = ["ChatSize", "chat_lines", "check_chat"]

MIN_EXAMPLES = 10
"""Fewer the API does not take."""

MAX_FILE_BYTES = 512 << 20
"""A file's size at the most."""

TRAINING_TOKENS = (("gpt-3.5", 16_385), ("gpt-4o", 65_536), ("gpt-4.1", 65_536))
"""Tokens of an example at the most, by the start of a model's name. Longer ones are cut at their
end, where the target is.
"""

CHARACTERS_A_TOKEN = 4
"""About, in English. The API's own tokenizer is not asked."""


@dataclass(frozen=True, slots=True)
class ChatSize:
    """What a training file is. `digest` is a hash of its content.

    `too_long` counts the examples that are probably longer than `max_tokens`, the model's limit,
    None where it is not known.
    """

    examples: int
    bytes: int
    digest: str
    too_long: int
    max_tokens: int | None


def chat_lines(examples: Iterable[Encoded]) -> Iterator[bytes]:
    """One conversation a line: the prompt is the user's, the target the assistant's.

    Raises:
        InputError: a prompt or a target is empty, or holds what UTF-8 can't.
    """
    for example in examples:
        for part, text in (("prompt", example.prompt), ("target", example.target)):
            if not text.strip():
                raise _bad(example, f"the {part} is empty")
        turns = [
            {"role": "user", "content": example.prompt},
            {"role": "assistant", "content": example.target},
        ]
        try:
            yield msgspec.json.encode({"messages": turns}) + b"\n"
        except UnicodeEncodeError:
            raise _bad(example, "half of a surrogate pair, which UTF-8 can't hold") from None


def check_chat(examples: Iterable[Encoded], model: str) -> ChatSize:
    """The size of a training file for a model, before it is written.

    Raises:
        InputError: there are too few examples, one can't be used, or the file is too large.
    """
    max_tokens = next((most for start, most in TRAINING_TOKENS if model.startswith(start)), None)
    digest = hashlib.sha256()
    count = size = too_long = 0
    for line in chat_lines(examples):
        digest.update(line)
        count += 1
        size += len(line)
        too_long += max_tokens is not None and len(line) > max_tokens * CHARACTERS_A_TOKEN
        if size > MAX_FILE_BYTES:
            raise InputError(
                f"the training file is larger than {MAX_FILE_BYTES >> 20} MiB",
                "use fewer examples: limit the tasks, or the instances of each",
            )
    if count < MIN_EXAMPLES:
        raise InputError(
            f"{count} examples, but the fine-tuning API takes no fewer than {MIN_EXAMPLES}",
            "use more tasks, or more instances of each",
        )
    return ChatSize(count, size, digest.hexdigest(), too_long, max_tokens)


def _bad(example: Encoded, what: str) -> InputError:
    return InputError(
        f"task {example.task}, instance {example.instance}: {what}",
        "correct the instance, or leave it out",
    )
