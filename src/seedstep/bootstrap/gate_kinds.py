"""The kinds of gates: what the setting `gates` may ask of instances, each with its options.

Example::

    >>> [gate.name for gate in parse_gates({"judged": {"judge": {}}, "short": {"agree": {}}})]
    ['judged', 'short']
"""

import asyncio
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import msgspec

from seedstep.bootstrap.gates import (
    MOST_DRAWS,
    Gate,
    Proposal,
    ReplacementOutput,
    UndecidedError,
    in_time,
    rule_gate,
)
from seedstep.bootstrap.rules import RuleResult
from seedstep.data.schemas import pattern_check, schema_check
from seedstep.errors import InputError, unknown_name
from seedstep.llm import ModelRef, Reply, Sampling, Schema
from seedstep.llm.models import served_model
from seedstep.llm.providers import PROVIDERS
from seedstep.prompts import render
from seedstep.text import (
    TOKENIZERS,
    answer,
    is_refusal,
    json_fields,
    json_object,
    normal_answer,
    rouge_l,
)

__all__ = ["ADDRESS", "GATE_KINDS", "GateKind", "GateOptions", "gate_options", "parse_gates"]

ADDRESS = "base_url"
"""The option of a gate with a model that is the address of its server.

Settings keep it in `gate_base_urls`, so that it may change while the gate may not.
"""


class GateOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options that each kind of gate extends."""

    if TYPE_CHECKING:  # each kind has its own

        def gate(self, name: str) -> Gate:
            """Return the gate."""

    @property
    def model(self) -> str | None:
        """The model of its own that the gate asks, or None."""
        return None

    @property
    def prompt(self) -> str:
        """The prompt file with which the gate asks a model, or an empty text."""
        return ""

    @property
    def scores(self) -> bool:
        """Whether the gate's model says how likely texts are, and writes none."""
        return False


class AskingOptions(GateOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The options of a gate that asks a model: its own, or without `model` the run's."""

    model: str | None = None


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


class JudgeGate(AskingOptions, frozen=True, forbid_unknown_fields=True):
    """A model answers yes-or-no questions, all of which must be answered with yes."""

    prompt: ClassVar[str] = "gates/judge"
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

        async def find(proposal: Proposal) -> RuleResult:
            prompt = render(
                self.prompt,
                instruction=proposal.instruction,
                input=proposal.input,
                output=proposal.output,
                questions=listed,
                form=f"{{{form}}}",
            )
            reply = await proposal.ask(prompt, Sampling(self.max_tokens), schema)
            said = _said_in(reply, self.questions)
            if not all(isinstance(said.get(question), bool) for question in self.questions):
                raise UndecidedError(f"the reply: {reply.text[:100]}")
            return ", ".join(name for name in self.questions if not said[name]) or False

        return Gate(name, "a model denies: " + ", ".join(self.questions), find)


_NEXT_MATERIAL = re.compile(r"^\W*(?:Instruction|Input|Output|Rate an output)\b", re.MULTILINE)


def _said_in(reply: Reply, names: Collection[str]) -> dict[str, Any]:
    """Return the fields that a reply has of a JSON object with these; empty if there is none.

    A base model goes on with material of its own, which is no part of the reply.
    """
    text = answer(reply.text)
    return {} if is_refusal(text) else json_fields(_NEXT_MATERIAL.split(text, maxsplit=1)[0], names)


class AgreeGate(AskingOptions, frozen=True, forbid_unknown_fields=True):
    """The output is drawn again several times, and must agree with these on the average."""

    draws: Annotated[int, msgspec.Meta(ge=1, le=MOST_DRAWS)] = 3
    metric: Literal["rouge_l", "exact_match"] = "rouge_l"
    at_least: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.3
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] = 0.7
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] = 512

    def gate(self, name: str) -> Gate:
        """Return the gate."""
        sampling = Sampling(self.max_tokens, self.temperature)

        async def find(proposal: Proposal) -> RuleResult:
            texts = await proposal.outputs(self.draws, sampling)
            if missing := self.draws - len(texts):
                raise UndecidedError(f"{missing} of {self.draws} replies hold no whole output")
            mean = sum(self._score(proposal, text) for text in texts) / len(texts)
            return f"{mean:.2f} on the average" if mean < self.at_least else False

        return Gate(name, f"outputs that are drawn again differ ({self.metric})", find)

    def _score(self, proposal: Proposal, text: str) -> float:
        output = proposal.output
        tokens = TOKENIZERS[proposal.tokens]
        drawn, first = tokens(text), tokens(output)
        if self.metric == "rouge_l" and drawn and first:  # else it is 0 of equal ones, too
            return rouge_l(drawn, first)
        return float(normal_answer(text) == normal_answer(output))


