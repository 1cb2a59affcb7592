"""The filters of the bootstrap, each with its own named reason (Self-Instruct, section 2.2).

`FILTERS` has all of them, in the order in which they are applied. One of your own is passed with
them::

    quoted = InstructionFilter("quoted", "stands in quotes", lambda text: text.startswith('"'))
    self_instruct("runs/mine", tasks=100, filters=[*FILTERS, quoted])

Example::

    >>> instruction_fault("Draw a cat.", english=True)
    ('too_short', '3 words')
"""

import re
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from types import MappingProxyType

from seedstep.bootstrap.english import is_statement, lacks_material
from seedstep.bootstrap.parse import RawInstance
from seedstep.bootstrap.records import RejectedInstance
from seedstep.data import Instance
from seedstep.errors import InputError
from seedstep.novelty import Neighbor
from seedstep.prompts import demonstrations
from seedstep.text import is_refusal, loops, unicode_tokens

__all__ = [
    "FILTERS",
    "REASONS",
    "CandidateReply",
    "Fault",
    "Filter",
    "InstanceFilter",
    "InstructionFilter",
    "SiftedInstances",
    "changed_filters",
    "check_filters",
    "instruction_fault",
    "is_novel",
    "reasons_of",
    "same_wording",
    "sift_instances",
]

Found = str | bool | None
"""What a filter returns: a detail for people or True where it rejects; else nothing or False."""

Fault = tuple[str, str]
"""A named reason, and a detail for people."""


@dataclass(frozen=True, slots=True)
class InstructionFilter:
    """A reason to reject an instruction.

    `find` is called with the instruction. `meaning` says in a few words what is wrong with an
    instruction that it rejects. `in_other_languages`, where given, is called in place of `find` in
    runs that are not in English; a filter that is `english_only` is left out there. `as_released`,
    where given, is called in place of `find` in runs with the fidelity "released". A filter that
    is `extra` is not the paper's, and is left out where the setting `extra_filters` is False. A
    filter that is not `for_seeds` is left out when seeds are checked.
    """

    name: str
    meaning: str
    find: Callable[[str], Found]
    in_other_languages: Callable[[str], Found] | None = None
    as_released: Callable[[str], Found] | None = None
    english_only: bool = False
    extra: bool = False
    for_seeds: bool = True


@dataclass(frozen=True, eq=False)
class CandidateReply:
    """The instruction of a task, and the instances that a reply has for it.

    It is equal to itself only, so that filters can keep what they know of it.
    """

    instruction: str
    instances: tuple[RawInstance, ...]


@dataclass(frozen=True, slots=True)
class InstanceFilter:
    """A reason to reject an instance.

    `find` is called with a reply, and the place of the instance among its instances; those that
    earlier filters rejected are not among them. `meaning` and `extra` are as for
    `InstructionFilter`. `as_released`, where given, is called in place of `find` in runs with the
    fidelity "released". A filter that is not `for_seeds` is left out when seeds are checked.
    """

    name: str
    meaning: str
    find: Callable[[CandidateReply, int], Found]
    as_released: Callable[[CandidateReply, int], Found] | None = None
    extra: bool = False
    for_seeds: bool = True


Filter = InstructionFilter | InstanceFilter


MIN_WORDS = 4
MAX_WORDS = 150

KEYWORDS = (
    "image",
    "images",
    "graph",
    "graphs",
    "picture",
    "pictures",
    "file",
    "files",
    "map",
    "maps",
    "draw",
    "plot",
    "go to",
)
"""Words of tasks that a language model can't do (released code; the paper names three)."""

_KEYWORD = re.compile(rf"\b(?:{'|'.join(KEYWORDS)})\b", re.IGNORECASE)


def _too_short(words: int) -> Found:
    if words >= MIN_WORDS:
        return None
    return f"{words} word" if words == 1 else f"{words} words"


def _too_long(words: int) -> Found:
    return f"{words} words" if words > MAX_WORDS else None


def _keyword(text: str) -> Found:
    found = _KEYWORD.search(text)
    return found[0].lower() if found else None


def _starts_with_punctuation(text: str) -> Found:
    return text[0] if text[0] in string.punctuation else None


def _starts_with_non_ascii(text: str) -> Found:
    return None if text[0].isascii() else text[0]


def _output_repeats_input(reply: CandidateReply, place: int) -> Found:
    instance = reply.instances[place]
    return instance.input == instance.output


def _ends_with_colon(reply: CandidateReply, place: int) -> Found:
    instance = reply.instances[place]
    return instance.input.endswith(":") or instance.output.endswith(":")


def _duplicate(reply: CandidateReply, place: int) -> Found:
    return _first_places(reply)[reply.instances[place]] < place


