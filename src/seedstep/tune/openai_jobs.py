"""Fine-tune a model at a server with OpenAI's API: upload the data, start a job, wait for its end.

OpenAI's API has no prompt-loss weight, which the first paper set to 0 (section 4.1); its jobs learn
the assistant's turns only, which is the same. It is sent to other servers if it is set.

What was sent is kept in `job.json`, so that a second call waits for the same job.

Example::

    async with open_model("openai:gpt-4.1-mini", None, slots=1) as endpoint:
        job = await fine_tune(endpoint, examples, JobSettings(epochs=2), Path("out"), watch)
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

import msgspec

from seedstep.data import write_atomically, write_in_parts
from seedstep.encode import Encoded
from seedstep.errors import InputError, ModelError, RunError, RunMismatchError
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
from seedstep.tune.data import ChatSize, chat_lines, check_chat

__all__ = ["Event", "FineTuned", "FineTuningApi", "Job", "JobSettings", "JobWatch", "fine_tune"]

JOB_FILE = "job.json"
TRAINING_FILE = "training.jsonl"

NO_STATUS = "no status"

POLL_SECONDS = 10.0
"""The pause between two requests for the state of a job."""

UNKNOWN_LOOKS = 60
"""How often in a row a job may have no known status, or no model, before an error is raised."""


@dataclass(frozen=True, slots=True)
class JobSettings:
    """The hyperparameters of a job. The server chooses those that are None.

    `learning_rate_multiplier` scales the server's own learning rate. OpenAI's API does not know
    `prompt_loss_weight`, as it learns targets only: leave it out there.
    """

    epochs: int | None = None
    batch: int | None = None
    learning_rate_multiplier: float | None = None
    prompt_loss_weight: float | None = None
    seed: int | None = None

    def named(self) -> dict[str, int | float]:
        """Return the hyperparameters that are set, by the API's names."""
        values = {
            "n_epochs": self.epochs,
            "batch_size": self.batch,
            "learning_rate_multiplier": self.learning_rate_multiplier,
            "prompt_loss_weight": self.prompt_loss_weight,
        }
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class FineTuned:
    """A job that succeeded. `model` is the name by which the server knows the tuned model."""

    model: str
    job_id: str
    trained_tokens: int | None


class JobWatch(Protocol):
    """An object with methods that are called as a job proceeds.

    All texts are a server's: don't trust them.
    """

    def moved(self, job_id: str, status: str) -> None:
        """Called when the job has another status."""

    def happened(self, message: str) -> None:
        """Called with the message of an event."""

    def warned(self, message: str) -> None:
        """Called when the job may differ from what was asked for."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """What was sent so far, as `job.json` records it."""

    url: str
    model: str
    settings: JobSettings
    data: str
    file_id: str | None = None
    job_id: str | None = None


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


async def fine_tune(
    endpoint: Endpoint,
    examples: Sequence[Encoded],
    settings: JobSettings,
    out: Path,
    watch: JobWatch,
) -> FineTuned:
    """Tune `endpoint.model` on examples at its server, or wait for the job recorded in `out`.

    Raises:
        InputError: the examples are too few, too large together, or one can't be used.
        RunMismatchError: `out` has a job with another server, model, data or settings.
        RunError: `out` can't be written.
        ModelError: the server refuses, can't be reached, or the job failed, is paused, or has a
            status that is not known.
    """
    size = await asyncio.to_thread(check_chat, examples, endpoint.model)
    asked = _Sent(endpoint.url, endpoint.model, settings, size.digest[:16])
    sent = _read(out / JOB_FILE)
    if sent is None:
        _warn_of_length(size, watch)
        _write(out / JOB_FILE, asked)
    else:
        _require_same(sent, asked, out)
    state = sent or asked
    async with FineTuningApi.opened(endpoint) as api:
        if state.file_id is None:
            file = out / TRAINING_FILE
            await asyncio.to_thread(write_in_parts, file, chat_lines(examples))
            state = await _upload(api, state, size, out, again=sent is not None)
        if state.job_id is None:
            state = await _begin(api, state, out, watch, again=sent is not None)
        return await _wait(api, str(state.job_id), watch)


# Each request is recorded before it is sent. A call that finds a record without an answer looks for
# the file or the job at the server before it sends the request again.


async def _upload(
    api: FineTuningApi, state: _Sent, size: ChatSize, out: Path, *, again: bool
) -> _Sent:
    name = f"seedstep-{state.data}.jsonl"
    found = await api.uploaded(name, size.bytes) if again else None
    state = replace(state, file_id=found or await api.upload(out / TRAINING_FILE, name))
    _write(out / JOB_FILE, state)
    return state


async def _begin(
    api: FineTuningApi, state: _Sent, out: Path, watch: JobWatch, *, again: bool
) -> _Sent:
    job = await api.created(str(state.file_id)) if again else None
    if job is None:
        job = await _create(api, state)
        _warn_of_changes(job, state.settings, watch)
    state = replace(state, job_id=job.id)
    _write(out / JOB_FILE, state)
    return state


async def _create(api: FineTuningApi, state: _Sent) -> Job:
    """Start the job, in the API's older form if the server doesn't know `method`."""
    body: dict[str, Any] = {"model": state.model, "training_file": state.file_id}
    if state.settings.seed is not None:
        body["seed"] = state.settings.seed
    named = state.settings.named()
    if not named:
        return await api.create(body)
    method = {"type": "supervised", "supervised": {"hyperparameters": named}}
    try:
        return await api.create({**body, "method": method})
    except ApiError as error:
        about = f"{error.error.param} {error.error.detail}"
        if error.error.status not in (400, 422) or "method" not in about:
            raise
        return await api.create({**body, "hyperparameters": named})


async def _wait(api: FineTuningApi, job_id: str, watch: JobWatch) -> FineTuned:
    """Ask for the state of a job until it ends, or until it can't be told whether it will."""
    status: str | None = ""
    seen: set[str] = set()
    looks = 0
    while True:
        job = await api.job(job_id)
        for event in await api.events(job_id):
            if event.id not in seen:
                seen.add(event.id)
                watch.happened(event.message)
        if job.status != status:
            status = job.status
            watch.moved(job_id, api.shown(status or NO_STATUS))
        state = state_of(status)
        if state == "succeeded" and job.fine_tuned_model:
            return FineTuned(api.shown(job.fine_tuned_model), job_id, job.tokens)
        is_open = state in ("unknown", "succeeded")  # some servers name the model a little later
        looks = looks + 1 if is_open else 0
        if looks == 1:
            watch.warned(_unclear(state, api.shown(status or NO_STATUS)))
        if state != "under way" and (not is_open or looks >= UNKNOWN_LOOKS):
            raise _not_waited_for(job, state, api)
        await asyncio.sleep(POLL_SECONDS)


