"""The requests that a run would begin with, and an estimate of their number and tokens.

Example::

    >>> from seedstep.data import seed_tasks
    >>> preview(BootstrapSettings.of(tasks=1000), seed_tasks()).requests[0].purpose
    'generation'
"""

from collections.abc import Sequence
from math import ceil

from seedstep.bootstrap.pipeline import Pool
from seedstep.bootstrap.prompting import make_prompts
from seedstep.bootstrap.settings import BootstrapSettings
from seedstep.data import Task
from seedstep.llm import Preview, Tokens, tokens_of

__all__ = ["preview"]

ACCEPTED_PER_REQUEST = 2.0
FINISHED_PER_ACCEPTED = 0.8
"""Assumed yields; they differ from model to model, and fall as the pool grows."""

REPLY_TOKENS = {"generation": 150, "classification": 3, "instances": 150}
"""Assumed mean length of replies."""


def preview(settings: BootstrapSettings, seeds: Sequence[Task]) -> Preview:
    """Return the requests that a run would begin with; some are about a seed's instruction."""
    prompts = make_prompts(settings)
    shown = Pool(seeds, settings).sample(0)
    plain = next((task for task in seeds if not task.is_classification), seeds[0])
    labels = next((task for task in seeds if task.is_classification), seeds[0])
    requests = (
        prompts.generation(shown, 0),
        prompts.classification(plain.definition),
        prompts.instances(plain.definition, is_classification=False),
        prompts.instances(labels.definition, is_classification=True),
    )
    accepted = ceil(settings.tasks / FINISHED_PER_ACCEPTED)
    counts = {
        "generation": ceil(accepted / ACCEPTED_PER_REQUEST),
        "classification": accepted,
        "instances": accepted,
    }
    tokens = {
        purpose: Tokens(count * tokens_of(request), count * REPLY_TOKENS[purpose])
        for request, (purpose, count) in zip(requests, counts.items(), strict=False)
    }
    return Preview(requests, counts, tokens)
