"""Check step-by-step instructions for faults, each of which has a name.

The paper's annotators ask whether each step and the order of the steps are right, and whether the
instruction holds all necessary information of the definition (section 3.3, appendix E). Tables 9 to
12 show good and bad instructions. Only people or a judge can tell whether a step is right; these
checks find faults that show in the wording. Each has a sentence that tells a model what to correct.

Length, repetition and copies are found in every language, the other faults in English only.

Example::

    >>> from seedstep.data import Task
    >>> from seedstep.steps.parsing import parse
    >>> task = Task("mood", 'Classify the review as "good" or "bad".', ())
    >>> steps = parse("1. Read the review.\\n2. Output good if it praises the food.")
    >>> [(finding.name, finding.detail) for finding in check(steps, task)]
    [('missing_label', 'bad')]
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from types import MappingProxyType

from seedstep.data import Task
from seedstep.entries import (
    FUNCTION,
    TEXT,
    TRUTH,
    guarded,
    is_text,
    require_entry,
    require_fields,
)
from seedstep.steps.definitions import labels, names, promised, same_answer
from seedstep.steps.demands import demands, is_met
from seedstep.steps.parsing import REASONS, ParsedSteps
from seedstep.steps.unfit import (
    clip,
    content,
    copied_example,
    impossible,
    invented_example,
    iteration,
    sentences,
)
from seedstep.text import loops, rouge_l, single_spaced, unicode_tokens

__all__ = ["CHECKS", "Check", "Finding", "check", "guarded_checks", "repair_request"]

MIN_STEPS = 2

MAX_STEPS = 15
MAX_WORDS = 300
"""The most words of an instruction; like the limit of steps, 2.5 times the paper's means (Table 1).

The paper's training tasks have 6.0 steps and 118.2 words in the mean.
"""

SAME = 0.85
"""The ROUGE-L of content words from which sentences count as equal."""

MIN_CONTENT = 4
"""Sentences with fewer content words say the same only if they are equal."""

COPIED_NGRAM = 4
COPIED_SHARE = 0.5
"""An instruction is a copy if the definition has this share of its runs of four words."""

MAX_QUOTED = 450
"""The most characters of the definition that a fault quotes, but for a first sentence."""

LONGEST_DETAIL = 600
"""The most characters of a detail that a model is told, if it is no quotation."""

MAX_SEEN = 100
"""The most steps that are checked, and the most sentences that are compared with each other."""

_OPTION = re.compile("[A-H]")
_LETTER = re.compile(r"\b(?:letter|option)", re.IGNORECASE)
_ORDINALS = frozenset({"first", "secon", "third", "fourt", "fifth", "last", "next"})


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault: the name of the check, and for people what it found."""

    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Check:
    """A check. `find` returns the detail of a fault, or nothing; `fault` tells it to a model.

    `find` gets the steps and their task, of which it may use the definition and positive examples.
    A model is told the first `LONGEST_DETAIL` characters of a detail, and all of it if it is
    `quoted` from the definition, as an exception may stand at its end.
    """

    find: Callable[[ParsedSteps, Task], str]
    fault: str
    quoted: bool = False


def check(
    parsed: ParsedSteps, task: Task, checks: Mapping[str, Check] | None = None
) -> tuple[Finding, ...]:
    """Return all faults that are found, in the order of the `checks`, or of `CHECKS`.

    A text that is no list of steps has that fault only. Of a very long text, the first 20,000
    characters are checked.
    """
    task = replace(
        task,
        definition=clip(task.definition),
        positive_examples=tuple(
            replace(example, input=clip(example.input), output=clip(example.output))
            for example in task.positive_examples
        ),
    )
    findings = []
    for name, known_check in (CHECKS if checks is None else checks).items():
        if detail := known_check.find(parsed, task):
            findings.append(Finding(name, detail))
        if name == "no_steps" and detail:
            break
    return tuple(findings)


