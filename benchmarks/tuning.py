"""How fast a decoder-only model is tuned, beside TRL's SFTTrainer, on tasks that share prefixes.

All train the same model on the same examples, 16 to an optimiser step, with the same precision, and
without gradient checkpointing:

    shared         seedstep, up to 8 instances of a task behind one copy of their prefix
    alone          seedstep with --share 1, one example a row
    trl            SFTTrainer as it is, rows filled up to the longest
    trl, packed    SFTTrainer with packing=True: best-fit rows of --packed-length tokens

The examples are SUPER-NATURALINSTRUCTIONS instances behind a step-by-step instruction of 150
tokens (the same for each task: only its length matters here), the definition and 2 examples. Each
form runs in a fresh process; the first optimiser step is not timed. Tokens are those of the
examples as one example a row has them, so their rate compares forms; `computed` are the ones that
went through the model. Processor time is beside the time on the clock, for machines that do other
work, too. Utilisation counts 6 operations for each weight and computed token against
--peak, and leaves attention out.

TRL's settings that matter: by default it checkpoints activations, that is, computes each forward
pass twice, which is off here; bf16 is its default, and taken by all
where the device has instructions for it; its default of 8 examples a
device is kept on a CPU, twice for each step; it truncates at 1,024 tokens by default, which is
raised so that no example loses its target. On a CPU its packed rows go through one at a time, for
it joins the rows of a device's batch into one, whose mask grows with its square. A step of packed
rows has 16 examples in the mean, and not the same ones as the other forms' steps; those of `alone`
are drawn from more tasks. `shared` and `trl` see the same steps, so their losses agree.

Example::

    SEEDSTEP_DATA=data python benchmarks/tuning.py            # TRL needs up to 14 GB
    python benchmarks/tuning.py --device cuda --steps 60 --peak 989
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from seedstep.data import load_tasks
from seedstep.encode import HfTokenizer, TaskEncoder, TokenPair, make_encoding, tokenize
from seedstep.errors import InputError
from seedstep.llm.checkpoints import computing_type, load_model, load_tokenizer
from seedstep.tune.plan import StepRows, batches_of
from seedstep.tune.records import Training
from seedstep.tune.train import rows_of, tune_decoder

BATCH = 16
SHARE = 8
SEED = 42
LEARNING_RATE = 5e-5

STEPS = (
    "Read the definition of the task carefully and note what kind of answer it asks for.",
    "Look at both examples and find out how each output follows from its input, and what form and "
    "length it has.",
    "Read the given input from beginning to end, and mark the words, numbers or sentences on which "
    "the answer depends.",
    "If the input has several parts, decide which is asked about and which only gives the "
    "background.",
    "Work out a first answer that uses nothing but what the input says or clearly implies.",
    "Compare that answer with the definition again; correct it if it is too long, too short, or "
    "not of the wanted form.",
    "Write down the final answer alone, without any explanation.",
)
"""About 150 tokens, as long as the papers' step-by-step instructions are."""


@dataclass(frozen=True)
class Plan:
    """What is trained, the same for each form."""

    model: str
    data: str
    steps: int
    device: Literal["cpu", "cuda"]
    bf16: bool
    packed_length: int


@dataclass(frozen=True)
class Cost:
    """What a form took. Memory is in MiB, on a GPU the GPU's."""

    examples_per_second: float
    examples_per_cpu_second: float
    tokens_per_second: float
    computed_per_second: float
    memory: float
    first_loss: float
    last_loss: float
    weights: int


# The examples


