"""The settings of a tuning, the presets of the papers, and the sources of training data.

The settings are kept in `tune.yaml`, in the tuning's directory.

Example::

    settings = TuneSettings.of(model="local", data=["runs/first"])
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec

from seedstep.data import TaskChoice
from seedstep.encode.encodings import Encoding
from seedstep.encode.settings import EncodingChoice, ExamplesChoice, steps_setting
from seedstep.errors import InputError, unknown_name
from seedstep.llm.addresses import addresses_of
from seedstep.llm.settings import AskedModel
from seedstep.settings import Count, NotNegative, Place, SettingsRecord, part, setting
from seedstep.tune.records import Share, Training
from seedstep.values import plain_paths

__all__ = ["PRESETS", "Preset", "TuneSettings", "TuneSource", "make_source", "source_of"]


@dataclass(frozen=True, slots=True)
class Preset:
    """The hyperparameters of a paper's experiment, and on how many GPUs it needs to run."""

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
"""Presets by name. Settings that save memory (checkpointing, processes) are not the papers'."""


FORM = "PATH[:SPLIT][@ENCODING][=COUNT|=xWEIGHT]"
"""How a source is written on the command line, as error messages show it."""

_SOURCE = re.compile(
    r"(?P<path>(?:hub:)?[^\n]+?)(?::(?P<split>[\w-]+))?(?:@(?P<encoding>[\w-]+))?"
    r"(?:=(?:(?P<count>[0-9]{1,15})|x(?P<weight>[0-9]{1,9}(?:\.[0-9]{1,9})?)))?"
)


@dataclass(frozen=True, slots=True)
class TuneSource:
    """A source of examples: a run, an export, task files, rows in files or on the hub, `seeds`.

    `count` is the number of examples used in an epoch. `weight` is how often each is used: 2 is
    twice, 0.5 uses half of them. At most one of the two is given. `encoding` is the name of an
    encoding for this source, if it is not that of the tuning.
    """

    path: str
    split: str | None = None
    encoding: str | None = None
    count: Annotated[int, msgspec.Meta(ge=1)] | None = None
    weight: Annotated[float, msgspec.Meta(gt=0, le=1000)] | None = None

    def __str__(self) -> str:
        """Return the source as it is written on the command line."""
        split = f":{self.split}" if self.split else ""
        encoding = f"@{self.encoding}" if self.encoding else ""
        weight = f"=x{self.weight:g}" if self.weight is not None else ""
        count = f"={self.count}" if self.count is not None else weight
        return f"{self.path}{split}{encoding}{count}"


def make_source(text: str) -> TuneSource:
    """Read a source from a text. If a file of that whole name exists, it is the source.

    Raises:
        InputError: the text has another form, or a count or weight of zero.
    """
    if text and _is_there(text):
        return TuneSource(text)
    found = _SOURCE.fullmatch(text)
    if found is None:
        raise InputError(f"data source '{text}' can't be read", f"write {FORM}")
    parts = {name: value for name, value in found.groupdict().items() if value is not None}
    before, _, amount = parts["path"].rpartition("=")
    if before and not {"count", "weight"} & set(parts) and _is_there(make_source(before).path):
        raise InputError(f"data source '{text}': '{amount}' is no count or weight", f"write {FORM}")
    return source_of(parts, f"data source '{text}'")