def guarded_checks(checks: Mapping[str, Check]) -> dict[str, Check]:
    """Return checks by name, of which those that are not seedstep's own are named in their errors.

    Raises:
        EntryError: they are no checks by name, or a field of one can't be used.
    """
    if not isinstance(checks, Mapping):
        require_entry("checks", checks, dict)
    for name, entry in checks.items():
        require_entry("the name of a check", name, str)
        require_entry(f"checks['{name}']", entry, Check)
        kinds = {"find": FUNCTION, "fault": TEXT, "quoted": TRUTH}
        require_fields(f"the check '{name}'", entry, kinds)
    return {
        name: entry
        if CHECKS.get(name) is entry
        else replace(entry, find=_guarded_find(name, entry))
        for name, entry in checks.items()
    }


def _guarded_find(name: str, entry: Check) -> Callable[[ParsedSteps, Task], str]:
    return guarded(
        f"the check '{name}'", entry.find, "a text, empty where nothing is wrong", is_text
    )


def repair_request(finding: Finding, checks: Mapping[str, Check] | None = None) -> str:
    """Return one or two sentences that tell a model about a fault."""
    known_check = (CHECKS if checks is None else checks)[finding.name]
    told = finding.detail if known_check.quoted else finding.detail[:LONGEST_DETAIL]
    return known_check.fault.replace("{}", told)


def _no_steps(parsed: ParsedSteps, task: Task) -> str:
    return "" if parsed.reason == "single_step" else REASONS.get(parsed.reason, "")


def _too_few(parsed: ParsedSteps, task: Task) -> str:
    return _count(len(parsed.steps), "step") if len(parsed.steps) < MIN_STEPS else ""


def _too_many(parsed: ParsedSteps, task: Task) -> str:
    return _count(len(parsed.steps), "step") if len(parsed.steps) > MAX_STEPS else ""


def _too_long(parsed: ParsedSteps, task: Task) -> str:
    words = sum(len(unicode_tokens(step)) for step in parsed.steps)
    return _count(words, "word") if words > MAX_WORDS else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _repeats(parsed: ParsedSteps, task: Task) -> str:
    steps = _seen(parsed)
    said = [sentence for step in steps for sentence in sentences(step)][:MAX_SEEN]
    texts = [unicode_tokens(sentence) for sentence in said]
    words = [sorted(content(sentence)) for sentence in said]
    for earlier, later in combinations(range(len(said)), 2):
        same = texts[earlier] == texts[later] and len(words[later]) > 1
        if same or _say_the_same(words[earlier], words[later]):
            return said[later]
    return next(filter(loops, steps), "")


def _seen(parsed: ParsedSteps) -> list[str]:
    """Return the steps that are checked: at most 100, and at most 20,000 characters."""
    return clip("\0".join(parsed.steps[:MAX_SEEN])).split("\0")


def _say_the_same(words: Sequence[str], other_words: Sequence[str]) -> bool:
    if min(len(words), len(other_words)) < MIN_CONTENT or rouge_l(words, other_words) < SAME:
        return False
    left, right = Counter(words) - Counter(other_words), Counter(other_words) - Counter(words)
    if (left + right)["not"] % 2:
        return False
    return not (any(map(_tells_apart, left)) and any(map(_tells_apart, right)))


def _tells_apart(word: str) -> bool:
    return len(word) == 1 or word.isdecimal() or word in _ORDINALS


def _copies_definition(parsed: ParsedSteps, task: Task) -> str:
    known = set(_ngrams(task.definition))
    said = [ngram for step in _seen(parsed) for ngram in _ngrams(step)]
    copied = sum(ngram in known for ngram in said)
    return f"{copied / len(said):.0%} of it" if said and copied >= COPIED_SHARE * len(said) else ""


def _ngrams(text: str) -> list[tuple[str, ...]]:
    words = unicode_tokens(text)
    return list(zip(*(words[start:] for start in range(COPIED_NGRAM)), strict=False))


