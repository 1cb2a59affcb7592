"""Two baselines that read no definition (Wang et al. 2022): what copying alone would score.

Published for the English test set: copying the input of the instance 14.20 ROUGE-L, copying the
output of a demonstration 28.54. The released script copies the first positive example's output,
the paper says that of a random one.

Example::

    inputs = {one.id: one.input for one in task.instances}
    predictions = [*copy_inputs(task.id, inputs)]
    predictions = [*copy_demonstrations(task.id, inputs, task.positive_examples)]
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Protocol

from seedstep.evaluate.scores import Prediction

__all__ = ["Demonstration", "copy_demonstrations", "copy_inputs"]


class Demonstration(Protocol):
    """What a positive example needs to be copied from."""

    @property
    def output(self) -> str:
        """The text to copy."""


def copy_inputs(task: str, inputs: Mapping[str, str]) -> Iterator[Prediction]:
    """The input of each instance as its prediction. `inputs` are by instance id."""
    for instance, text in inputs.items():
        yield Prediction(task, instance, text)


def copy_demonstrations(
    task: str,
    instances: Iterable[str],
    demonstrations: Sequence[Demonstration],
    seed: int | None = None,
) -> Iterator[Prediction]:
    """A demonstration's output as the prediction for each instance id.

    It is the first one's, or with a `seed` a random one's, which depends on seed and instance
    id alone. Without demonstrations the predictions are failed ones.
    """
    for instance in instances:
        if demonstrations:
            place = 0 if seed is None else _drawn(seed, instance, len(demonstrations))
            yield Prediction(task, instance, demonstrations[place].output)
        else:
            yield Prediction(task, instance, "", failed="the task has no demonstration")


def _drawn(seed: int, instance: str, choices: int) -> int:
    key = f"{seed} {instance}".encode("utf-8", "surrogatepass")
    return int.from_bytes(sha256(key).digest()) % choices