@lru_cache(maxsize=1)
def _first_places(reply: CandidateReply) -> dict[RawInstance, int]:
    """Return where each instance stands for the first time."""
    places: dict[RawInstance, int] = {}
    for place, instance in enumerate(reply.instances):
        places.setdefault(instance, place)
    return places


def _conflicting_outputs(reply: CandidateReply, place: int) -> Found:
    return reply.instances[place].input in _conflicting_inputs(reply)


def _conflicts_anywhere(reply: CandidateReply, place: int) -> Found:
    return bool(_conflicting_inputs(reply))


@lru_cache(maxsize=1)
def _conflicting_inputs(reply: CandidateReply) -> frozenset[str]:
    """Return the inputs, empty ones aside, that have different outputs."""
    outputs: dict[str, set[str]] = {}
    for instance in reply.instances:
        if instance.input:
            outputs.setdefault(instance.input, set()).add(instance.output)
    return frozenset(text for text, several in outputs.items() if len(several) > 1)


def _missing_input(reply: CandidateReply, place: int) -> Found:
    return not reply.instances[place].input and lacks_material(reply.instruction)


def _copies_demonstration(reply: CandidateReply, place: int) -> Found:
    instance = reply.instances[place]
    return (instance.input, instance.output) in _shown()


@cache
def _shown() -> frozenset[tuple[str, str]]:
    """All (input, output) of the fixed demonstrations, inputs with and without their label."""
    pairs = set()
    for approach in ("input_first", "output_first"):
        for shown in demonstrations()[approach]:
            for example in shown.examples:
                labelled = f"{shown.label}: {example.input}"
                pairs |= {(example.input, example.output), (labelled, example.output)}
    return frozenset(pairs)


def _repeats_demonstration(text: str) -> Found:
    return same_wording(text) in _shown_instructions()


@cache
def _shown_instructions() -> frozenset[str]:
    """All instructions of the fixed demonstrations, in the form in which they are compared."""
    shown = (demonstration for group in demonstrations().values() for demonstration in group)
    return frozenset(same_wording(demonstration.task.definition) for demonstration in shown)


def same_wording(text: str) -> str:
    """Return a text as it is compared: without case, punctuation and extra white space."""
    return " ".join(unicode_tokens(text))


FILTERS: tuple[Filter, ...] = (
    InstructionFilter(
        "too_short",
        "3 words or fewer",
        lambda text: _too_short(len(text.split())),
        in_other_languages=lambda text: _too_short(len(unicode_tokens(text))),
    ),
    InstructionFilter(
        "too_long",
        "more than 150 words",
        lambda text: _too_long(len(text.split())),
        in_other_languages=lambda text: _too_long(len(unicode_tokens(text))),
    ),
    InstructionFilter("keyword", "speaks of images, files or the like", _keyword),
    InstructionFilter(
        "write_a_program",
        'starts with "Write a program"',
        lambda text: text.startswith("Write a program"),
        as_released=lambda text: text.lower().startswith("write a program"),
    ),
    InstructionFilter(
        "starts_with_punctuation", "starts with punctuation", _starts_with_punctuation
    ),
    InstructionFilter(
        "starts_with_non_ascii",
        "starts with a non-ASCII character",
        _starts_with_non_ascii,
        english_only=True,
    ),
    InstructionFilter(
        "refusal",
        "the model refuses to write tasks",
        is_refusal,
        english_only=True,
        extra=True,
    ),
    InstructionFilter(
        "statement",
        "states something, asks for nothing",
        is_statement,
        english_only=True,
        extra=True,
    ),
    InstructionFilter(
        "repeats_demonstration",
        "the instruction of a demonstration in the prompts",
        _repeats_demonstration,
        extra=True,
        for_seeds=False,  # the demonstrations are made from our own seeds
    ),
    InstanceFilter(
        "unfinished",
        "cut off at the reply's length limit",
        lambda reply, place: not reply.instances[place].whole,
    ),
    InstanceFilter(
        "empty_output", "no output", lambda reply, place: not reply.instances[place].output
    ),
    InstanceFilter("output_repeats_input", "the output is the input", _output_repeats_input),
    InstanceFilter("ends_with_colon", "input or output ends with a colon", _ends_with_colon),
    InstanceFilter("duplicate_instance", "the same instance again", _duplicate),
    InstanceFilter(
        "conflicting_outputs",
        "one input with different outputs",
        _conflicting_outputs,
        as_released=_conflicts_anywhere,
    ),
    InstanceFilter(
        "missing_input",
        "the instruction points at an input that is not there",
        _missing_input,
        extra=True,
    ),
    InstanceFilter(
        "copies_demonstration",
        "copied from the prompt's demonstrations",
        _copies_demonstration,
        extra=True,
        for_seeds=False,  # the demonstrations are made from our own seeds
    ),
    InstanceFilter(
        "refused_output",
        "the output is a refusal",
        lambda reply, place: is_refusal(reply.instances[place].output),
        extra=True,
    ),
    InstanceFilter(
        "repeats_itself",
        "the output goes round in circles",
        lambda reply, place: loops(reply.instances[place].output),
        extra=True,
    ),
)
"""All filters, in the order in which they are applied."""

