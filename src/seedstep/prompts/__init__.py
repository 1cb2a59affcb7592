"""Prompt files and fixed demonstrations."""

from seedstep.prompts.templates import Demonstration, demonstrations, fingerprint, render

__all__ = ["Demonstration", "demonstrations", "fingerprint", "render"]
