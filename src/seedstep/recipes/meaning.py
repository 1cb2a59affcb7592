"""Compare texts outside of runs by meaning: those of a file, and labelled pairs.

Embeddings are not kept: a file that is filtered again is embedded again.

Example::

    measured = calibrate(Semantic("minilm"))
    print([(row.threshold, row.precision, row.recall) for row in measured.groups["all"]])
"""

from collections.abc import Callable, Sequence, Set
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from seedstep.data.records import Tabulated
from seedstep.errors import InputError, ModelError
from seedstep.llm import Answer, Failure, Ledger, Request, resolve_base_url
from seedstep.llm.checkpoints import encoders, is_served_encoder, require_encoder
from seedstep.llm.embeddings import Embedding, kept_embeddings, open_encoder
from seedstep.novelty import (
    MEANING_THRESHOLD,
    Decisions,
    MeaningContamination,
    NamedText,
    Overlap,
    Vector,
    decide_by_meaning,
    unit_rows,
)
from seedstep.novelty.calibration import (
    LabelledPair,
    ThresholdAccuracy,
    accuracies,
    labelled_pairs,
)
from seedstep.novelty.meaning import cosines
from seedstep.recipes.tasks import finish, in_thread

__all__ = [
    "Calibration",
    "MeaningDecisions",
    "Semantic",
    "calibrate",
    "calibrate_async",
    "decide_texts",
]

AT_ONCE = 1024
"""How many texts are embedded between two calls that tell how far it is."""

Tell = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class Semantic:
    """How texts are compared by meaning: the encoder, the threshold, and the server's address."""

    encoder: str
    threshold: float = MEANING_THRESHOLD
    base_url: str | None = None
    in_flight: int = 8

    def check(self) -> None:
        """Check that texts can be compared so.

        Raises:
            InputError: there is no such encoder, the threshold is no cosine, or an address is given
                to an encoder without a server.
        """
        require_encoder(self.encoder, "--semantic")
        if not 0 < self.threshold <= 1:
            what = f"--semantic-threshold {self.threshold}: is a cosine"
            raise InputError(what, "use more than 0, at most 1")
        if self.base_url is not None and not is_served_encoder(self.encoder):
            what = "--semantic-base-url: no server makes the embeddings"
            remedy = f"leave it out, or use --semantic {encoders(served=True)}"
            raise InputError(what, remedy)


@dataclass(frozen=True, slots=True)
class MeaningDecisions:
    """Decisions about n texts: the item that each is too close to, and `Decisions` in order.

    `failures` has the detail for each text that could not be embedded, by its number; it is not
    kept. Texts that are too close to an item are no neighbours of others.
    """

    overlaps: Sequence[Overlap | None]
    decisions: Decisions
    failures: dict[int, str]


def decide_texts(
    how: Semantic,
    texts: Sequence[str],
    items: Sequence[NamedText],
    tell: Tell = lambda *_: None,
    vectors: Vector | None = None,
) -> MeaningDecisions:
    """Decide which texts are novel by meaning, and close to none of `items`.

    `vectors` are the embeddings of the texts and then of the items, if these are known.

    Raises:
        InputError: there is no such encoder.
        MissingExtraError: the package of `minilm`, or transformers, is not installed.
        ModelError: the encoder can't be loaded or asked, or an item can't be embedded.
    """
    failures: dict[int, str] = {}
    if vectors is None:
        how.check()
        items = [(name, text) for name, text in items if text.strip()]
        vectors, failures = embed_texts(how, [*texts, *(text for _, text in items)], tell)
    for place, detail in failures.items():
        if place >= len(texts):
            what = f"'{items[place - len(texts)][0]}' can't be embedded: {detail}"
            raise ModelError(what, "use an encoder that takes longer texts, such as minilm")
    ours = vectors[: len(texts)]
    overlaps: Sequence[Overlap | None] = [None] * len(texts)
    if items and texts:
        contamination = MeaningContamination(items, vectors[len(texts) :], how.threshold)
        overlaps = contamination.overlaps(ours)
    left = np.array(
        [place for place in range(len(texts)) if not overlaps[place] and place not in failures],
        np.int64,
    )

    def told(done: int) -> None:
        tell("deciding by meaning", done, len(left))

    found = decide_by_meaning(ours[left], how.threshold, told)
    kept, numbers = np.zeros(len(texts), np.bool_), np.full(len(texts), -1, np.int64)
    scores = np.zeros(len(texts))
    kept[left], scores[left] = found.kept, found.nearest.scores
    numbers[left] = np.append(left, -1)[found.nearest.numbers]  # -1 stays -1
    return MeaningDecisions(
        overlaps, Decisions(kept, type(found.nearest)(numbers, scores)), failures
    )


