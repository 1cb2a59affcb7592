"""Gates: what an instance has to pass after the filters, each of which may ask a model.

Gates are not from the papers, and there are none unless they are asked for. A gate has a name,
which is the reason of its rejections, and a function that decides on an instance. Gates are applied
in their order; a task counts when one of its instances passes all of them. The setting `gates`
makes some of the kinds in `seedstep.bootstrap.gate_kinds`. A gate of your own is passed beside
them::

    no_links = rule_gate("links", "output has a link", lambda found: "http" in found.output)
    self_instruct("runs/mine", tasks=100, own_gates=[no_links])
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from seedstep.bootstrap.records import RejectedInstance
from seedstep.bootstrap.rules import RuleResult
from seedstep.data import Instance
from seedstep.data.schemas import SECONDS
from seedstep.entries import (
    FUNCTION,
    LINE,
    TRUTH,
    as_entries,
    named_in_errors,
    require_record,
    require_return,
)
from seedstep.errors import InputError
from seedstep.llm import Failure, Likelihood, Message, Reply, Request, Sampling, Schema
from seedstep.text import answer, is_refusal, loops

T = TypeVar("T")

if TYPE_CHECKING:
    from seedstep.llm import Engine

__all__ = [
    "MOST_DRAWS",
    "Gate",
    "GateModel",
    "GateModels",
    "Proposal",
    "ReplacementOutput",
    "UndecidedError",
    "check_gates",
    "check_own_gates",
    "draws_of",
    "gate_reasons",
    "in_time",
    "pass_gates",
    "purpose_of",
    "rule_gate",
    "undecided_reason",
]

MOST_DRAWS = 100
"""The most outputs that a gate draws. Where gates draw from the run's model, each has so many draws
of its own, after the first ones, which are those of gates that draw from their own model."""

LEAST = Sampling(max_tokens=1)
"""How a model is asked that writes nothing: servers want at least one new token."""


class UndecidedError(Exception):
    """A gate can't decide on an instance, which is rejected. The message says why."""


def in_time(check: Callable[[Any], T], value: Any) -> T:
    """Return what a check of `seedstep.data.schemas` says.

    Raises:
        UndecidedError: it takes too long.
    """
    try:
        return check(value)
    except TimeoutError:
        raise UndecidedError(f"it takes more than {SECONDS:g} second to decide") from None


@dataclass(frozen=True, slots=True)
class GateModel:
    """A model that gates ask: its engine, and whether it is asked in a conversation."""

    engine: "Engine"
    converses: bool


@dataclass(frozen=True, slots=True)
class GateModels:
    """The run's model, and the models of gates that have one of their own, by the gates' names."""

    run: GateModel
    own: Mapping[str, GateModel] = field(default_factory=dict)


def purpose_of(gate: str) -> str:
    """Return what the requests to a gate's model are for."""
    return f"gate {gate}"


def draws_of(gate: str) -> str:
    """Return what the requests are for by which a gate has the run's model write outputs."""
    return f"gate {gate} draws"


