"""The settings of a bootstrap. Each field has a line of help.

Example::

    >>> settings = BootstrapSettings.of(model="openai:my-model", tasks=1000, window=64)
    >>> settings.tasks, settings.window
    (1000, 64)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, Self

import msgspec

from seedstep.bootstrap.axes import axes_of, parse_axes
from seedstep.bootstrap.gate_kinds import ADDRESS, gate_options, parse_gates
from seedstep.bootstrap.gates import purpose_of
from seedstep.bootstrap.prompting import PAPER_SAMPLING, STYLES, TASK_STOPS, PromptStyle
from seedstep.bootstrap.shards import ShardPlace, check_shard
from seedstep.data import Task
from seedstep.data.evaluation import EVALUATION_SETS
from seedstep.errors import InputError
from seedstep.llm import Budget, ModelRef, Sampling, resolve_base_url
from seedstep.llm.addresses import require_address
from seedstep.llm.checkpoints import PURPOSE, encoders, is_served_encoder, require_encoder
from seedstep.llm.models import asked_model, either, forms_of
from seedstep.llm.settings import AskedModel, AskingSettings, override, sampling_setting
from seedstep.novelty import MEANING_THRESHOLD
from seedstep.prompts import CHAT_LANGUAGES
from seedstep.settings import SEED, Count, change_settings, part, setting
from seedstep.text import script_of

__all__ = [
    "PAPER_THRESHOLD",
    "BootstrapSettings",
]

PAPER_THRESHOLD = 0.7
"""An instruction is not novel if its ROUGE-L F1 is this or more (section 2.2)."""

WINDOW_BY_BATCH = 2000
"""The window if requests are sent by batch, where each round takes hours."""

ENGLISH = ("english", "en")
"""The names of the language for which the paper's tokens and filters are made."""

Threshold = Annotated[float, msgspec.Meta(gt=0, le=1)]


