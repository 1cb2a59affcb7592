"""How a model that one GPU can't hold is tuned on several: a file for `accelerate launch`.

Weights, gradients and the optimiser's state are divided among the processes (FSDP), layer by
layer, as DeepSpeed's ZeRO-3 does, which the papers used.

Example::

    write_fsdp(Path("tuned/fsdp.yaml"), processes=4)
    # accelerate launch --config_file tuned/fsdp.yaml -m seedstep tune --out tuned ...
"""

from pathlib import Path

from seedstep.data import write_atomically
from seedstep.errors import RunError

__all__ = ["FSDP", "write_fsdp"]

FSDP = "fsdp.yaml"
"""The file's name in a tuning's directory."""

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
  fsdp_cpu_ram_efficient_loading: false
"""


def write_fsdp(path: Path, processes: int) -> None:
    """Write the file, for so many GPUs of one machine.

    Raises:
        RunError: it can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}", "name another --out") from None
    write_atomically(path, TEMPLATE.format(processes=processes).encode())
