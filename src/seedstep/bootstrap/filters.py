"""The filters, each with its own named reason (Self-Instruct, section 2.2).

Example::

    instruction_fault("Draw a cat.", english=True)  # ("too_short", "3 words")
"""

import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seedstep.bootstrap.extra import extra_instance_fault, is_statement
from seedstep.bootstrap.parse import RawInstance
from seedstep.bootstrap.records import RejectedInstance
from seedstep.bootstrap.settings import PAPER_THRESHOLD
from seedstep.data import Instance, Problem, SeedFile, read_seeds
from seedstep.novelty import Neighbor, NoveltyIndex
from seedstep.text import latin_tokens, unicode_tokens

__all__ = [
    "Fault",
    "Kept",
    "check_seeds",
    "instruction_fault",
    "is_novel",
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