@dataclass(frozen=True, slots=True)
class BootstrapSettings(AskingSettings):
    """The settings of a bootstrap, which are stored in the `run.yaml` of its run."""

    SAMPLING: ClassVar[Mapping[str, Sampling]] = PAPER_SAMPLING
    ADDRESSES: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "base_url": "identity_url",
            "gate_base_urls": "gate_identity_urls",
            "semantic_base_url": "semantic_identity_url",
        }
    )

    model: AskedModel = part(AskedModel)
    prompt_style: Literal["auto", "completion", "turns", "dialogue", "chat"] = setting(
        "auto",
        "completion (the paper's few-shot texts, for base models), turns (the same as turns of "
        "a conversation, for small chat models), dialogue (the model writes a user's next turn, "
        "and answers it, for very small ones), chat (asks for JSON, for capable chat "
        "models), or auto: dialogue for local, completion for gguf:PATH, chat for openai:NAME, "
        "the recording's own for replay:FILE.",
    )
    seeds: str | None = setting(
        None,
        "Seed tasks: JSON lines, a list in a *.json, CSV or Parquet. Default: seedstep's own 175.",
        metavar="FILE",
    )
    tasks: Count = setting(
        100, "Finished tasks to make: accepted, with at least one good instance."
    )
    seed: int = setting(42, SEED)
    window: Count = setting(
        8,
        "Generation requests worked on ahead. Request i is built from the tasks finished up to "
        "request i - window, so the data depends on it, and not on how many are in flight. "
        f"Default: 8; by batch, {WINDOW_BY_BATCH:,}.",
    )
    novelty_threshold: Threshold = setting(
        PAPER_THRESHOLD,
        "Reject an instruction whose ROUGE-L F1 with a known one is this or more.",
    )
    decontaminate: list[str] = setting(
        list,
        f"Evaluation sets: {EVALUATION_SETS}. Instructions and inputs that are too close to them "
        "are rejected.",
        metavar="PATH",
    )
    decontamination_threshold: Threshold = setting(
        PAPER_THRESHOLD,
        "Reject an instruction or input whose ROUGE-L F1 with an item of an evaluation set is this "
        "or more.",
    )
    semantic: str | None = setting(
        None,
        "Compare instructions by meaning, too, by the cosine of embeddings that this encoder of "
        f"sentences makes: {encoders()}.",
        metavar="ENCODER",
        later=True,
    )
    semantic_threshold: Threshold = setting(
        MEANING_THRESHOLD,
        "Reject an instruction whose cosine with a known one, or with an item of an evaluation "
        "set, is this or more; `seedstep calibrate` measures what an encoder finds.",
        later=True,
    )
    semantic_base_url: str | None = setting(
        None,
        f"Address of the server for a semantic of {encoders(served=True)}; the "
        "encoder's key, such as that in OPENAI_API_KEY, is sent there, too.",
        later=True,
        each=require_address,
    )
    tokens: Literal["auto", "latin", "unicode"] = setting(
        "auto",
        "Tokens for novelty, and rules for texts: latin (those of rouge-score, for English), "
        "unicode (letters of every script, words counted by script), or auto: by the script of "
        "the seeds.",
    )
    fidelity: Literal["paper", "released"] = setting(
        "paper",
        "Where paper and released code differ: paper, or released (among other things, a score of "
        "exactly the threshold is novel, a cut list of instructions is dropped whole, two outputs "
        "for one input reject the task, and whatever is not Yes, yes or YES is a no; "
        "docs/self-instruct.md lists all).",
    )
    numbering: Literal["number", "task"] = setting(
        "number",
        "How a list of instructions is numbered that the model continues: number (1., as in the "
        "released code), or task (Task 1:, as Table 5 prints it).",
        later=True,
    )
    extra_filters: bool = setting(
        True,
        "Apply the filters that are not from the paper, against statements and refusals in place "
        "of tasks, copied demonstrations, missing inputs, repetitions and talk "
        "(docs/self-instruct.md marks them * and †).",
    )
    gates: dict[str, Any] = setting(
        dict,
        "What instances have to pass after the filters, such as {judged: {judge: {}}, repeated: "
        "{agree: {draws: 3}}}: kinds are judge, agree, match, json, likelihood and best "
        "(docs/self-instruct.md).",
        later=True,
    )
    gate_base_urls: dict[str, str | list[str]] = setting(
        dict,
        "Addresses of the servers of gates with a model of their own, by the gates' names; the "
        "same as base_url among a gate's options. The key of a gate's model, such as that in "
        "OPENAI_API_KEY, is sent there, too.",
        later=True,
        each=require_address,
    )
    axes: dict[str, Any] = setting(
        dict,
        "Axes along which new tasks are spread, a YAML file: topic: 12 (the model names so many), "
        "persona: [a nurse, a cook], difficulty: {easy: 0.7, hard: 0.3}. Requests ask for what is "
        "most under its share (docs/self-instruct.md).",
        metavar="FILE",
        later=True,
    )
    topic: str | None = setting(
        None,
        "What all new tasks are about, such as 'veterinary practice'. Only chat prompts have a "
        "place for it.",
        later=True,
    )
    language: str | None = setting(
        None,
        "Language of all generated texts, such as German; only chat prompts name it, the other "
        f"styles follow the seeds. The prompts are in it too for {', '.join(CHAT_LANGUAGES)}, "
        "else in English.",
        later=True,
    )
    patience: Count = setting(
        50, "Stop after so many generation requests in a row without a finished task."
    )
    shard: str | None = setting(
        None,
        "Which of several runs that grow side by side this one is, such as 3/16. Each makes random "
        "choices of its own; `seedstep merge` puts them together.",
        metavar="NUMBER/COUNT",
        later=True,
    )
    round: Count = setting(
        1, "The round of a shard. From the second on, it needs --pool.", later=True
    )
    pool: str | None = setting(
        None,
        "A run whose finished tasks are used beside the seeds, shown in prompts and compared for "
        "novelty: the merged shards of the round before.",
        metavar="RUN",
        later=True,
    )
    budget: Budget = part(Budget)
    sampling: dict[str, Any] = sampling_setting(
        PAPER_SAMPLING,
        "{generation: {temperature: 0.9}}",
        drawn=("generation",),
        long=("generation", "input_first", "output_first"),
        than="the prompt style",
    )

    @classmethod
    def as_begun(cls, stored: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the configuration of a run; where there was no style `dialogue` yet, name its own.

        Such a run of the embedded model goes on as it was. A run names its tokens; one that is
        damaged has the paper's.
        """
        if stored.get("tokens") in (None, "auto"):
            stored = {**stored, "tokens": "latin"}
        begun = (stored.get("model"), stored.get("prompt_style"))
        if begun == ("local", "auto") and "dialogue_fingerprint" not in stored:
            return {**stored, "prompt_style": "turns"}
        return stored

    @classmethod
    def complete(cls, values: Mapping[str, Any], source: str) -> Mapping[str, Any]:
        """Return the values as settings have them.

        Axes are read from their file, and addresses are moved from the options of gates to
        `gate_base_urls`. If requests are sent by batch and no window is named, it is large.
        """
        if "axes" in values:
            values = {**values, "axes": axes_of(values["axes"])}
        if values.get("send", "live") != "live" and "window" not in values:
            values = {**values, "window": WINDOW_BY_BATCH}
        gates = values.get("gates")
        if not isinstance(gates, Mapping):
            return values
        bare, addresses = dict(gates), {}
        for name, content in gates.items():
            kinds = content if isinstance(content, Mapping) else {}
            options = next(iter(kinds.values()), None)
            if len(kinds) == 1 and isinstance(options, Mapping) and ADDRESS in options:
                kept = {option: value for option, value in options.items() if option != ADDRESS}
                bare[name] = dict.fromkeys(kinds, kept)
                if options[ADDRESS] is not None:
                    addresses[name] = options[ADDRESS]
        if not addresses:
            return {**values, "gates": bare}
        known = values.get("gate_base_urls") or {}
        return {**values, "gates": bare, "gate_base_urls": {**known, **addresses}}

    @property
    def about_window(self) -> str:
        """What the window means for the pool if requests are sent by batch, else an empty text."""
        if self.model.send == "live":
            return ""
        return (
            f"by batch, with a window of {self.window:,}: the first {self.window:,} generation "
            f"requests show seed tasks only, each later one the tasks finished {self.window:,} "
            "requests before; a smaller --window grows the pool sooner, in more waves of batches"
        )

    def check(self, source: str) -> None:
        """Raise InputError if the settings do not go together."""
        AskingSettings.check(self, source)
        parse_gates(self.gates, f"{source}, setting 'gates'")
        for name in self.gate_base_urls:
            model = self.gate_models.get(name)
            if model is None or ModelRef.parse(model).provider.address is None:
                what = (
                    f"{source}, setting 'gate_base_urls': gate '{name}' asks no server of its own"
                )
                forms = either(forms_of(lambda known: known.address))
                raise InputError(what, f"give the gate a `model`, {forms}, or no address")
        if self.semantic is not None:
            require_encoder(self.semantic, f"{source}, setting 'semantic'")
        if self.semantic_base_url is not None and not is_served_encoder(self.semantic or ""):
            what = f"{source}, setting 'semantic_base_url': no server makes the embeddings"
            remedy = f"leave it out, or give semantic: {encoders(served=True)}"
            raise InputError(what, remedy)
        names = [axis.name for axis in parse_axes(self.axes, f"{source}, setting 'axes'")]
        if self.language is not None and "language" in names:
            what = f"{source}, setting 'axes': an axis of languages beside the setting 'language'"
            raise InputError(what, "leave one of them out")
        check_shard(self.shard, self.round, self.pool, source)
        for name in ("topic", "language"):
            value = getattr(self, name)
            if value is not None and not value.strip():
                raise InputError(f"{source}, setting '{name}': empty", "leave it out, or write it")
            if value is not None and self.style != "chat":
                what = f"{source}, setting '{name}': {self.style} prompts have no place for it"
                remedy = "use --prompt-style chat, or let the seeds show it, and leave it out"
                raise InputError(what, remedy)

    def for_seeds(self, seeds: Sequence[Task]) -> Self:
        """Return the settings with tokens that are not `auto`, by language or script of seeds."""
        if self.tokens != "auto":
            return self
        languages = [self.language] if self.language is not None else self._languages()
        foreign = any(name.strip().casefold() not in ENGLISH for name in languages)
        script = script_of(task.definition for task in seeds)
        return change_settings(self, tokens="unicode" if foreign else script.tokens)

    def _languages(self) -> list[str]:
        """Return the languages of an axis; where the model names them, they may be any."""
        found = [axis for axis in parse_axes(self.axes) if axis.name == "language"]
        return [name for axis in found for name in axis.shares or ("any",)]

    @property
    def gate_models(self) -> Mapping[str, str]:
        """The models of gates that have one of their own, by the gates' names."""
        options = gate_options(self.gates)
        return {name: each.model for name, each in options.items() if each.model is not None}

    @property
    def scoring_gates(self) -> frozenset[str]:
        """The names of gates whose model says how likely texts are."""
        return frozenset(name for name, each in gate_options(self.gates).items() if each.scores)

    @property
    def other_models(self) -> Mapping[str, str]:
        """The models of gates, and an encoder. A checkpoint in this process has no price."""
        models = {
            purpose_of(name): model
            for name, model in self.gate_models.items()
            if ModelRef.parse(model).provider.is_served
        }
        encoder = self.semantic if self.semantic and is_served_encoder(self.semantic) else None
        return {**models, PURPOSE: encoder} if encoder else models

    def resolved(self) -> Self:
        """Return the settings with addresses filled in, also of gates' models and encoders.

        Raises:
            InputError: a model can't be asked, or an address can't be used or has a password.
        """
        settings = AskingSettings.resolved(self)
        found = {
            name: resolve_base_url(model, self.gate_base_urls.get(name))
            for name, model in self.gate_models.items()
            if ModelRef.parse(model).provider.is_served
        }
        addresses = {name: url for name, url in found.items() if url is not None}
        settings = change_settings(settings, gate_base_urls=addresses)
        if self.semantic is None or not is_served_encoder(self.semantic):
            return settings
        address = resolve_base_url(self.semantic, self.semantic_base_url)
        return change_settings(settings, semantic_base_url=address)

    @property
    def place(self) -> ShardPlace:
        """The place of the run among shards and rounds."""
        return ShardPlace.of(self.shard, self.round)

    @property
    def chance(self) -> str:
        """What all random choices are made from, which differs for each shard and round."""
        return f"{self.seed}{self.place.chance}"

    @property
    def style(self) -> str:
        """The prompt style that is used, which is not `auto`."""
        automatic = self.prompt_style == "auto"
        return asked_model(self.model.name).style if automatic else self.prompt_style

    @property
    def prompts(self) -> PromptStyle:
        """The row of the prompt style in the table of styles."""
        return STYLES[self.style]

    def sampling_of(self, request: str) -> Sampling:
        """Return the sampling parameters of a request: the style's, with settings applied."""
        usual = self.prompts.sampling[request]
        is_list = request == "generation" and self.prompts.numbers_lists
        if is_list and self.numbering == "task":
            usual = replace(usual, stop=TASK_STOPS)
        return override(usual, self.sampling.get(request, {}))
