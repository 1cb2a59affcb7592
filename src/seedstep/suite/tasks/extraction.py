"""Training tasks: finding a name, a price or the like in a sentence.

Example::

    EXTRACTION[0].solve("Write to ann@example.org.")  # ("ann@example.org",)
"""

import re
from collections.abc import Callable
from random import Random

from seedstep.data import Example
from seedstep.suite.spec import (
    CITIES,
    JOBS,
    MONTHS,
    NAMES,
    SURNAMES,
    THINGS,
    WEEKDAYS,
    DrawnInstance,
    TaskSpec,
    computed,
    fill,
)

__all__ = ["EXTRACTION"]

INFORMATION = "Information Extraction"
ENTITIES = "Named Entity Recognition"


def _finder(pattern: str) -> Callable[[str], tuple[str, ...]]:
    """Return a function that finds what matches a pattern in a text."""
    return lambda text: tuple(re.findall(pattern, text))


_address = _finder(r"[\w.]+@[\w.]+\w")
_price = _finder(r"\$\d+")
_time = _finder(r"\d+:\d\d")

CONTACTS = (
    "Write to {address} if you have any questions about the {thing}.",
    "{name} can be reached at {address} or in the office in {city}.",
    "Please send the photo of the {thing} to {address}, {name} is waiting for it.",
    "The {job}'s new address is {address}, the old one no longer works.",
    "For tickets to {city}, contact {address} before {day}.",
)


def _contact(chance: Random) -> str:
    first, last = chance.choice(NAMES).lower(), chance.choice(SURNAMES).lower()
    user = chance.choice((first, f"{first}.{last}", f"{last}{chance.randrange(10, 99)}", "info"))
    host = chance.choice(("example.org", "mail.example", "post.example", f"{last}.example"))
    return fill(
        chance,
        chance.choice(CONTACTS),
        address=(f"{user}@{host}",),
        name=NAMES,
        thing=THINGS,
        city=CITIES,
        job=JOBS,
        day=WEEKDAYS,
    )


EMAIL = TaskSpec(
    "email_address_extraction",
    INFORMATION,
    "Given a sentence that contains an e-mail address, output this address and nothing else.",
    (
        "Look through the sentence for the sign @.",
        "Take all characters around it up to the nearest spaces.",
        "Leave out a comma or a full stop that only ends the clause.",
        "Output the e-mail address alone, without any other word.",
    ),
    (
        Example(
            "Bring the keys, or drop a line to house7@example.com.",
            "house7@example.com",
            "The final full stop belongs to the sentence, not to the address.",
        ),
        Example(
            "The choir, choir@town.example, looks for new voices.",
            "choir@town.example",
            "It is the only text with the sign @.",
        ),
    ),
    (
        Example(
            "Ask lena.b@example.com about the boat.",
            "lena.b",
            "The part behind the sign @ is missing.",
        ),
        Example(
            "Reports go to desk@news.example by noon.",
            "Send it to desk@news.example",
            "Other words than the address are not allowed.",
        ),
    ),
    computed(_contact, _address),
    solve=_address,
)

OFFERS = (
    "The {thing} costs {price}, and shipping takes {number} days.",
    "On {day}, {name} paid {price} for the {thing}, which is {number} years old.",
    "After {number} weeks in the window, the {thing} went for {price}.",
    "For {price} you get the {thing}, delivered within {number} days.",
    "{name} wants {price} for the {thing} in room {number}.",
)


def _offer(chance: Random) -> str:
    return fill(
        chance,
        chance.choice(OFFERS),
        price=tuple(f"${amount}" for amount in range(3, 120)),
        number=tuple(map(str, range(2, 30))),
        thing=THINGS,
        name=NAMES,
        day=WEEKDAYS,
    )


