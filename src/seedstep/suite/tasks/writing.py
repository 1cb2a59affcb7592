"""Test tasks: questions rewritten, titles, and sentences from data.

Example::

    WRITING[1].solve("Where is the key?")  # ("Could you tell me where the key is?",)
"""

import re
from random import Random

from seedstep.data import Example
from seedstep.suite.spec import (
    CITIES,
    COLOURS,
    FEMALE,
    JOBS,
    MALE,
    NAMES,
    THINGS,
    WEEKDAYS,
    DrawnInstance,
    TaskSpec,
    computed,
    fill,
    taking_a,
    with_article,
)

__all__ = ["WRITING"]

REWRITING = "Question Rewriting"
FROM_DATA = "Data to Text"

CONTEXTS = (
    "{name} lives in {city}.",
    "{name} bought a {thing} on {day}.",
    "Last year, {name} became a {job}.",
    "The {job} met {name} in {city}.",
)
ASKED = (
    "Where does {pronoun} work?",
    "How old is {pronoun}?",
    "Why did {pronoun} leave {city}?",
    "Does {pronoun} have a {thing}?",
    "When will {pronoun} be back?",
)
_PRONOUN = re.compile(r"\b(?:she|he)\b")


def _follow_up(chance: Random) -> DrawnInstance:
    pronoun, names = chance.choice((("she", FEMALE), ("he", MALE)))
    name = chance.choice(names)
    words = {"city": CITIES, "thing": taking_a(THINGS), "day": WEEKDAYS, "job": taking_a(JOBS)}
    context = fill(chance, chance.choice(CONTEXTS), name=(name,), **words)
    question = fill(chance, chance.choice(ASKED), pronoun=(pronoun,), **words)
    return f"Context: {context}\nQuestion: {question}", (_PRONOUN.sub(name, question),)


FOLLOW_UP = TaskSpec(
    "question_without_pronoun",
    REWRITING,
    "Given a context and a question with the pronoun she or he, rewrite the question so that it can"
    " be understood without the context. Replace the pronoun by the name, and nothing else.",
    (
        "Find the name of the person in the context.",
        "Find the pronoun she or he in the question.",
        "Replace it by the name, and keep all other words.",
        "Output the rewritten question, without the context.",
    ),
    (
        Example(
            "Context: Emily plays the piano.\nQuestion: Did she win a prize?",
            "Did Emily win a prize?",
            "She stands for Emily.",
        ),
        Example(
            "Context: On Monday, Thomas fell ill.\nQuestion: Is he better now?",
            "Is Thomas better now?",
            "He stands for Thomas.",
        ),
    ),
    (
        Example(
            "Context: Susan has a bakery.\nQuestion: What time does she get up?",
            "What time does she open the bakery?",
            "The pronoun is still there, and the question is another one.",
        ),
        Example(
            "Context: James moved to Paris.\nQuestion: Does he like it?",
            "Yes, James likes it.",
            "The question must be rewritten, not answered: Does James like it?",
        ),
    ),
    _follow_up,
)

DIRECT = (
    "Where is the {colour} {thing}?",
    "Where is the {job}?",
    "How old is the {thing}?",
    "Who is the new {job}?",
    "What colour is the {thing}?",
    "How tall is the {job} from {city}?",
)
_DIRECT = re.compile(r"(?P<ask>\w+(?: \w+)?) is (?P<what>the .+)\?")


def _direct(chance: Random) -> str:
    words = {"colour": COLOURS, "thing": THINGS, "job": JOBS, "city": CITIES}
    return fill(chance, chance.choice(DIRECT), **words)


def _polite(text: str) -> tuple[str, ...]:
    ask = text[0].lower() + text[1:]
    return (_DIRECT.sub(r"Could you tell me \g<ask> \g<what> is?", ask),)


POLITE = TaskSpec(
    "polite_question",
    REWRITING,
    "Rewrite the direct question as a polite one. It should begin with the words Could you tell me,"
    " and have the verb is at its end.",
    (
        "Begin with the words Could you tell me.",
        "Go on with the question word, and its adjective or noun if it has one, in small letters.",
        "Append what the question is about, and then the verb is.",
        "End the polite question with a question mark.",
    ),
    (
        Example(
            "Where is the town hall?",
            "Could you tell me where the town hall is?",
            "The verb has moved to the end.",
        ),
        Example(
            "How long is the film?",
            "Could you tell me how long the film is?",
            "How long stays together.",
        ),
    ),
    (
        Example(
            "Who is the captain?",
            "Could you tell me who is the captain?",
            "The verb has to be at the end: Could you tell me who the captain is?",
        ),
        Example(
            "What time is the concert?",
            "The concert is at eight.",
            "The question was answered instead of rewritten.",
        ),
    ),
    computed(_direct, _polite),
    solve=_polite,
)

NEWS = (
    (
        "On {day}, the mayor of {city} opened a new {place} for everybody.",
        ("New {place} opens in {city}", "{city} opens new {place}"),
    ),
    (
        "After a long debate, {city} has decided to close its old {place}.",
        ("{city} closes old {place}", "Old {place} in {city} closes"),
    ),
    (
        "A {animal} escaped from the zoo of {city} on {day} and was found in a {place}.",
        ("Escaped {animal} found in {place}", "{animal} escapes from zoo of {city}"),
    ),
    (
        "Firefighters saved a {animal} from the roof of a {place} in {city} on {day}.",
        ("Firefighters save {animal} in {city}", "{animal} saved from roof of {place}"),
    ),
)
PLACES = ("library", "school", "museum", "cinema", "theatre", "market hall", "swimming pool")


