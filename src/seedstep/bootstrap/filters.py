"""The filters, each with its own named reason (Self-Instruct, section 2.2).

Example::

    instruction_fault("Draw a cat.", english=True)  # ("too_short", "3 words")
"""

import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType

from seedstep.bootstrap.parse import RawInstance
from seedstep.bootstrap.records import RejectedInstance
from seedstep.bootstrap.settings import PAPER_THRESHOLD
from seedstep.data import Instance, Problem, SeedFile, read_seeds
from seedstep.novelty import Neighbor, NoveltyIndex
from seedstep.prompts import demonstrations
from seedstep.text import latin_tokens, loops, unicode_tokens

__all__ = [
    "REASONS",
    "Fault",
    "Kept",
    "check_seeds",
    "extra_instance_fault",
    "instruction_fault",
    "is_novel",
    "is_statement",
    "sift_instances",
]

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

Fault = tuple[str, str]
"""A named reason, and a detail for people."""


def instruction_fault(text: str, *, english: bool, extra: bool = True) -> Fault | None:
    """Why an instruction is not taken, novelty aside; None if it is.

    Where the run is not in `english`, words are counted in every script, and an instruction
    may start with a non-ASCII character. `extra` adds our own filters to the paper's.
    """
    words = len(text.split() if english else unicode_tokens(text))
    if words < MIN_WORDS:
        return "too_short", f"{words} word" if words == 1 else f"{words} words"
    if words > MAX_WORDS:
        return "too_long", f"{words} words"
    if keyword := _KEYWORD.search(text):
        return "keyword", keyword[0].lower()
    if text.startswith("Write a program"):
        return "write_a_program", ""
    if text[0] in string.punctuation:
        return "starts_with_punctuation", text[0]
    if english and not text[0].isascii():
        return "starts_with_non_ascii", text[0]
    if english and extra and is_statement(text):
        return "statement", ""
    return None


def is_novel(neighbor: Neighbor | None, threshold: float, fidelity: str) -> bool:
    """Whether an instruction with this nearest neighbour is new enough.

    The paper keeps what scores below the threshold; the released code rejects what scores above.
    """
    if neighbor is None:
        return True
    return neighbor.score <= threshold if fidelity == "released" else neighbor.score < threshold


@dataclass(frozen=True, slots=True)
class Kept:
    """A task's instances, sifted."""

    instances: tuple[Instance, ...]
    rejected: tuple[RejectedInstance, ...]


def sift_instances(
    found: Sequence[RawInstance], fidelity: str, instruction: str | None = None
) -> Kept:
    """Tell good instances from bad ones, in the order they were written.

    Two outputs for the same non-empty input reject both (paper), or all instances (released).
    With the `instruction`, our own filters apply as well.
    """
    instances: list[Instance] = []
    rejected: list[RejectedInstance] = []
    conflicting = _conflicting_inputs(found)
    seen: set[RawInstance] = set()
    for one in found:
        fault = _instance_fault(one)
        if not fault and one in seen:
            fault = "duplicate_instance"
        elif not fault and (one.input in conflicting or (conflicting and fidelity == "released")):
            fault = "conflicting_outputs"
        elif not fault and instruction is not None:
            fault = extra_instance_fault(instruction, one)
        seen.add(one)
        if fault:
            rejected.append(RejectedInstance(one.input, one.output, fault))
        else:
            instances.append(Instance(one.input, (one.output,)))
    return Kept(tuple(instances), tuple(rejected))


def _instance_fault(one: RawInstance) -> str:
    if not one.whole:
        return "unfinished"
    if not one.output:
        return "empty_output"
    if one.input == one.output:
        return "output_repeats_input"
    if one.input.endswith(":") or one.output.endswith(":"):
        return "ends_with_colon"
    return ""


def _conflicting_inputs(found: Sequence[RawInstance]) -> set[str]:
    """Non-empty inputs that have different outputs among the instances without a fault."""
    outputs: dict[str, set[str]] = {}
    for one in found:
        if one.input and not _instance_fault(one):
            outputs.setdefault(one.input, set()).add(one.output)
    return {text for text, several in outputs.items() if len(several) > 1}


def check_seeds(path: Path, *, english: bool = True) -> SeedFile:
    """A seed file with all that is wrong with it: its form, and what our own filters refuse.

    A seed that fails a filter can be used; the model would just be shown what we then reject.

    Raises:
        InputError: the file is not there or can't be read.
    """
    seeds = read_seeds(path)
    refused = _filter_problems(seeds, english=english)
    return replace(seeds, problems=tuple(sorted([*seeds.problems, *refused], key=_line)))


def _line(problem: Problem) -> int:
    return problem.line


