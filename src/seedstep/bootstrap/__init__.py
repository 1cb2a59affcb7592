"""Self-Instruct: grow tasks from seed tasks (Wang et al. 2023, section 2.2)."""

from seedstep.bootstrap.filters import (
    FILTERS,
    REASONS,
    Filter,
    InstanceFilter,
    InstructionFilter,
    reasons_of,
)
from seedstep.bootstrap.gate_kinds import GATE_KINDS, GateKind
from seedstep.bootstrap.gates import Better, Gate, GateModel, Proposal, rule_gate
from seedstep.bootstrap.instances import RawInstance
from seedstep.bootstrap.pipeline import bootstrap
from seedstep.bootstrap.preview import check_seeds, preview, tell_script
from seedstep.bootstrap.records import Candidate, Generation, RejectedInstance
from seedstep.bootstrap.rules import CandidateReply
from seedstep.bootstrap.settings import BootstrapSettings
from seedstep.bootstrap.shards import parse_shard

__all__ = [
    "FILTERS",
    "GATE_KINDS",
    "REASONS",
    "Better",
    "BootstrapSettings",
    "Candidate",
    "CandidateReply",
    "Filter",
    "Gate",
    "GateKind",
    "GateModel",
    "Generation",
    "InstanceFilter",
    "InstructionFilter",
    "Proposal",
    "RawInstance",
    "RejectedInstance",
    "bootstrap",
    "check_seeds",
    "parse_shard",
    "preview",
    "reasons_of",
    "rule_gate",
    "tell_script",
]
