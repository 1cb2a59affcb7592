"""The verbs of English instructions and their objects, found and drawn (Self-Instruct, Figure 3).

Many instructions are parsed in several processes: `python -m seedstep.report.parsing` is one of
these. It reads a text in JSON on each line of its input, and writes the verb and the noun, or null,
on a line of its output.

Example::

    found = structure(["Write a poem about rivers."])
    top_verbs(found)[0].nouns  # (("poem", 1),)
    ring_chart("structure", "Verbs", top_verbs(found))
"""

import json
import os
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from math import cos, pi, sin
from threading import Thread
from typing import IO, Any

from seedstep.errors import MissingExtraError
from seedstep.report.records import Chart, Table
from seedstep.report.style import LIGHT, NARROW_ROW, SERIES, is_narrow, label, name_rows

__all__ = [
    "TellDone",
    "Verb",
    "VerbNoun",
    "parsed_pairs",
    "ring_chart",
    "structure",
    "top_verbs",
    "verb_and_noun",
]

EVERY = 0.5
"""How many seconds pass before the number of parsed texts is told again."""


LONGEST = 2000
"""The most characters of an instruction that are parsed; filters allow 150 words."""

MANY = 5_000
"""From how many instructions on several processes parse them."""

MOST_PROCESSES = 4
"""How many processes parse, at the most."""

INSTALL = "python -m spacy download en_core_web_sm"

UNUSED = ("ner", "entity_linker", "textcat", "textcat_multilabel")
"""Components of spaCy's pipeline that are not needed for parsing and lemmas."""

OBJECTS = frozenset({"dobj", "obj"})
NOUNS = frozenset({"NOUN", "PROPN"})

VerbNoun = tuple[str, str]
"""A verb and its noun."""

TellDone = Callable[[int], None]
"""Called with the number of instructions that are parsed."""


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb, how often it has an object, and its most common objects."""

    verb: str
    count: int
    nouns: tuple[tuple[str, int], ...]


def structure(instructions: Sequence[str], tell: TellDone = lambda done: None) -> Counter[VerbNoun]:
    """Count the verb-noun pairs of some English instructions; many are parsed in processes.

    Raises:
        MissingExtraError: spaCy, or a model of English for it, is not installed.
    """
    _model()
    found = None
    processes = min(MOST_PROCESSES, os.cpu_count() or 1)
    if len(instructions) >= MANY and processes > 1:
        found = _pairs_in_processes(instructions, processes, tell)
    if found is None:
        found = []
        for done, pair in enumerate(parsed_pairs(instructions), start=1):
            found.append(pair)
            tell(done)
    return Counter(pair for pair in found if pair)


def parsed_pairs(texts: Iterable[str]) -> Iterator[VerbNoun | None]:
    """Yield the verb and the noun of each text, or None.

    Raises:
        MissingExtraError: spaCy, or a model of English for it, is not installed.
    """
    pipeline, lemma_of = _pipeline()
    parsed = pipeline.pipe((text[:LONGEST] for text in texts), batch_size=1000)
    yield from (verb_and_noun(text, lemma_of) for text in parsed)


def top_verbs(pairs: Counter[VerbNoun], verbs: int = 20, nouns: int = 4) -> tuple[Verb, ...]:
    """Return the most common verbs with their most common objects (Figure 3: 20, and 4 of each)."""
    by_verb: dict[str, Counter[str]] = {}
    for (verb, noun), count in sorted(pairs.items()):
        by_verb.setdefault(verb, Counter())[noun] += count
    rows = [
        Verb(verb, objects.total(), tuple(objects.most_common(nouns)))
        for verb, objects in by_verb.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.count, row.verb))[:verbs])


def _model() -> str:
    try:
        import spacy
    except ImportError:
        raise MissingExtraError("the structure of instructions", INSTALL, extra="report") from None
    names = sorted(name for name in spacy.util.get_installed_models() if name.startswith("en_"))
    if not names:
        raise MissingExtraError("the structure of instructions", INSTALL, extra="report")
    return names[0]


LemmaOf = Callable[[Any], str]
"""Returns the lemma of a token of spaCy's."""


