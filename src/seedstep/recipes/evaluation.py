"""Systems measured and compared: their predictions in, tables of scores out.

As SUPER-NATURALINSTRUCTIONS and both papers measure (Self-Instruct, section 4.3; Step-by-Step
Instruction Tuning, section 4.1 and appendix A), with 95% intervals over tasks.

Example::

    chosen = TaskChoice(Path("natural-instructions"), "test", limit=100)
    (one,) = evaluate_systems([Path("predictions.jsonl")], tasks=chosen, grouping="category")
    one.overall.rouge_l.value
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seedstep.errors import RunError
from seedstep.evaluate import score, stemmed_tokens
from seedstep.evaluate.measured import Evaluated, Grouping, evaluated
from seedstep.evaluate.tokenizer import load_tokenizer
from seedstep.store import TaskChoice, distinct_names, keep_scores, read_systems

__all__ = ["Evaluation", "evaluate_systems"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What some systems scored. `notes` say which scores are not kept in their run, and why."""

    systems: tuple[Evaluated, ...]
    notes: tuple[str, ...]


def evaluate_systems(
    sources: Sequence[Path],
    names: Sequence[str] = (),
    tasks: TaskChoice | None = None,
    tokenizer: str = "",
    grouping: Grouping | None = None,
) -> Evaluation:
    """Score the systems in runs and files; the scores of a run's are kept there.

    `names` choose among the systems of runs. `tokenizer` is that of the cross-lingual track;
    without one, words are those of rouge-score.

    Raises:
        InputError: tasks, predictions or the tokenizer can't be read.
        RunError: a directory is no run.
    """
    tokens = load_tokenizer(tokenizer) if tokenizer else stemmed_tokens
    done: list[Evaluated] = []
    notes: list[str] = []
    systems = read_systems(sources, names, tasks)
    for system, name in zip(systems, distinct_names(systems), strict=True):
        scores = score(system.predictions, system.references, tokens)
        done.append(evaluated(name, scores, grouping, system.left_out(scores)))
        if system.source.is_dir():
            try:
                keep_scores(system.source, system.name, done[-1], tokenizer)
            except RunError as error:
                notes.append(f"the scores of {name} are not kept: {error.what}")
    return Evaluation(tuple(done), tuple(notes))
