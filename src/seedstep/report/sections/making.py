"""What a run cost, and how fast it was (Self-Instruct, appendix A.3, has the paper's costs).

Example::

    spending_section(run.answered(), run.finished_at(), UNPRICED)
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import isfinite

from seedstep.llm import Pricing, Tokens
from seedstep.report.charts import ChartLine, line_chart
from seedstep.report.figures import loss_chart
from seedstep.report.records import Block, Paragraph, Section, Table
from seedstep.report.statistics import PAUSE_SECONDS, elapsed
from seedstep.runs import ReplyUsage

__all__ = [
    "losses_section",
    "spending_section",
]


def spending_section(
    answers: Sequence[ReplyUsage],
    finished: Sequence[float],
    pricing: Pricing,
    notes: Sequence[str] = (),
) -> Section | None:
    """Tasks, tokens and dollars over the time in which somebody worked on the run.

    `finished` is when each task was done (Unix time). `notes` are told of the replies, such as
    parameters that the server did not take.
    """
    if not answers:
        return None
    times = sorted([*(one.at for one in answers), *finished])
    at = dict(zip(times, elapsed(times), strict=True))
    unit, scale = _unit(max(at.values()))
    prompt = [*accumulate(one.prompt_tokens for one in answers)]
    completion = [*accumulate(one.completion_tokens for one in answers)]
    usd = _dollars(answers, pricing)
    moments = [at[one.at] / scale for one in answers]
    done = tuple((at[one] / scale, float(n)) for n, one in enumerate(finished, start=1))
    tokens = (
        ChartLine("prompts", tuple(zip(moments, map(float, prompt), strict=True))),
        ChartLine("replies", tuple(zip(moments, map(float, completion), strict=True))),
    )
    blocks: list[Block] = [
        _table(len(answers), len(done), max(at.values()), prompt[-1], completion[-1], usd),
        Paragraph(
            f"Times are without pauses: gaps of more than {PAUSE_SECONDS / 60:.0f} minutes between "
            "two answers are left out."
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
    """What all answers up to each one cost; empty where a price is not known."""
    costs = [
        pricing.usd({answer.purpose: Tokens(answer.prompt_tokens, answer.completion_tokens)})
        for answer in answers
    ]
    known = [cost for cost in costs if cost is not None]
    return [*accumulate(known)] if len(known) == len(costs) else []


def _unit(seconds: float) -> tuple[str, float]:
    """In what to tell a time, and how many seconds that is."""
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
        ("minutes from the first answer to the last", f"{minutes:,.1f}"),
        ("finished tasks a minute", f"{done / minutes:,.1f}" if minutes >= 1 else ""),
        ("tokens for a finished task", f"{(prompt + completion) / done:,.0f}" if done else ""),
    ]
    if usd:
        rows.append(("US dollars", f"{usd[-1]:,.4f}"))
        rows.append(("US dollars for a finished task", f"{usd[-1] / done:,.4f}" if done else ""))
    return Table("What it took", ("", "this run"), tuple(rows))


def losses_section(training: Mapping[int, float], held_out: Mapping[int, float]) -> Section:
    """How the losses fell; each is by optimiser step, in their order."""
    chart = loss_chart(training, held_out)
    if chart is None:
        return Section("Losses", (Paragraph("No step was taken yet."),))
    blocks: list[Block] = [chart]
    if measured := [(loss, step) for step, loss in held_out.items() if isfinite(loss)]:
        least, step = min(measured)
        text = f"The held-out loss is least after step {step:,}: {least:.3f}."
        blocks.insert(0, Paragraph(text))
    return Section("Losses", tuple(blocks))