PRICE = TaskSpec(
    "price_extraction",
    INFORMATION,
    "In this task, you are given a sentence about something for sale. Extract its price. The output"
    " should start with a dollar sign.",
    (
        "Look for the dollar sign in the sentence.",
        "Take it together with the number right behind it.",
        "Pay no attention to numbers that count or date something.",
        "Output the price, starting with the dollar sign.",
    ),
    (
        Example(
            "Three tyres are left, $45 each.",
            "$45",
            "Three is a number of tyres; the price is $45.",
        ),
        Example(
            "The bench from 1985 went for $210 at the auction.",
            "$210",
            "1985 is a year, $210 the price.",
        ),
    ),
    (
        Example(
            "Two chairs for $30, pick up in 4 hours.",
            "4",
            "4 counts hours; the price is $30.",
        ),
        Example("The globe is yours for $66.", "66", "The dollar sign is missing."),
    ),
    computed(_offer, _price),
    solve=_price,
)

DEPARTURES = (
    "The bus number {number} to {city} leaves at {time} from the old market.",
    "At {time} the ferry to {city} departs with {number} passengers.",
    "{name} takes the {time} train to {city} on {day}, seat {number}.",
    "Flight {number} to {city} takes off at {time}, not in the evening.",
    "Be at gate {number} before {time}, when the coach to {city} sets off.",
)


def _departure(chance: Random) -> str:
    time = f"{chance.randrange(5, 24)}:{chance.randrange(0, 60, 5):02}"
    return fill(
        chance,
        chance.choice(DEPARTURES),
        time=(time,),
        number=tuple(map(str, range(2, 90))),
        city=CITIES,
        name=NAMES,
        day=WEEKDAYS,
    )


DEPARTURE = TaskSpec(
    "departure_time_extraction",
    INFORMATION,
    "You will be given a sentence about a journey. Your task is to copy the time of departure from"
    " it exactly as written.",
    (
        "Read the sentence and find the clock time, which has a colon in it.",
        "Do not mix it up with numbers of seats, stops or flights.",
        "Copy hours, colon and minutes without changing them.",
        "Output just this time.",
    ),
    (
        Example(
            "Platform 3: the night train to Rome leaves at 22:10.",
            "22:10",
            "The train leaves at 22:10; 3 is its platform.",
        ),
        Example(
            "The 9:35 tram to the harbour runs from pier 12.",
            "9:35",
            "9:35 is the clock time; 12 is a pier.",
        ),
    ),
    (
        Example(
            "Line 44 to the zoo departs at 7:20.",
            "44",
            "44 is the line, not the time of departure.",
        ),
        Example(
            "The boat to Malta sets sail at 16:00.",
            "4 pm",
            "It is the same time, but it has to be copied as written.",
        ),
    ),
    computed(_departure, _time),
    solve=_time,
)

MEETINGS = (
    "{person} met {other} at the station in {city}.",
    "On {day}, {person} and {other} repaired the old {thing}.",
    "{person} sent {other} a {thing} from {city}.",
    "In {month}, {person} borrowed a {thing} from {other}.",
    "The {job} asked {person} and {other} to wait.",
)


def _meeting(chance: Random) -> DrawnInstance:
    person, other = chance.sample(NAMES, 2)
    text = fill(
        chance,
        chance.choice(MEETINGS),
        person=(person,),
        other=(other,),
        city=CITIES,
        day=WEEKDAYS,
        thing=THINGS,
        month=MONTHS,
        job=JOBS,
    )
    return text, (f"{person}, {other}",)


PEOPLE = TaskSpec(
    "person_names",
    ENTITIES,
    "Given a sentence, list the names of all persons in it, in their order in the sentence,"
    " separated by a comma.",
    (
        "Go through the sentence from left to right.",
        "Mark the words that name a human being, and skip names of cities, days and months.",
        "Keep the names in the order in which they occur.",
        "Write them with a comma and a space in between.",
    ),
    (
        Example(
            "Noah showed Leila the way to Paris.",
            "Noah, Leila",
            "Noah and Leila are persons, Paris is a city.",
        ),
        Example(
            "Every Friday, Marta plays cards with Jakob.",
            "Marta, Jakob",
            "Friday is a day. Marta comes before Jakob.",
        ),
    ),
    (
        Example(
            "Emil called Judith from Berlin.",
            "Emil, Judith, Berlin",
            "Berlin is a city and must be left out.",
        ),
        Example(
            "In June, Wanda taught Theo to ski.",
            "Theo, Wanda",
            "Both names are right, but Wanda comes first in the sentence.",
        ),
    ),
    _meeting,
)

