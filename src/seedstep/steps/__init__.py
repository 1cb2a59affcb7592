"""Step-by-step instructions: their texts."""

from seedstep.steps.parse import REASONS, ParsedSteps, canonical, parse, render

__all__ = ["REASONS", "ParsedSteps", "canonical", "parse", "render"]
