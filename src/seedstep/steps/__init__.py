"""Step-by-step instructions: texts parsed, rendered, checked, shuffled and compared."""

from seedstep.steps.check import CHECKS, Check, Finding, TaskText, check, repair_request
from seedstep.steps.differences import Run, differences
from seedstep.steps.measure import Labelled, Measured, labelled, measure
from seedstep.steps.parse import REASONS, ParsedSteps, canonical, parse, render
from seedstep.steps.transform import shuffled

__all__ = [
    "CHECKS",
    "REASONS",
    "Check",
    "Finding",
    "Labelled",
    "Measured",
    "ParsedSteps",
    "Run",
    "TaskText",
    "canonical",
    "check",
    "differences",
    "labelled",
    "measure",
    "parse",
    "render",
    "repair_request",
    "shuffled",
]
