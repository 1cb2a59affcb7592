"""Step-by-step instructions: written, parsed, checked, judged, shuffled; and examples from them."""

from seedstep.steps.check import CHECKS, Check, Finding, TaskText, check, repair_request
from seedstep.steps.differences import Run, differences
from seedstep.steps.examples import generate_examples
from seedstep.steps.judge import judge
from seedstep.steps.measure import Labelled, Measured, labelled, measure
from seedstep.steps.parse import REASONS, ParsedSteps, canonical, parse, render
from seedstep.steps.pipeline import write_steps
from seedstep.steps.records import (
    FAILURES,
    RANKING_FAILURES,
    ExampleSet,
    Judgement,
    Turn,
    Written,
)
from seedstep.steps.settings import (
    ExamplesSettings,
    StepsSettings,
    make_examples_settings,
    make_steps_settings,
)
from seedstep.steps.transform import shuffled

__all__ = [
    "CHECKS",
    "FAILURES",
    "RANKING_FAILURES",
    "REASONS",
    "Check",
    "ExampleSet",
    "ExamplesSettings",
    "Finding",
    "Judgement",
    "Labelled",
    "Measured",
    "ParsedSteps",
    "Run",
    "StepsSettings",
    "TaskText",
    "Turn",
    "Written",
    "canonical",
    "check",
    "differences",
    "generate_examples",
    "judge",
    "labelled",
    "make_examples_settings",
    "make_steps_settings",
    "measure",
    "parse",
    "render",
    "repair_request",
    "shuffled",
    "write_steps",
]