@dataclass(frozen=True, slots=True)
class Proposal:
    """An instance of a new task, on which a gate decides, and ways to ask the gate's model.

    A gate without a model of its own has the run's. `tokens` names the run's tokens, as in
    `seedstep.text.TOKENIZERS`. `_place` is the gate's place among the gates, and `_passes` returns
    whether an output passes what the instance's own has passed so far.
    """

    instruction: str
    instance: Instance
    tokens: str
    _gate: str
    _models: GateModels
    _priority: tuple[int, ...]
    _place: int = 0
    _passes: Callable[[str], Coroutine[Any, Any, bool]] | None = None

    @property
    def input(self) -> str:
        """The input that the model wrote, or an empty text."""
        return self.instance.input

    @property
    def output(self) -> str:
        """The output that the model wrote."""
        return self.instance.output

    @property
    def prompt(self) -> str:
        """The instruction and the input, as a user would write them."""
        return "\n\n".join(filter(None, (self.instruction, self.input)))

    async def ask(
        self, prompt: str, sampling: Sampling, schema: Schema | None = None, draw: int = 0
    ) -> Reply:
        """Return the model's reply to a prompt. Requests that differ in `draw` are both sent.

        Raises:
            UndecidedError: there is no reply.
        """
        return await self._reply(
            purpose_of(self._gate), self._model, prompt, sampling, schema, draw
        )

    async def outputs(self, draws: int, sampling: Sampling) -> list[str]:
        """Return outputs of the gate's model, without those that are cut, empty,
        refusals or loops.

        Raises:
            UndecidedError: there is no reply to one of the requests.
        """
        return await self._drawn(purpose_of(self._gate), self._model, sampling, 1, draws)

    async def others(self, draws: int, sampling: Sampling) -> list[str]:
        """Return outputs of the run's model that may take the place of the instance's.

        They pass the filters and the gates before this one. No other gate is given them as draws.

        Raises:
            UndecidedError: there is no reply to one of the requests.
        """
        first = 1 + MOST_DRAWS * (1 + self._place)
        purpose = draws_of(self._gate)
        texts = await self._drawn(purpose, self._models.run, sampling, first, draws)
        if self._passes is None:
            return texts
        passed = await _in_order([self._passes(text) for text in texts])
        return [text for text, is_good in zip(texts, passed, strict=True) if is_good]

    async def _drawn(
        self, purpose: str, model: GateModel, sampling: Sampling, first: int, draws: int
    ) -> list[str]:
        replies = await _in_order(
            [
                self._reply(purpose, model, self.prompt, sampling, None, draw)
                for draw in range(first, first + draws)
            ]
        )
        texts = [answer(reply.text) for reply in replies if not reply.cut]
        return [text for text in texts if text.strip() and not (is_refusal(text) or loops(text))]

    async def nats(self, output: str, *, with_input: bool = True) -> float:
        """Return how unlikely the model finds an output after the task: nats a token.

        Raises:
            UndecidedError: the reply has no likelihood.
            InputError: the model returns no likelihoods of given texts.
        """
        given = self.input if with_input else ""
        fields = (f"Task: {self.instruction}", f"Input: {given}" if given else "", "Output:")
        prompt = "\n".join(filter(None, fields))
        request = Request(
            purpose_of(self._gate), f"{prompt} {output}", LEAST, scored_from=len(prompt)
        )
        found = await self._send(self._model, request)
        try:
            return msgspec.json.decode(found.text, type=Likelihood).nats
        except msgspec.DecodeError:
            raise UndecidedError(f"no likelihood: {found.text[:100]}") from None

    @property
    def _model(self) -> GateModel:
        return self._models.own.get(self._gate, self._models.run)

    async def _reply(
        self,
        purpose: str,
        model: GateModel,
        prompt: str,
        sampling: Sampling,
        schema: Schema | None,
        draw: int,
    ) -> Reply:
        text = (Message("user", prompt),) if model.converses else prompt
        asked = schema if model.converses else None
        return await self._send(model, Request(purpose, text, sampling, asked, draw))

    async def _send(self, model: GateModel, request: Request) -> Reply:
        found = await model.engine.ask(request, self._priority)
        if isinstance(found, Failure):
            raise UndecidedError(found.detail)
        return found


