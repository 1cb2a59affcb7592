"""Tune a model on this machine: read and count the data, train, and write the files of the tuning.

Example::

    tuned = tune_here(Path("tuned"), settings, watch=None, stop=None, dry_run=False)
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from seedstep.data import write_atomically
from seedstep.encode import ChatFrame, HfTokenizer, ModelSizes, named_layout
from seedstep.errors import MissingExtraError, ModelError, RunError
from seedstep.inputs.systems import public_source, training_of
from seedstep.inputs.tasks import TuningInputs, gather
from seedstep.llm.checkpoints import computing_type, load_config, load_model, load_tokenizer
from seedstep.recipes.tuning_records import TuneResult, TuningWatch
from seedstep.report.figures import plot_losses
from seedstep.runs import Run, TuningFiles
from seedstep.runs.tune import settings_not_stored
from seedstep.stages import TUNE
from seedstep.stages.tune import about_new_data
from seedstep.tune import (
    CHECKPOINTS,
    PRESETS,
    EncodedData,
    EvaluationLoss,
    MetricsFile,
    OptimizerStep,
    Preflight,
    TuneSettings,
    rank_and_processes,
    survey,
)
from seedstep.tune.division import FSDP, join_processes, write_fsdp
from seedstep.tune.mixing import TRAINING_RECORD, training_record
from seedstep.tune.outputs import require_gguf, write_tuning_card, write_tuning_gguf
from seedstep.tune.records import keep_frame, kept_frame, require_reporter

__all__ = ["tune_here"]


def tune_here(
    path: Path,
    settings: TuneSettings,
    watch: TuningWatch | None,
    stop: Callable[[], bool] | None,
    *,
    dry_run: bool,
) -> TuneResult:
    """Tune a model on this machine, and write all of its files.

    `stop` is called after each step. Several processes share the work.

    Raises:
        SeedstepError: with what is wrong and what to do.
    """
    rank, processes = rank_and_processes()
    work = _prepared(path, settings, processes)
    if watch:
        watch.counted(work.settings, work.preflight, work.gathered.left_out)
        if work.is_anew:
            watch.warned(work.is_anew)
    launch = "" if rank else _launch(path / FSDP, settings.preset, processes, dry_run=dry_run)
    if watch and launch:
        watch.warned(launch)
    tuned = TuneResult(path, work.settings, work.preflight, work.gathered.left_out)
    if dry_run:
        return tuned
    if work.is_anew and processes > 1:  # the others would take the earlier model for theirs
        raise RunError(f"{path}: its data or base model have changed", "name another --out")
    files, asked = TuningFiles(path), settings_not_stored(path, work.settings)
    with nullcontext() if rank else Run.start(TUNE, path, asked, inputs=work.gathered):
        before = files.finished
        if not before and not _train(files, work, watch, stop):
            return replace(tuned, stopped=True)
        beside = () if rank else _write_beside(files, work, before=before)
        notes = () if rank else (*beside, *_about_base(files, work))
        if not rank and not before:  # the optimiser's state is of no use, and three times as large
            shutil.rmtree(path / CHECKPOINTS, ignore_errors=True)
    return replace(tuned, model=files.model, finished_before=before, notes=notes)


def _launch(file: Path, preset: str | None, processes: int, *, dry_run: bool) -> str:
    """Write the file that launches a preset on several GPUs. Return how to use it, or ""."""
    wanted = PRESETS[preset].processes if preset else 1
    if processes >= wanted:
        return ""
    how = f"launch with: accelerate launch --config_file {file} -m seedstep tune ..."
    if dry_run:
        how = f"a tuning that is no dry run writes {file} first, to launch it with"
    else:
        write_fsdp(file, wanted)
    return f"the second paper used {wanted} GPUs for this size; {how}"


@dataclass(frozen=True, slots=True)
class _Work:
    """The data of a tuning, read and counted before the model is loaded.

    `frame` is the text that the chat template writes around a message, if prompts are in it.
    `is_anew` says that an earlier tuning, on other data or another base, is set aside, if there
    is one.
    """

    settings: TuneSettings
    gathered: TuningInputs
    tokenizer: Any
    frame: ChatFrame | None
    data: EncodedData
    preflight: Preflight
    decoder_only: bool
    is_anew: str = ""


def _prepared(path: Path, settings: TuneSettings, processes: int) -> _Work:
    _require_device(settings.training.device)
    require_reporter(settings.training)
    gathered = gather(settings)
    tokenizer = load_tokenizer(settings.model.name)
    config = load_config(settings.model.name)
    decoder_only = not config.is_encoder_decoder
    if settings.gguf:
        require_gguf(config)
    is_anew = about_new_data(path, settings, gathered)
    template = str(tokenizer.chat_template)
    kept = None if is_anew else kept_frame(TuningFiles(path).frame, template)
    reader = HfTokenizer(tokenizer, frame=kept)
    data = EncodedData(
        gathered.mixture,
        reader,
        decoder_only=decoder_only,
        seed=settings.training.seed,
    )
    preflight = survey(data, settings.training, processes)
    data.check(ModelSizes.of(config), settings.training.epochs)
    in_chat = any(named_layout(used.layout).in_template for used in gathered.encodings.values())
    frame = reader.chat if in_chat else None
    return _Work(settings, gathered, tokenizer, frame, data, preflight, decoder_only, is_anew)


def _train(
    files: TuningFiles, work: _Work, watch: TuningWatch | None, stop: Callable[[], bool] | None
) -> bool:
    """Train and save the model; return False if the tuning was stopped before its end."""
    from transformers import logging

    from seedstep.tune.prepare import computes_on_cpu, reporting, save_tuned
    from seedstep.tune.train import Stopping, tune_decoder, tune_seq2seq

    logging.disable_progress_bar()
    settings, preflight = work.settings, work.preflight
    rank, _ = rank_and_processes()
    if not rank:
        write_atomically(files.counted, msgspec.json.encode(preflight) + b"\n")
        if work.frame:
            keep_frame(files.frame, work.frame, str(work.tokenizer.chat_template))
    bf16, on_cpu = settings.training.bf16, computes_on_cpu(settings.training)
    if watch and (note := computing_type(bf16=bf16, on_cpu=on_cpu)[1]):
        watch.warned(note)
    reads = join_processes(lora=settings.training.lora, on_cpu=on_cpu)
    model = load_model(settings.model.name, dtype="float32", empty=not reads)
    with MetricsFile(files.metrics) as metrics, reporting(settings.training, files.path):
        tuner = tune_decoder if work.decoder_only else tune_seq2seq
        tuned = tuner(
            model,
            work.tokenizer,
            work.data,
            settings.training,
            files.path,
            watch=None if rank else _Told(metrics, watch),
            callbacks=[Stopping(stop)] if stop else [],
        )
    if tuned.trainer.state.global_step < tuned.steps:
        return False
    save_tuned(
        tuned.trainer,
        work.tokenizer,
        files.model,
        adapter=files.adapter,
        dtype=settings.training.save_dtype,
        end=work.frame.end if work.frame else None,
        beside={TRAINING_RECORD: _record_of(work)},
    )
    return True


@dataclass(frozen=True, slots=True)
class _Told:
    """Passes calls on to the file of metrics, and to the watch if there is one."""

    metrics: MetricsFile
    watch: TuningWatch | None

    def stepped(self, step: OptimizerStep) -> None:
        self.metrics.stepped(step)
        if self.watch:
            self.watch.stepped(step)

    def evaluated(self, evaluated: EvaluationLoss) -> None:
        self.metrics.evaluated(evaluated)
        if self.watch:
            self.watch.evaluated(evaluated)


def _record_of(work: _Work) -> bytes:
    """Return the record of the training data of a tuning and of its base model."""
    settings = work.settings
    sources = map(public_source, settings.data)
    base = training_of(settings.model.name)
    return training_record(work.gathered.mixture.training, sources, base).encoded()


def _write_beside(files: TuningFiles, work: "_Work", *, before: bool) -> tuple[str, ...]:
    """Write the card, the figure of losses but what was there `before`, and a GGUF file if asked.

    Returns notes on what was left out because an extra is not installed.

    Raises:
        SeedstepError: a file can't be written; the model is there nevertheless.
    """
    write_tuning_card(
        files.path,
        work.settings,
        work.preflight,
        work.gathered.encodings,
        model=files.model,
        metrics=files.metrics,
    )
    notes = []
    is_drawn = before and all((files.path / name).is_file() for name in ("loss.png", "loss.svg"))
    try:
        if not is_drawn:
            plot_losses(files.metrics, files.path / "loss")
    except MissingExtraError as error:
        notes.append(f"no picture of the losses: {error}")
    write_tuning_gguf(files.path, work.settings, model=files.model)
    return tuple(notes)


def _about_base(files: TuningFiles, work: _Work) -> Iterator[str]:
    """Yield a note where the base model, which was tuned here, was tuned on other data since."""
    kept, base = files.model / TRAINING_RECORD, work.settings.model.name
    if training_of(base) and kept.is_file() and kept.read_bytes() != _record_of(work):
        yield f"{base} was tuned on other data since: tune anew with another --out"


def _require_device(device: str) -> None:
    if find_spec("torch") is None:
        raise MissingExtraError("tuning", extra="tune")
    if device == "cuda":
        import torch  # here, as loading it takes long, and the data may be wrong

        if not torch.cuda.is_available():
            raise ModelError(
                "no CUDA device can be used here", "leave --device out, or install torch with CUDA"
            )
