"""Prompt files and the fixed demonstrations that they show."""

from seedstep.prompts.templates import Demonstration, demonstrations, fingerprint, heading, render

__all__ = ["Demonstration", "demonstrations", "fingerprint", "heading", "render"]
