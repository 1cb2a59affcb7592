"""Training tasks: what a question asks for, and its answer in a short text.

Example::

    QUESTIONS[0].draw(random.Random("1"))  # (a question, ("person",)), say
"""

import re
from random import Random

from seedstep.data import Example
from seedstep.suite.spec import (
    CITIES,
    JOBS,
    MONTHS,
    NAMES,
    THINGS,
    WEEKDAYS,
    DrawnInstance,
    TaskSpec,
    computed,
    fill,
    labelled,
)

__all__ = ["QUESTIONS"]

UNDERSTANDING = "Question Understanding"
ANSWERING = "Question Answering"

ASKING = {
    "person": (
        "Who broke the {thing}?",
        "Who is the new {job} in town?",
        "Whose {thing} is lying on the floor?",
        "Which {job} did you meet in {city}?",
    ),
    "place": (
        "Where did you lose your {thing}?",
        "Where does the {job} live?",
        "Which town lies north of {city}?",
        "Where is the {thing} that I bought in {city}?",
    ),
    "time": (
        "When does the {job} come back?",
        "When did you buy the {thing}?",
        "What year was the bridge of {city} built?",
        "What day do you travel to {city}?",
    ),
    "number": (
        "How many people live in {city}?",
        "How many pages are in the {job}'s report?",
        "How much does the {thing} cost?",
        "How many times did the {job} call?",
    ),
}
ASKED_FOR = TaskSpec(
    "question_answer_type",
    UNDERSTANDING,
    "Read the question and say what kind of thing would answer it. Choose one of: person, place,"
    " time, number.",
    (
        "Look at how the question starts, and at the noun behind words such as which or what.",
        "Imagine a short answer to it.",
        "Decide what that answer would be: a human being, a location, a moment, or an amount.",
        "Output person, place, time or number accordingly.",
    ),
    (
        Example("Who painted this wall?", "person", "A painter, so a person, is the answer."),
        Example(
            "What month is the coldest in your country?",
            "time",
            "A month is a stretch of time.",
        ),
    ),
    (
        Example(
            "Where do storks spend the winter?",
            "time",
            "Where asks for a place, although the winter is mentioned.",
        ),
        Example("How many eggs are left?", "three", "Not the answer is wanted, but its kind."),
    ),
    labelled(ASKING, thing=THINGS, job=JOBS, city=CITIES),
    tuple(ASKING),
)

FORMS = {
    "closed": (
        "Is the {job} at home?",
        "Did you see my {thing}?",
        "Does the train stop in {city}?",
        "Have you ever been to {city}?",
        "Can the {job} repair this {thing}?",
    ),
    "open": (
        "Why is the {job} so late?",
        "What did you do with my {thing}?",
        "How do I get to {city}?",
        "What do you like about {city}?",
        "Where does the {job} keep the {thing}?",
    ),
}
CLOSED = TaskSpec(
    "closed_or_open_question",
    UNDERSTANDING,
    'A question is "closed" if yes or no answers it, and "open" if it needs another answer.'
    " Classify the given question.",
    (
        "Read the question, above all its first word.",
        "Try whether yes or no would be a full reply to it.",
        "If so, output closed.",
        "If more has to be said, because it begins with a word like why, what, how or where, output"
        " open.",
    ),
    (
        Example("Are the shops open on Sunday?", "closed", "Yes or no is a full answer."),
        Example("Why do cats purr?", "open", "Yes or no does not answer why."),
    ),
    (
        Example("Will they come to the wedding?", "open", "It can be answered with yes or no."),
        Example("Do you like tea?", "yes", "The question must be classified, not answered."),
    ),
    labelled(FORMS, thing=THINGS, job=JOBS, city=CITIES),
    tuple(FORMS),
)

SHOPS = {
    "bakery": ("bread", "rolls", "cakes"),
    "bookshop": ("novels", "atlases", "comics"),
    "flower shop": ("roses", "tulips", "lilies"),
    "music shop": ("guitars", "drums", "violins"),
    "toy shop": ("dolls", "puzzles", "kites"),
}


def _opening(chance: Random) -> DrawnInstance:
    name, city, month = chance.choice(NAMES), chance.choice(CITIES), chance.choice(MONTHS)
    shop = chance.choice(tuple(SHOPS))
    goods = chance.choice(SHOPS[shop])
    question, answer = chance.choice(
        (
            (f"Who opened the {shop}?", name),
            (f"Where is the {shop}?", city),
            (f"When did the {shop} open?", month),
            (f"What does the {shop} sell?", goods),
        )
    )
    passage = f"In {month}, {name} opened a small {shop} in {city}. It sells {goods}."
    return f"Passage: {passage}\nQuestion: {question}", (answer,)


