"""The table of the bootstrap's filters, which `seedstep.bootstrap.sifting` applies.

A filter has a name, which is the reason of its rejections, a meaning, and a rule (Self-Instruct,
section 2.2; the rules are in `seedstep.bootstrap.rules`). `FILTERS` has all filters, in the order
in which they are applied. To add a filter of your own, pass it with them::

    quoted = InstructionFilter("quoted", "stands in quotes", lambda text: text.startswith('"'))
    self_instruct("runs/mine", tasks=100, filters=[*FILTERS, quoted])

Example::

    >>> REASONS["too_short"]
    '3 words or fewer'
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from seedstep.bootstrap import rules
from seedstep.bootstrap.instances import CandidateReply
from seedstep.bootstrap.rules import RuleResult
from seedstep.text import count_words, is_refusal, loops, unicode_tokens

__all__ = [
    "FILTERS",
    "REASONS",
    "Filter",
    "InstanceFilter",
    "InstructionFilter",
    "reasons_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    """In which runs a filter is applied, and what helps where it rejects.

    One that is `english_only` is applied in runs in English only. One that is `extra` is not from
    the paper; it is not applied if the setting `extra_filters` is False. With a `style`, it is
    applied in this prompt style only. One that is not `for_seeds` is not applied when seeds are
    checked. `seed_remedy` says what to do about a seed that it rejects, and `advice` what helps a
    run in which it rejects most; both may be left out.
    """

    english_only: bool = False
    extra: bool = False
    style: str | None = None
    for_seeds: bool = True
    seed_remedy: str = ""
    advice: str = ""


@dataclass(frozen=True, slots=True)
class InstructionFilter(_Scope):
    """A filter of instructions.

    `name` is the reason of its rejections; `meaning` says in a few words what is wrong with an
    instruction that it rejects. `find` is called with the instruction, and returns whether to
    reject it. `in_other_languages`, if given, replaces `find` in runs that are not in English, and
    `as_released` in runs with the fidelity "released". `english_only`, `extra`, `style` and
    `for_seeds` say in which runs it is applied, `seed_remedy` and `advice` what helps where it
    rejects.
    """

    name: str
    meaning: str
    find: Callable[[str], RuleResult]
    in_other_languages: Callable[[str], RuleResult] | None = None
    as_released: Callable[[str], RuleResult] | None = None


@dataclass(frozen=True, slots=True)
class InstanceFilter(_Scope):
    """A filter of instances.

    `find` is called with a reply, and the place of the instance among the reply's instances,
    without those that earlier filters rejected. It returns whether to reject the instance. A filter
    that is `by_words` is not applied to outputs in scripts that are written without spaces. The
    other fields are as for `InstructionFilter`.
    """

    name: str
    meaning: str
    find: Callable[[CandidateReply, int], RuleResult]
    as_released: Callable[[CandidateReply, int], RuleResult] | None = None
    by_words: bool = False


Filter = InstructionFilter | InstanceFilter


def _words(text: str) -> int:
    """Return the number of words in a text of any script. Signs alone are no words."""
    return min(count_words(text), len(unicode_tokens(text)))


_of_an_instruction = partial(
    InstructionFilter, english_only=True, extra=True, style="dialogue", for_seeds=False
)
_of_an_answer = partial(InstanceFilter, extra=True, style="dialogue", for_seeds=False)
"""Filters of what very small models write."""

_TEXTS_NOT_TASKS = (
    "The model writes texts in place of tasks: another --prompt-style or model helps."
)

FILTERS: tuple[Filter, ...] = (
    InstructionFilter(
        "too_short",
        "3 words or fewer",
        lambda text: rules.too_short(len(text.split())),
        in_other_languages=lambda text: rules.too_short(_words(text)),
        seed_remedy="write it in 4 words or more",
        advice="The model writes less than a task: another --prompt-style or model helps.",
    ),
    InstructionFilter(
        "too_long",
        "more than 150 words",
        lambda text: rules.too_long(len(text.split())),
        in_other_languages=lambda text: rules.too_long(_words(text)),
        seed_remedy="write it in 150 words or fewer",
        advice=_TEXTS_NOT_TASKS,
    ),
    InstructionFilter(
        "keyword",
        "speaks of images, files or the like",
        rules.keyword,
        seed_remedy="speak of what can be done with text alone",
    ),
    InstructionFilter(
        "write_a_program",
        'starts with "Write a program"',
        lambda text: text.startswith("Write a program"),
        as_released=lambda text: text.lower().startswith("write a program"),
    ),
    InstructionFilter(
        "starts_with_punctuation", "starts with punctuation", rules.starts_with_punctuation
    ),
    InstructionFilter(
        "starts_with_non_ascii",
        "starts with a non-ASCII character",
        rules.starts_with_non_ascii,
        english_only=True,
        seed_remedy="reword it; for seeds that are not in English, --tokens unicode",
    ),
    InstructionFilter(
        "refusal",
        "the model refuses to write tasks",
        is_refusal,
        extra=True,
        advice="The model refuses: another model or other seeds help.",
    ),
    InstructionFilter(
        "statement",
        "states something, asks for nothing",
        rules.is_statement,
        english_only=True,
        extra=True,
        seed_remedy="write what is to be done",
        advice=_TEXTS_NOT_TASKS,
    ),
    InstructionFilter(
        "repeats_demonstration",
        "the instruction of a demonstration in the prompts",
        rules.repeats_demonstration,
        extra=True,
        for_seeds=False,  # the demonstrations are made from our own seeds
    ),
    _of_an_instruction(
        "asks_nothing",
        "neither a question nor a request",
        rules.asks_nothing,
    ),
    _of_an_instruction(
        "lacks_material",
        "points at a text that it does not have",
        rules.lacks_material,
    ),
    _of_an_instruction(
        "too_hard",
        "asks for what very small models get wrong",
        rules.too_hard,
    ),
    InstanceFilter(
        "unfinished",
        "cut off at the reply's length limit",
        lambda reply, place: reply.unfinished and place == len(reply.instances) - 1,
    ),
    InstanceFilter(
        "empty_output",
        "no output",
        rules.no_output,
        as_released=lambda reply, place: not reply.instances[place].output,
    ),
    InstanceFilter("output_repeats_input", "the output is the input", rules.output_repeats_input),
    InstanceFilter("ends_with_colon", "input or output ends with a colon", rules.ends_with_colon),
    InstanceFilter("duplicate_instance", "the same instance again", rules.duplicate),
    InstanceFilter(
        "conflicting_outputs",
        "one input with different outputs",
        rules.conflicting_outputs,
        as_released=rules.conflicts_anywhere,
    ),
    InstanceFilter(
        "missing_input",
        "the instruction points at an input that is not there",
        rules.missing_input,
        extra=True,
    ),
    InstanceFilter(
        "copies_demonstration",
        "copied from the prompt's demonstrations",
        rules.copies_demonstration,
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
    InstanceFilter(
        "adds_talk",
        "an explanation nobody asked for, or words to who asked, around the instance",
        rules.adds_talk,
        extra=True,
    ),
    _of_an_answer(
        "same_words_again",
        "five words of the output stand in it again",
        rules.same_words_again,
        by_words=True,
    ),
    _of_an_answer(
        "adds_little",
        "the output has few words that the instruction has not",
        rules.adds_little,
        by_words=True,
    ),
    _of_an_answer(
        "talks_about_itself",
        "the output is about the model, or offers help",
        rules.talks_about_itself,
        english_only=True,
    ),
)
"""All filters, in the order in which they are applied."""

OUTCOMES: Mapping[str, str] = MappingProxyType(
    {
        "not_novel": "too similar to a known instruction",
        "same_meaning": "a known instruction in other words",
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
"""The reasons that are not filters, with their meanings."""


def reasons_of(filters: Iterable[Filter]) -> dict[str, str]:
    """Return the meaning of each reason that a run with these filters can give."""
    return {**{entry.name: entry.meaning for entry in filters}, **OUTCOMES}


REASONS: Mapping[str, str] = MappingProxyType(reasons_of(FILTERS))
"""The meaning of each reason."""
