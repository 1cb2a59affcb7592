"""How fast the instances of tasks are answered when what their prompts have in common is read once.

The model that `local` names, loaded through transformers, answers the same prompts in two ways:
with each task's prefix shared, as `seedstep predict` does, and by plain batched `generate`, padded
and sorted by length. With weights of 32 bits both come to the same answers. Both decode greedily
and end an answer at the same texts. Beside them stands the embedded server, llama.cpp with the same
model's quantised weights, whose answers may differ; it is left out where it is not installed.

The tasks are those of a split whose prompts have the most in common and fit into 1,024 tokens:
definition, two examples, and step-by-step instructions of about 150 tokens, which are the same for
all, as only their length matters here.

Example::

    python benchmarks/prediction.py --data superni           # some minutes on two idle cores
    python benchmarks/prediction.py --data superni --tasks 6 --instances 32 --bf16
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import torch
from transformers import StoppingCriteriaList
from transformers.utils import logging

from seedstep.data import Task, load_tasks
from seedstep.encode import ENCODINGS, HfTokenizer, TaskEncoder, tokenize
from seedstep.errors import MissingExtraError
from seedstep.infer.generate import Checkpoint
from seedstep.infer.settings import PredictSettings
from seedstep.llm.checkpoints import computing_type, load_model, load_tokenizer
from seedstep.llm.parameters import before_stop
from seedstep.recipes import predict

ENCODING = replace(ENCODINGS["steps"], max_source=1024)

PLAIN = "plain generate"

STEPS = (
    "Read the definition of the task and make sure that you know what is asked for.",
    "Look at the examples, and find out what each output takes over from its input.",
    "Read the given input from beginning to end, and mark the words that carry its meaning.",
    "Decide what those words say about the question that the task asks, and set aside the rest.",
    "If the input allows for more than one answer, compare them with the outputs of the examples.",
    "Choose the answer that follows from the input alone, without what you know from elsewhere.",
    "Write the answer in the form that the definition asks for, and in no more words than needed.",
    "Read the answer once more beside the input, and correct it where the two do not agree.",
)


@dataclass(frozen=True)
class Prompts:
    """The prompts of a task as token ids."""

    task: Task
    ids: tuple[tuple[int, ...], ...]

    @property
    def common(self) -> int:
        """How many tokens all of them begin with."""
        first, last = min(self.ids), max(self.ids)
        pairs = enumerate(zip(first, last, strict=False))
        return next((place for place, (ours, theirs) in pairs if ours != theirs), len(first))


Answers = list[list[str]]
"""By task and instance."""


def longest_prefixes(data: Path, tasks: int, instances: int, tokenizer: Any) -> list[Prompts]:
    """The tasks whose prompts have the most in common, and all of them fit."""
    found = []
    for task in load_tasks(data, "test", limit=instances).tasks:
        guided = replace(task, steps=STEPS)
        encoder = TaskEncoder(guided, ENCODING, tokenizer)
        encoded = [encoder.encode(instance) for instance in guided.instances]
        if not any(pair.dropped.positive or pair.dropped.steps for pair in encoded):
            pairs = (tokenize(pair, tokenizer, decoder_only=True) for pair in encoded)
            found.append(Prompts(guided, tuple(pair.prompt for pair in pairs)))
    return sorted(found, key=lambda prompt: prompt.common, reverse=True)[:tasks]


def shared(asked: Sequence[Prompts], checkpoint: Checkpoint) -> Answers:
    """As `seedstep predict` answers."""
    answers = []
    for prompts in asked:
        found = {
            place: answer.text
            for batch in checkpoint.answers(prompts.ids)
            for place, answer in batch
        }
        answers.append([found[place] for place in range(len(prompts.ids))])
    return answers


def plain(
    asked: Sequence[Prompts], model: Any, tokenizer: Any, settings: PredictSettings
) -> Answers:
    """By `generate`, with every prompt read as a whole, padded on the left."""
    answers = []
    for prompts in asked:
        places = sorted(range(len(prompts.ids)), key=lambda place: len(prompts.ids[place]))
        found: dict[int, str] = {}
        for start in range(0, len(places), settings.batch):
            batch = places[start : start + settings.batch]
            texts = _generated([prompts.ids[place] for place in batch], model, tokenizer, settings)
            found.update(zip(batch, texts, strict=True))
        answers.append([found[place] for place in range(len(prompts.ids))])
    return answers


def _generated(
    rows: Sequence[Sequence[int]], model: Any, tokenizer: Any, settings: PredictSettings
) -> list[str]:
    longest = max(map(len, rows))
    padding = [longest - len(row) for row in rows]
    ids = [[0] * more + [*row] for row, more in zip(rows, padding, strict=True)]
    mask = [[0] * more + [1] * (longest - more) for more in padding]

    def texts(found: Any) -> list[str]:
        return [str(text) for text in tokenizer.batch_decode(found, skip_special_tokens=True)]

    def stopped(found: Any, _: Any) -> Any:
        ended = [before_stop(text, settings.stop_texts) for text in texts(found[:, longest:])]
        return torch.tensor([end is not None for end in ended])

    with torch.inference_mode():
        found = model.generate(
            input_ids=torch.tensor(ids),
            attention_mask=torch.tensor(mask),
            max_new_tokens=settings.max_new_tokens,
            do_sample=False,
            stopping_criteria=StoppingCriteriaList([stopped]),
        )
    whole = texts(found[:, longest:])
    ends = [before_stop(text, settings.stop_texts) for text in whole]
    return [(text if end is None else end).strip() for text, end in zip(whole, ends, strict=True)]


def served(asked: Sequence[Prompts], settings: PredictSettings) -> Answers:
    """By llama.cpp, through the whole of `seedstep predict`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tasks.jsonl"
        path.write_bytes(
            b"".join(msgspec.json.encode(_line(prompts.task)) + b"\n" for prompts in asked)
        )
        run = predict(
            Path(folder) / "run",
            tasks=str(path),
            model="local",
            encoding=ENCODING,
            max_new_tokens=settings.max_new_tokens,
            in_flight=1,  # one slot, which reads each prefix once too
        )
        with run:
            texts = iter([prediction.text for prediction in run.predictions("local")])
    return [[next(texts) for _ in prompts.ids] for prompts in asked]


