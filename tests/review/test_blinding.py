"""Whether a program that sees all that a rater sees can tell two systems apart."""

import re
from collections import Counter
from pathlib import Path
from random import Random

from seedstep.review.export import offline_page
from seedstep.runs.reviews import Review
from support.reviewing import an_item, make, opened

ITEMS = 2000
CHANCE = 0.05
"""How far from a half a guess may be: of 2,000 fair guesses fewer than one in 100,000 is off by
more, and features are looked at on one half and tried on the other, as a guesser would."""


def swapped(count: int) -> list[tuple[str, str]]:
    """Answers of two systems that are equal as wholes: each pair of texts is there both ways."""
    chance = Random(5)
    texts = [
        ("answer " * chance.randrange(1, 9), "reply " * chance.randrange(1, 9))
        for _ in range(count // 2)
    ]
    return [pair for text in texts for pair in (text, text[::-1])]


def features(number: int, page: str, near: str) -> list[str]:
    """All that may tell: parity and size of the place, each id and number on the page, lengths,
    and what stands on the page before.
    """
    first, second = (
        len(text) for text in re.findall(r'<pre[^>]*data-label="Prediction [AB]">([^<]*)', page)
    )
    numbers = re.findall(r'data-[a-z]+="(\d+)"', page)
    return [
        f"parity {number % 2}",
        f"eighth {number % 8}",
        f"quarter {4 * number // ITEMS}",
        f"longer {first > second}",
        f"by {min(5, abs(first - second))} {first > second}",
        f"numbers {sum(map(int, numbers)) % 2}",
        f"length {len(page) % 2}",
        f"before {near}",
        f"words {page.count(' ') % 3}",
    ]


def test_a_program_does_not_tell_a_from_b(tmp_path: Path) -> None:
    pairs = swapped(ITEMS)
    items = [an_item(number, answers=pair) for number, pair in enumerate(pairs)]
    path = make(tmp_path / "review", items, form="pairs", raters=("ann",), seed=20_251_128)
    with Review.open(path) as review:
        page = offline_page(review, "ann")
        truth = [assigned.shown[0] for assigned in review.assigned("ann")]
    articles = re.findall(r"<template id=\"item-\d+\">(.*?)</template>", page, re.DOTALL)
    assert len(articles) == ITEMS
    near = ["start", *(str(place) for place in truth[:-1])]
    seen = [features(number, *both) for number, both in enumerate(zip(articles, near, strict=True))]
    half = ITEMS // 2
    learned: dict[str, Counter[int]] = {}
    for names, side in zip(seen[:half], truth[:half], strict=True):
        for name in names:
            learned.setdefault(name, Counter())[side] += 1
    guesses = [
        max(
            (
                learned[name].most_common(1)[0][1] / learned[name].total(),
                learned[name].most_common(1)[0][0],
            )
            for name in names
            if name in learned
        )[1]
        for names in seen[half:]
    ]
    right = sum(guess == side for guess, side in zip(guesses, truth[half:], strict=True)) / half
    assert abs(right - 0.5) < CHANCE
    assert abs(sum(truth) / ITEMS - 0.5) < CHANCE


def test_two_systems_with_the_same_texts_give_the_same_pages(tmp_path: Path) -> None:
    """Byte for byte but for the secret: nothing else depends on who answered."""

    def pages(name: str, systems: tuple[str, str]) -> list[str]:
        items = [an_item(number, answers=("x", "y"), systems=systems) for number in range(20)]
        path = make(tmp_path / name, items, form="pairs", raters=("ann",))
        with opened(path) as (review, client):
            token = review.tokens["ann"]
            found = [
                client.get(f"/{token}/{page}").text
                for page in ("list", *map("item/{}".format, range(1, 21)))
            ]
            return [re.sub(r'data-key="\w+"', "", page) for page in found]

    assert pages("one", ("gpt", "tuned")) == pages("other", ("tuned", "gpt"))
