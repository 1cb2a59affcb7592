"""Prepare a model and the arguments of the `Trainer` for tuning, and save the tuned model.

Example::

    arguments = trainer_arguments(training, Path("tuned/checkpoints"), measured=True, fresh=True)
    model, attention = prepare_model(model, training, arguments.device, longest=1352)
"""

import atexit
import gc
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from transformers import TrainingArguments
from transformers.utils import logging

from seedstep.data.files import new_folder
from seedstep.encode.losses import Attention, shared_attention
from seedstep.errors import InputError, MissingExtraError, TuningError, first_line
from seedstep.llm.checkpoints import computing_type
from seedstep.tune.checkpoints import (
    CheckpointFolder,
    fingerprint_model,
    longest_of,
    open_checkpoints,
)
from seedstep.tune.division import divides_weights, join_modules, told_by_first
from seedstep.tune.records import Training, TuningData

__all__ = [
    "PreparedTuning",
    "computes_on_cpu",
    "prepare_model",
    "prepare_tuning",
    "reporting",
    "save_tuned",
    "trainer_arguments",
]

LORA_SCALE = 2
"""LoRA's alpha, in multiples of its rank."""


def computes_on_cpu(training: Training) -> bool:
    """Return whether the model is trained on the processor."""
    return training.device == "cpu" or not torch.accelerator.is_available()


def trainer_arguments(
    training: Training,
    folder: Path,
    *,
    measured: bool,
    fresh: bool,
    kind: type = TrainingArguments,
) -> Any:
    """Return the arguments of the `Trainer`, as an object of the class `kind`.

    With `measured` the held-out loss is measured, and with `fresh` also before the first step.

    Raises:
        InputError: the device is not there, or DeepSpeed is asked for.
    """
    if training.device == "cuda" and not torch.cuda.is_available():
        raise InputError("there is no GPU that PyTorch can use", "leave --device cuda out")
    logging.disable_progress_bar()
    on_cpu = computes_on_cpu(training)
    arguments = kind(
        output_dir=str(folder),
        per_device_train_batch_size=1,
        learning_rate=training.learning_rate,
        weight_decay=training.weight_decay,
        warmup_steps=training.warmup_steps,
        lr_scheduler_type=_schedule(training),
        bf16=computing_type(bf16=training.bf16, on_cpu=on_cpu)[0] == "bfloat16",
        activation_checkpointing=training.gradient_checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False},
        logging_steps=1,
        eval_strategy="steps" if measured else "no",
        eval_steps=training.evaluate_every,
        eval_on_start=measured and fresh,
        save_steps=training.save_every,
        seed=training.seed,
        use_cpu=on_cpu,
        ddp_broadcast_buffers=False,
        disable_tqdm=True,
        report_to=training.report_to,
        run_name=None if training.report_to == "none" else folder.parent.name,
        log_level="error",
    )
    if arguments.deepspeed_plugin is not None:
        raise InputError("DeepSpeed can't train packed rows", "launch with FSDP or DDP")
    arguments._n_gpu = min(arguments.n_gpu, 1)  # several GPUs: one process each
    if arguments.world_size > 1:
        atexit.register(_leave_group)
    return arguments


BOARD = "TENSORBOARD_LOGGING_DIR"
"""The variable that names the directory in which the trainer's reports for TensorBoard go."""


@contextmanager
def reporting(training: Training, out: Path) -> Iterator[None]:
    """Let the trainer report, for TensorBoard to a directory in `out` unless the user named one."""
    if training.report_to != "tensorboard" or BOARD in os.environ:
        yield
        return
    os.environ[BOARD] = str(out / "tensorboard")
    try:
        yield
    finally:
        del os.environ[BOARD]


def _leave_group() -> None:
    """Leave the group of processes, as a process that ends inside it may abort.

    The threads of the group end with it, once no model refers to it any more.
    """
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    gc.collect()


def prepare_model(
    model: Any, training: Training, device: Any, longest: int
) -> tuple[Any, Attention]:
    """Move the model to its device, and return it with how it attends to rows.

    The weights that are trained are converted to float32, and LoRA's matrices are added.

    Raises:
        InputError: prefixes are to be shared, and the model can't.
        MissingExtraError: LoRA is asked for, and peft is not installed.
    """
    if not (training.lora and training.bf16):
        model.float()  # steps of AdamW are too small for bfloat16's digits
    if divides_weights():  # each process gets its part from the first
        join_modules(model)
    else:
        model.to(device)
    attention: Attention = "causal"
    if training.share > 1 and not model.config.is_encoder_decoder:
        attention = told_by_first(partial(_shared_attention, model, device, longest))
        if divides_weights():
            model.set_attn_implementation(attention)
    if training.lora:
        model = _with_lora(model, training)
    return model, attention