def _kept_lemma(token: Any) -> str:
    return str(token.lemma_)


@cache
def _pipeline() -> tuple[Any, LemmaOf]:
    """Return a pipeline of spaCy, and how to find a lemma.

    A lemmatizer by rules finds one token's lemma; only two of a text are needed, and those of all
    would take a sixth of the time.
    """
    import spacy
    from spacy.pipeline import Lemmatizer

    pipeline = spacy.load(_model(), exclude=UNUSED)
    lemmatizer = dict(pipeline.pipeline).get("lemmatizer")
    if not isinstance(lemmatizer, Lemmatizer):
        return pipeline, _kept_lemma
    pipeline.disable_pipe("lemmatizer")

    def lemma_of(token: Any) -> str:
        is_kept = token.lemma and not lemmatizer.overwrite  # other components may set some
        return _kept_lemma(token) if is_kept else lemmatizer.lemmatize(token)[0]

    return pipeline, lemma_of


def verb_and_noun(parsed: Any, lemma_of: LemmaOf = _kept_lemma) -> VerbNoun | None:
    """Return the verb nearest to the root of a spaCy `Doc`, and its first object, as lemmas.

    The first sentence with a verb is used. Returns None if there is no verb or no object.
    """
    for sentence in parsed.sents:
        waiting = deque([sentence.root])
        while waiting:
            token = waiting.popleft()
            if token.pos_ == "VERB":
                return _with_object(token, lemma_of)
            waiting.extend(token.children)
    return None


def _with_object(verb: Any, lemma_of: LemmaOf) -> VerbNoun | None:
    for child in verb.children:
        if child.dep_ in OBJECTS and child.pos_ in NOUNS:
            return lemma_of(verb).lower(), lemma_of(child).lower()
    return None


def _pairs_in_processes(
    texts: Sequence[str], processes: int, tell: TellDone
) -> list[VerbNoun | None] | None:
    """Return the pair of each text, in any order; None where such processes can't work here.

    `tell` is called with the number of texts that are done.
    """
    done = [0] * processes
    started: list[subprocess.Popen[str]] = []

    def work(place: int) -> list[VerbNoun | None]:
        process = subprocess.Popen(  # noqa: S603 - this module, by this interpreter
            [sys.executable, "-P", "-m", __name__],  # -P: no code from the working directory
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )
        started.append(process)
        assert process.stdin
        assert process.stdout
        feeder = Thread(target=_feed, args=(process.stdin, texts[place::processes]), daemon=True)
        feeder.start()
        found: list[VerbNoun | None] = []
        with process.stdout as lines:
            for line in lines:
                pair = json.loads(line)
                found.append((pair[0], pair[1]) if pair else None)
                done[place] = len(found)
        if process.wait() or len(found) < len(texts[place::processes]):
            raise OSError("a process that parses has ended early")
        return found

    with ThreadPoolExecutor(processes) as threads:
        shares = [threads.submit(work, place) for place in range(processes)]
        try:
            for _ in _until_done(shares):
                tell(sum(done))
            return [pair for share in shares for pair in share.result()]
        except (OSError, ValueError):
            return None
        finally:
            for process in started:
                process.kill()


def _until_done(shares: Sequence[Future[list[VerbNoun | None]]]) -> Iterator[None]:
    while wait(shares, timeout=EVERY).not_done:
        yield
    yield


def _feed(to: IO[str], texts: Sequence[str]) -> None:
    try:
        with to:
            for text in texts:
                to.write(json.dumps(text) + "\n")
    except OSError:  # the process has ended, which its output tells
        return


RINGS_SIZE = (6.4, 6.4)
INNER, MIDDLE, OUTER = 0.22, 0.62, 1.0
"""The radii of the ring chart: of the hole, of the inner ring, of the outer ring."""

LEAST_ANGLE = 0.05
"""The smallest angle, in radians, of a segment with a label: below it labels would overlap."""