TRIPS = (
    "{name} moved to {city} in {month}.",
    "On {day}, the {job} will fly to {city} with {name}.",
    "{name} bought this {thing} at a market in {city}.",
    "The museum of {city} is closed every {day}, says {name}.",
    "In {month}, a {job} from {city} found {name}'s {thing}.",
)


def _trip(chance: Random) -> DrawnInstance:
    city = chance.choice(CITIES)
    text = fill(
        chance,
        chance.choice(TRIPS),
        city=(city,),
        name=NAMES,
        month=MONTHS,
        day=WEEKDAYS,
        job=JOBS,
        thing=THINGS,
    )
    return text, (city,)


CITY = TaskSpec(
    "city_name",
    ENTITIES,
    "In this task you find the city in a sentence. Output only its name.",
    (
        "Read the sentence and look at the words with a capital letter.",
        "Set aside persons, days of the week and months.",
        "The word that is left and names a town is the answer.",
        "Output this name only.",
    ),
    (
        Example(
            "Gustav spent a week in Krakow last March.",
            "Krakow",
            "Gustav is a person and March a month.",
        ),
        Example(
            "The Friday market of Lyon is famous.",
            "Lyon",
            "Lyon is the city; Friday is a day.",
        ),
    ),
    (
        Example("Iris left Bremen in May.", "Iris", "Iris is a person; the city is Bremen."),
        Example(
            "On Monday, Cork will be cold.",
            "the city of Cork",
            "Only the name of the city is wanted: Cork.",
        ),
    ),
    _trip,
)

KINDS = {"person": NAMES, "city": CITIES, "month": MONTHS, "day": WEEKDAYS}
CAPITALISED = (
    "{name} travelled to {city} on a {day} in {month}.",
    "One {day} in {month}, {name} opened a café in {city}.",
    "In {month}, {city} was so hot that {name} stayed at home until {day}.",
    "{name} leaves {city} on the first {day} of {month}.",
)


def _entity(chance: Random) -> DrawnInstance:
    entities = {kind: chance.choice(names) for kind, names in KINDS.items()}
    kind = chance.choice(tuple(KINDS))
    sentence = chance.choice(CAPITALISED).format(**entities, name=entities["person"])
    return f"Sentence: {sentence}\nWord: {entities[kind]}", (kind,)


ENTITY = TaskSpec(
    "entity_type",
    ENTITIES,
    "You are given a sentence and a word from it. Say what the word names in this sentence."
    " Possible answers are: person, city, month, day.",
    (
        "Find the given word in the sentence.",
        "Look at the words next to it, and at what happens there.",
        "Decide what is named: somebody who acts (person), a town (city), a part of the year"
        " (month), or a part of the week (day).",
        "Output person, city, month or day.",
    ),
    (
        Example(
            "Sentence: Agnes flew to Helsinki on a Sunday in May.\nWord: Helsinki",
            "city",
            "One can fly to Helsinki, so it is a city.",
        ),
        Example(
            "Sentence: June met April in Bristol in August.\nWord: April",
            "person",
            "June met her, so April is a person here, not a month.",
        ),
    ),
    (
        Example(
            "Sentence: Every Tuesday, Milan is full of tourists.\nWord: Milan",
            "person",
            "Full of tourists is said of a place, so Milan is a city.",
        ),
        Example(
            "Sentence: Ludwig was born in March in Bonn.\nWord: March",
            "born",
            "The kind of the word is wanted, which is month.",
        ),
    ),
    _entity,
    tuple(KINDS),
)

EXTRACTION = (EMAIL, PRICE, DEPARTURE, PEOPLE, CITY, ENTITY)
