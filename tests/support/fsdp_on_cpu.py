"""Runs `seedstep` in a process of accelerate's FSDP on a CPU; accelerate has it for GPUs only.

accelerate launch --config_file fsdp.yaml fsdp_on_cpu.py tune --device cpu ...

With KILLED in the environment, the first process is killed when it has written a checkpoint.
"""

import os
import signal
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
    from seedstep.tune.checkpoints import CheckpointFolder

    finish = CheckpointFolder.finish

    def finish_and_die(folder: CheckpointFolder, step: int) -> None:
        finish(folder, step)
        if "KILLED" in os.environ:
            os.kill(os.getpid(), signal.SIGKILL)

    with (
        patch.object(PartialState, "_prepare_backend", prepare),
        patch.object(PartialState, "set_device", set_device),
        patch.object(CheckpointFolder, "finish", finish_and_die),
    ):
        run()


if __name__ == "__main__":
    main()