def _unclear(state: JobState, status: str) -> str:
    """Return the warning that it can't be told whether a job will end with a model."""
    if state == "succeeded":
        return f"the job has the status {status}, but names no model yet"
    return f"the status of the job, {status}, is not known: whether it will end can't be told"


def _not_waited_for(job: Job, state: JobState, api: FineTuningApi) -> ModelError:
    """Return the error of a job that ended without a model, or that may never end."""
    status = api.shown(job.status or NO_STATUS)
    said = f": {api.shown(job.message)}" if job.message else ""
    why = said or ": no reason given"
    again = "run the same command again, which goes on waiting for it"
    if state == "paused":
        what = f"the fine-tuning job {job.id} is paused ({status}){said}"
        return ModelError(what, f"resume it at the server, and {again}")
    if state == "unknown":
        what = f"the fine-tuning job {job.id} has a status that is not known ({status}){said}"
        return ModelError(what, f"see at the server what state it is in; if it is running, {again}")
    return ModelError(
        f"the fine-tuning job {job.id} ended without a model ({status}){why}",
        "correct what the server names, and start again with another --out",
    )


def _warn_of_length(size: ChatSize, watch: JobWatch) -> None:
    if size.too_long:
        watch.warned(
            f"{size.too_long} of {size.examples} examples are probably longer than the "
            f"{size.max_tokens} tokens that the model is tuned on: the server cuts off their end, "
            "where the target is. Shorten prompts with the encoding's max_source."
        )


def _warn_of_changes(job: Job, settings: JobSettings, watch: JobWatch) -> None:
    """Warn of hyperparameters that the server's answer does not confirm."""
    echoed = _echoed(job)
    for name, value in settings.named().items():
        if echoed.get(name) != value:
            watch.warned(f"the server does not say that it took {name} = {value}")


def _echoed(job: Job) -> Mapping[str, Any]:
    """Return the hyperparameters in a server's answer, in the API's new form or its older one."""
    method = job.method if isinstance(job.method, dict) else {}
    supervised = method.get("supervised")
    inner = supervised.get("hyperparameters") if isinstance(supervised, dict) else None
    outer = job.hyperparameters
    return {
        **(outer if isinstance(outer, dict) else {}),
        **(inner if isinstance(inner, dict) else {}),
    }


def _require_same(sent: _Sent, asked: _Sent, out: Path) -> None:
    before, now = _flat(sent), _flat(asked)
    differences = [(key, before[key], now[key]) for key in before if before[key] != now[key]]
    if differences:
        raise RunMismatchError(str(out), differences)


def _flat(state: _Sent) -> dict[str, Any]:
    settings = asdict(state.settings)
    return {"url": state.url, "model": state.model, "data": state.data, **settings}


def _read(path: Path) -> _Sent | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Sent)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}", "correct its rights") from None
    except (ValueError, RecursionError):
        raise InputError(
            f"{path}: not the record of a fine-tuning job", "name another --out"
        ) from None


def _write(path: Path, sent: _Sent) -> None:
    write_atomically(path, msgspec.json.format(msgspec.json.encode(sent)) + b"\n")
