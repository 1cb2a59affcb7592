from seedstep.llm.records import Sending as Sending
from seedstep.llm.budget import (
    Budget as Budget,
    Price as Price,
    Pricing as Pricing,
    Spent as Spent,
    Tokens as Tokens,
)
from seedstep.llm.endpoints import Endpoint as Endpoint, first_address as first_address
from seedstep.llm.engine import Engine as Engine
from seedstep.llm.engine import KeptAnswers as KeptAnswers
from seedstep.llm.models import (
    ModelRef as ModelRef,
    known_model as known_model,
    open_model as open_model,
    resolve_base_url as resolve_base_url,
)
from seedstep.llm.budget import Preview as Preview
from seedstep.llm.pacing import EngineStats as EngineStats
from seedstep.llm.models import PROVIDERS as PROVIDERS, add_provider as add_provider
from seedstep.llm.endpoints import Provider as Provider
from seedstep.llm.records import (
    Answer as Answer,
    Failure as Failure,
    Likelihood as Likelihood,
    Message as Message,
    Reply as Reply,
    Request as Request,
    Sampling as Sampling,
    Schema as Schema,
    estimated_tokens as estimated_tokens,
    tokens_of as tokens_of,
)
from seedstep.llm.ledgers import Ledger as Ledger, MemoryLedger as MemoryLedger
from seedstep.llm.ledgers import Header as Header, read_header as read_header
