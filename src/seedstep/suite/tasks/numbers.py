"""Training tasks: small sums, and other ways to write numbers, dates and times.

Example::

    NUMBERS[2].solve("forty-two")  # ("42",)
"""

import re
from random import Random

from seedstep.data import Example
from seedstep.suite.spec import FRUITS, MONTHS, NAMES, NUMBER_WORDS, TaskSpec, computed, fill

__all__ = ["NUMBERS"]

MATHEMATICS = "Mathematics"
CONVERSION = "Number Conversion"

_NUMBER = re.compile(r"\d+")

GAINS = (
    "{name} has {first} {things} and buys {second} more.",
    "{name} picked {first} {things} in the morning and {second} in the afternoon.",
    "There are {first} {things} in the bowl, and {name} adds {second}.",
)
LOSSES = (
    "{name} has {first} {things} and eats {second} of them.",
    "There were {first} {things} in the bowl, but {name} took {second}.",
    "{name} bought {first} {things} and gave {second} of them away.",
)
_LOSS = re.compile(r"\b(?:eats|took|away)\b")
COUNTED = tuple(fruit for fruit in FRUITS if fruit.endswith(("e", "n", "t", "m", "r")))


def _story(chance: Random) -> str:
    story = chance.choice((*GAINS, *LOSSES))
    first = chance.randrange(4, 13)
    second = chance.randrange(1, first)
    told = fill(
        chance,
        story,
        name=NAMES,
        things=[f"{fruit}s" for fruit in COUNTED],
        first=(str(first),),
        second=(str(second),),
    )
    return f"{told} How many are there now?"


def _left(text: str) -> tuple[str, ...]:
    first, second = map(int, _NUMBER.findall(text))
    return (str(first - second if _LOSS.search(text) else first + second),)


STORY = TaskSpec(
    "fruit_story_sum",
    MATHEMATICS,
    "Read the short story with two numbers, and work out how many pieces of fruit there are at its"
    " end. Write the answer in digits.",
    (
        "Find the two numbers in the story.",
        "See whether pieces of fruit are added, or eaten, taken or given away.",
        "Add the second number to the first in the former case, and subtract it in the latter.",
        "Write the result in digits.",
    ),
    (
        Example(
            "Wendy has 5 pears and buys 2 more. How many are there now?",
            "7",
            "Two pears are added to five.",
        ),
        Example(
            "There were 14 limes in the bowl, but Max took 4. How many are there now?",
            "10",
            "Four of fourteen limes are taken away.",
        ),
    ),
    (
        Example(
            "Max has 9 plums and eats 3 of them. How many are there now?",
            "12",
            "The plums were eaten, so three has to be subtracted: 6.",
        ),
        Example(
            "Wendy picked 3 figs in the morning and 5 in the afternoon. How many are there now?",
            "eight",
            "The sum is right, but it must be written in digits: 8.",
        ),
    ),
    computed(_story, _left),
    solve=_left,
)


def _heights(chance: Random) -> str:
    people = chance.sample(NAMES, 3)
    ages = chance.sample(range(4, 90), 3)
    told = [f"{name} is {age}" for name, age in zip(people, ages, strict=True)]
    return f"{told[0]}, {told[1]} and {told[2]} years old."


def _oldest(text: str) -> tuple[str, ...]:
    ages = {name: int(age) for name, age in re.findall(r"(\w+) is (\d+)", text)}
    return (max(ages, key=lambda name: ages[name]),)


OLDEST = TaskSpec(
    "oldest_person",
    MATHEMATICS,
    "You are given the ages of three people. Output the name of the oldest one.",
    (
        "Note the age that belongs to each name.",
        "Compare the three numbers and find the greatest.",
        "Go back to the person who has this age.",
        "Output the name of this person.",
    ),
    (
        Example(
            "Wendy is 12, Max is 47 and Zoe is 30 years old.",
            "Max",
            "47 is the greatest of 12, 47 and 30.",
        ),
        Example(
            "Zoe is 81, Wendy is 18 and Max is 80 years old.",
            "Zoe",
            "81 is more than 80 and 18.",
        ),
    ),
    (
        Example(
            "Max is 9, Zoe is 25 and Wendy is 71 years old.",
            "Max",
            "9 is the smallest number; the oldest is Wendy.",
        ),
        Example(
            "Wendy is 60, Zoe is 55 and Max is 8 years old.",
            "60",
            "The name is wanted, not the age: Wendy.",
        ),
    ),
    computed(_heights, _oldest),
    solve=_oldest,
)

TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_VALUES = {word: value for value, word in enumerate(NUMBER_WORDS)} | {
    word: 10 * place for place, word in enumerate(TENS, start=2)
}


def _in_words(chance: Random) -> str:
    tens, ones = divmod(chance.randrange(100), 10)
    if tens < 2:
        return NUMBER_WORDS[10 * tens + ones]
    return f"{TENS[tens - 2]}-{NUMBER_WORDS[ones]}" if ones else TENS[tens - 2]


def _in_digits(text: str) -> tuple[str, ...]:
    return (str(sum(_VALUES[part] for part in text.split("-"))),)


DIGITS = TaskSpec(
    "number_words_to_digits",
    CONVERSION,
    "In this task, you are given a number below one hundred in words. Write it in digits.",
    (
        "Split the number at the hyphen, if there is one.",
        "Turn the first part into its value, which may be a multiple of ten.",
        "Add the value of the second part, if there is any.",
        "Write the sum in digits.",
    ),
    (
        Example("seventy-three", "73", "Seventy is 70, and three more make 73."),
        Example("fourteen", "14", "There is no hyphen; fourteen is 14."),
    ),
    (
        Example("ninety-one", "19", "The digits are in the wrong order: it is 91."),
        Example("fifty-six", "50-6", "The values have to be added: 56."),
    ),
    computed(_in_words, _in_digits),
    solve=_in_digits,
)


def _date(chance: Random) -> str:
    return f"{chance.randrange(1, 29)} {chance.choice(MONTHS)} {chance.randrange(1950, 2030)}"


def _iso(text: str) -> tuple[str, ...]:
    day, month, year = text.split()
    return (f"{year}-{MONTHS.index(month) + 1:02}-{int(day):02}",)


DATE = TaskSpec(
    "date_to_numbers",
    CONVERSION,
    "Given a date with the month in words, rewrite it as year-month-day. Month and day must have"
    " two digits.",
    (
        "Find the day, the name of the month, and the year.",
        "Replace the month by its number, counting from January as 1.",
        "Put a zero before a day or month that has one digit, so that both have two digits.",
        "Write the year, the month and the day, joined by hyphens.",
    ),
    (
        Example("4 March 1987", "1987-03-04", "March is month 03, and the day becomes 04."),
        Example("23 December 2011", "2011-12-23", "December is month 12."),
    ),
    (
        Example("9 May 2003", "2003-5-9", "Month and day lack the zero: 2003-05-09."),
        Example("12 October 1999", "12-10-1999", "The year must come first: 1999-10-12."),
    ),
    computed(_date, _iso),
    solve=_iso,
)


def _clock(chance: Random) -> str:
    return f"{chance.randrange(1, 24):02}:{chance.randrange(0, 60, 5):02}"


def _twelve_hours(text: str) -> tuple[str, ...]:
    hour, minute = text.split(":")
    half = "pm" if int(hour) >= 12 else "am"
    return (f"{(int(hour) - 1) % 12 + 1}:{minute} {half}",)


CLOCK = TaskSpec(
    "clock_with_am_or_pm",
    CONVERSION,
    "Convert a time of the 24-hour clock, from 01:00 on, to the 12-hour clock. Add am before noon,"
    " and pm from noon on.",
    (
        "Take the hour, which stands before the colon.",
        "If it is greater than 12, subtract 12; otherwise keep it, without a zero in front.",
        "Keep the minutes as they are.",
        "Add a space and am if the time is before noon (12:00), or pm if it is noon or later.",
    ),
    (
        Example("15:40", "3:40 pm", "15 minus 12 is 3, and the time is after noon."),
        Example("08:05", "8:05 am", "The hour stays 8, without the zero, before noon."),
    ),
    (
        Example("21:15", "9:15 am", "21 is after noon, so it is 9:15 pm."),
        Example("18:30", "18:30 pm", "12 was not subtracted from 18: 6:30 pm."),
    ),
    computed(_clock, _twelve_hours),
    solve=_twelve_hours,
)

NUMBERS = (STORY, OLDEST, DIGITS, DATE, CLOCK)
