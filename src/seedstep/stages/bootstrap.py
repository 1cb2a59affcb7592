"""The stage `bootstrap` (Self-Instruct): its inputs, and what commands show of its runs."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from seedstep.bootstrap import BootstrapSettings, Candidate
from seedstep.bootstrap.axes import TRIES, Coverage, cell_text
from seedstep.bootstrap.gate_kinds import gate_options
from seedstep.bootstrap.gates import draws_of, purpose_of, undecided_reason
from seedstep.data import Task, evaluation_items, require_seeds, seed_tasks
from seedstep.errors import InputError, StoreError
from seedstep.evaluate.intervals import mean_of_tasks
from seedstep.evaluate.tables import shown as with_interval
from seedstep.llm import ModelRef
from seedstep.llm.checkpoints import fingerprint_of, gguf_fingerprint
from seedstep.llm.embeddings import encoder_fingerprint, public_encoder
from seedstep.llm.settings import require_price
from seedstep.novelty import Contamination
from seedstep.prompts import fingerprint
from seedstep.runs import (
    Blocks,
    BootstrapRun,
    GrownTasks,
    Line,
    Rows,
    Rule,
    RunStatus,
    Stage,
    Words,
    digest,
    labelled,
    line,
)
from seedstep.runs.database import RECOVER
from seedstep.runs.directory import DATABASE, open_database, stored_config
from seedstep.runs.grown import read_grown_tasks
from seedstep.runs.merges import Merge, merge_of
from seedstep.runs.places import CONFIG
from seedstep.runs.stage import duration, request_blocks
from seedstep.stages.telling import ASKING_CHANGEABLE
from seedstep.text import TOKENIZERS, script_of

__all__ = [
    "BOOTSTRAP",
    "COVERAGE",
    "GATE_HEAD",
    "advice",
    "contamination_of",
    "coverage_rows",
    "gate_rows",
    "left_out",
    "pool_of",
    "task_blocks",
]

ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "not_novel": "The model repeats the seeds, or itself: more and more varied seeds, a higher "
        "--temperature or another model help.",
        "same_meaning": "The model repeats the seeds, or itself, in other words: more and more "
        "varied seeds, a higher --temperature or another model help.",
        "contaminated": "The model writes what the evaluation sets hold: another model helps, or "
        "seeds about something else.",
        "too_short": "The model writes less than a task: another --prompt-style or model helps.",
        "too_long": "The model writes texts in place of tasks: another --prompt-style or model "
        "helps.",
        "statement": "The model writes texts in place of tasks: another --prompt-style or model "
        "helps.",
        "refusal": "The model refuses: another model or other seeds help.",
        "empty_reply": "`seedstep requests RUN` shows the replies: they hold no text.",
        "cut_list": "Replies are cut at their length limit: a larger --max-new-tokens helps.",
        "unreadable_list": "`seedstep requests RUN` shows the replies: another --prompt-style "
        "helps where they are no lists.",
        "used_up_by_thinking": "The model's thoughts took all tokens: more room helps, as in "
        "--reasoning '{room: 8000}'. `seedstep requests RUN --failed` lists them.",
        "request_failed": "`seedstep requests RUN --failed` has the server's words.",
        "classification_unreadable": "The model does not answer yes or no: a stronger model helps.",
        "no_instance": "The model can't carry out its own tasks: a stronger model helps.",
        "no_good_instance": "The model can't carry out its own tasks: a stronger model helps.",
    }
)
"""What helps a run in which most of what the model wrote is rejected for a reason."""

EXAMPLE = 80
"""The most characters of a rejected task that advice quotes."""

USUAL_ADVICE = "More varied seeds, a higher --temperature or another model help."


def _load(settings: BootstrapSettings) -> tuple[Task, ...]:
    """Return the seed tasks."""
    require_price(settings)
    return require_seeds(Path(settings.seeds)) if settings.seeds else seed_tasks()


def _stamps(settings: BootstrapSettings, inputs: tuple[Task, ...]) -> dict[str, str]:
    """Return the fingerprints of seeds, prompts, gates, the pool and evaluation sets."""
    stamps = {"seeds_fingerprint": digest([inputs]), "prompts_fingerprint": fingerprint()}
    if settings.axes:
        stamps["axes_fingerprint"] = fingerprint("axes")
    prompts = {gate.prompt for gate in gate_options(settings.gates).values()}
    if files := sorted(f"{name.removeprefix('gates/')}.txt" for name in prompts if name):
        stamps["gates_fingerprint"] = fingerprint("gates", tuple(files))
    if models := _gate_files(settings):
        stamps["gate_models_fingerprint"] = digest(models)
    if settings.semantic and (print_of := encoder_fingerprint(settings.semantic)):
        stamps["semantic_fingerprint"] = print_of
    if settings.pool:
        pool = ([task.id, task.definition] for task in pool_of(settings))
        stamps["pool_fingerprint"] = digest(pool)
    if settings.decontaminate:
        stamps["evaluation_fingerprint"] = digest(_evaluation_items(settings))
    return stamps


def _gate_files(settings: BootstrapSettings) -> list[tuple[str, str]]:
    """Return the gates whose model is a file or checkpoint, each with a fingerprint of it."""
    own = settings.gate_models
    models = {**dict.fromkeys(settings.scoring_gates, settings.model.name), **own}
    found = []
    for name, model in sorted(models.items()):
        provider = ModelRef.parse(model).provider
        scores = name in settings.scoring_gates and provider.likelihoods
        if print_of := fingerprint_of(model) if scores else gguf_fingerprint(model):
            found.append((name, print_of))
    return found


def pool_of(settings: BootstrapSettings) -> tuple[Task, ...]:
    """Return the finished tasks of the run that the settings name as the pool, if they name one.

    Raises:
        RunError: it is no run of a bootstrap.
    """
    if not settings.pool:
        return ()
    with open_database(Path(settings.pool), "bootstrap") as database:
        return read_grown_tasks(database)


def contamination_of(settings: BootstrapSettings) -> Contamination | None:
    """Return the evaluation sets that the settings name, if they name any."""
    if not settings.decontaminate:
        return None
    tokenizer = TOKENIZERS[settings.tokens]
    return Contamination(_evaluation_items(settings), tokenizer, settings.decontamination_threshold)


def _evaluation_items(settings: BootstrapSettings) -> Iterator[tuple[str, str]]:
    for path in settings.decontaminate:
        yield from evaluation_items(Path(path))


def _check(run: BootstrapRun) -> None:
    if merge_of(stored_config(run.stage.name, run.path, CONFIG)):
        what = f"{run.path} is merged from shards"
        raise InputError(what, "go on with a new run that names it after --pool")
    finished = run.records.finished()
    if finished > run.settings.tasks:
        raise InputError(
            f"{run.path} has {finished} finished tasks already, more than --tasks",
            "ask for more, or name another --out",
        )
    for axis in run.records.axes() if run.database.has_rows("generations") else ():
        if not axis.shares:  # to ask again might give others, which are not those of the tasks
            what = (
                f"{run.path / DATABASE} is damaged: the values of the axis '{axis.name}' are lost"
            )
            raise StoreError(what, RECOVER)


def _keep(run: BootstrapRun) -> None:
    run.records.keep_seeds()


def advice(run: BootstrapRun) -> str:
    """Say what helps a run that accepts too little, by the most common reason of rejections."""
    status = run.status()
    rejected, asked = status.rejected, status.usage.get("generation")
    reason = max(rejected, key=lambda name: rejected[name], default="")
    if reason == "request_failed" or (asked and 2 * asked.failed > asked.requests):
        failures = Counter(line.failure for line in run.requests(failed=True)[0])
        reason = "used_up_by_thinking" if "used_up_by_thinking" in failures else "request_failed"
        return ADVICE[reason].replace("RUN", str(run.path))
    if not rejected:
        return USUAL_ADVICE
    for gate in run.records.gates():
        if reason in (gate, undecided_reason(gate)):
            return _advice_on_gate(run, gate, reason)
    written = [text for _, _, text in run.records.rejected()]
    script = script_of(written)
    if run.settings.tokens == "latin" and script.tokens == "unicode":
        return (
            f"The model writes in {script.name}, and the tokens of the run are for English: start "
            "a new one with --tokens unicode, or with seeds in that language."
        )
    return ADVICE.get(reason, USUAL_ADVICE).replace("RUN", str(run.path))


def _advice_on_gate(run: BootstrapRun, gate: str, reason: str) -> str:
    """Say what helps where most is rejected by a gate, with the first tasks that it rejected."""
    rejected = [text for _, why, text in run.records.rejected() if why == reason]
    shown = "; ".join(f"'{text[:EXAMPLE]}'" for text in rejected[:2])
    what = "rejects most" if reason == gate else "can't decide on most"
    return (
        f"The gate '{gate}' {what}, such as {shown}. `seedstep show {run.path} ID` says why: "
        "change its options in a new run, or take a stronger model."
    )


def _status(run: BootstrapRun) -> Blocks:
    status = run.status()
    yield _headline(run, status)
    yield Rows(tuple(_counts(run, status)))
    if merge := merge_of(run.config):
        yield from _merged(merge)
    if rejected := tuple(_rejections(status, run.records.reasons())):
        yield line("")
        yield Rows(rejected, ("what", "reason", "count", "meaning"), "rejected")
    if gates := tuple(gate_rows(run, status)):
        yield line("")
        yield Rows(gates, GATE_HEAD, "gates")
    if coverage := run.records.coverage():
        yield from _coverage(run, coverage)
    if status.usage:
        yield line("")
        head = ("for", "asked", "failed", "prompt tokens", "new tokens")
        yield Rows(tuple(_usage(status)), head, "requests")


def _headline(run: BootstrapRun, status: RunStatus) -> Line:
    if status.running:
        state = "running"
    else:
        state = "complete" if status.finished >= status.wanted else "stopped"
    text = f"  {state}  {status.finished} of {status.wanted} tasks"
    if status.per_minute:
        text += f", {status.per_minute:.1f} a minute"
        if status.running and status.finished < status.wanted:
            left = 60 * (status.wanted - status.finished) / status.per_minute
            text += f", {duration(left)} left"
    return Line((Words(str(run.path), "bold"), Words(text)))


def _counts(run: BootstrapRun, status: RunStatus) -> Iterator[tuple[str, ...]]:
    yield ("generation requests retired", f"{status.generations:,}")
    yield ("instructions written", f"{status.written:,}")
    share = f"({status.finished / status.written:.0%})" if status.written else ""
    yield ("finished tasks", f"{status.finished:,}", share)
    yield ("  of them classification", f"{status.classification:,}")
    yield ("instances", f"{status.instances:,}")
    if encoder := run.settings.semantic:
        yield ("compared by meaning with", public_encoder(encoder))
    spent, settings = run.spent(), run.settings
    budget = settings.budget
    requests, tokens = (
        f"of {limit:,}" if limit else "" for limit in (budget.max_requests, budget.max_tokens)
    )
    yield ("requests sent", f"{spent.requests:,}", requests)
    yield ("tokens", f"{spent.total_tokens:,}", tokens)
    if spent.batch_tokens:
        yield ("  of them by batch", f"{spent.batch_tokens:,}")
    if (usd := settings.pricing.usd(spent.tokens)) is not None:
        limit = f"of ${budget.max_usd:,.2f}" if budget.max_usd else ""
        yield ("cost", f"${usd:,.4f}", limit)
        if status.finished:
            yield ("  for each finished task", f"${usd / status.finished:,.4f}")


def _merged(merge: Merge) -> Blocks:
    """Show what a merged run was made of."""
    yield line("")
    head = ("shard", "round", "seed", "model", "tasks", "kept", "run")
    yield Rows(
        tuple(
            (
                shard.shard or "",
                f"{shard.round}",
                f"{shard.seed}",
                shard.model,
                f"{shard.finished:,}",
                f"{shard.kept:,}",
                shard.run,
            )
            for shard in merge.shards
        ),
        head,
        "merged from",
    )
    for missing in merge.missing:
        yield line(f"incomplete: {missing}", "warning")
    if merge.differences:
        yield line(f"they differ in: {', '.join(merge.differences)}", "warning")


def _rejections(status: RunStatus, meanings: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    groups = (("instruction", status.rejected), ("instance", status.bad_instances))
    for what, counts in groups:
        for reason, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            yield (what, reason, f"{count:,}", meanings.get(reason, ""))


GATE_HEAD = ("gate", "instances", "passed", "", "cost", "rejects")


def gate_rows(run: BootstrapRun, status: RunStatus) -> Iterator[tuple[str, ...]]:
    """Yield how many instances came to each gate, how many passed it, and what it cost."""
    gates, tokens, pricing = run.records.gates(), run.spent().tokens, run.settings.pricing
    left = status.instances
    rows: list[tuple[str, ...]] = []
    for name, meaning in reversed(list(gates.items())):
        bad = status.bad_instances
        came = left + bad.get(name, 0) + bad.get(undecided_reason(name), 0)
        share = f"{left / came:.0%}" if came else ""
        asked = {
            each: tokens[each] for each in (purpose_of(name), draws_of(name)) if each in tokens
        }
        usd = pricing.usd(asked) if asked else None
        cost = "" if usd is None else f"${usd:,.4f}"
        rows.append((name, f"{came:,}", f"{left:,}", share, cost, meaning))
        left = came
    yield from reversed(rows)


def _coverage(run: BootstrapRun, found: Coverage) -> Blocks:
    """Show the shares along the axes, wanted and got, and how far the tasks differ."""
    yield line("")
    yield Rows(coverage_rows(found), COVERAGE, "coverage")
    for axis in run.records.axes():
        if len(axis.shares) < axis.drawn:
            yield line(f"the model named {len(axis.shares)} of {axis.drawn} values of {axis.name}")
    for text in left_out(found):
        yield line(text, "warning")
    if distances := run.records.distances():
        mean = with_interval(mean_of_tasks(distances, seed=run.settings.seed), 2)
        yield line(f"distance to the nearest instruction before, 1 - ROUGE-L: {mean}")


COVERAGE = ("axis", "value", "wanted", "got", "tasks", "requests", "")
"""The head of a table of `coverage_rows`."""


def coverage_rows(found: Coverage) -> tuple[tuple[str, ...], ...]:
    """Return a row for each value of each axis."""
    return tuple(
        (
            each.axis,
            each.value,
            f"{each.wanted:.0%}",
            f"{each.tasks / found.tasks:.0%}" if found.tasks else "",
            f"{each.tasks:,}",
            f"{each.requests:,}",
            "set aside" if each.aside else "",
        )
        for each in found.values
    )


def left_out(found: Coverage) -> Iterator[str]:
    """Yield a sentence for each value, and each set of values, not asked for any more."""
    after = f"is set aside, after {TRIES} requests in a row without a task: others have its share"
    for each in found.values:
        if each.aside:
            yield f"'{each.axis}: {each.value}' {after}"
    for cell in found.aside:
        yield f"'{cell_text(cell)}' {after}"


def _usage(status: RunStatus) -> Iterator[tuple[str, ...]]:
    for purpose, usage in status.usage.items():
        mark = " (est.)" if usage.estimated else ""
        yield (
            purpose,
            f"{usage.requests:,}",
            f"{usage.failed:,}",
            f"{usage.prompt_tokens:,}{mark}",
            f"{usage.completion_tokens:,}{mark}",
        )


def task_blocks(task: Task) -> Blocks:
    """Show a task with its instances."""
    kind = "classification task" if task.is_classification else "task"
    yield Line((Words(f"{kind} {task.id}: ", "good"), Words(task.definition)))
    for instance in task.instances:
        if instance.input:
            yield Line((Words("  input   ", "dim"), Words(_indented(instance.input))))
        yield Line((Words("  output  ", "dim"), Words(_indented(instance.output))))


def _indented(text: str) -> str:
    return text.replace("\n", "\n          ")


def _listed(run: BootstrapRun) -> Blocks:
    for task in run.tasks():
        kind = "C" if task.is_classification else " "
        yield line(f"{task.id:>8} {kind} {len(task.instances)}  {task.definition}")


def _rejected(run: BootstrapRun) -> Blocks:
    for key, reason, instruction in run.records.rejected():
        yield line(f"{key:>8}  {reason}: {instruction}")


def _shown(run: BootstrapRun, name: str) -> Blocks:
    details = run.records.show(name)
    candidate = details.candidate
    meaning = candidate.detail or run.records.reasons().get(candidate.reason, "")
    verdict = f"rejected: {candidate.reason} ({meaning})" if candidate.reason else "finished"
    yield line(f"{candidate.id}  {verdict}", "bold")
    yield line(candidate.instruction)
    if details.cell:
        yield line(f"asked for: {cell_text(details.cell)}", "dim")
    if near := candidate.neighbor:
        head = f"nearest instruction: ROUGE-L {near.score:.3f} with {near.id}: "
        yield Line((Words(head, "dim"), Words(details.neighbor)))
    else:
        yield line("nearest instruction: none with a token in common", "dim")
    if near := candidate.meaning:
        head = f"nearest in meaning: cosine {near.score:.3f} with {near.id}: "
        yield Line((Words(head, "dim"), Words(details.meaning)))
    if candidate.classification_request:
        kind = "classification" if candidate.is_classification else "not classification"
        yield line(f"judged by the model: {kind}", "dim")
    yield from _instances(candidate)
    yield Rule("demonstrations it was written after")
    for shown, definition in details.demonstrations:
        yield Line((Words(f"{shown:>9}  ", "dim"), Words(definition)))
    for request in details.requests:
        yield from request_blocks(request)


def _instances(candidate: Candidate) -> Blocks:
    """Show the good instances, then the rejected ones by reason."""
    for number, good in enumerate(candidate.instances, start=1):
        yield Rule(f"instance {number}")
        if candidate.notes and (note := candidate.notes[number - 1]):
            yield line(note, "dim")
        yield from _texts(good.input, good.output)
    rejected = sorted(candidate.rejected_instances, key=lambda bad: bad.reason)
    for number, bad in enumerate(rejected, start=len(candidate.instances) + 1):
        yield Rule(f"instance {number} (rejected: {bad.reason})")
        if bad.detail:
            yield line(bad.detail, "dim")
        yield from _texts(bad.input, bad.output)


def _texts(text: str, output: str) -> Blocks:
    if text:
        yield labelled("input", text)
    yield labelled("output", output)


def _rows(run: BootstrapRun) -> Iterator[dict[str, Any]]:
    """Yield a row for each instance of the finished tasks, with its cell if there are axes."""
    cells = run.records.task_cells()
    for task in run.tasks():
        for instance in task.instances:
            yield {
                "id": instance.id,
                "task": task.id,
                "instruction": task.definition,
                "input": instance.input,
                "output": instance.outputs[0],
                "is_classification": task.is_classification,
                **({"cell": dict(cells[task.id])} if cells else {}),
            }


BOOTSTRAP: Stage[BootstrapSettings, tuple[Task, ...], GrownTasks] = Stage(
    name="bootstrap",
    settings=BootstrapSettings,
    load=_load,
    records=GrownTasks,
    rows=_rows,
    settled=lambda settings, seeds: settings.for_seeds(seeds),
    stamps=_stamps,
    changeable=("tasks", "patience", *ASKING_CHANGEABLE),
    asks_model=True,
    check=_check,
    keep=_keep,
    status=_status,
    listed=_listed,
    rejected=_rejected,
    shown=_shown,
    sections=(
        "sizes",
        "lengths",
        "structure",
        "diversity",
        "novelty",
        "rejections",
        "labels",
        "spending",
        "tasks",
    ),
)
"""The entry of the stage that grows tasks from seed tasks."""
