"""What commands and the report show of a bootstrap's run: counts, rejections, gates, and tasks."""

from collections import Counter
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from seedstep.bootstrap import FILTERS, Candidate
from seedstep.bootstrap.axes import cell_text
from seedstep.bootstrap.gates import draws_of, purpose_of, undecided_reason
from seedstep.bootstrap.steering import TRIES, Coverage
from seedstep.data import Task
from seedstep.evaluate.intervals import mean_of_tasks
from seedstep.evaluate.intervals import shown as with_interval
from seedstep.llm.checkpoints import public_encoder
from seedstep.runs import (
    Blocks,
    BootstrapRun,
    BootstrapStatus,
    Line,
    Rows,
    Rule,
    Words,
    labelled,
    line,
)
from seedstep.runs.blocks import duration, most_frequent_first
from seedstep.runs.merges import Merge, merge_of
from seedstep.runs.requests import request_blocks
from seedstep.text import script_of

__all__ = [
    "COVERAGE",
    "GATE_HEAD",
    "advice",
    "coverage_rows",
    "gate_rows",
    "left_out",
    "show_listed",
    "show_rejected",
    "show_shown",
    "show_status",
    "task_blocks",
]

ADVICE: Mapping[str, str] = MappingProxyType(
    {
        **{entry.name: entry.advice for entry in FILTERS if entry.advice},
        "not_novel": "The model repeats the seeds, or itself: more varied seeds, --axes, a higher "
        "--temperature or another model help.",
        "same_meaning": "The model repeats the seeds, or itself, in other words: more "
        "varied seeds, --axes, a higher --temperature or another model help.",
        "contaminated": "The model writes what the evaluation sets hold: another model helps, or "
        "seeds about something else.",
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
"""What helps a run in which most of what the model wrote is rejected for a reason: that of a filter
is in its entry."""

EXAMPLE = 80
"""The most characters of a rejected task that advice quotes."""

USUAL_ADVICE = "More varied seeds, --axes, a higher --temperature or another model help."


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


def show_status(run: BootstrapRun) -> Blocks:
    """Show counts, rejections, gates, coverage and requests."""
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


def _headline(run: BootstrapRun, status: BootstrapStatus) -> Line:
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


def _counts(run: BootstrapRun, status: BootstrapStatus) -> Iterator[tuple[str, ...]]:
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


def _rejections(status: BootstrapStatus, meanings: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    groups = (("instruction", status.rejected), ("instance", status.bad_instances))
    for what, counts in groups:
        for reason, count in most_frequent_first(counts):
            yield (what, reason, f"{count:,}", meanings.get(reason, ""))


GATE_HEAD = ("gate", "instances", "passed", "", "cost", "rejects")


def gate_rows(run: BootstrapRun, status: BootstrapStatus) -> Iterator[tuple[str, ...]]:
    """Yield how many instances came to each gate, how many passed it, and what it cost."""
    gates = run.records.gates()
    if not gates:  # what was spent takes long to count
        return
    tokens, pricing = run.spent().tokens, run.settings.pricing
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
        yield line(f"mean distance to the nearest earlier instruction, 1 - ROUGE-L: {mean}")


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


def _usage(status: BootstrapStatus) -> Iterator[tuple[str, ...]]:
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


def show_listed(run: BootstrapRun) -> Blocks:
    """Show a line for each finished task."""
    for task in run.tasks():
        kind = "C" if task.is_classification else " "
        yield line(f"{task.id:>8} {kind} {len(task.instances)}  {task.definition}")


def show_rejected(run: BootstrapRun) -> Blocks:
    """Show a line for each rejected candidate."""
    for key, reason, instruction in run.records.rejected():
        yield line(f"{key:>8}  {reason}: {instruction}")


def show_shown(run: BootstrapRun, name: str) -> Blocks:
    """Show a task or a rejected candidate, and how it was made."""
    details = run.records.show(name)
    candidate, task = details.candidate, details.candidate.task
    meaning = candidate.detail or run.records.reasons().get(candidate.reason, "")
    verdict = f"rejected: {candidate.reason} ({meaning})" if candidate.reason else "finished"
    yield line(f"{task.id}  {verdict}", "bold")
    yield line(task.definition)
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
        kind = "classification" if task.is_classification else "not classification"
        yield line(f"judged by the model: {kind}", "dim")
    yield from _instances(candidate)
    yield Rule("demonstrations it was written after")
    for shown, definition in details.demonstrations:
        yield Line((Words(f"{shown:>9}  ", "dim"), Words(definition)))
    for request in details.requests:
        yield from request_blocks(request)


def _instances(candidate: Candidate) -> Blocks:
    """Show the good instances, then the rejected ones by reason."""
    for number, good in enumerate(candidate.task.instances, start=1):
        yield Rule(f"instance {number}")
        if candidate.notes and (note := candidate.notes[number - 1]):
            yield line(note, "dim")
        yield from _texts(good.input, good.output)
    rejected = sorted(candidate.rejected_instances, key=lambda bad: bad.reason)
    for number, bad in enumerate(rejected, start=len(candidate.task.instances) + 1):
        yield Rule(f"instance {number} (rejected: {bad.reason})")
        if bad.detail:
            yield line(bad.detail, "dim")
        yield from _texts(bad.instance.input, bad.instance.output)


def _texts(text: str, output: str) -> Blocks:
    if text:
        yield labelled("input", text)
    yield labelled("output", output)
