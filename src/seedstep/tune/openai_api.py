"""A client for the fine-tuning part of the OpenAI API: files, jobs and their events.

Example::

    async with open_api(endpoint) as api:
        job = await api.job("ftjob-abc123")
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from seedstep.llm import Endpoint
from seedstep.llm.jobs import (
    ApiError,
    JobApi,
    JobState,
    checked_id,
    error_message,
    number_of,
    state_of,
)

__all__ = ["ApiError", "Event", "FineTuningApi", "Job", "JobState", "open_api", "state_of"]

PURPOSE = "fine-tune"
"""What an uploaded file is for, by the API's word."""


@dataclass(frozen=True, slots=True)
class Job:
    """A fine-tuning job as the server describes it. What is no id or text may be of any type."""

    id: str
    status: str | None = None
    fine_tuned_model: str | None = None
    trained_tokens: Any = None
    error: Any = None
    training_file: Any = None
    hyperparameters: Any = None
    method: Any = None

    @property
    def message(self) -> str:
        """The first error that the server names, or an empty text."""
        return error_message(self.error)

    @property
    def tokens(self) -> int | None:
        """How many tokens were trained, if the server says so."""
        return number_of(self.trained_tokens) or None


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a job, with the server's message."""

    id: str
    message: str


@dataclass(frozen=True, slots=True)
class FineTuningApi(JobApi):
    """A client of one endpoint, for files and fine-tuning jobs."""

    NAME: ClassVar[str] = "fine-tuning"
    RIGHT: ClassVar[str] = PURPOSE

    async def upload(self, path: Path, name: str, purpose: str = PURPOSE) -> str:
        """Upload a training file under a name, and return its id.

        Raises:
            ModelError: the server can't be reached, or does not take it.
        """
        return await JobApi.upload(self, path, name, purpose)

    async def uploaded(self, name: str, size: int, purpose: str = PURPOSE) -> str | None:
        """Return the id of an uploaded file of this name and size, or None."""
        return await JobApi.uploaded(self, name, size, purpose)

    async def create(self, body: Mapping[str, Any]) -> Job:
        """Start a job.

        Raises:
            ApiError: the server does not take it.
            ModelError: the server can't be reached, or the key is refused.
        """
        job = await self._make("fine_tuning/jobs", msgspec.json.encode(body), Job)
        checked_id(job.id)
        return job

    async def created(self, file_id: str) -> Job | None:
        """Return a job that was started with this training file, or None."""
        jobs = await self._listed("fine_tuning/jobs?limit=100", Job)
        return next((job for job in jobs if job.training_file == file_id), None)

    async def job(self, job_id: str) -> Job:
        """Return the present state of a job.

        Raises:
            ModelError: the server can't be reached, or has no such job.
        """
        return self._read(await self._get(f"fine_tuning/jobs/{checked_id(job_id)}"), Job)

    async def events(self, job_id: str) -> list[Event]:
        """Return the last events of a job, the oldest first; none if the server has no list."""
        path = f"fine_tuning/jobs/{checked_id(job_id)}/events?limit=100"
        events = await self._listed(path, Event)
        return [Event(event.id, self.shown(event.message)) for event in reversed(events)]


@asynccontextmanager
async def open_api(endpoint: Endpoint) -> AsyncIterator[FineTuningApi]:
    """Open a client for an endpoint of `open_model`."""
    async with FineTuningApi.opened(endpoint) as api:
        yield api