def _shared_attention(model: Any, device: Any, longest: int) -> Attention:
    """Return how a model attends to rows, tried on its device; it stays where it was."""
    place = next(model.parameters()).device
    try:
        return shared_attention(model.to(device), longest)
    finally:
        model.to(place)


def _schedule(training: Training) -> str:
    """Return transformers' name of the schedule; its "constant" has no warm-up."""
    has_warmup = training.schedule == "constant" and training.warmup_steps
    return "constant_with_warmup" if has_warmup else training.schedule


def _with_lora(model: Any, training: Training) -> Any:
    try:
        import peft
    except ImportError:
        raise MissingExtraError("LoRA", extra="tune") from None
    config = peft.LoraConfig(
        r=training.lora,
        lora_alpha=LORA_SCALE * training.lora,
        target_modules="all-linear",
        task_type="SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM",
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by an old name
        torch.manual_seed(training.seed)
        return peft.get_peft_model(model, config)


def save_tuned(
    trainer: Any,
    tokenizer: Any,
    folder: Path,
    *,
    adapter: Path,
    dtype: Literal["float32", "bfloat16"] = "float32",
    end: int | None = None,
    beside: Mapping[str, bytes] = MappingProxyType({}),
) -> None:
    """Save the model and its tokenizer to `folder`, from where transformers loads them.

    LoRA's matrices are saved to `adapter`, and the model merged with them to `folder`, with weights
    of the type `dtype`. `end` is the token that ends the targets; it is added to those in the
    configurations of the model. The files `beside`, contents by name, are written to both
    directories. All processes call this function, and the first one writes.

    Raises:
        TuningError: there is no space, or no right to write.
    """
    accelerator = trainer.accelerator
    model = accelerator.unwrap_model(trainer.model_wrapped)
    state = accelerator.get_state_dict(trainer.model_wrapped)
    if not accelerator.is_main_process:
        return
    if hasattr(model, "merge_and_unload"):
        with _whole(adapter) as partial:
            model.save_pretrained(partial, state_dict=state)
            _write_files(partial, beside)
        model, state = model.merge_and_unload(), None
    elif divides_weights():  # the weights that are others were gathered once more
        tied = getattr(model, "all_tied_weights_keys", None) or {}
        state = {name: weight for name, weight in state.items() if name not in tied}
    if end is not None:
        _name_end(model, end)
    if dtype == "bfloat16":
        state = _rounded(model.state_dict() if state is None else state)
        model.to(torch.bfloat16)  # the configuration names the model's type
    with _whole(folder) as partial:
        model.save_pretrained(partial, state_dict=state)
        tokenizer.save_pretrained(partial)
        _write_files(partial, beside)


def _write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _rounded(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return weights in bfloat16; those that are one tensor under two names stay one.

    Whole numbers, such as positions, are no weights and stay as they are.
    """
    found: dict[int, Any] = {}
    for weight in state.values():
        exact = not weight.is_floating_point()
        found.setdefault(weight.data_ptr(), weight if exact else weight.to(torch.bfloat16))
    return {name: found[weight.data_ptr()] for name, weight in state.items()}


def _name_end(model: Any, end: int) -> None:
    """Add a token to the end-of-sequence tokens in the model's configurations."""
    for config in (model.generation_config, model.config):
        ends = config.eos_token_id
        known = ends if isinstance(ends, list) else [] if ends is None else [ends]
        if end not in known:
            config.eos_token_id = [end, *known] if known else end


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """Yield a directory to write to; it is renamed to `folder` at the end, or removed."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with new_folder(folder) as partial:
            yield partial
    except (OSError, RuntimeError, SafetensorError) as error:
        remedy = "free space, and start again: it goes on from the last checkpoint"
        what = f"{folder}: the model can't be written ({first_line(error)})"
        raise TuningError(what, remedy) from None


@dataclass(frozen=True, slots=True)
class PreparedTuning:
    """A model that is ready to be trained, and the checkpoint to continue from, if there is one."""

    model: Any
    attention: Attention
    arguments: Any
    checkpoints: CheckpointFolder
    checkpoint: Path | None
    uses_cache: bool


def prepare_tuning(
    model: Any,
    data: TuningData,
    training: Training,
    out: Path,
    *,
    resume: bool,
    kind: type = TrainingArguments,
) -> PreparedTuning:
    """Return a model prepared to be trained on data, and the arguments of the `Trainer`."""
    longest = longest_of(data)
    known = told_by_first(partial(fingerprint_model, model))
    checkpoints, checkpoint = open_checkpoints(known, data, training, out, resume=resume)
    arguments = trainer_arguments(
        training,
        checkpoints.path,
        measured=bool(data.held_out),
        fresh=checkpoint is None,
        kind=kind,
    )
    uses_cache = model.config.use_cache
    ready, attention = prepare_model(model, training, arguments.device, longest)
    return PreparedTuning(ready, attention, arguments, checkpoints, checkpoint, uses_cache)
