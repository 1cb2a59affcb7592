"""Test tasks: who is meant in a text, and what somebody does by saying something.

Example::

    REFERENCE[1].solve("Ann and Bob sing; the latter is loud. Who is loud?")  # ("Bob",)
"""

import re
from random import Random

from seedstep.data import Example
from seedstep.suite.spec import (
    CITIES,
    FEMALE,
    MALE,
    NAMES,
    THINGS,
    WEEKDAYS,
    DrawnInstance,
    TaskSpec,
    computed,
    fill,
    labelled,
    taking_a,
)

__all__ = ["REFERENCE"]

COREFERENCE = "Coreference Resolution"
DIALOGUE = "Dialogue Act Recognition"

SCENES = (
    "{person} met {other} at the market in {city}. {pronoun} was carrying a {thing}.",
    "{person} waved at {other} from the bus. {pronoun} did not look happy.",
    "{person} and {other} missed the train to {city}. {pronoun} had lost the tickets.",
    "{person} played cards with {other} on {day}. {pronoun} won every time.",
    "{person} phoned {other} on {day}. {pronoun} had a cold.",
)


def _scene(chance: Random) -> DrawnInstance:
    people = {"She": chance.choice(FEMALE), "He": chance.choice(MALE)}
    pronoun = chance.choice(tuple(people))
    person, other = chance.sample(tuple(people.values()), 2)
    text = fill(
        chance,
        chance.choice(SCENES),
        person=(person,),
        other=(other,),
        pronoun=(pronoun,),
        city=CITIES,
        thing=taking_a(THINGS),
        day=WEEKDAYS,
    )
    return f"{text}\nPronoun: {pronoun}", (people[pronoun],)


PRONOUN = TaskSpec(
    "person_behind_the_pronoun",
    COREFERENCE,
    "In this task, you are given a text about a woman and a man, and a pronoun. Output the name of"
    " the person that the pronoun stands for.",
    (
        "Look at the pronoun: she is for a woman, he for a man.",
        "Find the two names in the text.",
        "Decide which of them is a woman's name and which a man's.",
        "Output the name that suits the pronoun.",
    ),
    (
        Example(
            "Emily danced with Thomas. He stepped on her foot.\nPronoun: He",
            "Thomas",
            "He is for a man, and Thomas is a man's name.",
        ),
        Example(
            "Jack wrote to Susan. She lives abroad.\nPronoun: She",
            "Susan",
            "She is for a woman, and Susan is a woman's name.",
        ),
    ),
    (
        Example(
            "Lucy drove Frank home. She was in a hurry.\nPronoun: She",
            "Frank",
            "Frank is a man's name; she is Lucy.",
        ),
        Example(
            "Kate helped James. He thanked her.\nPronoun: He",
            "a man",
            "The name is wanted: James.",
        ),
    ),
    _scene,
)

PAIRS = (
    ("{person} and {other} are neighbours; the {which} has a garden.", "Who has a garden?"),
    ("{person} and {other} live in {city}; the {which} was born there.", "Who was born there?"),
    ("{person} and {other} ran a race; the {which} won it.", "Who won it?"),
    ("{person} and {other} play music; the {which} plays the flute.", "Who plays the flute?"),
    ("{person} and {other} went to {city}; the {which} took the bus.", "Who took the bus?"),
)
_NAMED = re.compile(r"(?P<former>\w+) and (?P<latter>\w+) .*; the (?P<which>\w+) ")


def _pair(chance: Random) -> str:
    person, other = chance.sample(NAMES, 2)
    return fill(
        chance,
        " ".join(chance.choice(PAIRS)),
        person=(person,),
        other=(other,),
        which=("former", "latter"),
        city=CITIES,
    )


def _meant(text: str) -> tuple[str, ...]:
    found = _NAMED.match(text)
    return (found[found["which"]],) if found else ()


FORMER = TaskSpec(
    "former_or_latter",
    COREFERENCE,
    "Given a sentence that names two people and then speaks of the former or the latter, answer the"
    " question with the right name.",
    (
        "Note the two names in the order in which the sentence gives them.",
        "See whether the sentence goes on with former or with latter.",
        "Take the first of the names for former, and the second for latter.",
        "Answer with this name only.",
    ),
    (
        Example(
            "Wendy and Max collect shells; the former found a rare one. Who found a rare one?",
            "Wendy",
            "The former is the person named first, Wendy.",
        ),
        Example(
            "Zoe and Wendy are twins; the latter is the elder. Who is the elder?",
            "Wendy",
            "The latter is the person named second, Wendy.",
        ),
    ),
    (
        Example(
            "Max and Zoe ski; the latter broke a leg. Who broke a leg?",
            "Max",
            "Max is the former; the latter is Zoe.",
        ),
        Example(
            "Wendy and Zoe cook; the former burnt the rice. Who burnt the rice?",
            "the former",
            "A name is wanted: Wendy.",
        ),
    ),
    computed(_pair, _meant),
    solve=_meant,
)

