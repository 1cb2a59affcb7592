"""Models and the request engine that every stage asks through."""

from seedstep.llm.engine import Engine, Stats
from seedstep.llm.models import Endpoint, default_prompt_style, open_model, resolve_base_url
from seedstep.llm.records import (
    Answer,
    Failure,
    Ledger,
    MemoryLedger,
    Message,
    Reply,
    Request,
    Sampling,
    Schema,
)

__all__ = [
    "Answer",
    "Endpoint",
    "Engine",
    "Failure",
    "Ledger",
    "MemoryLedger",
    "Message",
    "Reply",
    "Request",
    "Sampling",
    "Schema",
    "Stats",
    "default_prompt_style",
    "open_model",
    "resolve_base_url",
]
