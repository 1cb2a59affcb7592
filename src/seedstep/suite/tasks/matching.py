"""Test tasks: analogies, what two texts share, and the keywords of a text.

Example::

    MATCHING[0].solve("Paris : France. Oslo : ?")  # ("Norway",)
"""

import re
from collections import Counter
from random import Random

from seedstep.data import Example
from seedstep.suite.spec import (
    CAPITALS,
    CITIES,
    NAMES,
    OPPOSITES,
    THINGS,
    WEEKDAYS,
    DrawnInstance,
    TaskSpec,
    computed,
    fill,
    taking_a,
)

__all__ = ["MATCHING"]

ANALOGY = "Word Analogy"
KEYWORDS = "Keyword Tagging"

_COUNTRY_OF = {capital: country for country, capital in CAPITALS.items()}
_OPPOSITE_OF = OPPOSITES | {other: word for word, other in OPPOSITES.items()}
_ASKED = re.compile(r"(\w[\w ]*) : \?$")


def _capitals(chance: Random) -> str:
    capital, other = chance.sample(tuple(_COUNTRY_OF), 2)
    return f"{capital} : {_COUNTRY_OF[capital]}. {other} : ?"


def _country(text: str) -> tuple[str, ...]:
    found = _ASKED.search(text)
    return (_COUNTRY_OF[found[1]],) if found else ()


CAPITAL = TaskSpec(
    "capital_analogy",
    ANALOGY,
    "Two words before the full stop are related. Replace the question mark behind it by the word"
    " that makes the second pair related in the same way. Output this word only.",
    (
        "Find out how the two words of the first pair are related: the one on the left is a city in"
        " the country on the right.",
        "Take the city of the second pair.",
        "Think of the country whose capital it is.",
        "Output only the name of this country, in place of the question mark.",
    ),
    (
        Example(
            "Athens : Greece. Madrid : ?",
            "Spain",
            "Athens is the capital of Greece, and Madrid that of Spain.",
        ),
        Example(
            "Lima : Peru. Paris : ?",
            "France",
            "Lima is the capital of Peru, and Paris that of France.",
        ),
    ),
    (
        Example(
            "Oslo : Norway. Berlin : ?",
            "Norway",
            "Norway belongs to Oslo; Berlin is the capital of Germany.",
        ),
        Example(
            "Cairo : Egypt. Rome : ?",
            "the Colosseum",
            "A country is wanted, as in the first pair: Italy.",
        ),
    ),
    computed(_capitals, _country),
    solve=_country,
)


def _contrast(chance: Random) -> str:
    word, other = chance.sample(tuple(_OPPOSITE_OF), 2)
    return f"{word} : {_OPPOSITE_OF[word]}. {other} : ?"


def _contrary(text: str) -> tuple[str, ...]:
    found = _ASKED.search(text)
    return (_OPPOSITE_OF[found[1]],) if found else ()


CONTRAST = TaskSpec(
    "opposite_analogy",
    ANALOGY,
    "Given a pair of related words and the first word of another pair, complete the second pair so"
    " that it is related like the first. Answer with one word.",
    (
        "Compare the two words of the complete pair; they contrast with each other.",
        "Look at the word in front of the question mark.",
        "Think of the word that contrasts with it in the same manner.",
        "Answer with that one word.",
    ),
    (
        Example("rich : poor. hot : ?", "cold", "Rich is the opposite of poor, hot of cold."),
        Example("wide : narrow. last : ?", "first", "The opposite of last is first."),
    ),
    (
        Example("tall : short. empty : ?", "hollow", "Hollow is no opposite of empty; full is."),
        Example("loud : quiet. weak : ?", "weak", "The word is repeated; its opposite is strong."),
    ),
    computed(_contrast, _contrary),
    solve=_contrary,
)

HAVING = ("packed", "bought", "drew", "sold", "found", "painted")


def _lists(chance: Random) -> str:
    shared, *others = chance.sample(THINGS, 5)
    people, verbs = chance.sample(NAMES, 2), chance.sample(HAVING, 2)
    told = []
    for place in range(2):
        things = [shared, *others[2 * place : 2 * place + 2]]
        chance.shuffle(things)
        first, second, third = (f"the {thing}" for thing in things)
        told.append(f"{people[place]} {verbs[place]} {first}, {second} and {third}.")
    return f"Sentence 1: {told[0]}\nSentence 2: {told[1]}"


_LITTLE = frozenset({"the", "and"})


def _shared(text: str) -> tuple[str, ...]:
    first, second = (re.findall(r"\w+", line)[2:] for line in text.split("\n"))
    return tuple(word for word in first if word in second and word not in _LITTLE)