def stored_vectors(
    how: Semantic, texts: Sequence[str], stored: Sequence[tuple[str | None, Ledger]]
) -> Vector:
    """Return the embeddings of texts, as rows of length 1, which ledgers have.

    `stored` has the ledgers, each with the address under which embeddings are stored in it. A text
    that is in none of them is embedded now, under the first address.

    Raises:
        MissingExtraError: the package of `minilm` is not installed.
        ModelError: the encoder can't be loaded or asked, a text can't be embedded, or embeddings
            are not of one width.
    """

    async def work() -> dict[str, Embedding]:
        found: dict[str, Embedding] = {}
        for address in dict.fromkeys(address for address, _ in stored):
            ledger = _Several([kept for known, kept in stored if known == address])
            wanted = [text for text in texts if text not in found]
            found |= await kept_embeddings(how.encoder, wanted, ledger, address)
        if left := [text for text in dict.fromkeys(texts) if text not in found]:
            (first, _), *_ = stored
            async with open_encoder(
                how.encoder, how.base_url, _Several(), how.in_flight, identity_url=first
            ) as encoder:
                found |= zip(left, await encoder.embed(left, alone=True), strict=True)
        return found

    found = finish(work())
    rows = []
    for text in texts:
        if isinstance(row := found[text], Failure):
            what = f"'{text[:80]}' can't be embedded: {row.detail}"
            raise ModelError(what, "merge with the server of the shards")
        rows.append(row)
    if not rows:
        return np.empty((0, 1), np.float32)
    if len(widths := {len(row) for row in rows}) > 1:
        what = f"the shards have embeddings of {' and of '.join(map(str, sorted(widths)))} numbers"
        raise ModelError(f"{what}: they are of several models", "merge shards of one encoder")
    return unit_rows(np.array(rows, np.float32))


def embed_texts(how: Semantic, texts: Sequence[str], tell: Tell) -> tuple[Vector, dict[int, str]]:
    """Return the embeddings of texts, and why some have none, whose rows are zeros.

    Raises:
        ModelError: the encoder can't be loaded or asked, or embeds no text at all.
    """
    served = is_served_encoder(how.encoder)
    address = resolve_base_url(how.encoder, how.base_url) if served else None
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))

    async def work() -> dict[int, Embedding]:
        found: dict[int, Embedding] = {}
        url = address if isinstance(address, str) else None
        async with open_encoder(how.encoder, url, _Several(), how.in_flight) as encoder:
            for start in range(0, len(order), AT_ONCE):
                tell("embedding", start, len(order))
                places = order[start : start + AT_ONCE]
                made = await encoder.embed([texts[place] for place in places])
                found.update(zip(places, made, strict=True))
        return found

    found = finish(work())
    failures = {place: each.detail for place, each in found.items() if isinstance(each, Failure)}
    good = next((each for each in found.values() if not isinstance(each, Failure)), None)
    if good is None and texts:
        what = f"{how.encoder} embeds none of the texts: {next(iter(failures.values()))}"
        raise ModelError(what, "use another encoder")
    width = 0 if good is None else len(good)
    rows: Vector = np.zeros((len(texts), width), np.float32)
    for place, each in found.items():
        if not isinstance(each, Failure):
            rows[place] = each
    return unit_rows(rows), failures


@dataclass(frozen=True, slots=True)
class _Several:
    """Ledgers that are only read, one after the other; without any, nothing is kept."""

    ledgers: Sequence[Ledger] = ()
    passed_over: Set[str] = frozenset()

    def get(self, key: str) -> Answer | None:
        """Return the first answer that is stored under a key, or None."""
        found = (ledger.get(key) for ledger in self.ledgers)
        return next((answer for answer in found if answer is not None), None)

    async def put(self, key: str, request: Request, answer: Answer) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Calibration(Tabulated):
    """Precision and recall by threshold, for groups of pairs by their names.

    `scores` has the cosine of each of `pairs`. The group `novel` are the pairs that ROUGE-L keeps:
    those that meaning decides about.
    """

    pairs: tuple[LabelledPair, ...]
    scores: tuple[float, ...]
    groups: dict[str, tuple[ThresholdAccuracy, ...]]

    def to_records(self) -> list[dict[str, Any]]:
        """Return plain rows: precision and recall of each group at each threshold, and counts."""
        return [
            {"group": group, "threshold": found.threshold}
            | asdict(found)
            | {"precision": found.precision, "recall": found.recall}
            for group, thresholds in self.groups.items()
            for found in thresholds
        ]


def calibrate(
    how: Semantic,
    pairs: Sequence[LabelledPair] = (),
    *,
    rouge_threshold: float = 0.7,
    tell: Tell = lambda stage, done, total: None,
) -> Calibration:
    """Measure an encoder on labelled pairs, by default those of this project.

    Raises:
        InputError: there is no such encoder.
        MissingExtraError: the package of `minilm`, or transformers, is not installed.
        ModelError: the encoder can't be loaded or asked, or a text can't be embedded.
    """
    how.check()
    pairs = tuple(pairs) or labelled_pairs()
    texts = [text for pair in pairs for text in (pair.first, pair.second)]
    vectors, failures = embed_texts(how, texts, tell)
    for place, detail in failures.items():
        raise ModelError(f"'{texts[place][:80]}' can't be embedded: {detail}", "leave the pair out")
    scores = tuple(cosines(vectors[0::2], vectors[1::2]).tolist())
    novel = [pair.rouge_l < rouge_threshold for pair in pairs]
    chosen = {"all": [True] * len(pairs), "novel": novel}
    for language in dict.fromkeys(pair.language for pair in pairs if pair.language):
        of_it = [pair.language == language for pair in pairs]
        chosen[language] = [a and b for a, b in zip(novel, of_it, strict=True)]
    groups = {}
    for name, members in chosen.items():
        found = [
            each
            for each, member in zip(zip(pairs, scores, strict=True), members, strict=True)
            if member
        ]
        groups[name] = accuracies([pair for pair, _ in found], [score for _, score in found])
    return Calibration(pairs, scores, groups)


calibrate_async = in_thread(calibrate)