def _news(chance: Random) -> DrawnInstance:
    text, titles = chance.choice(NEWS)
    words = {
        "city": chance.choice(CITIES),
        "place": chance.choice(PLACES),
        "animal": chance.choice(("monkey", "fox", "goat", "snake", "rabbit", "tiger")),
        "day": chance.choice(WEEKDAYS),
    }
    named = [title.format(**words) for title in titles]
    return text.format(**words), tuple(title[0].upper() + title[1:] for title in named)


TITLE = TaskSpec(
    "title_for_news",
    "Title Generation",
    "Given a piece of news, generate a title for it of at most seven words. Do not end it with a"
    " full stop.",
    (
        "Find out what has happened, to whom, and where.",
        "Drop the day and all details that are not needed.",
        "Say the rest in the present tense, in at most seven words.",
        "Write it with a capital letter at the beginning and without a full stop at the end.",
    ),
    (
        Example(
            "Last night, thieves stole a golden clock from the castle of Windmere.",
            "Thieves steal golden clock from castle",
            "Who did what and where is said in six words.",
        ),
        Example(
            "On Sunday, the people of Brookfield chose a baker as their new mayor.",
            "Brookfield chooses baker as mayor",
            "The day is dropped, and the rest is shortened.",
        ),
    ),
    (
        Example(
            "On Friday, a train with fifty passengers got stuck in the snow near Hilltown.",
            "On Friday a train with fifty passengers got stuck near Hilltown.",
            "It is too long and ends with a full stop.",
        ),
        Example(
            "The bakery of Oakham sold its last loaf after ninety years on Monday.",
            "Bread",
            "The title does not say what has happened.",
        ),
    ),
    _news,
)


def _person(chance: Random) -> str:
    words = {"name": NAMES, "job": JOBS, "city": CITIES}
    return fill(chance, "name: {name} | job: {job} | city: {city}", **words)


def _introduced(text: str) -> tuple[str, ...]:
    row = dict(field.split(": ") for field in text.split(" | "))
    job = with_article(row["job"])
    return (
        f"{row['name']} is {job} from {row['city']}.",
        f"{row['name']} from {row['city']} is {job}.",
    )


PERSON = TaskSpec(
    "person_record_to_sentence",
    FROM_DATA,
    "You are given a record of a person with name, job and city. Write one sentence that says what"
    " the person is, and from which city.",
    (
        "Take the name from the record and start the sentence with it.",
        "Go on with the verb is, and the job behind a or an.",
        "Add the word from, and the city.",
        "End with a full stop, so that it is one sentence.",
    ),
    (
        Example(
            "name: Wendy | job: sailor | city: Cork",
            "Wendy is a sailor from Cork.",
            "Name, job and city are all in the sentence.",
        ),
        Example(
            "name: Max | job: artist | city: Kyoto",
            "Max is an artist from Kyoto.",
            "Before a vowel, a becomes an.",
        ),
    ),
    (
        Example(
            "name: Zoe | job: tailor | city: Lyon",
            "Zoe is from Lyon.",
            "The job is missing: Zoe is a tailor from Lyon.",
        ),
        Example(
            "name: Max | job: judge | city: Bath",
            "Max, judge, Bath",
            "It is no sentence: Max is a judge from Bath.",
        ),
    ),
    computed(_person, _introduced),
    solve=_introduced,
)

SKIES = ("rain", "sun", "snow", "fog", "wind", "thunder")


def _forecast(chance: Random) -> str:
    degrees = tuple(map(str, range(2, 35)))
    words = {"day": WEEKDAYS, "city": CITIES, "sky": SKIES, "degrees": degrees}
    row = "day: {day} | city: {city} | weather: {sky} | degrees: {degrees}"
    return fill(chance, row, **words)


def _announced(text: str) -> tuple[str, ...]:
    row = dict(field.split(": ") for field in text.split(" | "))
    when, where = f"On {row['day']}", f"in {row['city']}"
    what, warm = f"there will be {row['weather']}", f"{row['degrees']} degrees"
    return (f"{when} {what} {where}, with {warm}.", f"{when}, {what} {where} with {warm}.")


FORECAST = TaskSpec(
    "weather_record_to_sentence",
    FROM_DATA,
    "Given a weather record, write a sentence that begins with the day and says what weather there"
    " will be, in which city, and with how many degrees.",
    (
        "Begin with the word On and the day of the record.",
        "Go on with the words there will be, and the weather.",
        "Append the word in, and the city.",
        "Finish with the degrees: a comma, the word with, the number, and the word degrees.",
    ),
    (
        Example(
            "day: Friday | city: Cork | weather: hail | degrees: 3",
            "On Friday there will be hail in Cork, with 3 degrees.",
            "Day, weather, city and degrees are all told.",
        ),
        Example(
            "day: Sunday | city: Lyon | weather: frost | degrees: 0",
            "On Sunday there will be frost in Lyon, with 0 degrees.",
            "The sentence begins with the day.",
        ),
    ),
    (
        Example(
            "day: Monday | city: Bath | weather: mist | degrees: 9",
            "On Monday there will be mist in Bath.",
            "The degrees are missing.",
        ),
        Example(
            "day: Tuesday | city: Kyoto | weather: heat | degrees: 36",
            "36 degrees in Kyoto!",
            "The sentence does not begin with the day, nor tell the weather.",
        ),
    ),
    computed(_forecast, _announced),
    solve=_announced,
)

WRITING = (FOLLOW_UP, POLITE, TITLE, PERSON, FORECAST)
