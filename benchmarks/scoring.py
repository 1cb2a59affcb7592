"""How fast predictions are scored, beside rouge-score 0.1.2, on the same texts.

Both score every prediction by ROUGE-L and ROUGE-1 with stems against each of its references, and
keep the best; ours finds exact matches as well. They take turns, each time in a fresh process
that has seen no word before, and must agree to the last bit. What is printed is processor time,
medians over the rounds; the ratio is the median of the rounds' ratios.

The texts are made from a seed: 20,000 words with English endings, of which few are frequent and
most are rare, as in natural text. `--data DIR` takes those of SUPER-NATURALINSTRUCTIONS instead,
from `DIR/tasks/*.json`: a prediction is then an output of another instance of the same task.

Example::

    python benchmarks/scoring.py                 # two cases, about three minutes
    python benchmarks/scoring.py --data superni --rounds 5
"""

import argparse
import json
import multiprocessing
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from statistics import median

from rouge_score.rouge_scorer import RougeScorer

from seedstep.evaluate import PredictionMarker

VOCABULARY = 20_000
LONGEST = 30
"""Words of the longest made text."""

ENDINGS = ("", "", "s", "ed", "ing", "ly", "er", "ation", "ness", "ational", "ize", "ful", "y")

PROCESSES = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Item:
    """A prediction and what it is compared with."""

    prediction: str
    references: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """Instances with how many references are wanted, and for how many predictions."""

    name: str
    fewest: int
    most: int


CASES = (Case("several references", 2, 8), Case("any number", 1, 3))


# The texts


def made_items(case: Case, predictions: int) -> list[Item]:
    """Items of made words. A prediction is one of its references with a third of it changed."""
    chance = random.Random(f"{case.name} {predictions}")
    words = [made_word(chance) for _ in range(VOCABULARY)]
    weights = list(accumulate(1 / rank for rank in range(1, VOCABULARY + 1)))
    items = []
    for _ in range(predictions):
        length = chance.randint(1, LONGEST)
        references = [
            chance.choices(words, cum_weights=weights, k=length)
            for _ in range(chance.randint(case.fewest, case.most))
        ]
        others = chance.choices(words, cum_weights=weights, k=length)
        pairs = zip(chance.choice(references), others, strict=True)
        prediction = [word if chance.random() < 2 / 3 else other for word, other in pairs]
        items.append(Item(" ".join(prediction), tuple(map(" ".join, references))))
    return items


def made_word(chance: random.Random) -> str:
    """One to three syllables and an ending."""
    syllables = (
        chance.choice("bcdfghklmnprstvw") + chance.choice("aeiou") + chance.choice("lmnrst")
        for _ in range(chance.randint(1, 3))
    )
    return "".join(syllables) + chance.choice(ENDINGS)


def real_items(case: Case, predictions: int, tasks: Path) -> list[Item]:
    """Items of task files, over and over with other predictions until there are enough."""
    outputs = [
        [tuple(instance["output"]) for instance in json.loads(path.read_text())["Instances"]]
        for path in sorted(tasks.glob("*.json"))
    ]
    chance = random.Random(f"{case.name} {predictions}")
    items = list(shuffled_items(case, outputs, chance))
    assert items, f"no instances in {tasks}"
    while len(items) < predictions:
        items += shuffled_items(case, outputs, chance)
    return chance.sample(items, predictions)


def shuffled_items(
    case: Case, outputs: Sequence[Sequence[tuple[str, ...]]], chance: random.Random
) -> Iterator[Item]:
    """Each instance once, with an output of an instance of its task as its prediction."""
    for task in outputs:
        fitting = [outputs for outputs in task if len(outputs) >= case.fewest]
        others = [chance.choice(outputs) for outputs in fitting]
        chance.shuffle(others)
        yield from map(Item, others, fitting)


# The two that score

Score = tuple[float, float]
"""ROUGE-L and ROUGE-1 of a prediction."""


def score_ours(items: Sequence[Item]) -> list[Score]:
    """As seedstep.evaluate scores."""
    marker = PredictionMarker()
    marks = (marker.mark(item.prediction, item.references) for item in items)
    return [(scores["rouge_l"], scores["rouge_1"]) for scores in marks]


def score_theirs(items: Sequence[Item]) -> list[Score]:
    """rouge-score, asked for each reference in turn."""
    scorer = RougeScorer(["rougeL", "rouge1"], use_stemmer=True)
    scores = []
    for item in items:
        found = [scorer.score(reference, item.prediction) for reference in item.references]
        scores.append(
            (
                max(each["rougeL"].fmeasure for each in found),
                max(each["rouge1"].fmeasure for each in found),
            )
        )
    return scores


SCORERS: dict[str, Callable[[Sequence[Item]], list[Score]]] = {
    "rouge-score": score_theirs,
    "seedstep": score_ours,
}


def one_round(scorer: str, items: Sequence[Item]) -> tuple[float, list[Score]]:
    """Processor seconds, and the scores; called in a process of its own."""
    started = time.process_time()
    scores = SCORERS[scorer](items)
    return time.process_time() - started, scores


# The comparison


def compare(items: Sequence[Item], rounds: int) -> dict[str, list[float]]:
    """Seconds of both in each round, who take turns and must agree."""
    seconds: dict[str, list[float]] = {scorer: [] for scorer in SCORERS}
    with ProcessPoolExecutor(1, PROCESSES, max_tasks_per_child=1) as pool:
        for _ in range(rounds):
            expected: list[Score] = []
            for scorer in SCORERS:
                taken, scores = pool.submit(one_round, scorer, items).result()
                seconds[scorer].append(taken)
                expected = expected or scores
                assert scores == expected, "the scores differ"
    return seconds


def row(case: Case, items: Sequence[Item], seconds: dict[str, list[float]]) -> str:
    """Medians over the rounds."""
    references = sum(len(item.references) for item in items) / len(items)
    each = [f"{median(seconds[scorer]) * 1e6 / len(items):14.1f}" for scorer in SCORERS]
    ratio = median(our / their for our, their in zip(*seconds.values(), strict=True))
    return f"{case.name:20}{len(items):>12,}{references:>12.1f}{''.join(each)}{ratio:8.1f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Scoring beside rouge-score.")
    parser.add_argument("--predictions", type=int, default=12_000, help="default: 12,000")
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--data", type=Path, help="folder of SUPER-NATURALINSTRUCTIONS")
    asked = parser.parse_args()
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    print(f"load {load} on {os.cpu_count()} cores; rounds: {asked.rounds}; µs a prediction")
    names = "".join(f"{scorer:>14}" for scorer in SCORERS)
    print(f"{'':20}{'predictions':>12}{'references':>12}{names}{'ratio':>8}")
    for case in CASES:
        if asked.data:
            items = real_items(case, asked.predictions, asked.data / "tasks")
        else:
            items = made_items(case, asked.predictions)
        print(row(case, items, compare(items, asked.rounds)), flush=True)


if __name__ == "__main__":
    main()