PASSAGE = TaskSpec(
    "passage_short_answer",
    ANSWERING,
    "You are given a passage and a question about it. Answer the question with a single word from"
    " the passage.",
    (
        "Read the question and see whether it wants a person, a place, a month or a kind of goods.",
        "Find the sentence of the passage that tells it.",
        "Take the one word from there that answers the question.",
        "Output this word alone, exactly as it is spelled in the passage.",
    ),
    (
        Example(
            "Passage: In May, Lucas opened a small tea house in Kyoto. It sells green tea.\n"
            "Question: Where is the tea house?",
            "Kyoto",
            "The passage says that the tea house is in Kyoto.",
        ),
        Example(
            "Passage: In June, Amira opened a small pet shop in Cork. It sells rabbits.\n"
            "Question: Who opened the pet shop?",
            "Amira",
            "The passage names Amira as the one who opened it.",
        ),
    ),
    (
        Example(
            "Passage: In April, Hugo opened a small shoe shop in Lyon. It sells boots.\n"
            "Question: When did the shoe shop open?",
            "Lyon",
            "When asks for a time, which is April; Lyon is the place.",
        ),
        Example(
            "Passage: In May, Nora opened a small art shop in Bath. It sells brushes.\n"
            "Question: What does the art shop sell?",
            "It sells brushes in Bath.",
            "A single word is wanted: brushes.",
        ),
    ),
    _opening,
)

ACTIVITIES = (
    *("chess", "swimming", "painting", "choir", "football", "cooking", "yoga", "theatre"),
    *("tennis", "pottery", "dancing", "sewing"),
)


def _timetable(chance: Random) -> str:
    days = sorted(chance.sample(range(7), 3))
    activities = chance.sample(ACTIVITIES, 3)
    lines = [f"{WEEKDAYS[day]}: {activity}" for day, activity in zip(days, activities, strict=True)]
    place = chance.randrange(3)
    question = chance.choice(
        (f"What is on {WEEKDAYS[days[place]]}?", f"On which day is {activities[place]}?")
    )
    return f"{'; '.join(lines)}.\nQuestion: {question}"


def _look_up(text: str) -> tuple[str, ...]:
    table, _, question = text.partition(".\nQuestion: ")
    entries = dict(line.split(": ") for line in table.split("; "))
    days = {activity: day for day, activity in entries.items()}
    word = question.rstrip("?").split()[-1]
    return ((entries | days)[word],)


TIMETABLE = TaskSpec(
    "timetable_lookup",
    ANSWERING,
    "In this task you are given a club's timetable and a question. Answer with the activity or the"
    " day that the question asks for.",
    (
        "Read the question and note whether it names a day or an activity.",
        "Find this word in the timetable.",
        "Look at what stands on the other side of the colon.",
        "Output that word only.",
    ),
    (
        Example(
            "Monday: judo; Friday: bingo; Sunday: rowing.\nQuestion: What is on Friday?",
            "bingo",
            "Bingo stands behind Friday.",
        ),
        Example(
            "Tuesday: rowing; Thursday: bingo; Saturday: judo.\nQuestion: On which day is judo?",
            "Saturday",
            "Judo stands behind Saturday.",
        ),
    ),
    (
        Example(
            "Monday: bingo; Tuesday: judo; Friday: rowing.\nQuestion: What is on Tuesday?",
            "rowing",
            "Rowing is on Friday; on Tuesday there is judo.",
        ),
        Example(
            "Monday: rowing; Thursday: judo; Sunday: bingo.\nQuestion: On which day is bingo?",
            "bingo",
            "The day is asked for, which is Sunday.",
        ),
    ),
    computed(_timetable, _look_up),
    solve=_look_up,
)

ROOMS = ("kitchen", "garden", "cellar", "attic", "bathroom", "garage", "hall", "library")
MOVES = ("went to the", "walked into the", "ran to the", "moved to the")
_MOVE = re.compile(r"(\w+) (?:went|walked|ran|moved) (?:in)?to the (\w+)\.")


def _moves(chance: Random) -> str:
    people = chance.sample(NAMES, 2)
    walkers = chance.sample((*people, chance.choice(people)), 3)
    rooms = chance.sample(ROOMS, 3)
    told = [
        f"{walker} {fill(chance, '{move}', move=MOVES)} {room}."
        for walker, room in zip(walkers, rooms, strict=True)
    ]
    return f"{' '.join(told)} Where is {chance.choice(people)}?"


def _last_room(text: str) -> tuple[str, ...]:
    last = dict(_MOVE.findall(text))
    return (last[text.rstrip("?").split()[-1]],)


WHERE = TaskSpec(
    "where_is_the_person",
    ANSWERING,
    "You will be told how people move through a house. Say in which room the person of the question"
    " is at the end. Answer with the name of the room only.",
    (
        "Note the person that the question asks about.",
        "Go through the sentences in order and pick those about this person.",
        "Take the last of these; earlier rooms have been left.",
        "Output just the name of the room in it.",
    ),
    (
        Example(
            "Wendy went to the office. Zoe ran to the kitchen. Where is Wendy?",
            "office",
            "Wendy's only move is to the office.",
        ),
        Example(
            "Zoe went to the attic. Zoe walked into the studio. Wendy ran to the hall. Where is"
            " Zoe?",
            "studio",
            "Zoe left the attic; her last move is to the studio.",
        ),
    ),
    (
        Example(
            "Zoe ran to the hall. Wendy went to the garden. Zoe moved to the office. Where is Zoe?",
            "hall",
            "Zoe has left the hall for the office.",
        ),
        Example(
            "Wendy ran to the cellar. Zoe walked into the hall. Where is Zoe?",
            "cellar",
            "The cellar is where Wendy is; Zoe is in the hall.",
        ),
    ),
    computed(_moves, _last_room),
    solve=_last_room,
)

QUESTIONS = (ASKED_FOR, CLOSED, PASSAGE, TIMETABLE, WHERE)
