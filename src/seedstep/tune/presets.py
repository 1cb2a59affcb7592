"""The papers' hyperparameters, by name.

Example::

    make_tune_settings({"preset": "step-by-step-3b", "data": ["ni:train"]}, "settings")
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

__all__ = ["PRESETS", "Preset"]


@dataclass(frozen=True, slots=True)
class Preset:
    """Settings that stand together in a paper. `processes` is how many GPUs it trained on, where
    one does not do.
    """

    section: str
    settings: Mapping[str, Any]
    processes: int = 1


TK_INSTRUCT = "Wang et al. 2022, released code: T5-LM-adapt, constant rate, no warm-up"
STEP_BY_STEP = "second paper, section 4.2 and appendix D, from a Tk-Instruct checkpoint"

_COMMON: Mapping[str, Any] = MappingProxyType(
    {
        "epochs": 2,
        "learning_rate": 5e-5,
        "batch": 16,
        "schedule": "constant",
        "warmup_steps": 0,
        "weight_decay": 0.0,
        "bf16": True,
        "limit_instances": 100,
        "seed": 42,
    }
)


def _tk_instruct(model: str, processes: int = 1, **others: Any) -> Preset:
    options = {"max_source": 1024, "max_target": 128}
    settings = {"model": f"hf:google/{model}", "encoding": "tk-instruct", **_COMMON, **others}
    return Preset(TK_INSTRUCT, {**settings, "encoding_options": options}, processes)


def _step_by_step(model: str, processes: int = 1, **others: Any) -> Preset:
    options = {"max_source": 1224, "max_target": 128}
    settings = {"model": f"hf:allenai/{model}", "encoding": "steps", **_COMMON, **others}
    return Preset(STEP_BY_STEP, {**settings, "encoding_options": options}, processes)


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "tk-instruct-base": _tk_instruct("t5-base-lm-adapt"),
        "tk-instruct-large": _tk_instruct("t5-large-lm-adapt"),
        "tk-instruct-3b": _tk_instruct("t5-xl-lm-adapt", processes=4, gradient_checkpointing=True),
        "tk-instruct-11b": _tk_instruct(
            "t5-xxl-lm-adapt", processes=4, gradient_checkpointing=True
        ),
        "step-by-step-base": _step_by_step("tk-instruct-base-def-pos", batch=8),
        "step-by-step-large": _step_by_step("tk-instruct-large-def-pos", batch=8),
        "step-by-step-3b": _step_by_step(
            "tk-instruct-3b-def-pos", processes=4, gradient_checkpointing=True
        ),
        "step-by-step-11b": _step_by_step(
            "tk-instruct-11b-def-pos", processes=4, gradient_checkpointing=True, learning_rate=1e-5
        ),
    }
)
"""Hyperparameters by name. What memory needs (checkpointing, processes) is ours."""
