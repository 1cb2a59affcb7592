"""What would be asked for step-by-step instructions or examples, before anything is spent.

Example::

    print(preview_steps(StepsSettings(model="openai:m"), tasks).counts)
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate, islice

from seedstep.data import Example, Task
from seedstep.llm import Message, Preview, Request, tokens_of
from seedstep.steps.conversation import completion_prompt, paper_script
from seedstep.steps.examples import generate_prompt, rank_prompt
from seedstep.steps.judge import judge_prompt
from seedstep.steps.settings import ExamplesSettings, StepsSettings

__all__ = ["preview_examples", "preview_steps"]

INSTRUCTION_TOKENS = 160
"""Assumed mean length of an instruction, which is what each turn replies; by Table 1."""

JUDGEMENT_TOKENS = 15
EXAMPLE_TOKENS = 60
RANKED = 2


def preview_steps(settings: StepsSettings, tasks: Iterable[Task]) -> Preview:
    """The turns of the first task, and an estimate for all of them; nothing needs repair.

    A turn is shown without the earlier ones, with which it is sent.
    """
    tasks = tuple(islice(tasks, settings.limit))
    asked = [_turns(settings, task) for task in tasks]
    counts = Counter(one.purpose for turns in asked for one in turns)
    prompt_tokens = sum(map(_sent, asked))
    completion_tokens = INSTRUCTION_TOKENS * counts.total()
    if settings.judge is not None:
        counts["judge"] = len(tasks)
        judged = (_request(settings, "judge", judge_prompt(task, ())) for task in tasks)
        prompt_tokens += sum(tokens_of(one) + INSTRUCTION_TOKENS for one in judged)
        completion_tokens += JUDGEMENT_TOKENS * len(tasks)
    return Preview(tuple(asked[0]) if asked else (), dict(counts), prompt_tokens, completion_tokens)


def _turns(settings: StepsSettings, task: Task) -> list[Request]:
    if settings.style == "chat":
        script = paper_script(task, settings.refine)
        return [_request(settings, "conversation", line.prompt, line.name) for line in script]
    sampling = settings.sampling_of("completion")
    return [Request("obtain", completion_prompt(task), sampling)]


def _request(
    settings: StepsSettings | ExamplesSettings, sampling: str, prompt: str, purpose: str = ""
) -> Request:
    messages = (Message("user", prompt),)
    return Request(purpose or sampling, messages, settings.sampling_of(sampling))


def _sent(turns: Sequence[Request]) -> int:
    """Tokens of all prompts of a task: a turn is sent with the earlier ones and their replies."""
    prompts = sum(accumulate(map(tokens_of, turns)))
    return prompts + INSTRUCTION_TOKENS * sum(range(len(turns)))


def preview_examples(
    settings: ExamplesSettings, tasks: Iterable[tuple[Task, Sequence[str]]]
) -> Preview:
    """Both requests of the first task with its steps, and an estimate for all of them.

    The second shows stand-ins, because the first asks for the examples that it ranks.
    """
    tasks = tuple(islice(tasks, settings.limit))
    stand_ins = [Example(f"[input {n + 1}]", f"[output {n + 1}]") for n in range(settings.count)]
    shown = tuple(
        request
        for task, steps in tasks[:1]
        for request in _generate_and_rank(settings, task, steps, stand_ins)
    )
    empty = [
        request
        for task, steps in tasks
        for request in _generate_and_rank(settings, task, steps, ())
    ]
    examples = EXAMPLE_TOKENS * len(tasks)
    return Preview(
        shown,
        dict(Counter(one.purpose for one in empty)),
        sum(map(tokens_of, empty)) + settings.count * examples,
        (settings.count + RANKED) * examples,
    )


def _generate_and_rank(
    settings: ExamplesSettings, task: Task, steps: Sequence[str], candidates: Sequence[Example]
) -> tuple[Request, Request]:
    return (
        _request(settings, "generate", generate_prompt(settings, task, steps)),
        _request(settings, "rank", rank_prompt(candidates, steps)),
    )
