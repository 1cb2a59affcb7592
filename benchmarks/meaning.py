"""What comparing by meaning costs, beside brute force: all products of one embedding with all.

One process on one core. Embeddings are those of a file's instructions, whose making is told apart,
or made ones: in groups, with numbers that differ less from direction to direction, as those of
encoders do. Brute force takes one product of all known embeddings with each new one, in single
precision; of a whole file, the time of some thousand such products is scaled up.

Example::

    export OPENBLAS_NUM_THREADS=1
    python benchmarks/meaning.py                                       # made embeddings
    python benchmarks/meaning.py --data instructions.jsonl --encoder minilm
    python benchmarks/meaning.py --oracle 20000                        # against brute force
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, median, quantiles

import numpy as np

from seedstep.data.rows import open_table
from seedstep.novelty import (
    MEANING_THRESHOLD,
    MeaningIndex,
    Vector,
    decide_by_meaning,
    unit_rows,
)
from seedstep.recipes import Semantic
from seedstep.recipes.meaning import embed_texts

TEXTS = 52_000
WIDTH = 384
NEW = 500
BRUTE = 300


def main() -> None:
    options = argparse.ArgumentParser(description="Measure comparing by meaning.")
    options.add_argument("--data", type=Path, help="JSON lines with a field `instruction`")
    options.add_argument("--encoder", default="minilm")
    options.add_argument("--oracle", type=int, help="compare decisions on so many texts, no times")
    chosen = options.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if chosen.oracle:
        check(made(chosen.oracle))
        return
    print(f"load {', '.join(f'{load:.1f}' for load in os.getloadavg())} on {os.cpu_count()} cores")
    vectors = embedded(chosen.data, chosen.encoder) if chosen.data else made(TEXTS)
    print_online(vectors[:-NEW], vectors[-NEW:])
    print_file(vectors)


def embedded(path: Path, encoder: str) -> Vector:
    texts = [row.text for row in open_table(path, "instruction").rows() if row.text][:TEXTS]
    start = time.perf_counter()
    vectors, _ = embed_texts(Semantic(encoder), texts, lambda stage, done, total: None)
    seconds = time.perf_counter() - start
    each = 1000 * seconds / len(texts)
    print(f"embedding {len(texts):,} texts: {seconds:.0f} s, {each:.1f} ms each")
    return vectors


def made(count: int) -> Vector:
    """Embeddings in groups, and some that are nearly or quite equal."""
    chance = np.random.default_rng(0)
    scale = np.arange(1, WIDTH + 1) ** -0.5
    mixing, _ = np.linalg.qr(chance.standard_normal((WIDTH, WIDTH)))
    centres = chance.standard_normal((count // 20 + 1, WIDTH))
    rows = centres[chance.integers(len(centres), size=count)]
    rows += chance.choice([0.1, 0.7, 1.5], (count, 1)) * chance.standard_normal((count, WIDTH))
    rows[: count // 100] = rows[count // 2 : count // 2 + count // 100]
    return unit_rows(((rows * scale) @ mixing).astype(np.float32))


def print_online(known: Vector, new: Vector) -> None:
    """One text at a time against all known, as a bootstrap compares it."""
    index = MeaningIndex()
    start = time.perf_counter()
    for number, vector in enumerate(known):
        index.add(str(number), vector)
    added = (time.perf_counter() - start) / len(known)
    ours = milliseconds(new, index.nearest)
    brute = milliseconds(new, lambda vector: int((known @ vector).argmax()))
    for name, found in (("one more text", ours), ("brute force", brute)):
        print(
            f"{name} against {len(known):,}: mean {fmean(found):.2f} ms, median"
            f" {median(found):.2f}, 99% within {quantiles(found, n=100)[-1]:.2f}"
        )
    print(f"ratio of the medians {median(brute) / median(ours):.1f}; {1e6 * added:.0f} us to add")


def milliseconds(new: Vector, find: Callable[[Vector], object]) -> list[float]:
    seconds = []
    for vector in new:
        start = time.perf_counter()
        find(vector)
        seconds.append(1000 * (time.perf_counter() - start))
    return seconds


def print_file(vectors: Vector) -> None:
    """A whole file, each text compared with all that were kept before it."""
    start = time.perf_counter()
    found = decide_by_meaning(vectors, MEANING_THRESHOLD)
    seconds = time.perf_counter() - start
    known = vectors[found.kept]
    pairs = int((np.cumsum(found.kept) - found.kept).sum())
    start = time.perf_counter()
    for vector in vectors[:BRUTE]:
        (known @ vector).argmax()
    brute = (time.perf_counter() - start) / (BRUTE * len(known)) * pairs
    print(
        f"{len(vectors):,} texts, {len(known):,} kept: {seconds:.1f} s; brute force {brute:.0f} s,"
        f" ratio {brute / seconds:.1f}"
    )


def check(vectors: Vector) -> None:
    """All cosines in double precision: every decision, neighbour and score has to be the same."""
    found, index = decide_by_meaning(vectors, MEANING_THRESHOLD), MeaningIndex()
    exact = vectors.astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    held = np.empty_like(exact)
    kept: list[int] = []
    for row, vector in enumerate(exact):
        scores = np.round(held[: len(kept)] @ vector, 6)
        place = int(scores.argmax()) if kept else -1
        best = float(scores[place]) if kept else 0.0
        nearest = kept[place] if kept else -1
        assert (found.nearest.numbers[row], found.nearest.scores[row]) == (nearest, best)
        assert bool(found.kept[row]) == (not kept or best < MEANING_THRESHOLD)
        neighbor = index.nearest(vectors[row])
        assert (neighbor.score, int(neighbor.id)) == (best, nearest) if neighbor else not kept
        if found.kept[row]:
            held[len(kept)] = vector
            kept.append(row)
            index.add(str(row), vectors[row])
    print(f"{len(vectors):,} texts, {len(kept):,} kept, equal to brute force in all")


if __name__ == "__main__":
    main()
