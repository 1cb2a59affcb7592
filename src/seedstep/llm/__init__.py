"""References to models, and the engine through which every stage sends its requests."""

from seedstep.llm.batch_records import Sending
from seedstep.llm.budget import Budget, Preview, Price, Pricing, Spent, Tokens
from seedstep.llm.endpoints import Endpoint, first_address
from seedstep.llm.engine import Engine
from seedstep.llm.kept import KeptAnswers
from seedstep.llm.models import ModelRef, known_model, open_model, resolve_base_url
from seedstep.llm.pacing import EngineStats
from seedstep.llm.providers import PROVIDERS, Provider, add_provider
from seedstep.llm.records import (
    Answer,
    Failure,
    Ledger,
    Likelihood,
    MemoryLedger,
    Message,
    Reply,
    Request,
    Sampling,
    Schema,
    estimated_tokens,
    tokens_of,
)
from seedstep.llm.replay import Header, read_header

__all__ = [
    "PROVIDERS",
    "Answer",
    "Budget",
    "Endpoint",
    "Engine",
    "EngineStats",
    "Failure",
    "Header",
    "KeptAnswers",
    "Ledger",
    "Likelihood",
    "MemoryLedger",
    "Message",
    "ModelRef",
    "Preview",
    "Price",
    "Pricing",
    "Provider",
    "Reply",
    "Request",
    "Sampling",
    "Schema",
    "Sending",
    "Spent",
    "Tokens",
    "add_provider",
    "estimated_tokens",
    "first_address",
    "known_model",
    "open_model",
    "read_header",
    "resolve_base_url",
    "tokens_of",
]