async def _in_order(works: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Return what works return that are done side by side, or raise the error of the first.

    Which of them ends first does not matter. An error that ends the run comes before others.
    """
    done = await asyncio.gather(*works, return_exceptions=True)
    failed = [each for each in done if isinstance(each, BaseException)]
    for error in sorted(failed, key=lambda each: isinstance(each, UndecidedError)):
        raise error
    return [each for each in done if not isinstance(each, BaseException)]


@dataclass(frozen=True, slots=True)
class ReplacementOutput:
    """An output that a gate puts in place of the instance's, and a note on where it is from."""

    output: str
    note: str


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate. `meaning` says in a few words what is wrong with an instance that it rejects.

    `find` returns whether to reject an instance: True, or a detail for people. It may return a
    `ReplacementOutput` instead, with which the instance passes. A gate that `replaces` outputs so
    rejects none for what it is.
    """

    name: str
    meaning: str
    find: Callable[[Proposal], Awaitable[RuleResult | ReplacementOutput]]
    replaces: bool = False


def rule_gate(name: str, meaning: str, find: Callable[[Proposal], RuleResult]) -> Gate:
    """Return a gate with a rule that asks no model: `find` returns whether to reject."""

    async def found(proposal: Proposal) -> RuleResult:
        return find(proposal)

    return Gate(name, meaning, found)


def check_own_gates(given: Iterable[Gate] | Gate) -> tuple[Gate, ...]:
    """Return gates, or one alone, as a tuple.

    Raises:
        EntryError: something else is given than gates, or a field of one can't be used.
    """
    gates = as_entries("own_gates", given, Gate)
    for gate in gates:
        require_record("gate", gate, {"meaning": LINE, "find": FUNCTION, "replaces": TRUTH})
    return gates


def check_gates(gates: Sequence[Gate], taken: Iterable[str]) -> None:
    """Check that gates have names of their own; `taken` are those of filters and other reasons.

    Raises:
        InputError: a name stands for two reasons.
    """
    known = set(taken)
    for gate in gates:
        if gate.name in known:
            raise InputError(f"the name '{gate.name}' stands for two reasons", "rename the gate")
        known |= {gate.name, undecided_reason(gate.name)}


def undecided_reason(name: str) -> str:
    """Return the reason of rejections where a gate could not decide. None passes unseen."""
    return f"{name}_undecided"


def gate_reasons(meanings: Mapping[str, str]) -> dict[str, str]:
    """Return the meanings of all reasons that gates give; `meanings` are theirs, by name."""
    undecided = "the gate could not decide: no reply that it could read, or too long to check"
    return {**meanings, **{undecided_reason(name): undecided for name in meanings}}


async def pass_gates(
    gates: Sequence[Gate],
    models: GateModels,
    instruction: str,
    instance: Instance,
    *,
    tokens: str,
    priority: tuple[int, ...],
    sift: Callable[[Instance], bool] = lambda instance: True,
) -> tuple[Instance, str] | RejectedInstance:
    """Apply gates in their order, up to the first that does not let the instance pass.

    An instance that passes is returned with its output, and notes on where that is from.

    `sift` returns whether an instance passes the filters. An output that a gate may put in place
    of the instance's has to pass them and the gates before, as the instance did.

    Raises:
        EntryError: the function of a gate raises an error, or returns something else.
        InputError: its model can't be asked this.
    """
    notes: list[str] = []
    passed = instance
    for place, gate in enumerate(gates):

        async def passes(output: str, before: Sequence[Gate] = gates[:place]) -> bool:
            other = replace(instance, outputs=(output,))
            if not sift(other):
                return False
            strict = [gate for gate in before if not gate.replaces]
            again = await pass_gates(
                strict, models, instruction, other, tokens=tokens, priority=priority
            )
            return not isinstance(again, RejectedInstance)

        proposal = Proposal(instruction, passed, tokens, gate.name, models, priority, place, passes)
        found = await _found(gate, proposal)
        if isinstance(found, ReplacementOutput):
            notes.append(found.note)
            passed = replace(passed, outputs=(found.output,))
        elif found:
            return RejectedInstance(passed, *found)
    return passed, "; ".join(notes)


async def _found(gate: Gate, proposal: Proposal) -> ReplacementOutput | tuple[str, str] | None:
    """Return what a gate finds: a better output, or reason and detail if it rejects the instance.

    Raises:
        EntryError: its function raises an error, or returns something else.
        InputError: its model can't be asked this.
    """
    entry = f"the gate '{gate.name}'"
    with named_in_errors(entry):
        try:
            found = await gate.find(proposal)
        except UndecidedError as undecided:
            return undecided_reason(gate.name), str(undecided)
    fits = found is None or isinstance(found, bool | int | str | ReplacementOutput)
    require_return(
        entry, "True where it rejects, a detail, or a ReplacementOutput", found, fits=fits
    )
    if isinstance(found, ReplacementOutput):
        return found
    return (gate.name, found if isinstance(found, str) else "") if found else None
