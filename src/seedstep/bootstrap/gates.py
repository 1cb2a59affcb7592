"""Gates: what an instance has to pass after the filters, each of which may ask a model.

Gates are not from the papers, and there are none unless they are asked for. A gate has a name,
which is the reason of its rejections, and a function that decides on an instance. Gates are applied
in their order; a task counts when one of its instances passes all of them. The setting `gates`
makes some of the kinds in `GATE_KINDS`, by name. A gate of your own is passed beside them::

    no_links = rule_gate("links", "output has a link", lambda found: "http" in found.output)
    self_instruct("runs/mine", tasks=100, gates=[no_links])

Example::

    >>> [gate.name for gate in parse_gates({"judged": {"judge": {}}, "short": {"agree": {}}})]
    ['judged', 'short']
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec
import regex

from seedstep.bootstrap.rules import Found
from seedstep.data import Instance
from seedstep.errors import InputError, first_line, unknown_name
from seedstep.llm import Engine, Failure, Message, Reply, Request, Sampling, Schema
from seedstep.prompts import render
from seedstep.text import TOKENIZERS, answer, is_refusal, json_object, normal_answer, rouge_l

__all__ = [
    "GATE_KINDS",
    "Gate",
    "GateKind",
    "Proposal",
    "UndecidedError",
    "check_gates",
    "gate_fault",
    "gate_reasons",
    "parse_gates",
    "rule_gate",
    "undecided_reason",
]


class UndecidedError(Exception):
    """A gate can't decide on an instance, which is rejected. The message says why."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """An instance of a new task, on which a gate decides, and a way to ask the run's model.

    `tokens` names the run's tokens, as in `seedstep.text.TOKENIZERS`.
    """

    instruction: str
    instance: Instance
    tokens: str
    _send: Callable[[Request], Awaitable[Reply | Failure]]
    _chat: bool
    _purpose: str

    @property
    def output(self) -> str:
        """The output that the model wrote."""
        return self.instance.output

    @property
    def prompt(self) -> str:
        """The instruction and the input, as a user would write them."""
        return "\n\n".join(filter(None, (self.instruction, self.instance.input)))

    async def ask(
        self, prompt: str, sampling: Sampling, schema: Schema | None = None, draw: int = 0
    ) -> Reply:
        """Return the model's reply to a prompt. Requests that differ in `draw` are both sent.

        Raises:
            UndecidedError: there is no reply.
        """
        text = (Message("user", prompt),) if self._chat else prompt
        asked = schema if self._chat else None
        found = await self._send(Request(self._purpose, text, sampling, asked, draw))
        if isinstance(found, Failure):
            raise UndecidedError(found.detail)
        return found


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate. `meaning` says in a few words what is wrong with an instance that it rejects.

    `find` returns whether to reject an instance: True, or a detail for people.
    """

    name: str
    meaning: str
    find: Callable[[Proposal], Awaitable[Found]]


def rule_gate(name: str, meaning: str, find: Callable[[Proposal], Found]) -> Gate:
    """Return a gate with a rule that asks no model: `find` returns whether to reject."""

    async def found(proposal: Proposal) -> Found:
        return find(proposal)

    return Gate(name, meaning, found)


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
    undecided = "there was no reply to the gate, or none that it could read"
    return {**meanings, **{undecided_reason(name): undecided for name in meanings}}


async def gate_fault(
    gates: Sequence[Gate],
    engine: Engine,
    instruction: str,
    instance: Instance,
    *,
    tokens: str,
    chat: bool,
    priority: tuple[int, ...],
) -> tuple[str, str] | None:
    """Apply gates in their order. Return (reason, detail) of the first that does not pass.

    Raises:
        InputError: the function of a gate raises an error.
    """
    for gate in gates:
        purpose = f"gate {gate.name}"

        async def send(request: Request) -> Reply | Failure:
            return await engine.ask(request, priority)

        proposal = Proposal(instruction, instance, tokens, send, chat, purpose)
        try:
            found = await gate.find(proposal)
        except UndecidedError as undecided:
            return undecided_reason(gate.name), str(undecided)
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            what = f"gate '{gate.name}' raised {type(error).__name__}: {first_line(error)}"
            remedy = "mend its function, then run the same again: it goes on from here"
            raise InputError(what, remedy) from error
        if found:
            return gate.name, found if isinstance(found, str) else ""
    return None


VALID: Mapping[str, str] = MappingProxyType(
    {
        "valid_task": "Does the instruction describe a valid task?",
        "appropriate_input": "Is the input appropriate for the instruction?",
        "correct_output": "Is the output a correct and acceptable response to the instruction and "
        "input?",
    }
)
"""The questions of Self-Instruct, Table 2."""

QuestionName = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]{0,40}$")]


class JudgeGate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The run's model answers yes-or-no questions, all of which must be answered with yes."""

    questions: dict[QuestionName, Annotated[str, msgspec.Meta(min_length=1)]] = msgspec.field(
        default_factory=lambda: dict(VALID)
    )
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] = 64

    def gate(self, name: str) -> Gate:
        """Return the gate."""
        if not self.questions:
            raise InputError(f"gate '{name}' asks no question", "write some under `questions`")
        kinds: dict[str, Any] = {question: {"type": "boolean"} for question in self.questions}
        schema = Schema("judgement", {"type": "object", "properties": kinds, "required": [*kinds]})
        listed = "\n".join(f"- {question}: {text}" for question, text in self.questions.items())
        form = ", ".join(f'"{question}": true or false' for question in self.questions)

        async def find(proposal: Proposal) -> Found:
            prompt = render(
                "gates/judge",
                instruction=proposal.instruction,
                input=proposal.instance.input,
                output=proposal.output,
                questions=listed,
                form=f"{{{form}}}",
            )
            reply = await proposal.ask(prompt, Sampling(self.max_tokens), schema)
            said = _first_object(answer(reply.text)) or {}
            answers = [said.get(question) for question in self.questions]
            if not all(isinstance(found, bool) for found in answers):
                raise UndecidedError(f"the reply: {reply.text[:100]}")
            denied = [question for question in self.questions if not said[question]]
            return ", ".join(denied) if denied else False

        return Gate(name, "a model denies: " + ", ".join(self.questions), find)


