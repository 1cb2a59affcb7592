"""What a model answers: predictions of checkpoints, served models and baselines."""

from seedstep.infer.predict import copy_demonstrations, copy_inputs

__all__ = ["copy_demonstrations", "copy_inputs"]
