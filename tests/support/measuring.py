"""Instructions, and measurements of what they are worth, for tests."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from seedstep.data import Task
from seedstep.encode import ENCODINGS, HfTokenizer, encode_task, tokenize
from seedstep.infer.likelihood import ScoringModel
from seedstep.runs.directory import digest
from support.tuning_things import write_lines

__all__ = ["FIRST", "STEPS", "plainly", "write_steps", "written_measures"]

STEPS = {
    "things_0": ("Find the thing.", "Name its kind."),
    "things_1": ("Look at the last word but one.", "Say which sort it is.", "Write a word."),
    "things_2": ("Leave out colours.", "Class the rest."),
}
FIRST = {"things_0": ("Name a kind.", "Stop.")}


def write_steps(path: Path, steps: Mapping[str, Sequence[str]] = STEPS) -> str:
    """Write instructions as `seedstep steps export` does."""
    lines = [
        {"task": task, "steps": found, "unrefined": FIRST.get(task, ())}
        for task, found in steps.items()
    ]
    return str(write_lines(path, lines))


def versions_of(task: str) -> dict[str, Sequence[str]]:
    """The steps of the versions that are measured of a task."""
    drawn = {f"candidate {n + 1}": ("Find the thing.", f"Name kind number {n}.") for n in (1, 2)}
    return {"refined": STEPS.get(task, ()), "unrefined": FIRST.get(task, ()), **drawn}


def written_measures(
    path: Path,
    skip: int,
    nats: Mapping[str, Mapping[str, list[float]]],
    shortened: Mapping[str, Mapping[str, int]] | None = None,
) -> Path:
    """A file of measurements with these losses, by task and version.

    `shortened` has the numbers of prompts that were shortened, where there are any.
    """
    cut = shortened or {}
    header = {
        "measured": 1,
        "model": "hf:m",
        "fingerprint": "",
        "encoding": "steps",
        "seed": 1,
        "skip": skip,
        "instances": 2,
        "bf16": False,
        "versions": [],
        "digest": "",
    }
    lines = [
        {
            "task": task,
            "category": "Kinds",
            "instances": [f"{task}-{place}" for place in range(len(next(iter(found.values()))))],
            "versions": {
                name: {
                    "nats": values,
                    "tokens": [1] * len(values),
                    "shortened": cut.get(task, {}).get(name, 0),
                    "steps": digest([of[name], False]) if name in (of := versions_of(task)) else "",
                }
                for name, values in found.items()
            },
        }
        for task, found in nats.items()
    ]
    return write_lines(path, [header, *lines])


def plainly(model: ScoringModel, task: Task, steps: Any, seed: int) -> list[float]:
    """The loss of each reference in nats a token: one row at a time, without anything shared."""
    import torch

    found = []
    decoder_only = not model._model.config.is_encoder_decoder
    encoding = replace(ENCODINGS["steps"], steps=steps)
    tokenizer: HfTokenizer = model._tokenizer
    for instance in task.instances:
        encoded = encode_task(task, instance, encoding, tokenizer, seed=seed)
        pair = tokenize(encoded, tokenizer, decoder_only=decoder_only)
        target = torch.tensor(pair.target)
        with torch.no_grad():
            if decoder_only:
                row = torch.tensor([[*pair.prompt, *pair.target]])
                logits = model._model(input_ids=row).logits[0, len(pair.prompt) - 1 : -1]
            else:
                out = model._model(input_ids=torch.tensor([pair.prompt]), labels=target[None])
                logits = out.logits[0]
        chosen = logits.log_softmax(-1)[range(len(target)), target]
        found.append(-float(chosen.mean()))
    return found
