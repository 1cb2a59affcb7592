"""Sections about the making of data: cost, speed, losses, instructions, and outputs written anew.

Self-Instruct, appendix A.3, has the paper's costs. The step-by-step instructions are counted as in
Table 1 of Step-by-Step Instruction Tuning, and some are shown.

Example::

    spending_section(run.answered(), run.finished_at(), UNPRICED)

Example::

    distilled(run)
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, groupby
from math import isfinite

from seedstep.infer.distill import LEFT_OUT
from seedstep.llm import Pricing, TokenUsage
from seedstep.report.bars import bar_chart, histogram_chart
from seedstep.report.figures import ChartLine, line_chart, loss_chart
from seedstep.report.records import (
    Field,
    Headline,
    Paragraph,
    ReportBlock,
    Section,
    Specimen,
    Specimens,
    Table,
)
from seedstep.report.statistics import thinned, words_histogram
from seedstep.runs import DistillRun, Entry, ReplyUsage
from seedstep.runs.requests import PAUSE_SECONDS, elapsed
from seedstep.stages import TuneRun
from seedstep.stages.tune import cost_of
from seedstep.steps import FAILURES, StepsStatistics, WrittenSteps, render, statistics
from seedstep.text import count_words

__all__ = ["distilled", "losses_section", "spending_section", "steps_sections", "tuning_cost"]


def spending_section(
    answers: Sequence[ReplyUsage],
    finished: Sequence[float],
    pricing: Pricing,
    notes: Sequence[str] = (),
    starts: Sequence[float] = (),
) -> Section | None:
    """Return finished tasks, tokens and dollars over the time in which a process worked on the run.

    `finished` has the time when each task was finished (Unix time). `notes` are about the replies,
    such as parameters that the server did not accept. `starts` has the times when a process began
    to work on the run.
    """
    if not answers:
        return None
    times = sorted([*(answer.at for answer in answers), *finished])
    at = dict(zip(times, elapsed(times, starts), strict=True))
    unit, scale = _unit(max(at.values()))
    prompt = [*accumulate(answer.prompt_tokens for answer in answers)]
    completion = [*accumulate(answer.completion_tokens for answer in answers)]
    usd = _dollars(answers, pricing)
    moments = [at[answer.at] / scale for answer in answers]
    done = tuple((at[time] / scale, float(n)) for n, time in enumerate(finished, start=1))
    tokens = (
        ChartLine("prompts", tuple(zip(moments, map(float, prompt), strict=True))),
        ChartLine("replies", tuple(zip(moments, map(float, completion), strict=True))),
    )
    blocks: list[ReportBlock] = [
        _table(len(answers), len(done), max(at.values()), prompt[-1], completion[-1], usd),
        Paragraph(
            "Times are those of work, over all starts of the run: what lies between the last "
            "answer of a process and the next start is left out, and gaps of more than "
            f"{PAUSE_SECONDS / 60:.0f} minutes between two answers."
        ),
        *(Paragraph(f"{note[:1].upper()}{note[1:]}.") for note in notes),
    ]
    if done:
        blocks.append(
            line_chart("speed", "Finished tasks", [ChartLine("tasks", done)], (unit, "tasks"))
        )
    blocks.append(line_chart("tokens", "Tokens", tokens, (unit, "tokens")))
    if usd:
        dollars = [ChartLine("US dollars", tuple(zip(moments, usd, strict=True)))]
        blocks.append(line_chart("cost", "Cost", dollars, (unit, "US dollars")))
    return Section("Cost and speed", tuple(blocks))


def _dollars(answers: Sequence[ReplyUsage], pricing: Pricing) -> list[float]:
    """Return the total cost after each answer; empty if a price is not known."""
    costs = [
        pricing.usd({answer.purpose: TokenUsage(answer.prompt_tokens, answer.completion_tokens)})
        for answer in answers
    ]
    known = [cost for cost in costs if cost is not None]
    return [*accumulate(known)] if len(known) == len(costs) else []


def _unit(seconds: float) -> tuple[str, float]:
    """Return the unit in which to show a time, and its number of seconds."""
    if seconds < 180:
        return "seconds", 1.0
    return ("minutes", 60.0) if seconds < 3 * 3600 else ("hours", 3600.0)


def _table(
    answers: int,
    done: int,
    seconds: float,
    prompt: int,
    completion: int,
    usd: Sequence[float],
) -> Table:
    minutes = seconds / 60
    rows = [
        ("requests answered", f"{answers:,}"),
        ("tokens of prompts", f"{prompt:,}"),
        ("tokens of replies", f"{completion:,}"),
        ("minutes of work", f"{minutes:,.1f}"),
        ("finished tasks a minute", f"{done / minutes:,.1f}" if minutes >= 1 else ""),
        ("tokens for a finished task", f"{(prompt + completion) / done:,.0f}" if done else ""),
    ]
    if usd:
        rows.append(("US dollars", f"{usd[-1]:,.4f}"))
        rows.append(("US dollars for a finished task", f"{usd[-1] / done:,.4f}" if done else ""))
    return Table("What it took", ("", "this run"), tuple(rows))


def losses_section(training: Mapping[int, float], held_out: Mapping[int, float]) -> Section:
    """Return a chart of the losses, which are given by optimiser step, in order."""
    chart = loss_chart(training, held_out)
    if chart is None:
        return Section("Losses", (Paragraph("No step was taken yet."),))
    blocks: list[ReportBlock] = [chart]
    if measured := [(loss, step) for step, loss in held_out.items() if isfinite(loss)]:
        least, step = min(measured)
        text = f"The held-out loss is least after step {step:,}: {least:.3f}."
        blocks.insert(0, Paragraph(text))
    return Section("Losses", tuple(blocks), headlines=_learned(held_out))


def tuning_cost(run: TuneRun) -> Section | None:
    """Return what a tuning cost beside what its data cost; None where neither is known."""
    cost = cost_of(run)
    rows = []
    if cost.device_hours is not None:
        rows.append(("tuning", f"{cost.device_hours:,.3f}", "", _money(cost.usd)))
    rows += [(each.source, "", f"{each.tokens:,}", _money(each.usd)) for each in cost.data]
    if not rows:
        return None
    table = Table("Cost", ("of", "device hours", "tokens", "US dollars"), tuple(rows))
    text = (
        "Self-Instruct's data cost about $600, and tuning on it $338. Device hours are those of "
        "the steps that count and of held-out losses, over all processes."
    )
    return Section("What it cost", (table, Paragraph(text)))


def _money(usd: float | None) -> str:
    return "" if usd is None else f"{usd:,.2f}"


def _learned(held_out: Mapping[int, float]) -> tuple[Headline, ...]:
    """Say how the loss on held-out tasks fell, where it was measured more than once."""
    found = [(step, loss) for step, loss in held_out.items() if isfinite(loss)]
    if len(found) < 2:
        return ()
    (_, first), (last_step, last) = found[0], found[-1]
    least, step = min((loss, step) for step, loss in found)
    text = f"The loss on held-out tasks went from {first:.3f} to {last:.3f} in {last_step:,} steps"
    more = f", and was least after step {step:,} ({least:.3f})." if step != last_step else "."
    return (Headline("Did the model learn?", text + more),)


PAPER_ROWS = (
    ("the paper's training tasks", "756", "60", "66.2", "118.2", "6.0", "", "", ""),
    ("the paper's test tasks", "119", "12", "65.6", "91.6", "5.4", "", "", ""),
)
"""Table 1 of the paper, for ChatGPT. In section 4.1 the paper has 757 training tasks."""

HEAD = (
    "category",
    "tasks",
    "categories",
    "words of a definition",
    "words of an instruction",
    "steps",
    "with a fault",
    "without an instruction",
    "judged correct and complete",
)

EXAMPLES = 3
SHOWN = 10


def steps_sections(entries: Iterable[Entry[WrittenSteps]]) -> list[Section]:
    """Return all sections about a run of instructions; none if no task is done."""
    entries = tuple(entries)
    rows = statistics(entries)
    if not rows:
        return []
    good = [entry for entry in entries if entry.result.steps]
    found = [_sizes(rows), _lengths(good), _faults(rows, good), _failures(rows, entries)]
    return [*(section for section in found if section), *_shown(good)]


def _sizes(rows: Sequence[StepsStatistics]) -> Section:
    caption = "Step-by-step instructions by category (Table 1 of the paper)"
    cells = tuple(map(_row, rows))
    table = Table(caption, HEAD, (cells[0], *PAPER_ROWS, *cells[1:]))
    return Section("What was written", (table,), headlines=(_written(rows[0]),))


def _written(row: StepsStatistics) -> Headline:
    """Say for how many tasks there is an instruction, and what the checks found."""
    good = row.tasks - row.failures.total()
    text = f"{good:,} of {row.tasks:,} tasks have one"
    if row.words is not None and row.steps is not None:
        text += f", of {row.steps:.1f} steps and {row.words:.0f} words on average"
    if good:
        text += f"; the checks found a fault in {row.faulty:,}"
    if row.judged:
        text += f"; a judge called {row.correct:,} of {row.judged:,} correct"
    return Headline("Do the tasks have step-by-step instructions?", f"{text}.")


def _row(row: StepsStatistics) -> tuple[str, ...]:
    judged = f"{row.correct:,} and {row.complete:,} of {row.judged:,}" if row.judged else ""
    return (
        row.group,
        f"{row.tasks:,}",
        f"{row.categories:,}",
        f"{row.definition_words:.1f}",
        "" if row.words is None else f"{row.words:.1f}",
        "" if row.steps is None else f"{row.steps:.1f}",
        f"{row.faulty:,}",
        f"{row.failures.total():,}",
        judged,
    )


def _lengths(good: Sequence[Entry[WrittenSteps]]) -> Section | None:
    if not good:
        return None
    panels = {
        "Steps of an instruction": words_histogram([len(entry.result.steps) for entry in good]),
        "Words of an instruction": words_histogram(
            [sum(map(count_words, entry.result.steps)) for entry in good]
        ),
    }
    title = "Steps and words"
    return Section("Lengths", (histogram_chart("steps", title, panels, "steps or words", "tasks"),))


def _faults(rows: Sequence[StepsStatistics], good: Sequence[Entry[WrittenSteps]]) -> Section:
    everything = rows[0]
    names = [name for name, _ in everything.findings.most_common()]
    if not good:
        nothing = Paragraph("No instruction was written, so that there was nothing to check.")
        return Section("Failed checks", (nothing,))
    if not names:
        return Section("Failed checks", (Paragraph("The checks found no fault."),))
    table = Table(
        "Tasks with a fault, by category",
        ("category", "tasks", *names),
        tuple(
            (row.group, f"{row.tasks:,}", *(f"{row.findings[name]:,}" for name in names))
            for row in rows
        ),
    )
    blocks: list[ReportBlock] = [
        bar_chart("failed-checks", "Failed checks", everything.findings, ("check", "tasks")),
        table,
    ]
    blocks += [_faulty(name, everything.findings[name], good) for name in names]
    return Section("Failed checks", tuple(blocks))


def _faulty(name: str, count: int, good: Sequence[Entry[WrittenSteps]]) -> Specimens:
    found = [
        (entry, finding.detail)
        for entry in good
        for finding in entry.result.findings
        if finding.name == name
    ][:EXAMPLES]
    items = tuple(
        Specimen(
            entry.task,
            (Field("what was found", detail), Field("steps", render(entry.result.steps))),
        )
        for entry, detail in found
    )
    return Specimens(f"{name} ({len(items)} of {count:,})", items)


def _failures(
    rows: Sequence[StepsStatistics], entries: Sequence[Entry[WrittenSteps]]
) -> Section | None:
    counts = rows[0].failures
    if not counts:
        return None
    failed = sorted((entry for entry in entries if entry.result.failure), key=_reason)
    blocks: list[ReportBlock] = [
        bar_chart("failures", "Tasks without an instruction", counts, ("reason", "tasks"))
    ]
    for reason, group in groupby(failed, key=_reason):
        items = tuple(map(_failed, [*group][:EXAMPLES]))
        what = FAILURES.get(reason, "")
        blocks.append(Specimens(f"{reason}: {what} ({len(items)} of {counts[reason]:,})", items))
    return Section("Tasks without an instruction", tuple(blocks))


def _reason(entry: Entry[WrittenSteps]) -> str:
    return entry.result.failure


def _failed(entry: Entry[WrittenSteps]) -> Specimen:
    turns = entry.result.turns
    fields = [Field("definition", entry.definition)]
    if entry.result.detail:
        fields.append(Field("what went wrong", entry.result.detail))
    if turns and turns[-1].reply:
        fields.append(Field("last reply", turns[-1].reply))
    return Specimen(entry.task, tuple(fields))


def _shown(good: Sequence[Entry[WrittenSteps]]) -> list[Section]:
    items = tuple(
        Specimen(
            f"{entry.task} {entry.category}".strip(),
            (
                Field("definition", entry.definition, half=True),
                Field("step-by-step instruction", render(entry.result.steps), half=True),
            ),
        )
        for entry in thinned(good, SHOWN)
    )
    if not items:
        return []
    summary = f"{len(items)} of {len(good):,} instructions"
    return [Section("Some of the instructions", (Specimens(summary, items),))]


SHOWN_OUTPUTS = 10


def distilled(run: DistillRun) -> Section | None:
    """Return the counts, the lengths before and after, and some outputs; None without any."""
    done = list(run.entries())
    pairs = [
        (entry, instance, before)
        for entry in done
        for instance, before in zip(entry.result.instances, entry.result.before, strict=True)
    ]
    if not done:
        return None
    changed = sum(instance.output != before for _, instance, before in pairs)
    missing = Counter(each.reason for entry in done for each in entry.result.left_out)
    rows = [
        ("tasks", f"{len(done):,}"),
        ("new outputs", f"{len(pairs):,}"),
        ("other than before", f"{changed:,}"),
        *((f"left out: {LEFT_OUT[name]}", f"{count:,}") for name, count in missing.most_common()),
    ]
    blocks: list[ReportBlock] = [Table("Outputs written anew", ("", "number"), tuple(rows))]
    lengths = {
        "Before": [count_words(before) for _, _, before in pairs],
        "Written anew": [count_words(instance.output) for _, instance, _ in pairs],
    }
    if pairs:
        panels = {name: words_histogram(values) for name, values in lengths.items()}
        blocks.append(
            histogram_chart(
                "outputs", "Words of outputs before and after", panels, "words", "texts"
            )
        )
        shown = tuple(
            Specimen(
                f"{entry.task} {instance.id}",
                (
                    Field("instruction", entry.definition),
                    *([Field("input", instance.input)] if instance.input else ()),
                    Field("before", before, half=True),
                    Field("written anew", instance.output, half=True),
                ),
            )
            for entry, instance, before in thinned(pairs, SHOWN_OUTPUTS)
        )
        blocks.append(Specimens(f"{len(shown)} of {len(pairs):,} outputs", shown))
    found = (
        f"{len(pairs):,} outputs were written anew, {changed:,} of them other than before; "
        f"{missing.total():,} instances are left out."
    )
    headline = Headline("What did the other model write?", found)
    return Section("Outputs written anew", tuple(blocks), headlines=(headline,))
