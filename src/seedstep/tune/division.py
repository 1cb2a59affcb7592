"""Weights that several processes divide, each of which has a part of them (FSDP).

The first process reads a model, and the others get their parts from it.

Example::

    reads = join_processes(training)
    model = load_model("hf:google/t5-xl-lm-adapt", dtype="float32", empty=not reads)
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate import PartialState
from accelerate.utils.constants import FSDP_MODEL_NAME
from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
from torch.distributed.tensor import DTensor
from transformers.integrations import is_fsdp_enabled

from seedstep.errors import InputError
from seedstep.tune.data import rank_and_processes

__all__ = [
    "divides_weights",
    "join_modules",
    "join_processes",
    "load_divided",
    "told_by_first",
]


def join_modules(model: Any) -> None:
    """Let modules of one kind with the same weight be one, such as the embeddings of T5's halves.

    FSDP takes no weight that is in two of the parts that it divides.
    """
    known: dict[int, Any] = {}
    for name, module in list(model.named_modules()):
        weights = list(module.parameters(recurse=False))
        if len(weights) != 1 or any(module.children()):
            continue
        first = known.setdefault(id(weights[0]), module)
        if first is not module and type(first) is type(module):
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, first)


def divides_weights() -> bool:
    """Return whether several processes divide the weights, as accelerate's FSDP does."""
    is_asked = os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true"
    return is_asked and rank_and_processes()[1] > 1


def join_processes(*, lora: int, on_cpu: bool) -> bool:
    """Join the processes that divide the weights, if they are divided, before a model is loaded.

    Returns whether this process reads the weights. Where they are divided, the first one does, from
    which each gets its part, unless accelerate is configured otherwise.

    Raises:
        InputError: LoRA is asked for, whose matrices can't be merged with divided weights.
    """
    if not divides_weights():
        return True
    if lora:
        what = "LoRA's matrices can't be merged with weights that FSDP divides"
        raise InputError(what, "leave --lora out, or launch with torchrun, without FSDP")
    PartialState(cpu=on_cpu)
    return not (is_fsdp_enabled() and torch.distributed.get_rank())


Said = TypeVar("Said", bound=str)


def told_by_first(find: Callable[[], Said]) -> Said:
    """Return what the first process finds: if weights are divided, all get those it has read.

    Raises:
        InputError: it raises that.
    """
    if not divides_weights():
        return find()
    found: list[Any] = [None]
    if not torch.distributed.get_rank():
        try:
            found = [(find(), ())]
        except InputError as error:
            found = [("", (error.what, error.remedy))]
    torch.distributed.broadcast_object_list(found, 0)
    said: Said = found[0][0]
    if fault := found[0][1]:
        raise InputError(*fault)
    return said


def load_divided(model: Any, checkpoint: Path) -> None:
    """Load the weights of a checkpoint, which the first process reads, into a divided model.

    A weight that is in several modules has one part and several names in the file: torch knows the
    first of them only.

    Raises:
        Exception: of several kinds, where the file is damaged.
    """
    is_first = not torch.distributed.get_rank()
    path = checkpoint / f"{FSDP_MODEL_NAME}.bin"
    state = torch.load(path, map_location="cpu", weights_only=True) if is_first else {}
    known = dict(model.named_parameters())
    for name, _ in model.named_parameters(remove_duplicate=False):
        if name not in known:
            state.pop(name, None)
    if any(isinstance(weight, DTensor) for weight in known.values()):
        options = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True, strict=False)
        set_model_state_dict(model, state, options=options)
    elif is_first:  # nothing is left to train: the first process saves the model
        model.load_state_dict(state, strict=False)