def _first_object(text: str) -> dict[str, Any] | None:
    """Return the first JSON object of a text, which a base model may go on after, or None."""
    start = text.find("{")
    try:
        _, end = json.JSONDecoder().raw_decode(text, max(start, 0))
    except (ValueError, RecursionError):
        return None
    return json_object(text[start:end])


class AgreeGate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The output is drawn again several times, and must agree with these on the average."""

    draws: Annotated[int, msgspec.Meta(ge=1, le=100)] = 3
    metric: Literal["rouge_l", "exact_match"] = "rouge_l"
    at_least: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.3
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] = 0.7
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] = 512

    def gate(self, name: str) -> Gate:
        """Return the gate."""
        sampling = Sampling(self.max_tokens, self.temperature)

        async def find(proposal: Proposal) -> Found:
            replies = [
                await proposal.ask(proposal.prompt, sampling, draw=draw)
                for draw in range(1, self.draws + 1)
            ]
            texts = [answer(reply.text) for reply in replies if not reply.cut]
            texts = [text for text in texts if text.strip() and not is_refusal(text)]
            if len(texts) < self.draws:
                missing = self.draws - len(texts)
                raise UndecidedError(f"{missing} of {self.draws} replies hold no whole output")
            scores = [self._score(proposal, text) for text in texts]
            mean = sum(scores) / len(scores)
            return f"{mean:.2f} on the average" if mean < self.at_least else False

        return Gate(name, f"outputs that are drawn again differ ({self.metric})", find)

    def _score(self, proposal: Proposal, text: str) -> float:
        output = proposal.output
        if self.metric == "exact_match":
            return float(normal_answer(text) == normal_answer(output))
        tokens = TOKENIZERS[proposal.tokens]
        return rouge_l(tokens(text), tokens(output))


class MatchGate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the instance must match a regular expression, or must not."""

    pattern: str
    of: Literal["instruction", "input", "output"] = "output"
    reject: bool = False

    def gate(self, name: str) -> Gate:
        """Return the gate."""
        try:
            pattern = regex.compile(self.pattern)
        except (regex.error, RecursionError) as error:
            what = f"gate '{name}': {self.pattern!r} is no regular expression: {error}"
            raise InputError(what, "correct it") from None

        def find(proposal: Proposal) -> Found:
            text = {
                "instruction": proposal.instruction,
                "input": proposal.instance.input,
                "output": proposal.output,
            }[self.of]
            return bool(pattern.search(text)) == self.reject

        verb = "matches" if self.reject else "does not match"
        return rule_gate(name, f"{self.of} {verb} {self.pattern}", find)


class JsonGate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The output must be a JSON object with some fields."""

    fields: list[str] = []

    def gate(self, name: str) -> Gate:
        """Return the gate."""

        def find(proposal: Proposal) -> Found:
            found = json_object(proposal.output)
            missing = (
                [] if found is None else [field for field in self.fields if field not in found]
            )
            return found is None or (f"without {', '.join(missing)}" if missing else False)

        return rule_gate(name, "output is no JSON object with the fields that are asked for", find)


@dataclass(frozen=True, slots=True)
class GateKind:
    """A kind of gate: the record of its options, and what it does, in a few words."""

    name: str
    options: type[JudgeGate | AgreeGate | MatchGate | JsonGate]
    meaning: str


GATE_KINDS: Mapping[str, GateKind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            GateKind("judge", JudgeGate, "the run's model answers all `questions` with yes"),
            GateKind("agree", AgreeGate, "outputs that are drawn again agree `at_least` so far"),
            GateKind("match", MatchGate, "the text `of` the instance matches `pattern`"),
            GateKind("json", JsonGate, "the output is a JSON object with these `fields`"),
        )
    }
)
"""The kinds of gates, by name."""


def parse_gates(written: Mapping[str, Any], source: str = "gates") -> tuple[Gate, ...]:
    """Return the gates of a setting: for each name a mapping with a kind and its options.

    Raises:
        InputError: there is no such kind, or its options do not fit.
    """
    gates = []
    for name, content in written.items():
        where = f"{source}, gate '{name}'"
        if not isinstance(content, Mapping) or len(content) != 1:
            kinds = ", ".join(GATE_KINDS)
            raise InputError(f"{where}: not one kind of gate", f"write one of {kinds}: {{...}}")
        ((kind, options),) = content.items()
        if kind not in GATE_KINDS:
            raise unknown_name("kind of gate", str(kind), GATE_KINDS, where)
        try:
            made = msgspec.convert(options or {}, GATE_KINDS[kind].options)
        except msgspec.ValidationError as error:
            raise InputError(f"{where}: {error}", f"see `{kind}` in the guide on gates") from None
        gates.append(made.gate(str(name)))
    return tuple(gates)
