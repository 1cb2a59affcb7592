"""Test tasks: grammatical errors corrected.

Example::

    GRAMMAR[1].solve("The doors is open.")  # ("The doors are open.",)
"""

import re
from random import Random

from seedstep.data import Example
from seedstep.suite.spec import (
    ANIMALS,
    CITIES,
    COLOURS,
    FRUITS,
    NAMES,
    THINGS,
    WEEKDAYS,
    TaskSpec,
    computed,
    fill,
)

__all__ = ["GRAMMAR"]

CATEGORY = "Grammar Error Correction"

WITH_ARTICLES = (
    "{name} saw {article} {noun} in {city}.",
    "There is {article} {noun} on the roof.",
    "{name} drew {article} {noun} for the children.",
    "On {day}, {name} gave me {article} {noun}.",
)
_ARTICLE = re.compile(r"\ban? (?=(\w))")


def _wrong_article(chance: Random) -> str:
    begins = chance.choice(("vowel", "consonant"))
    nouns = [
        noun for noun in (*ANIMALS, *FRUITS, *THINGS) if (noun[0] in "aeiou") == (begins == "vowel")
    ]
    article = "a" if begins == "vowel" else "an"
    words = {"name": NAMES, "city": CITIES, "day": WEEKDAYS}
    return fill(chance, chance.choice(WITH_ARTICLES), article=(article,), noun=nouns, **words)


def _right_article(text: str) -> tuple[str, ...]:
    return (_ARTICLE.sub(lambda found: "an " if found[1] in "aeiou" else "a ", text),)


ARTICLE = TaskSpec(
    "correct_a_and_an",
    CATEGORY,
    "The given sentence has a wrong article: a instead of an, or an instead of a. Output the"
    " corrected sentence.",
    (
        "Find the article a or an in the sentence.",
        "Look at the first letter of the word behind it.",
        "Write an before a vowel, and a before any other letter.",
        "Output the whole corrected sentence, with no other change.",
    ),
    (
        Example("Max ate a onion.", "Max ate an onion.", "Onion begins with a vowel."),
        Example("This is an joke.", "This is a joke.", "Joke begins with a consonant."),
    ),
    (
        Example(
            "Zoe rode a ox.",
            "Zoe rode a ox.",
            "Nothing was corrected: Zoe rode an ox.",
        ),
        Example(
            "Wendy is an singer.",
            "Wendy is the singer.",
            "A belongs here, not the: Wendy is a singer.",
        ),
    ),
    computed(_wrong_article, _right_article),
    solve=_right_article,
)

STATES = (
    "The {things} {verb} on the shelf.",
    "My {things} {verb} {colour}.",
    "The {things} of {name} {verb} in {city}.",
    "Where {verb} the {colour} {things}?",
)
SINGULAR = ("lamp", "book", "cup", "hat", "map", "bottle", "kettle", "mirror", "plate", "spoon")


def _disagreeing(chance: Random) -> str:
    plural = chance.choice((True, False))
    things = [f"{noun}s" for noun in SINGULAR] if plural else SINGULAR
    verb = "is" if plural else "are"
    words = {"name": NAMES, "city": CITIES, "colour": COLOURS}
    return fill(chance, chance.choice(STATES), things=things, verb=(verb,), **words)


def _agreeing(text: str) -> tuple[str, ...]:
    right = {"is": "are", "are": "is"}
    return (re.sub(r"\b(?:is|are)\b", lambda found: right[found[0]], text),)


AGREEMENT = TaskSpec(
    "correct_is_and_are",
    CATEGORY,
    "You will be given a sentence with a grammatical error: is and are are confused. Correct the"
    " error and write the sentence. All other words stay unchanged.",
    (
        "Find the verb, which is either is or are.",
        "Find out of what the sentence speaks, and whether this is one thing or several.",
        "Put is for one thing, and are for several.",
        "Write the sentence with the correct verb and all other words unchanged.",
    ),
    (
        Example("The doors is open.", "The doors are open.", "Doors are several."),
        Example("My coffee are cold.", "My coffee is cold.", "Coffee is one thing."),
    ),
    (
        Example(
            "The shoes is wet.", "The shoe is wet.", "The verb has to change: The shoes are wet."
        ),
        Example(
            "The train are late.", "The train are late.", "The error is still there: is is right."
        ),
    ),
    computed(_disagreeing, _agreeing),
    solve=_agreeing,
)

GRAMMAR = (ARTICLE, AGREEMENT)
