"""Damage files at random, and read them: 20,000 times, or as often as is asked.

What raises another error than those that users see, or does not end in ten seconds, is printed with
the number that makes it again.

Example::

    python tests/campaigns/fuzz.py
    python tests/campaigns/fuzz.py --n 1000000 --first 20000
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.mutations import FILES, damaged, outcome_of


def campaign(first: int, mutations: int) -> Counter[str]:
    """Return how many mutations were read, told, and faults; print each kind of fault once."""
    counted: Counter[str] = Counter()
    known = set()
    names = list(FILES)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(first, first + mutations):
            name = names[number % len(names)]
            content = damaged(FILES[name].content, random.Random(f"{name} {number}"))
            try:
                outcome = outcome_of(FILES[name], content, Path(folder))
            except Exception as error:
                counted["faults"] += 1
                kind = (name, type(error).__name__, str(error)[:60])
                if kind not in known:
                    known.add(kind)
                    print(f"mutation {number}: {kind}", flush=True)
            else:
                counted["read" if outcome == "read" else "told"] += 1
    return counted


def main() -> None:
    """Print the counts; exit with 1 where there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=20_000, help="mutations; default: 20,000")
    parser.add_argument("--first", type=int, default=0, help="the number of the first mutation")
    asked = parser.parse_args()
    began = time.monotonic()
    counted = campaign(asked.first, asked.n)
    counts = ", ".join(f"{counted[name]:,} {name}" for name in ("read", "told", "faults"))
    print(
        f"{asked.n:,} mutations of {len(FILES)} files from number {asked.first:,}: {counts}; "
        f"{time.monotonic() - began:.0f} s."
    )
    sys.exit(bool(counted["faults"]))


if __name__ == "__main__":
    main()
