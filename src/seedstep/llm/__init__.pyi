from seedstep.llm.addresses import first_address as first_address
from seedstep.llm.budget import (
    Budget as Budget,
    Preview as Preview,
    Price as Price,
    Pricing as Pricing,
    Spent as Spent,
    TokenUsage as TokenUsage,
)
from seedstep.llm.endpoints import Endpoint as Endpoint, Provider as Provider
from seedstep.llm.engine import Engine as Engine, KeptAnswers as KeptAnswers
from seedstep.llm.ledgers import (
    RecordingHeader as RecordingHeader,
    Ledger as Ledger,
    MemoryLedger as MemoryLedger,
    read_header as read_header,
)
from seedstep.llm.models import (
    ModelRef as ModelRef,
    known_model as known_model,
    open_model as open_model,
    resolve_base_url as resolve_base_url,
)
from seedstep.llm.pacing import EngineStats as EngineStats, in_order as in_order
from seedstep.llm.providers import PROVIDERS as PROVIDERS, add_provider as add_provider
from seedstep.llm.records import (
    Answer as Answer,
    Failure as Failure,
    Likelihood as Likelihood,
    Message as Message,
    Reply as Reply,
    Request as Request,
    Sampling as Sampling,
    Schema as Schema,
    SendOptions as SendOptions,
    estimated_tokens as estimated_tokens,
    tokens_of as tokens_of,
)
