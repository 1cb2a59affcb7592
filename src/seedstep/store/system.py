"""A system of a run of predictions: its settings, resolved, kept, and compared with those before.

Example::

    system = begin_system("tuned", tasks, None, {"model": "hf:checkpoints/tuned"}, {})
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from seedstep.data import Task
from seedstep.encode import make_encoding
from seedstep.errors import InputError
from seedstep.evaluate.settings import SystemSettings, make_system_settings
from seedstep.llm import resolve_base_url
from seedstep.llm.checkpoints import fingerprint_of
from seedstep.llm.settings import require_price
from seedstep.store.directory import digest, refuse_differences
from seedstep.store.steps_join import with_steps

__all__ = ["CHANGEABLE", "ChosenSystem", "KeptSystem", "begin_system", "refuse_changes"]

CHANGEABLE = ("batch", "in_flight", "max_requests", "max_tokens", "max_usd", "prices")
"""Settings of a system that change nothing of what it answers."""

LONGEST_NAME = 100
"""Characters of a system's name."""


@dataclass(frozen=True, slots=True)
class KeptSystem:
    """What the run's database keeps of a system. `stamps` are fingerprints by name."""

    settings: dict[str, Any]
    stamps: dict[str, Any]
    identity_url: str | None


@dataclass(frozen=True, slots=True)
class ChosenSystem:
    """A system to predict with, and the tasks with the steps that it is shown.

    `identity_url` is the address under which its replies are kept.
    """

    name: str
    settings: SystemSettings
    tasks: tuple[Task, ...]
    stamps: dict[str, Any]
    identity_url: str | None

    @property
    def kept(self) -> KeptSystem:
        """What is kept of it."""
        return KeptSystem(asdict(self.settings), self.stamps, self.identity_url)


def begin_system(
    name: str,
    tasks: tuple[Task, ...],
    kept: KeptSystem | None,
    asked: Mapping[str, Any],
    defaults: Mapping[str, Any],
) -> ChosenSystem:
    """A system with the settings that are asked for, else kept, else `defaults`.

    Of `encoding` each may name some knobs only.

    Raises:
        InputError: the name, a setting or the steps can't be used.
    """
    if not (name.strip() and name.isprintable() and len(name) <= LONGEST_NAME):
        what = f"a system can't be named {name[:LONGEST_NAME]!r}"
        raise InputError(what, f"write 1 to {LONGEST_NAME} printable characters after --name")
    known = kept.settings if kept and _same_model(kept, asked) else {}
    values = {**defaults, **known, **asked}
    knobs = [one.get("encoding") or {} for one in (defaults, known, asked)]
    values["encoding"] = {knob: value for one in knobs for knob, value in one.items()}
    settings = _settled(make_system_settings(values, "settings"))
    require_price(settings)
    if settings.steps:
        tasks = with_steps(tasks, Path(settings.steps))
    is_here = settings.kind == "checkpoint"
    stamps = {
        "stop_texts": list(settings.stop_texts),
        "steps_fingerprint": digest([one.steps, one.unrefined_steps] for one in tasks),
        "model_fingerprint": fingerprint_of(settings.model) if is_here else "",
    }
    return ChosenSystem(name, settings, tasks, stamps, settings.base_url)


def _same_model(kept: KeptSystem, asked: Mapping[str, Any]) -> bool:
    return bool(asked.get("model", kept.settings["model"]) == kept.settings["model"])


def _settled(settings: SystemSettings) -> SystemSettings:
    """With the address that is asked, and knobs of an encoding that go together."""
    make_encoding("tk-instruct", asdict(settings.encoding))
    if settings.kind != "server":
        return replace(settings, base_url=None)
    return replace(settings, base_url=resolve_base_url(settings.model, settings.base_url))


def refuse_changes(
    where: str, kept: KeptSystem, begun: ChosenSystem, changeable: Sequence[str]
) -> None:
    """Raise RunMismatchError if a system that has predictions is asked with other settings."""
    before = dict(_flat({**asdict(make_system_settings(kept.settings, where)), **kept.stamps}))
    now = dict(_flat({**begun.kept.settings, **begun.stamps}))
    refuse_differences(where, before, now, changeable, another="--name")


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The knobs of an encoding as settings of their own."""
    for key, value in values.items():
        if key == "encoding":
            yield from ((f"{key}.{knob}", one) for knob, one in value.items())
        else:
            yield key, value
