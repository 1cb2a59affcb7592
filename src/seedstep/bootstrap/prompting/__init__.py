"""The requests of the four steps, in three prompt styles (Self-Instruct, appendix A.4).

`completion` has the paper's frames, for base models. `turns` shows the same blocks as turns of a
conversation, for small instruction-tuned models: they follow few-shot turns well, and neither
long texts nor JSON. `chat` describes what is wanted and asks for JSON, for capable ones.

The demonstrations of instruction generation come from the growing pool; the others are fixed.

Example::

    make_prompts(Settings(prompt_style="chat")).classification("Sort the list of words.")
"""

from seedstep.bootstrap.prompting.chat import ChatPrompts
from seedstep.bootstrap.prompting.frames import CompletionPrompts, TurnsPrompts, one_line
from seedstep.bootstrap.settings import Settings

__all__ = [
    "ChatPrompts",
    "CompletionPrompts",
    "Prompts",
    "TurnsPrompts",
    "make_prompts",
    "one_line",
]

Prompts = CompletionPrompts | TurnsPrompts | ChatPrompts


def make_prompts(settings: Settings) -> Prompts:
    """The prompts of the settings' style."""
    styles: dict[str, type[Prompts]] = {
        "completion": CompletionPrompts,
        "turns": TurnsPrompts,
        "chat": ChatPrompts,
    }
    return styles[settings.style](settings)