OUTCOMES: Mapping[str, str] = MappingProxyType(
    {
        "not_novel": "too similar to a known instruction",
        "contaminated": "too close to an evaluation set",
        "empty_reply": "the reply to the request for instructions is empty",
        "cut_list": "the reply was cut at its length limit inside the list of instructions",
        "unreadable_list": "the numbers or labels of a list of instructions are not understood",
        "request_failed": "a request was refused, withheld, or used up by thinking",
        "classification_unreadable": "the reply says neither yes nor no",
        "beyond_five": "not among the five instances drawn (fidelity: released)",
        "no_instance": "the reply holds no instance",
        "no_good_instance": "all its instances were rejected",
    }
)
"""The reasons that come from no filter, with their meanings."""


def reasons_of(filters: Iterable[Filter]) -> dict[str, str]:
    """Return the meaning of each reason that a run with these filters can give."""
    return {**{entry.name: entry.meaning for entry in filters}, **OUTCOMES}


REASONS: Mapping[str, str] = MappingProxyType(reasons_of(FILTERS))
"""The meaning of each reason."""


def check_filters(filters: Sequence[Filter]) -> None:
    """Make sure that each filter has a name of its own.

    Raises:
        InputError: two filters have one name, or a filter has that of another reason.
    """
    known = set(OUTCOMES)
    for entry in filters:
        if entry.name in known:
            raise InputError(f"the name '{entry.name}' stands for two reasons", "rename the filter")
        known.add(entry.name)


def changed_filters(filters: Sequence[Filter]) -> dict[str, str] | None:
    """Return the meanings of filters by name, or None where they are those of `FILTERS`."""
    return None if tuple(filters) == FILTERS else {entry.name: entry.meaning for entry in filters}


def instruction_fault(
    text: str,
    filters: Iterable[Filter] = FILTERS,
    *,
    english: bool,
    extra: bool = True,
    fidelity: str = "paper",
) -> Fault | None:
    """Return why an instruction is rejected, novelty aside, or None if it is not.

    Where the run is not in `english`, words are counted in every script, and an instruction may
    start with a non-ASCII character. With `extra`, filters beyond the paper's are applied too.
    """
    for entry in filters:
        if not isinstance(entry, InstructionFilter) or (entry.extra and not extra):
            continue
        if not english and entry.english_only:
            continue
        find = entry.find if english else entry.in_other_languages or entry.find
        if fidelity == "released" and entry.as_released:
            find = entry.as_released
        if found := find(text):
            return entry.name, _detail(found)
    return None


def _detail(found: str | bool) -> str:
    return found if isinstance(found, str) else ""


def is_novel(neighbor: Neighbor | None, threshold: float, fidelity: str) -> bool:
    """Whether an instruction with this nearest neighbour is new enough.

    The paper keeps what scores below the threshold; the released code rejects what scores above.
    """
    if neighbor is None:
        return True
    return neighbor.score <= threshold if fidelity == "released" else neighbor.score < threshold


@dataclass(frozen=True, slots=True)
class SiftedInstances:
    """A task's instances, sifted."""

    instances: tuple[Instance, ...]
    rejected: tuple[RejectedInstance, ...]


def sift_instances(
    reply: CandidateReply,
    filters: Iterable[Filter] = FILTERS,
    *,
    fidelity: str = "paper",
    extra: bool = True,
) -> SiftedInstances:
    """Part the good instances of a reply from the bad ones, in the order they were written.

    Two outputs for the same non-empty input reject both (paper), or all instances (released).
    With `extra`, filters beyond the paper's are applied too.
    """
    faults: dict[int, Fault] = {}
    left = list(range(len(reply.instances)))
    for entry in filters:
        if not isinstance(entry, InstanceFilter) or (entry.extra and not extra):
            continue
        find = entry.find
        if fidelity == "released" and entry.as_released:
            find = entry.as_released
        asked = CandidateReply(reply.instruction, tuple(reply.instances[number] for number in left))
        for place, number in enumerate(left):
            if found := find(asked, place):
                faults[number] = entry.name, _detail(found)
        left = [number for number in left if number not in faults]
    good = (reply.instances[number] for number in left)
    bad = ((reply.instances[number], *faults[number]) for number in sorted(faults))
    return SiftedInstances(
        tuple(Instance(instance.input, (instance.output,)) for instance in good),
        tuple(
            RejectedInstance(instance.input, instance.output, name, detail)
            for instance, name, detail in bad
        ),
    )