def _iterates(parsed: ParsedSteps, task: Task) -> str:
    return _first(iteration(step, task.definition) for step in _seen(parsed))


def _specific_example(parsed: ParsedSteps, task: Task) -> str:
    invented = _first(map(invented_example, _seen(parsed)))
    return invented or copied_example(_seen(parsed), task.definition, task.positive_examples)


def _not_for_models(parsed: ParsedSteps, task: Task) -> str:
    return _first(impossible(step, task.definition) for step in _seen(parsed))


def _first(found: Iterable[str]) -> str:
    return next(filter(None, found), "")


def _labels(task: Task) -> tuple[str, ...]:
    return labels(task.definition, [example.output for example in task.positive_examples])


def _unknown_label(parsed: ParsedSteps, task: Task) -> str:
    known = _labels(task)
    if not known:
        return ""
    outputs = [example.output for example in task.positive_examples]
    unknown = [
        label
        for step in _seen(parsed)
        for label in promised(step, known)
        if not names(task.definition, label)
        and not any(same_answer(label, output) for output in outputs)
    ]
    return ", ".join(dict.fromkeys(unknown))


def _missing_label(parsed: ParsedSteps, task: Task) -> str:
    text = "\n".join(_seen(parsed))
    known = _labels(task)
    missing = [label for label in known if not names(text, label)]
    if missing == list(known) and all(map(_OPTION.fullmatch, known)) and _LETTER.search(text):
        return ""
    return ", ".join(missing)


def _missing_constraint(parsed: ParsedSteps, task: Task) -> str:
    text = "\n".join(_seen(parsed))
    missing = (demand for demand in demands(task.definition) if not is_met(demand, text))
    return " ".join(_quoted(dict.fromkeys(demand.sentence for demand in missing)))


def _quoted(parts: Iterable[str]) -> Iterator[str]:
    """Yield sentences of a definition in quotation marks, as far as there is room."""
    room = MAX_QUOTED
    for part in parts:
        text = single_spaced(part)
        if room < MAX_QUOTED and len(text) > room:
            return
        yield f'"{text}"'  # whole, as an exception may stand at its end
        room -= len(text)


CHECKS = MappingProxyType(
    {
        "no_steps": Check(
            _no_steps,
            "This is no list of steps ({}). Write the instruction as a numbered list of steps.",
        ),
        "too_few": Check(
            _too_few,
            "The instruction has only {}. Break the task down into several short steps.",
        ),
        "too_many": Check(
            _too_many,
            "The instruction has {}. Join steps that belong together, and leave out the obvious.",
        ),
        "too_long": Check(
            _too_long,
            "The instruction has {}. Shorten it, and keep what is needed to complete the task.",
        ),
        "repeats": Check(
            _repeats,
            'The instruction says "{}" more than once. Say everything once.',
        ),
        "copies_definition": Check(
            _copies_definition,
            "The instruction repeats the definition word for word ({}). Say in steps how to get"
            " from the input to the output.",
        ),
        "iterates": Check(
            _iterates,
            'The instruction goes through several inputs ("{}"). It is for a single input; remove'
            " that.",
        ),
        "specific_example": Check(
            _specific_example,
            'The instruction shows a specific example ("{}"). Say it in general terms.',
        ),
        "not_for_models": Check(
            _not_for_models,
            'The instruction asks for what a language model can\'t do ("{}"). It only reads the'
            " input and writes the output; replace or remove that step.",
        ),
        "unknown_label": Check(
            _unknown_label,
            "The instruction allows answers that the definition does not know: {}. Remove them.",
        ),
        "missing_label": Check(
            _missing_label,
            "The instruction does not name these answers of the definition: {}. Name all of them,"
            " each for the case in which the definition gives it.",
        ),
        "missing_constraint": Check(
            _missing_constraint,
            "The instruction leaves out what the definition demands in these words: {} Add that,"
            " with all that they rule out, limit or except.",
            quoted=True,
        ),
    }
)
"""The checks by name, in the order in which they run."""