SAYINGS = {
    "greeting": (
        "Hello {name}, nice to meet you!",
        "Good morning, {name}!",
        "Hi there, {name}!",
        "Welcome to {city}, {name}!",
    ),
    "request": (
        "Please hand me the {thing}, {name}.",
        "{name}, close the door, will you?",
        "Please send the {thing} to {city} by {day}.",
        "Bring the {thing} with you, {name}.",
    ),
    "thanks": (
        "I am so grateful for your help, {name}.",
        "Thank you for the {thing}!",
        "Thanks a lot for the lift to {city}, {name}.",
        "Many thanks for {day}, {name}!",
    ),
    "apology": (
        "I am sorry that I broke your {thing}.",
        "Forgive me for being late, {name}.",
        "Sorry, {name}, I forgot about {day}.",
        "I apologise for what I said in {city}.",
    ),
}
ACT = TaskSpec(
    "act_of_an_utterance",
    DIALOGUE,
    "Given what somebody says in a dialogue, classify it into one of four acts: greeting, request,"
    " thanks, apology.",
    (
        "Read the utterance and ask what the speaker does by it.",
        "It is a greeting if somebody is welcomed, and a request if the other should do something.",
        "It is thanks if the speaker is grateful, and an apology if the speaker regrets something.",
        "Output greeting, request, thanks or apology.",
    ),
    (
        Example("Good evening, ladies!", "greeting", "The ladies are welcomed."),
        Example(
            "My fault, I took the wrong bag.",
            "apology",
            "The speaker regrets having taken the wrong bag.",
        ),
    ),
    (
        Example(
            "How kind of you to feed the fish!",
            "request",
            "Nothing is asked for; the speaker is grateful, so it is thanks.",
        ),
        Example("Turn the radio down, please.", "rude", "The act is wanted: request."),
    ),
    labelled(SAYINGS, name=NAMES, city=CITIES, thing=THINGS, day=WEEKDAYS),
    tuple(SAYINGS),
)

INVITATIONS = (
    "Would you like to have lunch on {day}?",
    "Shall we go to {city} together?",
    "Do you want to play cards with {name} and me?",
    "Will you come to my party on {day}?",
)
REPLIES = {
    "accept": (
        "I'd love to!",
        "Sure, count me in.",
        "What a good idea, yes.",
        "Of course, with pleasure.",
        "Gladly!",
    ),
    "decline": (
        "I'm afraid I can't.",
        "Maybe another time, I have too much work.",
        "Thanks, but I'd rather stay at home.",
        "Unfortunately I'm busy.",
        "No, that does not suit me.",
    ),
}
INVITATION = TaskSpec(
    "reply_to_an_invitation",
    DIALOGUE,
    "You are given an invitation and the reply to it. Does the reply accept or decline the"
    ' invitation? Output "accept" or "decline".',
    (
        "Read the invitation to know what is offered.",
        "Read the reply and imagine whether this person will come along.",
        "Polite words such as thanks may hide a refusal; look at what comes after them.",
        "Output accept for a yes, and decline for a no.",
    ),
    (
        Example(
            "Invitation: Fancy a walk along the river?\nReply: Yes, let me get my shoes.",
            "accept",
            "Whoever gets the shoes will come along.",
        ),
        Example(
            "Invitation: Join us for dinner!\nReply: That's kind, but I have already eaten.",
            "decline",
            "The reply is a polite no.",
        ),
    ),
    (
        Example(
            "Invitation: Come and sing with us!\nReply: My voice is gone, sorry.",
            "accept",
            "Without a voice this person will not sing: decline.",
        ),
        Example(
            "Invitation: How about some tennis?\nReply: Great, at five?",
            "five",
            "One of the two labels is wanted: accept.",
        ),
    ),
    labelled(
        {
            label: tuple(
                f"Invitation: {invitation}\nReply: {reply}"
                for invitation in INVITATIONS
                for reply in replies
            )
            for label, replies in REPLIES.items()
        },
        day=WEEKDAYS,
        city=CITIES,
        name=NAMES,
    ),
    tuple(REPLIES),
)

REFERENCE = (PRONOUN, FORMER, ACT, INVITATION)
