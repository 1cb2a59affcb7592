from seedstep.bootstrap.filters import (
    FILTERS as FILTERS,
    REASONS as REASONS,
    Filter as Filter,
    InstanceFilter as InstanceFilter,
    InstructionFilter as InstructionFilter,
    reasons_of as reasons_of,
)
from seedstep.bootstrap.gate_kinds import GATE_KINDS as GATE_KINDS, GateKind as GateKind
from seedstep.bootstrap.gates import (
    ReplacementOutput as ReplacementOutput,
    Gate as Gate,
    GateModel as GateModel,
    Proposal as Proposal,
    rule_gate as rule_gate,
)
from seedstep.bootstrap.instances import CandidateReply as CandidateReply
from seedstep.bootstrap.pipeline import bootstrap as bootstrap
from seedstep.bootstrap.previews import (
    check_seeds as check_seeds,
    preview as preview,
    tell_script as tell_script,
)
from seedstep.bootstrap.records import (
    Candidate as Candidate,
    Generation as Generation,
    RejectedInstance as RejectedInstance,
)
from seedstep.bootstrap.settings import BootstrapSettings as BootstrapSettings
from seedstep.bootstrap.shards import parse_shard as parse_shard
