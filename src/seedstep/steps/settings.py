"""The settings of the stages that write step-by-step instructions and generate examples.

Example::

    StepsSettings.of(model="openai:my-model", tasks="natural-instructions", split="test")
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, Self

import msgspec

from seedstep.data import TaskChoice
from seedstep.llm import Budget, Sampling, resolve_base_url
from seedstep.llm.addresses import require_address
from seedstep.llm.settings import AskedModel, AskingSettings, sampling_setting
from seedstep.settings import (
    SEED,
    Count,
    NotNegative,
    Place,
    SettingsRecord,
    change_settings,
    part,
    setting,
)

__all__ = ["ExamplesSettings", "ImportSettings", "StepsSettings", "SuperniSettings"]

STEPS_SAMPLING: Mapping[str, Sampling] = MappingProxyType(
    # Ours: the paper does not say how ChatGPT was sampled. The completion frame is drawn anew where
    # the first draw has faults, which takes a temperature; a low one makes very small models repeat
    # themselves. The stops end the list of steps.
    {
        "conversation": Sampling(max_tokens=1024),
        "completion": Sampling(
            max_tokens=350, temperature=0.8, top_p=0.9, stop=("\n\n", "\nTask:", "\nCategory:")
        ),
        "judge": Sampling(max_tokens=1024),
    }
)

EXAMPLES_SAMPLING: Mapping[str, Sampling] = MappingProxyType(
    # Ours, as above.
    {
        "generate": Sampling(max_tokens=2048, temperature=0.7, top_p=0.95),
        "rank": Sampling(max_tokens=1024),
    }
)


_TASKS = Place(
    help="The tasks: a SUPER-NATURALINSTRUCTIONS directory or task file, JSON lines or a table "
    "with at least a definition, or a bootstrap's run."
)


@dataclass(frozen=True, slots=True)
class StepsSettings(AskingSettings):
    """The settings of the stage that writes step-by-step instructions."""

    SAMPLING: ClassVar[Mapping[str, Sampling]] = STEPS_SAMPLING
    ADDRESSES: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"base_url": "identity_url", "judge_base_url": "judge_identity_url"}
    )

    model: AskedModel = part(AskedModel)
    prompt_style: Literal["auto", "completion", "chat"] = setting(
        "auto",
        "chat (the paper's conversation), completion (one few-shot text, for base and very "
        "small models), or auto: chat for openai:NAME, completion for local and gguf:PATH, "
        "the recording's own for replay:FILE.",
        flags=("--style", "--prompt-style"),
    )
    chosen: TaskChoice = part(
        TaskChoice,
        path=_TASKS,
        limit_tasks=Place(name="limit"),
        limit_instances=None,
        instances_seed=None,
    )
    seed: int = setting(42, SEED)
    refine: Literal["full", "none"] = setting(
        "full",
        "full (the paper's five turns), or none (the first only, and no repairs unless a number of "
        "them is given), which is the paper's ablation of refining.",
    )
    repairs: NotNegative = setting(
        2,
        "Further turns, at the most, that ask to correct what the checks found; in completion "
        "style new draws. The version with the fewest faults is kept. "
        "Default: 2; with refine none, 0.",
    )
    candidates: Annotated[int, msgspec.Meta(ge=1, le=50)] = setting(
        1,
        "First versions to write of each instruction. The first is refined; `steps measure` and "
        "`steps select` choose among all. They differ only where the temperature is above 0.",
        later=True,
    )
    language: str | None = setting(
        None,
        "The language in which instructions are asked for, such as German. Default: the language "
        "that each task's script tells, such as Japanese; for Latin letters, the paper's prompts, "
        "which name none.",
        later=True,
    )
    judge: str | None = setting(
        None, "A model that judges correctness and completeness: gguf:PATH, openai:NAME, ..."
    )
    judge_base_url: str | list[str] | None = setting(
        None,
        "Address of the server for the judge, or of several; the judge's key, such as that in "
        "OPENAI_API_KEY, is sent there, too.",
        each=require_address,
    )
    budget: Budget = part(Budget)
    sampling: dict[str, Any] = sampling_setting(
        STEPS_SAMPLING,
        "{conversation: {temperature: 0.7}}",
        drawn=("conversation", "completion"),
        long=("conversation", "completion"),
    )

    @classmethod
    def complete(cls, values: Mapping[str, Any], source: str) -> Mapping[str, Any]:
        """Return the values, with no repairs where nothing is refined and no number is given."""
        return {"repairs": 0, **values} if values.get("refine") == "none" else values

    def resolved(self) -> Self:
        """Return the settings with addresses filled in, also the judge's.

        Raises:
            InputError: a model can't be asked, or an address can't be used or has a password.
        """
        settings = AskingSettings.resolved(self)
        judge = settings.judge
        address = resolve_base_url(judge, settings.judge_base_url) if judge is not None else None
        return change_settings(settings, judge_base_url=address)

    @property
    def other_models(self) -> Mapping[str, str]:
        """The judge, if there is one."""
        return {} if self.judge is None else {"judge": self.judge}

    @property
    def limit(self) -> int | None:
        """The number of tasks, counted from the first."""
        return self.chosen.limit_tasks


@dataclass(frozen=True, slots=True)
class ExamplesSettings(AskingSettings):
    """The settings of the stage that generates and ranks examples, by conversation (appendix C)."""

    SAMPLING: ClassVar[Mapping[str, Sampling]] = EXAMPLES_SAMPLING

    model: AskedModel = part(AskedModel)
    steps: str | None = setting(
        None, "The run of `seedstep steps` whose instructions are used.", metavar="RUN"
    )
    count: Annotated[int, msgspec.Meta(ge=2, le=50)] = setting(
        5, "Examples to ask for, of which two are chosen."
    )
    limit: Count | None = setting(None, "Number of tasks, the first ones. Default: all.")
    seed: int = setting(42, SEED)
    budget: Budget = part(Budget)
    sampling: dict[str, Any] = sampling_setting(
        EXAMPLES_SAMPLING,
        "{generate: {temperature: 1.0}}",
        drawn=("generate",),
        long=("generate", "rank"),
    )


@dataclass(frozen=True, slots=True)
class ImportSettings(SettingsRecord):
    """The settings of an import of instructions: their tasks."""

    chosen: TaskChoice = part(
        TaskChoice,
        path=_TASKS,
        limit_tasks=None,
        limit_instances=None,
        instances_seed=None,
        skip_bad=Place(help="Go on without lines and tasks that are wrong."),
    )


@dataclass(frozen=True, slots=True)
class SuperniSettings(SettingsRecord):
    """The settings of taking the instructions that come with seedstep: their tasks."""

    chosen: TaskChoice = part(
        TaskChoice,
        path=Place(help="A clone of SUPER-NATURALINSTRUCTIONS."),
        limit_tasks=None,
        limit_instances=None,
        instances_seed=None,
        skip_bad=None,
    )
