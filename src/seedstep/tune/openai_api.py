"""A client for the fine-tuning part of the OpenAI API: files, jobs and their events.

Example::

    async with FineTuningApi.opened(endpoint) as api:
        job = await api.job("ftjob-abc123")
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec

from seedstep.llm.jobs import (
    ApiError,
    JobApi,
    JobState,
    checked_id,
    error_message,
    number_of,
    state_of,
)

__all__ = ["ApiError", "Event", "FineTuningApi", "Job", "JobState", "state_of"]


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
    RIGHT: ClassVar[str] = "fine-tune"
    PURPOSE: ClassVar[str] = "fine-tune"

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
