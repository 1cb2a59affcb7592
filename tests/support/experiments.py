"""The experiments that come with seedstep, run in this process on a tiny checkpoint and a server.

A process for each stage would spend nearly all its time on importing torch.
"""

from contextlib import chdir
from pathlib import Path
from typing import Any

from seedstep.recipes import ExperimentStage, find_experiment, read_experiment, run_experiment
from support.command_line import seedstep
from support.judging import by_length
from support.scripted_server import Fault
from support.step_server import STEPS, chat, numbered

__all__ = ["run_shipped", "writer"]

GROWING = ("Here are", "Can the following task", "Below is", "Come up with", "Given the")
"""How the prompts begin with which tasks are grown."""

EXAMPLES = "\n\n".join(
    f"Example {number}:\nInput: a boat {number}\nOutput: a title {number}\nExplanation: it fits."
    for number in range(1, 6)
)


def writer(number: int, body: dict[str, Any]) -> Fault | None:
    """Rates answers, writes steps and examples, and grows tasks as the server itself does."""
    said = [str(turn["content"]) for turn in body.get("messages", ())]
    if not said:
        return None
    if "Response:" in said[0]:
        return by_length(number, body)
    if said[0].startswith("Give me") or said[-1].startswith("Give me"):
        return chat(EXAMPLES)
    if said[-1].startswith("Rank"):
        return chat(EXAMPLES.partition("\n\nExample 3")[0])
    if said[0].startswith("Please provide a step-by-step instruction"):
        return chat(numbered(*STEPS))
    return None if said[0].startswith(GROWING) else chat("A better answer.")


def run_shipped(name: str, out: Path, **values: str) -> list[str]:
    """Run an experiment at its smallest size; returns the names of the stages that ran."""
    ran: list[str] = []

    def start(stage: ExperimentStage, directory: Path) -> int:
        ran.append(stage.name)
        with chdir(directory):
            done = seedstep(*stage.command)
        assert done.code == 0, f"{stage.shown}\n{done.out[-2000:]}\n{done.err[-2000:]}"
        return done.code

    experiment = read_experiment(find_experiment(name), values, "smoke")
    run_experiment(experiment, out, lambda *_: None, start)
    return ran
