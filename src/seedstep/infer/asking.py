"""Load a checkpoint, and ask it through the request engine, as a served model is asked.

What waits for an answer is answered together, in this process or in several, each of which has a
copy of the checkpoint. An answer depends on its request alone, but for rounding: where one is drawn
at random, the request is the seed.

Example::

    async with open_asked("hf:checkpoints/tuned", None, in_flight=8, workers=2) as endpoint:
        async with Engine(endpoint, MemoryLedger(), in_flight=8) as asked:
            reply = await asked.ask(Request("test", "Once upon a time", Sampling(16)))
"""

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Iterator,
    MutableMapping,
    Sequence,
)
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from seedstep.encode import ChatFrame, HfTokenizer
from seedstep.errors import InputError
from seedstep.infer.workers import Crew
from seedstep.llm import Answer, Endpoint, Failure, Reply, Request, Sampling, open_model
from seedstep.llm.checkpoints import computing_type, load_model, load_tokenizer, was_tuned_here
from seedstep.llm.models import asked_model, known_model
from seedstep.llm.wire import THINKING
from seedstep.text.thoughts import opened_thoughts

if TYPE_CHECKING:
    from seedstep.infer.generate import Checkpoint, Draw, GeneratedText

__all__ = ["load_checkpoint", "open_asked"]


def load_checkpoint(
    model: str,
    frames: MutableMapping[str, ChatFrame],
    *,
    in_chat: bool,
    bf16: bool = False,
    new_tokens: int = 128,
    stop: Sequence[str] = (),
    batch: int = 16,
    room: int | None = None,
) -> tuple["Checkpoint", HfTokenizer]:
    """Load a checkpoint, and its tokenizer.

    `in_chat` says whether prompts are in the chat template. `frames` are what templates wrote when
    they were first used, which may contain a date; what one writes now is added. The other
    arguments are those of `Checkpoint`.

    Raises:
        MissingExtraError: transformers is not installed.
        ModelError: the checkpoint is not there, or can't be read.
        InputError: the chat template can't be used, and prompts are in it.
    """
    tokenizer = load_tokenizer(model)  # raises where transformers is not installed
    from transformers.utils import logging

    from seedstep.infer.generate import Checkpoint

    logging.disable_progress_bar()
    template = str(tokenizer.chat_template)
    reader = HfTokenizer(tokenizer, frame=frames.get(template))
    frame = _frame(reader, in_chat=in_chat)
    shown = frame if in_chat else None
    if shown:
        frames[template] = shown
    is_tuned = was_tuned_here(model)  # on answers behind a mark of thoughts, if any
    checkpoint = Checkpoint(
        load_model(model, dtype=computing_type(bf16=bf16)[0]),
        tokenizer,
        new_tokens=new_tokens,
        stop=(*stop, *([shown.stop] if shown and shown.stop else [])),
        batch=batch,
        ends=[frame.end] if frame and frame.end is not None else [],
        opened=opened_thoughts(shown.after) if shown and not is_tuned else "",
        room=room,
    )
    return checkpoint, reader


def _frame(reader: HfTokenizer, *, in_chat: bool) -> ChatFrame | None:
    """Return the chat template; None if it can't be used and prompts are not in it."""
    if in_chat:
        return reader.chat
    with suppress(InputError):
        return reader.chat
    return None


NOT_READ = "not_read"
"""The reason of a failure where a checkpoint can't read a prompt."""

TOGETHER_SECONDS = 0.02
"""How long more requests are waited for, which come at the same moment."""