def ring_chart(name: str, title: str, verbs: Sequence[Verb]) -> Chart:
    """Return a chart of verbs (inner ring) and their objects (outer ring).

    There is at least one verb. The segment of a verb is as wide as the segments of its objects; the
    table has all numbers. A narrow chart has bars in place of the rings.
    """

    def draw(figure: Any) -> None:
        if is_narrow(figure):
            _verb_bars(figure.subplots(), verbs)
            return
        axes = figure.subplots(subplot_kw={"aspect": "equal"})
        axes.set_axis_off()
        axes.set_xlim(-OUTER, OUTER)
        axes.set_ylim(-OUTER, OUTER)
        total = sum(count for verb in verbs for _, count in verb.nouns)
        angle = pi / 2
        for place, verb in enumerate(verbs):
            colour = SERIES[place % len(SERIES)]
            begin = angle
            for noun, count in verb.nouns:
                end = angle - 2 * pi * count / total
                _segment(axes, (MIDDLE, OUTER), (angle, end), noun, colour, 0.18)
                angle = end
            _segment(axes, (INNER, MIDDLE), (begin, angle), verb.verb, colour, 0.42)

    first = verbs[0]
    alt = (
        f"{len(verbs)} verbs with their most common objects. The most common verb is "
        f"{label(first.verb)}, with {label(first.nouns[0][0])} most often."
    )
    rows = tuple(
        (verb.verb, ", ".join(f"{noun} {n:,}" for noun, n in verb.nouns), f"{verb.count:,}")
        for verb in verbs
    )
    table = Table(title, ("verb", "most common objects", "instructions"), rows, names=2)
    narrow = 0.4 + NARROW_ROW * len(verbs)
    return Chart(name, title, alt, RINGS_SIZE, draw, table, narrow)


def _verb_bars(axes: Any, verbs: Sequence[Verb]) -> None:
    """Draw a bar for each verb, divided into its objects, which are named beside it."""
    for place, verb in enumerate(verbs):
        start = 0
        for _, count in verb.nouns:
            axes.barh(
                place,
                count,
                left=start,
                height=0.4,
                color=SERIES[place % len(SERIES)],
                edgecolor=LIGHT["surface"],
            )
            start += count
    objects = [label(", ".join(noun for noun, _ in verb.nouns), OBJECTS_WIDTH) for verb in verbs]
    name_rows(axes, [verb.verb for verb in verbs], objects)
    axes.set_xlabel("instructions")
    axes.xaxis.get_major_locator().set_params(integer=True, nbins=5)


OBJECTS_WIDTH = 36
"""The most characters of the objects of a verb in a narrow chart."""


def _segment(
    axes: Any,
    radii: tuple[float, float],
    angles: tuple[float, float],
    text: str,
    colour: str,
    alpha: float,
) -> None:
    """Draw a segment of a ring, clockwise between two angles, with its text along the radius."""
    from matplotlib.patches import Wedge

    inner, outer = radii
    begin, end = angles
    degrees = (180 * end / pi, 180 * begin / pi)
    place = ((0, 0), outer, *degrees)
    axes.add_patch(Wedge(*place, width=outer - inner, color=colour, alpha=alpha, linewidth=0))
    axes.add_patch(
        Wedge(*place, width=outer - inner, fill=False, edgecolor=LIGHT["surface"], linewidth=1)
    )
    if begin - end < LEAST_ANGLE:
        return
    middle, radius = (begin + end) / 2, (inner + outer) / 2
    turned = 180 * middle / pi % 360
    axes.text(
        radius * cos(middle),
        radius * sin(middle),
        label(text)[:14],
        rotation=turned + 180 if 90 < turned < 270 else turned,
        rotation_mode="anchor",
        ha="center",
        va="center",
        fontsize=8,
    )


def _main() -> None:
    """Parse the texts on the standard input."""
    for pair in parsed_pairs(json.loads(line) for line in sys.stdin):
        sys.stdout.write(json.dumps(pair) + "\n")


if __name__ == "__main__":
    _main()
