"""Self-Instruct: grow tasks from seed tasks (Wang et al. 2023, section 2.2)."""

from seedstep.bootstrap.filters import REASONS, check_seeds
from seedstep.bootstrap.pipeline import bootstrap
from seedstep.bootstrap.preview import preview
from seedstep.bootstrap.records import Candidate, Generation, RejectedInstance
from seedstep.bootstrap.settings import Settings, make_settings, require_price

__all__ = [
    "REASONS",
    "Candidate",
    "Generation",
    "RejectedInstance",
    "Settings",
    "bootstrap",
    "check_seeds",
    "make_settings",
    "preview",
    "require_price",
]
