"""What the exact novelty filter costs, beside comparing all pairs with rouge-score.

Each size runs in a fresh process on one core: reading JSON lines, tokenising, deciding. Sizes
beyond the data are made of its texts, the first half of one and the second half of another, which
keeps how often words are used. What rouge-score would take is the time of some thousand random
pairs times the number of pairs that brute force compares: each text with all kept before it.

One text at a time is measured against pools of those texts, and of instructions of made-up words,
which have little in common, as `large.py` has them. These times are of the processor.

Example::

    python benchmarks/novelty.py --data instructions.jsonl
    python benchmarks/novelty.py --data instructions.jsonl --long   # also 200,000 and a million
    python benchmarks/novelty.py                                    # texts made of our own seeds
    python benchmarks/novelty.py --data instructions.jsonl --oracle 3000   # against rouge-score
"""

import argparse
import json
import multiprocessing
import os
import random
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median, quantiles
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np
from large import INSTRUCTION, words
from rouge_score import rouge_scorer

from seedstep.data import open_table, seed_tasks
from seedstep.novelty import NoveltyIndex, TokenNumbers, decide, encode, join, ranks
from seedstep.text import TOKENIZERS, latin_tokens

T = TypeVar("T")

THRESHOLD = 0.7
SIZES = (13_000, 26_000, 52_000)
LONG_SIZES = (200_000, 1_000_000)
POOL = 50_000
LONG_POOLS = (200_000, 1_000_000)
ASKED = 1000
"""How many texts are looked for in a pool."""

ROUGE_PAIRS = 5_000


@dataclass(frozen=True)
class Measured:
    """One size: seconds to read, to tokenise and encode, to decide; what was compared."""

    texts: int
    kept: int
    read: float
    encode: float
    decide: float
    compared: int
    brute_force: int
    peak_mib: float

    @property
    def seconds(self) -> float:
        return self.read + self.encode + self.decide


def main() -> None:
    options = argparse.ArgumentParser(description="Measure the novelty filter.")
    options.add_argument("--data", type=Path, help="JSON lines with a field `instruction`")
    options.add_argument("--long", action="store_true", help="also 200,000 and 1,000,000 texts")
    options.add_argument("--oracle", type=int, help="compare decisions on so many texts, no times")
    chosen = options.parse_args()
    texts = read(chosen.data) if chosen.data else [task.definition for task in seed_tasks()]
    if chosen.oracle:
        for tokens in TOKENIZERS:
            check(recombined(texts, chosen.oracle), tokens)
        return
    print(f"load {', '.join(f'{load:.1f}' for load in os.getloadavg())} on {os.cpu_count()} cores")
    per_pair = rouge_seconds(texts)
    print(
        f"rouge-score: {1e6 * per_pair:.0f} microseconds a pair, of {ROUGE_PAIRS:,} random ones\n"
    )
    print("    texts     kept   read  encode  decide  seconds  compared  a text   MiB      ratio")
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES + LONG_SIZES * chosen.long:
            path = Path(folder) / "texts.jsonl"
            write(path, recombined(texts, size))
            print_row(in_a_process(measure, path), per_pair)
    print()
    for size in (POOL, *LONG_POOLS) if chosen.long else (POOL,):
        in_a_process(print_online, "given texts", recombined(texts, size + ASKED))
        in_a_process(print_online, "made-up words", made_up(size + ASKED))


def print_row(measured: Measured, per_pair: float) -> None:
    ratio = measured.brute_force * per_pair / measured.seconds
    print(
        f"{measured.texts:9,}{measured.kept:9,}{measured.read:7.2f}{measured.encode:8.2f}{measured.decide:8.2f}"
        f"{measured.seconds:9.2f}{measured.compared:10,}{measured.compared / measured.texts:8.1f}"
        f"{measured.peak_mib:6.0f}{ratio:11,.0f}",
        flush=True,
    )


def in_a_process(work: Callable[..., T], *arguments: Any) -> T:
    """Work in a process of its own, so that its memory is its own, too."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(work, *arguments).result()


def measure(path: Path) -> Measured:
    """The whole way from a file to decisions, on one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    compared = count_comparisons()
    times = [time.perf_counter()]
    texts = read(path)
    times.append(time.perf_counter())
    vocabulary = TokenNumbers(latin_tokens)
    numbered = vocabulary.number(texts)
    encoded = encode(numbered, ranks(numbered.counts(len(vocabulary))))
    times.append(time.perf_counter())
    kept = decide(encoded, THRESHOLD).kept
    times.append(time.perf_counter())
    brute_force = int((np.cumsum(kept) - kept).sum())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    read_s, encode_s, decide_s = np.diff(times).tolist()
    return Measured(
        len(texts), int(kept.sum()), read_s, encode_s, decide_s, compared[0], brute_force, peak
    )


