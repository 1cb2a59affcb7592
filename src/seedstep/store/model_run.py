"""The run directory of a stage that asks one model.

Its configuration also keeps the address under which the model's replies are kept, which stays the
same where the server moves.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

from seedstep.llm import Header, resolve_base_url
from seedstep.store.directory import Inputs, RunDirectory, RunSettings

__all__ = ["ModelRun", "ModelSettings"]

IDENTITY = "identity_url"
"""Entry of the configuration: the address under which replies are kept."""


class ModelSettings(RunSettings, Protocol):
    """What the settings of a stage have that asks a model."""

    @property
    def model(self) -> str:
        """The model."""

    @property
    def base_url(self) -> str | None:
        """The address of its server."""

    @property
    def style(self) -> str:
        """The prompt style."""


S = TypeVar("S", bound=ModelSettings)


class ModelRun(RunDirectory[S, Inputs], Generic[S, Inputs]):
    """A run directory for the replies of one model."""

    @classmethod
    def start(cls, path: Path, asked: Mapping[str, Any], *, same_model: bool = False) -> Self:
        """As `RunDirectory.start`. `same_model` says that another base URL serves the same model,
        so that the replies kept count as its own.

        Raises:
            SeedstepError: as there.
        """
        return cls._start(path, asked, (*cls.changeable, *["base_url"] * same_model))

    @property
    def identity_url(self) -> str | None:
        """The address under which replies are kept."""
        url: str | None = self._entries.get(IDENTITY)
        return url

    def _header(self) -> Header:
        settings = self.settings
        return Header.of(settings.model, settings.base_url, settings.style)

    @staticmethod
    def _settled(settings: S) -> S:
        address = resolve_base_url(settings.model, settings.base_url)
        return replace(settings, base_url=address)

    @staticmethod
    def _more(settings: S, entries: Mapping[str, Any] | None) -> dict[str, Any]:
        return {IDENTITY: settings.base_url if entries is None else entries.get(IDENTITY)}
