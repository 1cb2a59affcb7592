"""Find the verb and the noun of many instructions, in several processes.

`python -m seedstep.report.parsing` is one of these: it reads a text in JSON on each line of its
input, and writes the verb and the noun, or null, on a line of its output.

Example::

    pairs = pairs_in_processes(instructions, 2, lambda done: None)
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Thread
from typing import IO

from seedstep.report.statistics import Pair, TellDone, parsed_pairs

__all__ = ["pairs_in_processes"]

EVERY = 0.5
"""How many seconds pass before the number of parsed texts is told again."""


def pairs_in_processes(
    texts: Sequence[str], processes: int, tell: TellDone
) -> list[Pair | None] | None:
    """Return the pair of each text, in any order; None where such processes can't work here.

    `tell` is called with the number of texts that are done.
    """
    done = [0] * processes
    started: list[subprocess.Popen[str]] = []

    def work(place: int) -> list[Pair | None]:
        process = subprocess.Popen(  # noqa: S603 - this module, by this interpreter
            [sys.executable, "-P", "-m", __name__],  # -P: no code from the working directory
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )
        started.append(process)
        assert process.stdin
        assert process.stdout
        feeder = Thread(target=_feed, args=(process.stdin, texts[place::processes]), daemon=True)
        feeder.start()
        found: list[Pair | None] = []
        with process.stdout as lines:
            for line in lines:
                pair = json.loads(line)
                found.append((pair[0], pair[1]) if pair else None)
                done[place] = len(found)
        if process.wait() or len(found) < len(texts[place::processes]):
            raise OSError("a process that parses has ended early")
        return found

    with ThreadPoolExecutor(processes) as threads:
        shares = [threads.submit(work, place) for place in range(processes)]
        try:
            for _ in _until_done(shares):
                tell(sum(done))
            return [pair for share in shares for pair in share.result()]
        except (OSError, ValueError):
            return None
        finally:
            for process in started:
                process.kill()


def _until_done(shares: Sequence[Future[list[Pair | None]]]) -> Iterator[None]:
    while wait(shares, timeout=EVERY).not_done:
        yield
    yield


def _feed(to: IO[str], texts: Sequence[str]) -> None:
    try:
        with to:
            for text in texts:
                to.write(json.dumps(text) + "\n")
    except OSError:  # the process has ended, which its output tells
        return


def _main() -> None:
    """Parse the texts on the standard input."""
    for pair in parsed_pairs(json.loads(line) for line in sys.stdin):
        sys.stdout.write(json.dumps(pair) + "\n")


if __name__ == "__main__":
    _main()