class MatchGate(GateOptions, frozen=True, forbid_unknown_fields=True):
    """A part of the instance must match a regular expression, or must not."""

    pattern: str
    of: Literal["instruction", "input", "output"] = "output"
    reject: bool = False

    def gate(self, name: str) -> Gate:
        """Return the gate."""
        is_found = pattern_check(self.pattern, f"gate '{name}'")

        def find(proposal: Proposal) -> RuleResult:
            return in_time(is_found, getattr(proposal, self.of)) == self.reject

        verb = "matches" if self.reject else "does not match"
        return rule_gate(name, f"{self.of} {verb} {self.pattern}", find)


class JsonGate(GateOptions, frozen=True, forbid_unknown_fields=True):
    """The output must be a JSON object with some fields, or a value that fits a JSON schema."""

    fields: list[str] = []
    schema: dict[str, Any] | None = None

    def gate(self, name: str) -> Gate:
        """Return the gate."""
        if self.schema is None:
            meaning = "output is no JSON object with the fields that are asked for"
            return rule_gate(name, meaning, lambda proposal: self._object(proposal.output))
        fault = schema_check(self.schema, f"gate '{name}', option 'schema'")

        def find(proposal: Proposal) -> RuleResult:
            try:
                value = json.loads(proposal.output, parse_constant=_no_number)
            except (ValueError, RecursionError):
                return "no JSON"
            return in_time(fault, value) or (bool(self.fields) and self._object(proposal.output))

        return rule_gate(name, "output does not fit the JSON schema", find)

    def _object(self, output: str) -> RuleResult:
        found = json_object(output)
        if found is None:
            return True
        missing = [field for field in self.fields if field not in found]
        return f"without {', '.join(missing)}" if missing else False


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


NatsLimit = Annotated[float, msgspec.Meta(gt=0, le=1000)]
NatsGain = Annotated[float, msgspec.Meta(ge=-1000, le=1000)]
"""A bound on both sides also refuses what is no number, `.nan`."""


class LikelihoodGate(AskingOptions, frozen=True, forbid_unknown_fields=True):
    """A model must find the output likely enough, and likelier with the input than without it."""

    scores: ClassVar[bool] = True
    at_most: NatsLimit | None = None
    gain: NatsGain | None = 0.0

    def gate(self, name: str) -> Gate:
        """Return the gate."""
        if self.at_most is None and self.gain is None:
            raise InputError(f"gate '{name}' limits nothing", "give `at_most` or `gain`")

        async def find(proposal: Proposal) -> RuleResult:
            nats = await proposal.nats(proposal.output)
            if self.at_most is not None and nats > self.at_most:
                return f"{nats:.2f} nats a token"
            if self.gain is None or not proposal.input:
                return False
            without = await proposal.nats(proposal.output, with_input=False)
            if without - nats > self.gain:
                return False
            return f"{nats:.2f} nats a token, without the input {without:.2f}"

        meaning = "a model finds the output unlikely, or no likelier for its input"
        return Gate(name, meaning, find)


HIGHEST = 10
"""The best rating of an output, from 1 on."""

RATING = Schema(
    "rating",
    {"type": "object", "properties": {"rating": {"type": "integer"}}, "required": ["rating"]},
)


