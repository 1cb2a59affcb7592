"""LoRA: small matrices beside the weights of all linear layers, which alone are trained.

Example::

    model = with_lora(model, rank=16)
"""

from typing import Any

from seedstep.errors import MissingExtraError

__all__ = ["with_lora"]

SCALE = 2
"""What LoRA's matrices are multiplied with (alpha / rank)."""


def with_lora(model: Any, rank: int) -> Any:
    """The model with LoRA's matrices; as it is for rank 0.

    Raises:
        MissingExtraError: peft is not installed.
    """
    if not rank:
        return model
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError:
        raise MissingExtraError("LoRA", "pip install 'seedstep[tune]'") from None
    kind = "SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM"
    config = LoraConfig(
        task_type=kind, r=rank, lora_alpha=SCALE * rank, target_modules="all-linear"
    )
    return get_peft_model(model, config)
