"""Divide the weights of a model among processes, each of which has a part of them (FSDP).

The first process reads a model, and the others get their parts from it. `write_fsdp` writes the
configuration with which accelerate launches them on several GPUs.

Example::

    reads = join_processes(lora=0, on_cpu=False)
    model = load_model("hf:google/t5-xl-lm-adapt", dtype="float32", empty=not reads)
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from seedstep.data import make_folder, write_atomically
from seedstep.errors import InputError
from seedstep.tune.data import rank_and_processes

__all__ = [
    "FSDP",
    "divides_weights",
    "join_modules",
    "join_processes",
    "load_divided",
    "told_by_first",
    "write_fsdp",
]


FSDP = "fsdp.yaml"
"""The name of the file, in a tuning's directory, with which accelerate trains on several GPUs."""

TEMPLATE = """\
compute_environment: LOCAL_MACHINE
distributed_type: FSDP
mixed_precision: bf16
num_machines: 1
num_processes: {processes}
fsdp_config:
  fsdp_version: 2
  fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP
  fsdp_reshard_after_forward: true
  fsdp_state_dict_type: FULL_STATE_DICT
  fsdp_offload_params: false
  fsdp_cpu_ram_efficient_loading: true
  fsdp_sync_module_states: true
"""


def write_fsdp(path: Path, processes: int) -> None:
    """Write a configuration of accelerate for so many GPUs of one machine.

    Raises:
        RunError: it can't be written.
    """
    make_folder(path.parent)
    write_atomically(path, TEMPLATE.format(processes=processes).encode())


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
    import torch
    from accelerate import PartialState
    from transformers.integrations import is_fsdp_enabled

    PartialState(cpu=on_cpu)
    return not (is_fsdp_enabled() and torch.distributed.get_rank())


AnyText = TypeVar("AnyText", bound=str)


def told_by_first(find: Callable[[], AnyText]) -> AnyText:
    """Return what the first process finds: if weights are divided, all get those it has read.

    Raises:
        InputError: `find` raises it in the first process.
    """
    if not divides_weights():
        return find()
    import torch

    found: list[Any] = [None]
    if not torch.distributed.get_rank():
        try:
            found = [(find(), ())]
        except InputError as error:
            found = [("", (error.what, error.remedy))]
    torch.distributed.broadcast_object_list(found, 0)
    said: AnyText = found[0][0]
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
    import torch
    from accelerate.utils.constants import FSDP_MODEL_NAME
    from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
    from torch.distributed.tensor import DTensor

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
