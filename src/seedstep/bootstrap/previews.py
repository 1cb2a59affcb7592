"""Check a seed file before a run, and preview the run: its first requests, and an estimate.

The estimate has the number of requests and tokens.

Example::

    >>> from seedstep.data import seed_tasks
    >>> preview(BootstrapSettings.of(tasks=1000), seed_tasks()).requests[0].purpose
    'generation'
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import ceil
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from seedstep.bootstrap.axes import parse_axes
from seedstep.bootstrap.filters import FILTERS
from seedstep.bootstrap.instances import CandidateReply
from seedstep.bootstrap.pool import Pool, is_novel
from seedstep.bootstrap.prompting import make_prompts
from seedstep.bootstrap.records import Candidate
from seedstep.bootstrap.settings import PAPER_THRESHOLD, BootstrapSettings
from seedstep.bootstrap.sifting import instruction_fault, sift_instances
from seedstep.bootstrap.steering import Steering
from seedstep.data import Problem, SeedFile, Task, read_seeds
from seedstep.llm import Preview, TokenUsage, tokens_of
from seedstep.novelty import NoveltyIndex, tell_nearness
from seedstep.text import TOKENIZERS, Script, script_of

__all__ = [
    "assumed_yields",
    "check_seeds",
    "preview",
    "tell_script",
]

_FOR_SEEDS = tuple(entry for entry in FILTERS if entry.for_seeds)


def check_seeds(path: Path, tokens: Literal["auto", "latin", "unicode"] = "auto") -> SeedFile:
    """Read a seed file, and find faults of form and seed tasks that the filters would reject.

    A seed task that a filter rejects can be used, but shows the model an example that is rejected.
    `tokens` are those of a bootstrap, which chooses the filters by them.

    Raises:
        InputError: the file is not there or can't be read.
    """
    seeds = read_seeds(path)
    found = script_of(task.definition for task in seeds.tasks)
    used = found.tokens if tokens == "auto" else tokens
    refused = _filter_problems(seeds, used, found)
    return replace(seeds, problems=tuple(sorted([*seeds.problems, *refused], key=_line)))


def _line(problem: Problem) -> int:
    return problem.line


_KNOWN = {entry.name: entry for entry in FILTERS}


def _filter_problems(
    seeds: SeedFile, tokens: Literal["latin", "unicode"], script: Script
) -> Iterator[Problem]:
    english = tokens == "latin"
    index = NoveltyIndex(TOKENIZERS[tokens])
    for task, line in zip(seeds.tasks, seeds.lines, strict=True):
        if fault := instruction_fault(task.definition, _FOR_SEEDS, english=english):
            message = f"{fault[0]} ({fault[1] or _KNOWN[fault[0]].meaning})"
            remedy = _KNOWN[fault[0]].seed_remedy or "reword it"
            if english and script.tokens == "unicode":
                remedy = f"use --tokens unicode, as the seeds are written in {script.name}"
            elif script.a_word and fault[0].startswith("too_"):
                remedy += f"; {script.a_word} characters count as a word"
            yield Problem(seeds.path, line, "instruction", message, remedy)
        neighbor = index.nearest(task.definition)
        if neighbor and not is_novel(neighbor, PAPER_THRESHOLD, "paper"):
            message = f"not_novel ({tell_nearness(neighbor.id, neighbor.score)})"
            yield Problem(seeds.path, line, "instruction", message, "reword or remove one")
        index.add(task.id, task.definition)
        given = CandidateReply(task.definition, task.instances)
        sifted = sift_instances(Candidate(task), given, _FOR_SEEDS, english=english)
        for bad in sifted.rejected_instances:
            message = f"{bad.reason} ({bad.detail or _KNOWN[bad.reason].meaning})"
            remedy = _KNOWN[bad.reason].seed_remedy or "correct the instance"
            yield Problem(seeds.path, line, "instances", message, remedy)


def assumed_yields(settings: BootstrapSettings) -> tuple[float, float]:
    """Return the assumed accepted instructions a request, and tasks an accepted instruction.

    They differ from model to model, and fall as the pool grows.
    """
    return settings.prompts.accepted_each, 0.8


NO_REPLIES: Mapping[str, int] = MappingProxyType({})


def preview(
    settings: BootstrapSettings,
    seeds: Sequence[Task],
    window_by_batch: int | None = None,
    yields: tuple[float, float] | None = None,
    ahead: Mapping[str, int] = NO_REPLIES,
) -> Preview:
    """Return the first requests of a run and an estimate, by `yields`, those of the run so far.

    `window_by_batch` is the window that the run would have by batch, if that is another. `ahead`
    counts the replies that are there and were not used yet, by purpose. Requests about an
    instruction use that of a seed task. Where the model names the values of an axis, its name
    stands for one, and the requests for values are the last.
    """
    prompts = make_prompts(settings)
    shown = Pool(seeds, settings).sample(0)
    axes = parse_axes(settings.axes)
    drawn = [axis for axis in axes if not axis.shares]
    known = [replace(axis, shares=axis.shares or {f"({axis.name})": 1.0}) for axis in axes]
    cell = Steering(known, settings.chance).choose(0)
    plain = next((task for task in seeds if not task.is_classification), seeds[0])
    labels = next((task for task in seeds if task.is_classification), seeds[0])
    requests = (
        prompts.generation(shown, settings.place.first_draw, cell),
        prompts.classification(plain.definition),
        prompts.instances(plain.definition, is_classification=False, cell=cell),
        prompts.instances(labels.definition, is_classification=True, cell=cell),
        *map(prompts.values, drawn),
    )
    accepted_each, finished_each = yields or assumed_yields(settings)
    accepted = ceil(settings.tasks / finished_each)
    whole = {
        "generation": ceil(accepted / accepted_each),
        "classification": accepted,
        "instances": accepted,
    }
    counts = {purpose: max(0, count - ahead.get(purpose, 0)) for purpose, count in whole.items()}
    tokens = {
        purpose: TokenUsage(
            count * tokens_of(request), count * settings.prompts.reply_tokens[purpose]
        )
        for request, (purpose, count) in zip(requests, counts.items(), strict=False)
    }
    window = window_by_batch or settings.window
    rounds = max(1, ceil(counts["generation"] / window))
    left = {purpose: count for purpose, count in counts.items() if count}
    return Preview(requests, left, {purpose: tokens[purpose] for purpose in left}, rounds)


def tell_script(seeds: Iterable[Task], tokens: str = "auto") -> str:
    """Say in which script seed tasks are written, and how their texts are compared.

    `tokens` are the setting. If it is not `auto`, and is for other texts than the seeds are, that
    is said.

    Example::

        >>> tell_script([Task("a", "次の文を英語に訳してください。", ())])[:34]
        'The seeds are written in Japanese.'
    """
    script = script_of(task.definition for task in seeds)
    letters = f" ({', '.join(script.letters)})" if script.letters else ""
    written = f"The seeds are written in {script.name}{letters}."
    if tokens == "latin" and script.tokens == "unicode":
        return f"{written} --tokens latin sees only a to z of them: leave it out, or use unicode."
    return f"{written} {script.comparison}" if tokens in ("auto", script.tokens) else written