def source_of(parts: object, where: str) -> TuneSource:
    """Read a source from a mapping of its parts, a text, or a path, which is taken as it is.

    Raises:
        InputError: a part is not known or does not fit; `where` says where it stands.
    """
    if isinstance(parts, str):
        return make_source(parts)
    parts = {"path": parts} if isinstance(parts, PathLike) else parts
    parts = plain_paths(parts)
    known = [field.name for field in fields(TuneSource)]
    for name in parts if isinstance(parts, dict) else ():
        if name not in known:
            raise unknown_name("part of a source", name, known, where)
    try:
        source = msgspec.convert(parts, TuneSource, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(f"{where}: {error}", f"write {FORM}") from None
    if source.count is not None and source.weight is not None:
        raise InputError(f"{where}: has a count and a weight", "leave one of them out")
    if not source.path:
        raise InputError(f"{where}: has no path", f"write {FORM}")
    return source


def _is_there(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # no possible path
        return False


@dataclass(frozen=True, slots=True)
class TuneSettings(SettingsRecord):
    """The settings of a tuning."""

    preset: str | None = setting(
        None, f"A paper's hyperparameters: {', '.join(PRESETS)}.", metavar="NAME"
    )
    model: AskedModel = part(
        AskedModel,
        name=Place(
            help="The model: local, gguf:PATH, hf:PATH_OR_ID, or openai:NAME for a fine-tuning job."
        ),
        base_url=Place(help="Address of the fine-tuning server for openai:NAME.", single=True),
        in_flight=None,
        reasoning=None,
        send=None,
        finish_live=None,
        workers=None,
        bf16=None,
    )
    data: list[TuneSource] = setting(
        list,
        "A source of examples: a bootstrap's run, `distill`'s, an export, a directory of task "
        "files (then :SPLIT), `seeds`, a file of JSON lines or Parquet, or hub:OWNER/NAME. After "
        "the last two, [INSTRUCTION,INPUT,OUTPUT] or [PROMPT,OUTPUT] names the columns. Then "
        "@ENCODING uses another encoding for this source than the tuning's; =COUNT uses so many "
        "examples of it; =xWEIGHT uses a part of it (=x0.5) or repeats it (=x2).",
        metavar="SOURCE",
    )
    steps: str | None = steps_setting()
    generated: ExamplesChoice = part(ExamplesChoice)
    draw: Literal["random", "covering"] = setting(
        "random",
        "How =COUNT examples of a source are drawn: at random, or covering, with one of each task "
        "first and the others at random.",
        later=True,
    )
    reviewed: str | None = setting(
        None,
        "A review of the tasks or of their step-by-step instructions (`seedstep review`): leave "
        "out what people rejected there.",
        metavar="REVIEW",
        later=True,
    )
    encoding: EncodingChoice = part(EncodingChoice)
    used: TaskChoice = part(
        TaskChoice,
        path=None,
        split=None,
        track=None,
        limit_tasks=Place(help="Tasks used of each source, drawn by the seed. Default: all."),
        limit_instances=Place(help="Instances used of each task, the first ones. Default: all."),
        instances_seed=Place(
            help="Draw the instances of each task by this seed, in place of the first ones."
        ),
        skip_bad=Place(help="Go on without tasks and instances that can't be used, naming them."),
    )
    held_out: NotNegative = setting(
        0, "Tasks of the data that are not trained on; their loss is measured."
    )
    held_out_data: list[TuneSource] = setting(
        list,
        "Another source of tasks whose loss is measured: PATH, or PATH:SPLIT.",
        metavar="SOURCE",
    )
    held_out_instances: Count = setting(10, "Instances used of each held-out task, the first ones.")
    training: Training = part(Training)
    prompt_loss_weight: Share | None = setting(
        None,
        "Weight of the prompts' tokens in the loss of a fine-tuning job, if the server has such a "
        "setting. OpenAI's has none: its jobs learn targets only, which is 0.",
    )
    gguf: bool = setting(False, "Write the tuned model as a GGUF file, too.")
    device_price: Annotated[float, msgspec.Meta(ge=0)] | None = setting(
        None,
        "Price of a device (GPU or machine) for an hour, in US dollars: `status` and the report "
        "tell the cost of the tuning beside that of its data.",
        metavar="USD",
        later=True,
    )

    @classmethod
    def complete(cls, values: Mapping[str, Any], source: str) -> Mapping[str, Any]:
        """Return the values with those of the preset added, and with sources read from texts.

        An encoding that is given as a whole becomes a name and the options that differ from it, or
        are also in the preset, which changes none of them when the values are completed again.

        Raises:
            InputError: there is no such preset, a source can't be read, or an encoding is none.
        """
        preset = _preset(values.get("preset"), source)
        whole = {**preset, **values}
        options, encoding = values.get("encoding_options"), values.get("encoding")
        if isinstance(encoding, Encoding | Mapping):
            choice = EncodingChoice.of(encoding, options, source)
            made = choice.make()
            its = {name: getattr(made, name) for name in preset.get("encoding_options", {})}
            whole |= {"encoding": choice.name, "encoding_options": {**its, **choice.options}}
        elif isinstance(options, Mapping):
            whole["encoding_options"] = {**preset.get("encoding_options", {}), **options}
        for name in ("data", "held_out_data"):
            if name in whole:
                whole[name] = _sources(whole[name], f"{source}, setting '{name}'")
        return whole

    def check(self, source: str) -> None:
        """Raise InputError if a held-out source has an amount, or there are several servers."""
        counted = [part for part in self.held_out_data if part.count or part.weight]
        if counted:
            what = f"{source}, setting 'held_out_data': '{counted[0]}' has an amount"
            raise InputError(what, "leave it out; held_out_instances limits those of each task")
        if len(addresses_of(self.model.base_url)) > 1:
            what = f"{source}, setting 'base_url': a fine-tuning job is at one server"
            raise InputError(what, "give one address")


def _preset(name: object, source: str) -> Mapping[str, Any]:
    if name is None:
        return {}
    if not isinstance(name, str) or name not in PRESETS:
        raise unknown_name("preset", name, PRESETS, source)
    return PRESETS[name].settings


def _sources(values: object, where: str) -> list[dict[str, Any]]:
    if not isinstance(values, list | tuple):
        raise InputError(f"{where}: not a list", "write one source a line, after `- `")
    return [
        asdict(value if isinstance(value, TuneSource) else source_of(value, where))
        for value in values
    ]
