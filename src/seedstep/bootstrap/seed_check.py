"""What is wrong with a seed file: its form, and what the filters would reject.

Example::

    for problem in check_seeds(Path("seeds.jsonl")).problems:
        print(problem.line, problem.what)
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from seedstep.bootstrap.filters import (
    FILTERS,
    CandidateReply,
    instruction_fault,
    is_novel,
    sift_instances,
)
from seedstep.bootstrap.parse import RawInstance
from seedstep.bootstrap.settings import PAPER_THRESHOLD
from seedstep.data import Problem, SeedFile, read_seeds
from seedstep.novelty import NoveltyIndex
from seedstep.text import latin_tokens, unicode_tokens

__all__ = ["check_seeds"]

_FOR_SEEDS = tuple(entry for entry in FILTERS if entry.for_seeds)


def check_seeds(path: Path, *, english: bool = True) -> SeedFile:
    """Read a seed file, and find all that is wrong with its form or that the filters would reject.

    A seed that fails a filter can be used; the model is then shown what would be rejected.

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
        if fault := instruction_fault(task.definition, _FOR_SEEDS, english=english):
            message = f"{fault[0]} ({fault[1]})" if fault[1] else fault[0]
            yield Problem(seeds.path, line, "instruction", message, "reword it")
        neighbor = index.nearest(task.definition)
        if neighbor and not is_novel(neighbor, PAPER_THRESHOLD, "paper"):
            message = f"not_novel (ROUGE-L {neighbor.score:.2f} with {neighbor.id})"
            yield Problem(seeds.path, line, "instruction", message, "reword or remove one")
        index.add(task.id, task.definition)
        found = tuple(RawInstance(given.input, given.output) for given in task.instances)
        for bad in sift_instances(CandidateReply(task.definition, found), _FOR_SEEDS).rejected:
            yield Problem(seeds.path, line, "instances", bad.reason, "correct the instance")
