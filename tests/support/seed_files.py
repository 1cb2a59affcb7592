"""Lines of seed files, good ones and ones that are changed."""

import json
from pathlib import Path
from typing import Any

__all__ = ["SEED", "line", "other_line", "with_instance", "write"]

SEED = {
    "instruction": "Name the capital of the country.",
    "instances": [{"input": "Country: Peru", "output": "Lima"}],
    "is_classification": False,
}


def line(**changes: Any) -> bytes:
    """A good seed as JSON, with some fields changed, or left out where the change is `...`."""
    record = {name: value for name, value in {**SEED, **changes}.items() if value is not ...}
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"


def other_line(**changes: Any) -> bytes:
    """As `line`, with an instruction of its own."""
    return line(**{"instruction": "Put the words into alphabetical order.", **changes})


def with_instance(input_text: Any = "", output: Any = "Lima") -> bytes:
    """A good seed with this instance; a part that is `...` is left out."""
    parts = {"input": input_text, "output": output}
    return other_line(
        instances=[{name: value for name, value in parts.items() if value is not ...}]
    )


def write(folder: Path, content: bytes) -> Path:
    path = folder / "seeds.jsonl"
    path.write_bytes(content)
    return path