def _line(task: Task) -> dict[str, Any]:
    instances = [
        {"id": f"{task.id}-{place}", "input": instance.input, "output": instance.outputs}
        for place, instance in enumerate(task.instances)
    ]
    own = {name: getattr(task, name) for name in ("id", "definition", "positive_examples", "steps")}
    return {**own, "instances": instances}


def measure(answer: Callable[[], Answers]) -> tuple[Answers, float, float]:
    """The answers, and seconds on the clock and of the processor, threads included."""
    clock, processor = time.perf_counter(), time.process_time()
    answers = answer()
    return answers, time.perf_counter() - clock, time.process_time() - processor


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Prediction with a shared prefix.")
    parser.add_argument("--data", type=Path, required=True, help="SUPER-NATURALINSTRUCTIONS")
    parser.add_argument("--tasks", type=int, default=3, help="default: 3")
    parser.add_argument("--instances", type=int, default=16, help="of each task; default: 16")
    parser.add_argument("--new-tokens", type=int, default=128, help="default: 128")
    parser.add_argument("--batch", type=int, default=16, help="default: 16")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="default: all cores")
    parser.add_argument("--bf16", action="store_true", help="weights of 16 bits")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    logging.disable_progress_bar()
    settings = PredictSettings.of(
        backend="transformers",
        encoding=ENCODING,
        max_new_tokens=asked.new_tokens,
        batch=asked.batch,
    )
    tokenizer = load_tokenizer("local")
    prompts = longest_prefixes(asked.data, asked.tasks, asked.instances, HfTokenizer(tokenizer))
    model = load_model("local", dtype=computing_type(bf16=asked.bf16)[0])
    checkpoint = Checkpoint(
        model,
        tokenizer,
        new_tokens=settings.max_new_tokens,
        stop=settings.stop_texts,
        batch=settings.batch,
    )
    if checkpoint.note:
        print(f"no prefix is shared: {checkpoint.note}")
    ways: dict[str, Callable[[], Answers]] = {
        PLAIN: lambda: plain(prompts, model, tokenizer, settings),
        "shared prefix": lambda: shared(prompts, checkpoint),
        "embedded server": lambda: served(prompts, settings),
    }
    report(prompts, ways, asked.threads)


def report(
    prompts: Sequence[Prompts], ways: dict[str, Callable[[], Answers]], threads: int
) -> None:
    """Print a line for each way: its speed beside that of plain generation, and how many answers
    are the same.
    """
    count = sum(len(prompt.ids) for prompt in prompts)
    common = sum(prompt.common for prompt in prompts) / len(prompts)
    tokens = sum(len(row) for prompt in prompts for row in prompt.ids) / count
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    print(f"load {load} on {os.cpu_count()} cores, {threads} threads; {len(prompts)} tasks,")
    print(f"{count} instances; tokens of a prompt {tokens:,.0f}, of them in common {common:,.0f}")
    print(f"{'':18}{'seconds':>9}{'processor':>11}{'a second':>10}{'times':>7}{'same':>6}")
    first: Answers = []
    seconds: dict[str, float] = {}
    for name, answer in ways.items():
        try:
            answers, clock, processor = measure(answer)
        except MissingExtraError as missing:
            print(f"{name:18}left out: {missing}")
            continue
        first = first or answers
        seconds[name] = clock
        same = sum(
            our == their
            for ours, theirs in zip(first, answers, strict=True)
            for our, their in zip(ours, theirs, strict=True)
        )
        speed = count / clock
        ratio = seconds[PLAIN] / clock
        print(
            f"{name:18}{clock:9.1f}{processor:11.1f}{speed:10.2f}{ratio:7.2f}{same:>6}", flush=True
        )


if __name__ == "__main__":
    main()
