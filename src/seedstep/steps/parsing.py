"""Read steps from a model's reply, write them as a text, and compare two versions of them.

The instruction is the last reply of a conversation (section 3.2), in the form that Tables 9 to 12
show: `1. Read the text. 2. ...`. Models number their steps in many ways, talk before and after, and
write things that are no instruction. `parse` takes any text of any size, in linear time.

- A step is a text of one or more lines. Those after the first are its sub-steps or details.
- `render` writes each step on a line, numbered from 1. Further lines of a step are indented by
  three spaces.
- Steps are *canonical* if `canonical` returns them unchanged. `parse` returns no others, and
  `parse(render(steps)).steps == steps` for all canonical steps.
- If a reply holds a first and a refined version of the instruction, the last version counts.

Example::

    >>> parse("Sure!\\n\\n1) Read the text.\\n2) Output its topic.\\n\\nLet me know!").steps
    ('Read the text.', 'Output its topic.')

Example::

    >>> [(run.kind, run.text) for run in differences("Name it.", "Name it now.")]
    [('same', 'Name it'), ('added', ' now'), ('same', '.')]
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import Literal

from rapidfuzz.distance import LCSseq

from seedstep.steps.layout import (
    ReplyLine,
    StepList,
    clean_title,
    find_list,
    inline_parts,
    is_item,
    read_lines,
    split_versions,
)
from seedstep.text import answer, mentions_refusal, plain_text, single_spaced, without_marks
from seedstep.text.closings import closing_sentence, ends_list

__all__ = [
    "REASONS",
    "ChangeKind",
    "ParsedSteps",
    "TextRun",
    "canonical",
    "differences",
    "parse",
    "render",
]


REASONS = MappingProxyType(
    {
        "empty": "the reply is empty",
        "json": "the reply is JSON",
        "refusal": "the reply is a refusal or an apology",
        "prose": "the reply has no list of steps",
        "single_step": "there is just one step",
        "questions": "the list is one of questions",
        "examples": "the list is one of examples",
        "headings": "the list is one of headings",
        "cut": "the reply ends inside a step",
    }
)
"""Why a reply is no step-by-step instruction."""

INDENT = " " * 3

_JSON = re.compile(r"\s*(?:\{\s*[\"}]|\[\s*[\"{\[\]])")
_OWN_NUMBER = re.compile(r"(?:\[[ xX✓✔]?\] )?(?P<n>\d{1,3})[.)] (?=[^\W\d_])")
_LAST_WORDS = 200
_ENDS = {"questions": ("?", "？"), "headings": (":", "：")}
_INPUT = re.compile(r"\b(?:input|question|sentence|text|passage)(?: \d+)?:", re.IGNORECASE)
_OUTPUT = re.compile(r"\b(?:output|answer|label)(?: \d+)?:", re.IGNORECASE)
_ANNOUNCES_EXAMPLES = re.compile(
    r"(?:here|following|below)\b(?!.*\b(?:without|no|not|any|instructions?|steps?)\b)"
    r".*\bexamples\b.*[:：]$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ParsedSteps:
    """The content of a reply.

    `reason` is empty if the steps are a step-by-step instruction, otherwise it is one of `REASONS`,
    and there may be steps nevertheless. Other text is kept for people: the `preamble` is before the
    steps (such as an earlier version of them), the rest between and after them.
    """

    steps: tuple[str, ...]
    reason: str = ""
    preamble: str = ""
    between: str = ""
    epilogue: str = ""


def parse(reply: str, *, cut: bool = False) -> ParsedSteps:
    """Return the steps of a reply, or of a text that `render` wrote.

    If the reply was `cut` at its length limit, its last step is unfinished and left out. Then an
    earlier version of the instruction counts, if there is one; else the reason is "cut".
    """
    text = answer(reply).removeprefix("\ufeff")
    if _JSON.match(text):
        return ParsedSteps((), "json", preamble=text.strip())
    versions = split_versions(read_lines(text))
    lists = [find_list(version) for version in versions]
    cut = cut and lists[-1] is not None and not lists[-1].after
    chosen = _choose(lists, cut=cut)
    found = lists[chosen]
    if found is None:
        return ParsedSteps((), _no_list(text), preamble=text.strip())
    cut = cut and chosen == len(lists) - 1
    steps = [_step(segment, found.base) for segment in found.segments]
    before = [line for version in versions[:chosen] for line in version]
    after = [line for version in versions[chosen + 1 :] for line in version]
    preamble = _joined([*before, *found.before])
    rest = [*(found.segments[-1] if cut else ()), *found.after, *after]
    talk = [] if cut else _take_talk(steps)
    kept = canonical(steps[:-1] if cut else steps)
    reason = _reason(kept, preamble, cut=cut)
    epilogue = "\n".join(filter(None, (*talk, _joined(rest))))
    return ParsedSteps(kept, reason, preamble, _joined(found.between), epilogue)


def _choose(lists: Sequence[StepList | None], *, cut: bool) -> int:
    """Return the index of the last version that is whole, or else of the last that is a list."""
    several = [at for at, version in enumerate(lists) if version and len(version.segments) > 1]
    whole = [at for at in several if not (cut and at == len(lists) - 1)]
    some = [at for at, version in enumerate(lists) if version]
    return (whole or several or some or [0])[-1]


def _no_list(text: str) -> str:
    if not text.strip():
        return "empty"
    return "refusal" if mentions_refusal(text) else "prose"


def _reason(steps: Sequence[str], preamble: str, *, cut: bool) -> str:
    if cut:
        return "cut"
    if not steps:
        return "prose"
    examples = sum(bool(_INPUT.search(step) and _OUTPUT.search(step)) for step in steps)
    last_words = preamble.rpartition("\n")[2][-_LAST_WORDS:]
    if 2 * examples > len(steps) or _ANNOUNCES_EXAMPLES.search(last_words):
        return "examples"
    for reason, ends in _ENDS.items():
        if 2 * sum(step.endswith(ends) for step in steps) > len(steps):
            return reason
    return "single_step" if len(steps) == 1 else ""


def _joined(lines: Iterable[ReplyLine]) -> str:
    return "\n".join(line.text for line in lines).strip()


def _step(segment: Sequence[ReplyLine], base: int) -> str:
    """Return the text of a step. A line broken in mid-sentence without indentation is joined."""
    texts = [segment[0].marker.text if segment[0].marker else ""]
    for line in segment[1:]:
        broken = line.indent <= base and line.text[:1].islower() and not is_item(line.text)
        if broken and texts[-1]:
            texts[-1] += f" {line.text}"
        else:
            texts.append(line.text)
    return "\n".join(texts)


def canonical(steps: Iterable[str]) -> tuple[str, ...]:
    """Return the steps in the simplest form, as `parse` returns them.

    White space is collapsed. Blank lines, control characters, surrogates, marks of thoughts and
    empty steps are left out, and at the start of a step a label such as `Step 2:` and signs of bold
    type. A single step that holds a numbered list in one line becomes the steps of that list.
    """
    cleaned = [text for step in steps if (text := _canonical_step(step))]
    cleaned = _without_numbers(cleaned)
    _take_talk(cleaned)
    if len(cleaned) == 1:
        first, break_, rest = cleaned[0].partition("\n")
        parts = inline_parts(first, "dot", 2)
        if len(parts) > 1 and parts[0]:
            parts[-1] += break_ + rest
            return tuple(parts)
    return tuple(cleaned)


def _take_talk(steps: list[str]) -> list[str]:
    """Remove from the end of steps what speaks to who asked, and return it."""
    taken: list[str] = []
    while steps:
        if ends_list(steps):
            taken.append(steps.pop())
        elif talk := closing_sentence(steps[-1].rpartition("\n")[2]):
            steps[-1] = steps[-1].removesuffix(talk).rstrip()
            taken.append(talk)
        else:
            break
    return [single_spaced(talk) for talk in reversed(taken)]


def _without_numbers(steps: list[str]) -> list[str]:
    """Return the steps of a list of bullets without the numbers that stand behind these."""
    while len(steps) > 1:
        found = [_OWN_NUMBER.match(step) for step in steps]
        if [each and int(each["n"]) for each in found] != [*range(1, len(steps) + 1)]:
            break
        ends = [each.end() for each in found if each]
        steps = [clean_title(step[end:]) for step, end in zip(steps, ends, strict=True)]
    return steps


def _canonical_step(step: str) -> str:
    text = without_marks(plain_text(step))
    lines = [line for raw in text.split("\n") if (line := single_spaced(raw))]
    for index, line in enumerate(lines):
        if title := clean_title(line):
            return "\n".join([title, *lines[index + 1 :]])
    return ""


def render(steps: Iterable[str]) -> str:
    """Return the steps, made canonical, as a numbered list in the form of the paper.

    Example::

        >>> render(["Read the text.", "Output its topic."])
        '1. Read the text.\\n2. Output its topic.'
    """
    return "\n".join(
        f"{number}. {step}".replace("\n", f"\n{INDENT}")
        for number, step in enumerate(canonical(steps), start=1)
    )


ChangeKind = Literal["same", "removed", "added"]

MAX_TOKENS = 10_000
"""The most tokens of a text that is compared in parts. Tokens are words, marks, white space."""

ISLAND = 3
"""The fewest equal words and marks between two changes that are shown as equal."""

_TOKEN = re.compile(r"\w+|[^\w\s]|\s+")


@dataclass(frozen=True, slots=True)
class TextRun:
    """A stretch of text that stands in both texts, in the earlier only, or in the later only."""

    kind: ChangeKind
    text: str


def differences(earlier: str, later: str) -> list[TextRun]:
    """Return the runs that lead from one text to the other, what was removed before what was added.

    The runs that are the same or removed make up the earlier text to the last character; those that
    are the same or added make up the later text.
    """
    earlier_tokens, later_tokens = _TOKEN.findall(earlier), _TOKEN.findall(later)
    if earlier_tokens == later_tokens:
        return [TextRun("same", earlier)] if earlier else []
    if max(len(earlier_tokens), len(later_tokens)) > MAX_TOKENS:
        blocks = [(False, earlier, later)]
    else:
        blocks = list(_blocks(earlier_tokens, later_tokens))
    return [run for block in blocks for run in _runs(*block)]


def _blocks(earlier: Sequence[str], later: Sequence[str]) -> Iterator[tuple[bool, str, str]]:
    """Yield stretches as (whether they are the same, earlier text, later text)."""
    codes = LCSseq.opcodes(earlier, later)
    ends = (codes[0], codes[-1])
    found = []
    for code in codes:
        words = earlier[code.src_start : code.src_end]
        large = code in ends or sum(not word.isspace() for word in words) >= ISLAND
        found.append((code.tag == "equal" and large, words, later[code.dest_start : code.dest_end]))
    for same, group in groupby(found, key=lambda block: block[0]):
        together = list(group)
        yield same, _text(words for _, words, _ in together), _text(new for _, _, new in together)


def _text(stretches: Iterable[Sequence[str]]) -> str:
    return "".join(word for stretch in stretches for word in stretch)


def _runs(same: bool, earlier: str, later: str) -> Iterator[TextRun]:
    if same:
        yield TextRun("same", earlier)
        return
    if earlier:
        yield TextRun("removed", earlier)
    if later:
        yield TextRun("added", later)