class BestGate(AskingOptions, frozen=True, forbid_unknown_fields=True):
    """Outputs are drawn again, and the best of all takes the place of the instance's."""

    draws: Annotated[int, msgspec.Meta(ge=1, le=MOST_DRAWS)] = 4
    by: Literal["judge", "likelihood"] = "judge"
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] = 0.7
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] = 512

    @property
    def scores(self) -> bool:
        """Whether the gate's model says how likely texts are, and writes none."""
        return self.by == "likelihood"

    @property
    def prompt(self) -> str:
        """The prompt file with which the gate asks a model, or an empty text."""
        return "" if self.scores else "gates/rate"

    def gate(self, name: str) -> Gate:
        """Return the gate."""
        sampling = Sampling(self.max_tokens, self.temperature)

        async def find(proposal: Proposal) -> RuleResult | ReplacementOutput:
            drawn = await proposal.others(self.draws, sampling)
            texts = list(dict.fromkeys((proposal.output, *drawn)))
            values = await asyncio.gather(*(self._value(proposal, text) for text in texts))
            pairs = zip(values, texts, strict=True)
            known = [(value, text) for value, text in pairs if value is not None]
            if not known:
                raise UndecidedError(f"none of {len(texts)} outputs has a value")
            value, best = max(known, key=lambda pair: pair[0])  # of equals the first
            unit = f"rated {value:g}" if self.by == "judge" else f"{-value:.2f} nats a token"
            first = "the first output" if best == proposal.output else "an output drawn again"
            return ReplacementOutput(best, f"{name}: {first}, {unit}, the best of {1 + len(drawn)}")

        return Gate(name, f"no output could be chosen by {self.by}", find, replaces=True)

    async def _value(self, proposal: Proposal, output: str) -> float | None:
        """Return the value of an output, of which more is better, or None if there is none."""
        try:
            if self.scores:
                return -await proposal.nats(output)
            prompt = render(
                self.prompt,
                instruction=proposal.instruction,
                input=proposal.input,
                output=output,
                highest=str(HIGHEST),
            )
            reply = await proposal.ask(prompt, Sampling(64), RATING)
        except UndecidedError:
            return None
        said = _said_in(reply, ("rating",)).get("rating")
        if isinstance(said, bool) or not isinstance(said, int | float):
            return None
        return float(said) if 1 <= said <= HIGHEST else None


@dataclass(frozen=True, slots=True)
class GateKind:
    """A kind of gate: the record of its options, and what it does, in a few words."""

    name: str
    options: type[GateOptions]
    meaning: str


GATE_KINDS: Mapping[str, GateKind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            GateKind("judge", JudgeGate, "a model answers all `questions` with yes"),
            GateKind("agree", AgreeGate, "outputs that are drawn again agree `at_least` so far"),
            GateKind("match", MatchGate, "the text `of` the instance matches `pattern`"),
            GateKind("json", JsonGate, "the output is a JSON object with these `fields`"),
            GateKind("likelihood", LikelihoodGate, "a model finds the output likely by the input"),
            GateKind("best", BestGate, "of its output and others, the best is kept"),
        )
    }
)
"""The kinds of gates, by name."""


def gate_options(written: Mapping[str, Any], source: str = "gates") -> dict[str, GateOptions]:
    """Return the options of a setting's gates: for each name a mapping with a kind and options.

    Raises:
        InputError: there is no such kind, or its options do not fit.
    """
    found = {}
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
        _require_model(made, kind, where)
        found[str(name)] = made
    return found


def _require_model(options: GateOptions, kind: str, where: str) -> None:
    """Check that a gate's own model can be asked what the gate asks."""
    if options.model is None:
        return
    provider = PROVIDERS.get(options.model.partition(":")[0])
    if provider and provider.likelihoods and not (options.scores or provider.is_served):
        what = f"{where}: model '{options.model}' says how likely texts are, and writes no replies"
        by = "write by: likelihood, or " if isinstance(options, BestGate) else ""
        raise InputError(what, f"{by}give `{kind}` a model that is served, such as openai:NAME")
    try:
        if not (options.scores and ModelRef.parse(options.model).provider.likelihoods):
            served_model(options.model)
    except InputError as error:
        raise InputError(f"{where}: {error.what}", error.remedy) from None


def parse_gates(written: Mapping[str, Any], source: str = "gates") -> tuple[Gate, ...]:
    """Return the gates of a setting, in their order.

    Raises:
        InputError: there is no such kind, or its options do not fit.
        MissingExtraError: a JSON schema is given, and `jsonschema` is not installed.
    """
    return tuple(made.gate(name) for name, made in gate_options(written, source).items())
