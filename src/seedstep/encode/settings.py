"""Settings that say how examples are encoded, for the stages that encode them.

Example::

    EncodingChoice("steps", {"max_source": 1224}).make()
"""

from dataclasses import dataclass
from typing import Any

from seedstep.data import TaskChoice
from seedstep.encode.encodings import Encoding
from seedstep.encode.named import ENCODINGS, make_encoding
from seedstep.settings import SEED, Place, SettingsRecord, part, setting

__all__ = ["EncodeSettings", "EncodingChoice", "steps_setting"]


def steps_setting() -> Any:
    """The field of a settings record that says where step-by-step instructions come from."""
    return setting(
        None,
        "Step-by-step instructions: a run of `seedstep steps`, JSON lines as it exports, or "
        "`superni`, those that come with seedstep.",
        metavar="PATH",
    )


@dataclass(frozen=True, slots=True)
class EncodingChoice:
    """A named encoding, and what differs from it."""

    name: str = setting(
        "tk-instruct",
        f"How prompts are made: {', '.join(ENCODINGS)}.",
        name="encoding",
        metavar="NAME",
    )
    options: dict[str, Any] = setting(
        dict,
        "What differs from the named encoding: {max_source: 1224}.",
        name="encoding_options",
        keys=Encoding,
    )

    def make(self) -> Encoding:
        """The encoding.

        Raises:
            InputError: there is no such encoding, or an option does not fit.
        """
        return make_encoding(self.name, self.options)


@dataclass(frozen=True, slots=True)
class EncodeSettings(SettingsRecord):
    """What `seedstep encode` shows: which tasks, and how they are encoded."""

    tasks: TaskChoice = part(
        TaskChoice,
        limit_tasks=None,
        limit_instances=Place(
            name="instances", help="Instances of a task. Default: 1 with --show, else 100."
        ),
    )
    steps: str | None = steps_setting()
    encoding: EncodingChoice = part(EncodingChoice)
    tokenizer: str | None = setting(
        None, "Fit and count with a model's: local, gguf:PATH or hf:PATH_OR_ID."
    )
    seed: int = setting(42, SEED)