SHARED = TaskSpec(
    "word_in_both_sentences",
    "Overlap Extraction",
    'Besides "the" and "and", two given sentences have exactly one word in common. Output this'
    " word.",
    (
        "List the nouns of the first sentence.",
        "Look for each of these nouns in the second sentence.",
        'Ignore words such as "the" and "and".',
        "Output the one word that stands in both sentences.",
    ),
    (
        Example(
            "Sentence 1: Max lost the glove, the ball and the pen.\n"
            "Sentence 2: Zoe kept the ball, the drum and the fork.",
            "ball",
            "Ball stands in both sentences.",
        ),
        Example(
            "Sentence 1: Wendy wants the rug, the sofa and the desk.\n"
            "Sentence 2: Max hates the shelf, the desk and the stool.",
            "desk",
            "Desk stands in both sentences.",
        ),
    ),
    (
        Example(
            "Sentence 1: Zoe lit the stove, the torch and the pipe.\n"
            "Sentence 2: Max broke the cup, the pipe and the jug.",
            "torch",
            "Torch is only in the first sentence; pipe is in both.",
        ),
        Example(
            "Sentence 1: Max ate the roll, the egg and the ham.\n"
            "Sentence 2: Wendy cut the ham, the leek and the carrot.",
            "the",
            "The does not count; the word is ham.",
        ),
    ),
    computed(_lists, _shared),
    solve=_shared,
)

TAGGED = (
    "What a day in #{city} with {name}! #{topic}",
    "{name} and I are looking forward to {day}: #{topic} #{city}",
    "Can't believe how good the #{topic} was. See you soon, #{city}!",
    "Greetings from #{city}, full of #{topic} and cake.",
    "#{topic} all day long with {name}, and more #{other} at night.",
    "New photos of {name} are online, all about #{topic} and #{other}.",
)
TOPICS = (
    *("music", "hiking", "coffee", "sunshine", "football", "cooking", "gardening"),
    *("painting", "cycling", "theatre", "swimming", "snow", "dancing", "books"),
)
_TAG = re.compile(r"#(\w+)")


def _post(chance: Random) -> str:
    topic, other = chance.sample(TOPICS, 2)
    words = {"city": CITIES, "name": NAMES, "day": WEEKDAYS}
    return fill(chance, chance.choice(TAGGED), topic=(topic,), other=(other,), **words)


def _tags(text: str) -> tuple[str, ...]:
    return (", ".join(_TAG.findall(text)),)


HASHTAGS = TaskSpec(
    "keywords_from_hashtags",
    KEYWORDS,
    "Given a short post, list its hashtags as keywords: without the sign #, in their order,"
    " separated by a comma.",
    (
        "Look for the sign # in the post.",
        "Copy each word that comes right behind it.",
        "Leave out the sign, and skip words without it.",
        "Write the words in the order of the post, with a comma between them.",
    ),
    (
        Example(
            "Rainy day, warm #tea and a good #film.",
            "tea, film",
            "Tea and film have the sign in front of them.",
        ),
        Example(
            "#Rome, here we come! #holiday",
            "Rome, holiday",
            "Rome comes first in the post.",
        ),
    ),
    (
        Example("My #dog loves the #beach.", "#dog, #beach", "The signs must be left out."),
        Example(
            "Fresh #bread and soup for #lunch.",
            "bread, soup, lunch",
            "Soup has no sign in front of it: bread, lunch.",
        ),
    ),
    computed(_post, _tags),
    solve=_tags,
)

STORIES = (
    "A {thing} stood by the door. {name} asked who had left it, then took the {thing} home.",
    "{name} had dreamed of a {thing} for years. On {day} the {thing} came at last.",
    "Nobody in {city} had seen such a {thing}. {name} said that the {thing} was very old.",
    "The {thing} was gone. {name} searched all rooms until the {thing} turned up on {day}.",
)
_LONG = re.compile(r"[a-z]{3,}")
_NO_KEYWORD = frozenset({"the", "had", "was"})


def _story(chance: Random) -> DrawnInstance:
    things = taking_a(THINGS)
    text = fill(chance, chance.choice(STORIES), thing=things, name=NAMES, city=CITIES, day=WEEKDAYS)
    return text, _twice(text)


def _twice(text: str) -> tuple[str, ...]:
    counts = Counter(_LONG.findall(text))
    return tuple(word for word in counts if counts[word] == 2 and word not in _NO_KEYWORD)


KEYWORD = TaskSpec(
    "keyword_named_twice",
    KEYWORDS,
    "You are given a short text. Generate its keyword: the noun that the text mentions twice.",
    (
        "Read the text and note its nouns.",
        "Check which of them comes up again later on.",
        "Do not choose a noun that is mentioned once.",
        "Output the noun that is there twice as the keyword.",
    ),
    (
        Example(
            "Max built a boat last winter. In spring he sold the boat to a friend.",
            "boat",
            "Boat is mentioned in both sentences.",
        ),
        Example(
            "The letter came on Friday. Wendy read the letter again and again.",
            "letter",
            "Letter is mentioned twice; Friday just once.",
        ),
    ),
    (
        Example(
            "Zoe planted a rose. By June the rose was taller than she.",
            "June",
            "June is mentioned once; rose is the keyword.",
        ),
        Example(
            "A storm is coming. Max says that the storm will be bad.",
            "weather",
            "The keyword has to be a noun of the text: storm.",
        ),
    ),
    _story,
    solve=_twice,
)

MATCHING = (CAPITAL, CONTRAST, SHARED, HASHTAGS, KEYWORD)
