"""The task pool: seeds, finished tasks, and the novelty index over every accepted instruction.

Example::

    pool = Pool(seeds, settings)
    shown = pool.sample(index=0)
"""

import random
from collections.abc import Sequence

from seedstep.bootstrap.filters import Fault, Kept, instruction_fault, is_novel
from seedstep.bootstrap.records import RejectedInstance
from seedstep.bootstrap.settings import Settings
from seedstep.data import Task
from seedstep.novelty import Contamination, Neighbor, NoveltyIndex
from seedstep.text import TOKENIZERS

__all__ = ["Pool"]

DEMONSTRATIONS = 8
MACHINE_DEMONSTRATIONS = 2
"""Of the 8 instructions shown, 6 are human-written and 2 machine-generated (section 2.2)."""


MIN_INPUT_TOKENS = 8
"""Tokens from which an instance's input is compared with evaluation sets: "yes" is no copy."""


class Pool:
    """What the next request is built from, and new instructions are compared with."""

    def __init__(
        self,
        seeds: Sequence[Task],
        settings: Settings,
        contamination: Contamination | None = None,
    ) -> None:
        """Begin with the seeds. `contamination` is what new tasks must not be close to."""
        self.finished: list[Task] = []
        self._seeds = tuple(seeds)
        self._settings = settings
        self._english = settings.tokens == "latin"
        self._contamination = contamination
        self._tokenizer = TOKENIZERS[settings.tokens]
        self._index = NoveltyIndex(self._tokenizer)
        for task in seeds:
            self._index.add(task.id, task.definition)

    def sample(self, index: int) -> tuple[Task, ...]:
        """The demonstrations of request `index`: 6 seeds and 2 finished tasks, shuffled.

        While fewer tasks are finished, seeds make up for them. The choice depends on the run's
        seed, the index and the pool only.
        """
        chance = random.Random(f"{self._settings.seed}:{index}")  # noqa: S311
        machine = chance.sample(self.finished, min(MACHINE_DEMONSTRATIONS, len(self.finished)))
        human = min(DEMONSTRATIONS - len(machine), len(self._seeds))
        shown = machine + chance.sample(self._seeds, human)
        chance.shuffle(shown)
        return tuple(shown)

    def judge(self, candidate_id: str, instruction: str) -> tuple[Fault | None, Neighbor | None]:
        """Accept an instruction, which makes it known, or say why not."""
        settings = self._settings
        fault = instruction_fault(instruction, english=self._english, extra=settings.extra_filters)
        if fault:
            return fault, None
        if self._contamination and (overlap := self._contamination.overlap(instruction)):
            return ("contaminated", overlap.detail), None
        neighbor = self._index.nearest(instruction)
        if neighbor and not is_novel(neighbor, settings.novelty_threshold, settings.fidelity):
            return ("not_novel", f"ROUGE-L {neighbor.score:.2f} with {neighbor.id}"), neighbor
        self._index.add(candidate_id, instruction)
        return None, neighbor

    def decontaminate(self, kept: Kept) -> Kept:
        """Instances without those whose input is too close to an evaluation set."""
        if not self._contamination:
            return kept
        instances, rejected = [], list(kept.rejected)
        for one in kept.instances:
            is_long = len(self._tokenizer(one.input)) >= MIN_INPUT_TOKENS
            overlap = self._contamination.overlap(one.input) if is_long else None
            if overlap:
                bad = RejectedInstance(one.input, one.output, "contaminated", overlap.detail)
                rejected.append(bad)
            else:
                instances.append(one)
        return Kept(tuple(instances), tuple(rejected))
