"""Training tasks: simple operations on lists, as a program would do them.

Example::

    LISTS[0].solve("tram, bus, canoe")  # ("bus, canoe, tram",)
"""

from random import Random

from seedstep.data import Example
from seedstep.suite.spec import (
    ANIMALS,
    COLOURS,
    FRUITS,
    THINGS,
    TOOLS,
    VEHICLES,
    TaskSpec,
    computed,
)

__all__ = ["LISTS"]

CATEGORY = "Program Execution"

WORDS = (ANIMALS, FRUITS, THINGS, TOOLS, VEHICLES)


def _words(chance: Random) -> str:
    return ", ".join(chance.sample(chance.choice(WORDS), chance.randrange(3, 6)))


def _sorted(text: str) -> tuple[str, ...]:
    return (", ".join(sorted(text.split(", "))),)


SORT = TaskSpec(
    "sort_words",
    CATEGORY,
    "Given a list of words separated by commas, sort them in alphabetical order. Separate the words"
    " of the output by commas too.",
    (
        "Look at the first letter of all words.",
        "Put the words in the order that these letters have in the alphabet.",
        "Where first letters are equal, let the second ones decide, and so on.",
        "Check that none was lost or changed.",
        "Write the sorted words with commas in between.",
    ),
    (
        Example("pen, ink, desk", "desk, ink, pen", "D comes before i, and i before p."),
        Example(
            "salt, pepper, sugar, oil",
            "oil, pepper, salt, sugar",
            "Salt and sugar begin alike; a comes before u.",
        ),
    ),
    (
        Example(
            "rose, tulip, daisy", "tulip, rose, daisy", "The order is reversed: daisy comes first."
        ),
        Example("tea, milk, juice", "juice, milk", "Tea was lost; it comes last."),
    ),
    computed(_words, _sorted),
    solve=_sorted,
)


def _crowd(chance: Random) -> str:
    target = chance.choice(COLOURS)
    others = chance.sample(
        [colour for colour in COLOURS if colour != target], chance.randrange(1, 4)
    )
    words = [target] * chance.randrange(1, 5) + others
    chance.shuffle(words)
    return f"Word: {target}\nList: {', '.join(words)}"


def _count(text: str) -> tuple[str, ...]:
    word, _, items = text.removeprefix("Word: ").partition("\nList: ")
    return (str(items.split(", ").count(word)),)


COUNT = TaskSpec(
    "count_word_in_list",
    CATEGORY,
    "You are given a word and a list. Count how often the word occurs in the list, and output the"
    " number.",
    (
        "Keep the given word in mind, and start at zero.",
        "Go through the list from its first word to its last.",
        "Add one whenever you meet the given word.",
        "Output the final number in digits.",
    ),
    (
        Example(
            "Word: purple\nList: purple, red, purple",
            "2",
            "Purple is the first and the last word.",
        ),
        Example(
            "Word: gold\nList: blue, gold, green, pink",
            "1",
            "Gold occurs in the second place only.",
        ),
    ),
    (
        Example(
            "Word: silver\nList: silver, silver, red, silver",
            "4",
            "4 is the length of the list; silver occurs 3 times.",
        ),
        Example(
            "Word: violet\nList: violet, white",
            "violet",
            "The number is wanted, not the word: 1.",
        ),
    ),
    computed(_crowd, _count),
    solve=_count,
)


def _repeated(chance: Random) -> str:
    words = chance.sample(chance.choice(WORDS), chance.randrange(2, 5))
    words += chance.sample(words, chance.randrange(1, len(words)))
    chance.shuffle(words)
    return ", ".join(words)


def _distinct(text: str) -> tuple[str, ...]:
    return (", ".join(dict.fromkeys(text.split(", "))),)


DISTINCT = TaskSpec(
    "remove_repeated_words",
    CATEGORY,
    "In this task, you are given a list of words in which some occur more than once. Remove the"
    " repetitions. Keep the order in which the words first occur.",
    (
        "Begin with an empty output.",
        "Take the words of the list from left to right.",
        "Append a word if the output does not hold it yet; otherwise remove it as a repetition.",
        "Keep the output in this order, with commas between the words.",
    ),
    (
        Example("fork, cup, fork", "fork, cup", "The second fork is a repetition."),
        Example(
            "door, wall, wall, roof, door",
            "door, wall, roof",
            "Wall and door are kept where they occur first.",
        ),
    ),
    (
        Example("sun, moon, sun, star", "moon, star", "Sun was removed wholly: sun, moon, star."),
        Example("arm, leg, arm, leg", "arm, leg, arm, leg", "Nothing was removed; it is arm, leg."),
    ),
    computed(_repeated, _distinct),
    solve=_distinct,
)


def _letter(chance: Random) -> str:
    words = chance.sample((*ANIMALS, *FRUITS, *THINGS), chance.randrange(4, 7))
    return f"Letter: {chance.choice(words)[0]}\nWords: {', '.join(words)}"


def _beginning(text: str) -> tuple[str, ...]:
    letter, _, words = text.removeprefix("Letter: ").partition("\nWords: ")
    return (", ".join(word for word in words.split(", ") if word.startswith(letter)),)


BEGINNING = TaskSpec(
    "words_with_first_letter",
    CATEGORY,
    "Given a letter and a list of words, output the words of the list that begin with this letter."
    " Keep them in the same order, and separate them by commas.",
    (
        "Note the given letter.",
        "Look at one word after the other, from left to right.",
        "Keep a word if it begins with the letter, and drop it otherwise.",
        "Write the kept words in the same order, with commas between them.",
    ),
    (
        Example(
            "Letter: s\nWords: shirt, glove, sock, tie",
            "shirt, sock",
            "Shirt and sock begin with s.",
        ),
        Example("Letter: d\nWords: chair, desk, shelf", "desk", "Only desk begins with d."),
    ),
    (
        Example(
            "Letter: t\nWords: tooth, nose, foot, toe",
            "tooth, foot, toe",
            "Foot ends with t, but begins with f.",
        ),
        Example(
            "Letter: r\nWords: river, lake, sea",
            "lake, sea",
            "These are the words that do not begin with r.",
        ),
    ),
    computed(_letter, _beginning),
    solve=_beginning,
)

LISTS = (SORT, COUNT, DISTINCT, BEGINNING)
