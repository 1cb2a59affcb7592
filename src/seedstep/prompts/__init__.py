"""Prompt files and fixed demonstrations."""

from seedstep.prompts.templates import Demonstration, demonstrations, fingerprint, heading, render

__all__ = ["Demonstration", "demonstrations", "fingerprint", "heading", "render"]
