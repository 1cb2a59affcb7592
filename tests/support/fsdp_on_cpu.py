"""Runs `seedstep` in a process of accelerate's FSDP on a CPU; accelerate has it for GPUs only.

    accelerate launch --config_file fsdp.yaml fsdp_on_cpu.py tune --device cpu ...

Each process prints how much of the model it has read when that was loaded.
"""

from typing import Any
from unittest.mock import patch

import torch
from accelerate.state import DistributedType, PartialState


def prepare(state: Any, *_: Any, **__: Any) -> tuple[str, DistributedType]:
    """Let the processes talk by gloo, as if each had a GPU."""
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("gloo")
    return "gloo", DistributedType.MULTI_GPU


def set_device(state: Any) -> None:
    """Let the device be the CPU."""
    state.device = torch.device("cpu")


def main() -> None:
    """Run the command."""
    from seedstep.cli import main as run
    from seedstep.llm.checkpoints import load_model

    def told(*arguments: Any, **named: Any) -> Any:
        model = load_model(*arguments, **named)
        read = sum(weight.numel() for weight in model.parameters() if weight.abs().sum() > 0)
        print(f"process {torch.distributed.get_rank()} has read {read} weights", flush=True)
        return model

    with (
        patch.object(PartialState, "_prepare_backend", prepare),
        patch.object(PartialState, "set_device", set_device),
        patch("seedstep.recipes.tuning.load_model", told),
    ):
        run()


if __name__ == "__main__":
    main()