def count_comparisons() -> list[int]:
    """A list whose one number grows with each pair whose subsequence is looked for."""
    count, compare = [0], join.compare

    def counting(ones: Sequence[object], *rest: object) -> object:
        count[0] += len(ones)
        return compare(ones, *rest)  # type: ignore[arg-type]

    join.compare = counting  # type: ignore[assignment]
    return count


def rouge_seconds(texts: Sequence[str]) -> float:
    """Seconds that rouge-score takes for a pair of texts."""
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    chance = random.Random(0)
    pairs = [(chance.choice(texts), chance.choice(texts)) for _ in range(ROUGE_PAIRS)]
    start = time.perf_counter()
    for text, other in pairs:
        scorer.score(text, other)
    return (time.perf_counter() - start) / len(pairs)


def check(texts: Sequence[str], tokens: str) -> None:
    """All pairs by rouge-score: every decision, neighbour and score has to be the same."""
    tokenizer = TOKENIZERS[tokens]
    scorer = rouge_scorer.RougeScorer(["rougeL"], tokenizer=SimpleNamespace(tokenize=tokenizer))
    vocabulary, index = TokenNumbers(tokenizer), NoveltyIndex(tokenizer)
    numbered = vocabulary.number(texts)
    found = decide(encode(numbered, ranks(numbered.counts(len(vocabulary)))), THRESHOLD)
    kept: list[int] = []
    for row, text in enumerate(texts):
        scores = [scorer.score(texts[earlier], text)["rougeL"].fmeasure for earlier in kept]
        best = max(scores, default=0.0)
        nearest = kept[scores.index(best)] if best else -1
        neighbor = index.nearest(text)
        assert (neighbor.score, int(neighbor.id)) == (best, nearest) if neighbor else not best
        assert bool(found.kept[row]) == (best < THRESHOLD)
        if best < THRESHOLD:
            kept.append(row)
            index.add(str(row), text)
        else:
            assert (found.nearest.numbers[row], found.nearest.scores[row]) == (nearest, best)
    print(f"{tokens}: {len(texts):,} texts, {len(kept):,} kept, equal to rouge-score in all")


def print_online(kind: str, texts: Sequence[str]) -> None:
    """One text at a time against a pool, each also added, as a bootstrap does."""
    index, pool = NoveltyIndex(latin_tokens), len(texts) - ASKED
    before, start = resident_mib(), time.process_time()
    for number, text in enumerate(texts[:pool]):
        index.add(str(number), text)
    added = (time.process_time() - start) / pool
    print(f"{kind}, one at a time, pool of {pool:,} ({1e6 * added:.0f} microseconds to add one)")
    for name, least in (("exact nearest", 0.0), ("decided at 0.7", THRESHOLD)):
        seconds = []
        for text in texts[pool:]:
            start = time.process_time()
            index.nearest(text, least=least)
            seconds.append(1000 * (time.process_time() - start))
        print(
            f"  {name}: mean {fmean(seconds):.2f} ms, median {median(seconds):.2f},"
            f" 99% within {quantiles(seconds, n=100)[-1]:.2f}"
        )
    print(f"  memory: {resident_mib() - before:.0f} MiB", flush=True)


def resident_mib() -> float:
    """The memory of this process, on Linux."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def made_up(size: int) -> list[str]:
    """`size` instructions of made-up words."""
    chance = random.Random(1)
    return [f"Describe {words(chance, INSTRUCTION - 1)}." for _ in range(size)]


def read(path: Path) -> list[str]:
    return [row.text for row in open_table(path, "instruction").rows()]


def write(path: Path, texts: Sequence[str]) -> None:
    lines = (json.dumps({"instruction": text}) for text in texts)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def recombined(texts: Sequence[str], size: int) -> list[str]:
    """`size` texts: those given, then halves of them put together."""
    chance = random.Random(1)
    made = list(texts[:size])
    while len(made) < size:
        first, second = chance.choice(texts).split(), chance.choice(texts).split()
        made.append(" ".join(first[: len(first) // 2] + second[len(second) // 2 :]))
    return made


if __name__ == "__main__":
    main()