@asynccontextmanager
async def open_asked(
    model: str,
    base_url: str | Sequence[str] | None,
    in_flight: int,
    identity_url: str | None = None,
    *,
    workers: int = 1,
    bf16: bool = False,
) -> AsyncIterator[Endpoint]:
    """Open the endpoint of a model: as `open_model` does, or a checkpoint that is loaded here.

    A checkpoint is loaded when it is first asked. Its content stands for it in keys of requests.

    Raises:
        InputError, MissingExtraError, ModelError: as `open_model`.
    """
    if asked_model(model).provider.is_served:
        async with open_model(model, base_url, in_flight, identity_url) as endpoint:
            yield endpoint
        return
    known = await asyncio.to_thread(known_model, model, base_url)
    batch = -(-in_flight // workers)
    job = _Writing(model, bf16, batch)
    crew: _Doing = Crew(job, workers) if workers > 1 else _Here(job)
    yield replace(known, sender=_Asked(crew, workers, batch))


class _Doing(Protocol):
    """Something that lets its worker of a number answer requests."""

    def do(
        self, number: int, unit: tuple[Request, ...], about: str
    ) -> AsyncGenerator[list[Answer]]:
        """Yield the answers to the requests, which are alike."""

    def end(self) -> None:
        """End the workers."""


@dataclass(frozen=True, slots=True)
class _Writing:
    """The job of workers that answer requests, so many at a time."""

    model: str
    bf16: bool
    batch: int

    def open(self) -> tuple[None, Callable[[tuple[Request, ...], int], Iterator[list[Answer]]]]:
        """Load the checkpoint; return what answers requests that are alike."""
        checkpoint, tokenizer = load_checkpoint(
            self.model, {}, in_chat=False, bf16=self.bf16, batch=self.batch
        )
        thinks = not was_tuned_here(self.model)

        def write(requests: tuple[Request, ...], done: int) -> Iterator[list[Answer]]:
            if not done:
                yield _answers(checkpoint, tokenizer, requests, thinks=thinks)

        return None, write


class _Here:
    """Does a job in this process, in a thread."""

    def __init__(self, job: _Writing) -> None:
        self._job = job
        self._do: Any = None

    async def do(self, _: int, unit: tuple[Request, ...], __: str) -> AsyncGenerator[list[Answer]]:
        """Yield the answers to the requests, which are alike."""
        if self._do is None:
            self._do = (await asyncio.to_thread(self._job.open))[1]
        yield await asyncio.to_thread(next, self._do(unit, 0))

    def end(self) -> None:
        """Forget the checkpoint."""
        self._do = None


class _Asked:
    """Gathers requests, and answers those together that are alike."""

    def __init__(self, crew: _Doing, workers: int, batch: int) -> None:
        self._crew = crew
        self._workers = workers
        self._batch = batch
        self._waiting: list[tuple[Request, asyncio.Future[Answer]]] = []
        self._some = asyncio.Event()
        self._serving: list[asyncio.Task[None]] = []

    async def send(self, request: Request) -> Answer:
        """Return the answer to a request.

        Raises:
            SeedstepError: the checkpoint can't be loaded, or workers die again and again.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, answer))
        self._some.set()
        if not self._serving:
            numbers = range(self._workers)
            self._serving = [asyncio.create_task(self._serve(number)) for number in numbers]
        return await answer

    async def check(self) -> int:
        """Return 200, the status of a server that answers."""
        return 200

    async def close(self) -> None:
        """End the workers."""
        for task in self._serving:
            task.cancel()
        self._crew.end()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, number: int) -> None:
        while True:
            chosen = await self._next()
            requests = tuple(request for request, _ in chosen)
            about = f"over requests for '{requests[0].purpose}'"
            try:
                async for answers in self._crew.do(number, requests, about):
                    for (_, waiting), answer in zip(chosen, answers, strict=True):
                        if not waiting.done():
                            waiting.set_result(answer)
            except Exception as error:  # whoever waits raises it
                for _, waiting in chosen:
                    if not waiting.done():
                        waiting.set_exception(error)

    async def _next(self) -> list[tuple[Request, "asyncio.Future[Answer]"]]:
        """Return requests that are alike, beginning with the one that waits longest."""
        while True:
            await self._some.wait()
            await asyncio.sleep(TOGETHER_SECONDS)
            left = [each for each in self._waiting if not each[1].done()]
            chosen = [each for each in left if _kind(each[0]) == _kind(left[0][0])][: self._batch]
            self._waiting = [each for each in left if each not in chosen]
            if not self._waiting:
                self._some.clear()
            if chosen:
                return chosen


def _kind(request: Request) -> tuple[object, ...]:
    """Return what is equal for requests that a checkpoint can answer together."""
    return request.purpose, isinstance(request.prompt, str), request.sampling


def _answers(
    checkpoint: "Checkpoint", tokenizer: HfTokenizer, requests: Sequence[Request], *, thinks: bool
) -> list[Answer]:
    """Return the answers of a checkpoint to requests of one kind.

    `thinks` says that in its chat template it may write thoughts first.

    Raises:
        InputError: the requests are conversations, and there is no template that can be used.
    """
    first, frame = requests[0], None
    if not isinstance(first.prompt, str):
        frame = tokenizer.frame
    limited = checkpoint.limited(
        new_tokens=first.sampling.max_tokens,
        stop=(*first.sampling.stop, *([frame.stop] if frame and frame.stop else [])),
        opened=opened_thoughts(frame.after) if frame and thinks else "",
        room=first.reasoning.room if first.reasoning else None,
    )
    found: dict[int, Answer] = {}
    asked: list[tuple[int, list[int]]] = []
    for place, request in enumerate(requests):
        prompt = _prompt(tokenizer, request, decoder_only=checkpoint.is_decoder_only)
        if fault := limited.fault(prompt):
            found[place] = Failure(NOT_READ, fault)
        else:
            asked.append((place, prompt))
    draws = [_draw(requests[place]) for place, _ in asked]
    for batch in limited.answers([prompt for _, prompt in asked], draws=draws):
        for at, written in batch:
            place, prompt = asked[at]
            found[place] = _answer(requests[place], len(prompt), written)
    return [found[place] for place in range(len(requests))]


def _prompt(tokenizer: HfTokenizer, request: Request, *, decoder_only: bool) -> list[int]:
    if not isinstance(request.prompt, str):
        return tokenizer.conversation([(each.role, each.content) for each in request.prompt])
    ids = tokenizer.ids(request.prompt)
    if decoder_only:
        return [*tokenizer.bos, *ids]
    return ids if tokenizer.eos is None else [*ids, tokenizer.eos]


def _draw(request: Request) -> "Draw | None":
    """Return how the answer to a request is drawn, which is the same each time."""
    from seedstep.infer.generate import Draw

    temperature, top_p = request.sampling.temperature, request.sampling.top_p
    if temperature == 0:
        return None
    seed = int(request.key("", "")[:15], 16)
    return Draw(seed, 1.0 if temperature is None else temperature, 1.0 if top_p is None else top_p)


def _answer(request: Request, prompt_tokens: int, written: "GeneratedText") -> Answer:
    if written.used_up_by_thinking:
        detail = f"all {written.tokens:,} tokens of the reply went into the model's thoughts"
        return Failure(
            THINKING,
            detail,
            lost_prompt_tokens=prompt_tokens,
            lost_completion_tokens=written.tokens,
        )
    return Reply(
        written.text,
        "length" if written.cut else "stop",
        prompt_tokens,
        written.tokens,
        thoughts=written.thoughts,
        left_out=_left_out(request.sampling, has_schema=request.schema is not None),
    )


def _left_out(sampling: Sampling, *, has_schema: bool) -> tuple[str, ...]:
    """Return the names of what was asked for, and a checkpoint can't do."""
    penalties = ("presence_penalty", "frequency_penalty")
    names = tuple(name for name in penalties if getattr(sampling, name))
    return (*names, "response_format") if has_schema else names