def examples(plan: Plan) -> list[TokenPair]:
    """The examples of all steps in their order: 8 instances of each task."""
    tokenizer = HfTokenizer(load_tokenizer(plan.model))
    tasks = load_tasks(Path(plan.data) / "superni", "train", skip_bad=True).tasks
    tasks = tuple(task for task in tasks if len(task.instances) >= SHARE)
    wanted = plan.steps * BATCH // SHARE
    if len(tasks) < wanted:
        raise InputError(f"{plan.data} has {len(tasks)} tasks of {wanted}", "lower --steps")
    pairs: list[TokenPair] = []
    for task in tasks[:: len(tasks) // wanted][:wanted]:
        encoder = TaskEncoder(replace(task, steps=STEPS), make_encoding("steps"), tokenizer)
        for instance in task.instances[:SHARE]:
            encoded = encoder.encode(instance, seed=SEED)
            pairs.append(tokenize(encoded, tokenizer, decoder_only=True))
    batches = batches_of(pairs, seed=SEED, epoch=0, batch=BATCH, share=SHARE)
    return [pairs[place] for batch in batches for place in batch]


@dataclass(frozen=True)
class Data:
    """One epoch of examples."""

    pairs: Sequence[TokenPair]
    held_out: Sequence[TokenPair] = ()

    def training(self, epoch: int) -> Sequence[TokenPair]:
        return self.pairs


def length(pair: TokenPair) -> int:
    return len(pair.prompt) + len(pair.target)


# The forms: each trains, tells a clock of its steps, and returns the tokens it computed


def train_ours(plan: Plan, model: Any, pairs: list[TokenPair], clock: Any, share: int) -> int:
    training = Training(
        epochs=1,
        batch=BATCH,
        share=share,
        learning_rate=LEARNING_RATE,
        bf16=plan.bf16,
        device=plan.device,
        seed=SEED,
    )
    data = Data(pairs)
    with tempfile.TemporaryDirectory() as out:
        tune_decoder(model, None, data, training, Path(out), callbacks=[clock])
    rows = rows_of(training, on_cpu=plan.device == "cpu")
    steps = StepRows(data, training, rows, processes=1)
    return sum(steps.step(number).row_tokens for number in range(1, plan.steps))


def train_trl(plan: Plan, model: Any, pairs: list[TokenPair], clock: Any, packed: bool) -> int:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    on_cpu = plan.device == "cpu"
    rows = BATCH * sum(map(length, pairs)) / len(pairs) / plan.packed_length if packed else BATCH
    at_once, passes = (1, round(rows)) if packed else (BATCH // 2, 2)
    if not on_cpu:
        at_once, passes = round(rows), 1
    records = [
        {
            "input_ids": [*pair.prompt, *pair.target],
            "completion_mask": [0] * len(pair.prompt) + [1] * len(pair.target),
        }
        for pair in pairs
    ]
    with tempfile.TemporaryDirectory() as out:
        arguments = SFTConfig(
            output_dir=out,
            per_device_train_batch_size=at_once,
            gradient_accumulation_steps=passes,
            num_train_epochs=1,
            learning_rate=LEARNING_RATE,
            lr_scheduler_type="constant",
            packing=packed,
            max_length=plan.packed_length,
            completion_only_loss=True,
            gradient_checkpointing=False,
            bf16=plan.bf16,
            use_cpu=on_cpu,
            train_sampling_strategy="sequential",
            logging_steps=1,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            seed=SEED,
        )
        trainer = SFTTrainer(
            model=model,
            args=arguments,
            train_dataset=Dataset.from_list(records),
            processing_class=load_tokenizer(plan.model),
            callbacks=[clock],
        )
        trainer.train()
    if packed:
        return sum(map(length, pairs[BATCH:]))
    lengths = [length(pair) for pair in pairs[BATCH:]]
    parts = [lengths[start : start + at_once] for start in range(0, len(lengths), at_once)]
    return sum(max(part) * len(part) for part in parts)


FORMS: dict[str, Callable[[Plan, Any, list[TokenPair], Any], int]] = {
    "shared": partial(train_ours, share=SHARE),
    "alone": partial(train_ours, share=1),
    "trl": partial(train_trl, packed=False),
    "trl, packed": partial(train_trl, packed=True),
}


# Measuring


def measure(form: str, plan: Plan) -> Cost:
    """Train in this process."""
    import torch
    from transformers import TrainerCallback

    class Clock(TrainerCallback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.times: list[float] = []
            self.cpu_times: list[float] = []
            self.losses: list[float] = []

        def on_step_end(self, *_: Any, **__: Any) -> None:
            if plan.device == "cuda":
                torch.cuda.synchronize()
            self.times.append(time.perf_counter())
            self.cpu_times.append(time.process_time())

        def on_log(self, *_: Any, logs: dict[str, float], **__: Any) -> None:
            if "loss" in logs:
                self.losses.append(logs["loss"])

    pairs = examples(plan)
    model = load_model(plan.model, dtype="float32")
    weights = sum(weight.numel() for weight in model.parameters())
    clock = Clock()
    computed = FORMS[form](plan, model, pairs, clock)
    seconds = clock.times[-1] - clock.times[0]
    timed = (len(clock.times) - 1) / len(clock.times)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if plan.device == "cuda":
        memory = torch.cuda.max_memory_allocated() / 2**20
    return Cost(
        examples_per_second=len(pairs) * timed / seconds,
        examples_per_cpu_second=len(pairs) * timed / (clock.cpu_times[-1] - clock.cpu_times[0]),
        tokens_per_second=sum(map(length, pairs)) * timed / seconds,
        computed_per_second=computed / seconds,
        memory=memory,
        first_loss=clock.losses[0],
        last_loss=clock.losses[-1],
        weights=weights,
    )


def measure_apart(form: str, plan: Plan) -> Cost:
    """Train in a process of its own."""
    command = [sys.executable, __file__, "--form", form, "--plan", json.dumps(asdict(plan))]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{form}:\n{done.stderr}")
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def report(costs: dict[str, Cost], peak: float | None) -> None:
    """Print a table."""
    print(
        f"{'':14}{'examples/s':>11}{'/CPU s':>8}{'tokens/s':>11}{'computed/s':>11}{'MiB':>8}  loss"
    )
    for form, cost in costs.items():
        rates = f"{cost.examples_per_second:11.2f}{cost.examples_per_cpu_second:8.2f}"
        rates += f"{cost.tokens_per_second:11,.0f}"
        line = f"{form:14}{rates}{cost.computed_per_second:11,.0f}{cost.memory:8,.0f}"
        utilisation = ""
        if peak:
            share = 6 * cost.weights * cost.computed_per_second / (peak * 1e12)
            utilisation = f"  {share:.1%} of the peak"
        print(f"{line}  {cost.first_loss:.3f} to {cost.last_loss:.3f}{utilisation}")
    ours = costs["shared"]
    for form, cost in costs.items():
        if form != "shared":
            wall = ours.examples_per_second / cost.examples_per_second
            cpu = ours.examples_per_cpu_second / cost.examples_per_cpu_second
            memory = ours.memory / cost.memory
            print(
                f"shared / {form}: {wall:.2f} examples/s, {cpu:.2f} per CPU s, {memory:.2f} memory"
            )


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=os.environ.get("SEEDSTEP_DATA", "data"))
    parser.add_argument("--model", default="local")
    parser.add_argument("--steps", type=int, default=7)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--float32", action="store_true")
    parser.add_argument("--packed-length", type=int, default=2048)
    parser.add_argument("--peak", type=float, help="TFLOP/s of the device in this precision")
    parser.add_argument("--form", help=argparse.SUPPRESS)
    parser.add_argument("--plan", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.form:
        print(json.dumps(asdict(measure(options.form, Plan(**json.loads(options.plan))))))
        return
    plan = Plan(
        model=options.model,
        data=options.data,
        steps=options.steps,
        device=options.device,
        bf16=computing_type(bf16=not options.float32, on_cpu=options.device == "cpu")[0]
        != "float32",
        packed_length=options.packed_length,
    )
    print(f"{plan}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    costs = {}
    for form in FORMS:
        costs[form] = measure_apart(form, plan)
        print(f"{form}: {costs[form]}", file=sys.stderr)
    report(costs, options.peak)


if __name__ == "__main__":
    main()