def _filter_problems(seeds: SeedFile, *, english: bool) -> Iterator[Problem]:
    index = NoveltyIndex(latin_tokens if english else unicode_tokens)
    for task, line in zip(seeds.tasks, seeds.lines, strict=True):
        if fault := instruction_fault(task.definition, english=english):
            message = f"{fault[0]} ({fault[1]})" if fault[1] else fault[0]
            yield Problem(seeds.path, line, "instruction", message, "reword it")
        neighbor = index.nearest(task.definition)
        if neighbor and not is_novel(neighbor, PAPER_THRESHOLD, "paper"):
            message = f"not_novel (ROUGE-L {neighbor.score:.2f} with {neighbor.id})"
            yield Problem(seeds.path, line, "instruction", message, "reword or remove one")
        index.add(task.id, task.definition)
        found = [RawInstance(one.input, one.output) for one in task.instances]
        for bad in sift_instances(found, "paper", task.definition).rejected:
            if bad.reason == "copies_demonstration":
                continue  # our own seeds: the demonstrations are made from them
            yield Problem(seeds.path, line, "instances", bad.reason, "correct the instance")


_MATERIAL = (
    "sentence|text|paragraph|passage|article|e-?mail|message|poem|story|essay|review|comment|tweet"
    "|dialogue|conversation|list|table|number|word|phrase|equation|problem|puzzle|riddle|code"
    "|snippet|function|recipe|ingredient|fruit|item|name|date|event|quote|headline|title"
    "|description|statement|question|fact|document|note|product|animal|object"
)
_COUNT = "two |three |four |five |six "
_THIS = rf"(?:this|these|those) (?:{_COUNT})?(?:\w+ )?(?:{_MATERIAL})s?\b"
_POINTS_AT_INPUT = re.compile(
    rf"\b(?:the following|the given|the provided|given (?:an?|the)\b|{_THIS}|below|above)",
    re.IGNORECASE,
)
_BRINGS_MATERIAL = re.compile(r"[:\"“”`\n]\s*\S")
_STARTS_LIKE_STATEMENT = re.compile(
    r"(?:An?|The|He|She|It|They|We|There|His|Her|Their|My|One|Some|Many|This is|That is)\b"
    r"|(?:You are|You're|I am|I'm|I have)\b(?!.*,)"
)
_ASKS = re.compile(
    r"\?|\b(?:should|must|needs? to|has to|have to|could|please)\b|[.!:;]\s+\S", re.I
)


def is_statement(instruction: str) -> bool:
    """Whether an English text is one sentence that states something and asks for nothing."""
    return bool(_STARTS_LIKE_STATEMENT.match(instruction)) and not _ASKS.search(instruction)


def extra_instance_fault(instruction: str, one: RawInstance) -> str:
    """`missing_input`, `copies_demonstration`, `repeats_itself`, or empty."""
    if not one.input and _lacks_material(instruction):
        return "missing_input"
    if (one.input, one.output) in _shown():
        return "copies_demonstration"
    return "repeats_itself" if loops(one.output) else ""


def _lacks_material(instruction: str) -> bool:
    """Whether it points at a text, a list and so on, and does not bring it along."""
    points = _POINTS_AT_INPUT.search(instruction)
    return points is not None and not _BRINGS_MATERIAL.search(instruction)


@cache
def _shown() -> frozenset[tuple[str, str]]:
    """All (input, output) of the fixed demonstrations, inputs with and without their label."""
    pairs = set()
    for approach in ("input_first", "output_first"):
        for shown in demonstrations()[approach]:
            for one in shown.examples:
                pairs |= {(one.input, one.output), (f"{shown.label}: {one.input}", one.output)}
    return frozenset(pairs)


REASONS = MappingProxyType(
    {
        "too_short": "3 words or fewer",
        "too_long": "more than 150 words",
        "keyword": "speaks of images, files or the like",
        "write_a_program": 'starts with "Write a program"',
        "starts_with_punctuation": "starts with punctuation",
        "starts_with_non_ascii": "starts with a non-ASCII character",
        "statement": "states something, asks for nothing",
        "not_novel": "too similar to a known instruction",
        "contaminated": "too close to an evaluation set",
        "request_failed": "the model's server refused a request",
        "no_instance": "the reply holds no instance",
        "no_good_instance": "all its instances were rejected",
        "unfinished": "cut off at the reply's length limit",
        "empty_output": "no output",
        "output_repeats_input": "the output is the input",
        "ends_with_colon": "input or output ends with a colon",
        "missing_input": "the instruction points at an input that is not there",
        "copies_demonstration": "copied from the prompt's demonstrations",
        "repeats_itself": "the output goes round in circles",
        "duplicate_instance": "the same instance again",
        "conflicting_outputs": "one input with different outputs",
    }
)
