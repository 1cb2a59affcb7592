"""What a model answers: predictions of checkpoints, served models and baselines."""
