"""Step-by-step instructions: written by a model, checked, judged, and turned into examples."""

from seedstep.steps.check import CHECKS, Check, Finding, TaskText, check, repair_request
from seedstep.steps.differences import TextRun, differences
from seedstep.steps.examples import generate_examples
from seedstep.steps.judge import judge
from seedstep.steps.measure import CheckAccuracy, Labelled, Part, labelled, measure
from seedstep.steps.parse import REASONS, ParsedSteps, canonical, parse, render
from seedstep.steps.pipeline import preview_examples, preview_steps, write_steps
from seedstep.steps.records import (
    FAILURES,
    RANKING_FAILURES,
    SUPERNI,
    DescribedTask,
    ExampleSet,
    ExamplesStatistics,
    Judgement,
    StepsStatistics,
    Turn,
    WrittenSteps,
    examples_statistics,
    shuffled,
    statistics,
    superni_instructions,
    superni_readings,
)
from seedstep.steps.settings import (
    ExamplesSettings,
    ImportSettings,
    StepsSettings,
    SuperniSettings,
)

__all__ = [
    "CHECKS",
    "FAILURES",
    "RANKING_FAILURES",
    "REASONS",
    "SUPERNI",
    "Check",
    "CheckAccuracy",
    "DescribedTask",
    "ExampleSet",
    "ExamplesSettings",
    "ExamplesStatistics",
    "Finding",
    "ImportSettings",
    "Judgement",
    "Labelled",
    "ParsedSteps",
    "Part",
    "StepsSettings",
    "StepsStatistics",
    "SuperniSettings",
    "TaskText",
    "TextRun",
    "Turn",
    "WrittenSteps",
    "canonical",
    "check",
    "differences",
    "examples_statistics",
    "generate_examples",
    "judge",
    "labelled",
    "measure",
    "parse",
    "preview_examples",
    "preview_steps",
    "render",
    "repair_request",
    "shuffled",
    "statistics",
    "superni_instructions",
    "superni_readings",
    "write_steps",
]
