"""How fast versions of instructions are measured, beside reading one instance a row.

The model that `local` names reads the references of the suite's test tasks behind four kinds of
prompts, as `seedstep steps measure` does: without steps, with the right ones, with the right ones
in another order, with another task's. The common beginning of a task's prompts is read once;
beside that, each row holds one instance, in batches padded to the longest. What is
printed is the time of both, the number of tokens that each reads, and the largest difference
between their losses.

Example::

    python benchmarks/likelihood.py                              # some minutes on two idle cores
    python benchmarks/likelihood.py --tasks 20 --instances 20 --bf16
"""

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from seedstep.data import Task, load_tasks
from seedstep.encode import ENCODINGS, StepsKind, TaskEncoder, TokenPair, tokenize
from seedstep.encode.losses import token_losses
from seedstep.encode.packing import PackedGroup, group_pairs, make_row
from seedstep.infer.likelihood import ScoringModel
from seedstep.suite import write_suite

BATCH = 8
"""Rows of one instance each that are read at a time."""

Prompting = tuple[Task, StepsKind]


def promptings(tasks: Sequence[Task]) -> list[Prompting]:
    """The four versions of each task."""
    others = [*tasks[1:], tasks[0]]
    return [
        prompting
        for task, other in zip(tasks, others, strict=True)
        for prompting in (
            (task, "none"),
            (task, "refined"),
            (task, "shuffled"),
            (replace(task, steps=other.steps), "refined"),
        )
    ]


def pairs_of(model: ScoringModel, prompting: Prompting) -> list[TokenPair]:
    """The prompts and references of a task's instances as tokens."""
    task, steps = prompting
    encoder = TaskEncoder(task, replace(ENCODINGS["steps"], steps=steps), model._tokenizer)
    return [
        tokenize(encoder.encode(instance, seed=1), model._tokenizer, decoder_only=True)
        for instance in task.instances
    ]


def alone(model: ScoringModel, pairs: Sequence[TokenPair]) -> list[float]:
    """The mean loss of each reference, in rows of one instance each."""
    ordered = sorted(range(len(pairs)), key=lambda place: len(pairs[place].prompt))
    found = [0.0] * len(pairs)
    for start in range(0, len(ordered), BATCH):
        places = ordered[start : start + BATCH]
        rows = [make_row([PackedGroup((pairs[place],), 0)]) for place in places]
        with torch.inference_mode():
            losses = token_losses(model._model, rows, "causal")
        for place, part in zip(
            places, losses.split([len(pairs[place].target) for place in places]), strict=True
        ):
            found[place] = float(part.mean())
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measuring instructions, shared and alone.")
    parser.add_argument("--tasks", type=int, default=4, help="default: 4")
    parser.add_argument("--instances", type=int, default=20, help="default: 20")
    parser.add_argument("--bf16", action="store_true", help="weights of 16 bits")
    asked = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        write_suite(Path(folder) / "suite")
        tasks = load_tasks(Path(folder) / "suite", "test", limit=asked.instances).tasks
    model = ScoringModel.load("local", bf16=asked.bf16)
    versions = promptings(tasks[: asked.tasks])
    model.score(tasks[0], ENCODINGS["definition"], seed=1)  # the trial of sharing, and warmth
    started = time.perf_counter()
    shared = [
        model.score(task, replace(ENCODINGS["steps"], steps=steps), seed=1).nats
        for task, steps in versions
    ]
    shared_seconds = time.perf_counter() - started
    pairs = [pairs_of(model, prompting) for prompting in versions]
    started = time.perf_counter()
    plain = [alone(model, found) for found in pairs]
    plain_seconds = time.perf_counter() - started
    difference = max(
        abs(our - their)
        for ours, theirs in zip(shared, plain, strict=True)
        for our, their in zip(ours, theirs, strict=True)
    )
    whole = sum(len(pair.prompt) + len(pair.target) for found in pairs for pair in found)
    read = sum(
        group.tokens
        for found in pairs
        for group in group_pairs(found, share=len(found), row_tokens=1 << 30)
    )
    print(f"{len(versions)} versions x {asked.instances} instances, nats a token")
    print(f"shared  {shared_seconds:7.1f} s  {read:9,} tokens")
    print(f"alone   {plain_seconds:7.1f} s  {whole:9,} tokens")
    print(f"ratio   {plain_seconds / shared_seconds:7.1f}; largest difference {difference:.2g}")
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
