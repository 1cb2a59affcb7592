"""Test tasks: what follows from a sentence, what causes what, and what a text leaves open.

Example::

    REASONING[1].solve("Premise: Ann is older than Bob.\\nConclusion: Bob is younger than Ann.")
"""

import re
from random import Random

from seedstep.data import Example
from seedstep.suite.spec import (
    CITIES,
    COLOURS,
    JOBS,
    NAMES,
    THINGS,
    WEEKDAYS,
    DrawnInstance,
    TaskSpec,
    computed,
    fill,
    taking_a,
)

__all__ = ["REASONING"]

ENTAILMENT = "Textual Entailment"

PREMISES = (
    (
        "{name} bought a {colour} {thing} in {city}.",
        {
            "entailment": ("{name} bought a {thing}.", "{name} was in {city}."),
            "contradiction": ("{name} bought nothing in {city}.", "The {thing} is {other}."),
            "neutral": ("The {thing} was cheap.", "{name} has two sisters."),
        },
    ),
    (
        "On {day}, {name} rode to {city} by {vehicle}.",
        {
            "entailment": ("{name} went to {city}.", "{name} took the {vehicle}."),
            "contradiction": ("{name} stayed at home on {day}.", "{name} walked to {city}."),
            "neutral": ("It was raining in {city}.", "{name} met an old friend."),
        },
    ),
    (
        "All {colour} boxes are empty, and this box is {colour}.",
        {
            "entailment": ("This box is empty.", "There is nothing in this box."),
            "contradiction": ("This box is full.", "This box is {other}."),
            "neutral": ("This box is heavy.", "This box belongs to {name}."),
        },
    ),
    (
        "{name} is a {job} and lives alone in {city}.",
        {
            "entailment": ("{name} lives in {city}.", "{name} works as a {job}."),
            "contradiction": ("{name} has never had a job.", "{name} lives with a cousin."),
            "neutral": ("{name} likes music.", "{name} was born in {city}."),
        },
    ),
)


def _hypothesis(chance: Random) -> DrawnInstance:
    premise, hypotheses = chance.choice(PREMISES)
    label = chance.choice(tuple(hypotheses))
    colour, other = chance.sample(taking_a(COLOURS), 2)
    text = fill(
        chance,
        f"Premise: {premise}\nHypothesis: {chance.choice(hypotheses[label])}",
        name=NAMES,
        city=CITIES,
        colour=(colour,),
        other=(other,),
        thing=THINGS,
        day=WEEKDAYS,
        vehicle=("bus", "train", "bicycle", "taxi", "tram", "motorbike"),
        job=taking_a(JOBS),
    )
    return text, (label,)


HYPOTHESIS = TaskSpec(
    "premise_and_hypothesis",
    ENTAILMENT,
    'Given a premise and a hypothesis, answer "entailment" if the premise makes the hypothesis'
    ' certain, "contradiction" if it rules the hypothesis out, and "neutral" if it leaves it open.',
    (
        "Take what the premise says for true.",
        "Compare the hypothesis with it, fact by fact.",
        "If the premise makes the hypothesis certain, output entailment.",
        "If both can't hold together, output contradiction.",
        "If the premise allows it but does not settle it, output neutral.",
    ),
    (
        Example(
            "Premise: Max sold his old car to Zoe.\nHypothesis: Max had a car.",
            "entailment",
            "One can only sell a car that one has.",
        ),
        Example(
            "Premise: Wendy spent the night in a tent.\nHypothesis: Wendy slept badly.",
            "neutral",
            "The premise does not tell how she slept.",
        ),
    ),
    (
        Example(
            "Premise: Zoe's house has three floors.\nHypothesis: Zoe's house has one floor.",
            "neutral",
            "Three floors and one floor can't both be true: it is a contradiction.",
        ),
        Example(
            "Premise: Max is reading in the garden.\nHypothesis: Max is reading.",
            "yes",
            "Yes is no label; the answer is entailment.",
        ),
    ),
    _hypothesis,
    ("entailment", "contradiction", "neutral"),
)

CONTRARY = {
    "taller": "shorter",
    "older": "younger",
    "faster": "slower",
    "richer": "poorer",
    "louder": "quieter",
    "stronger": "weaker",
}
_CONTRARY = CONTRARY | {other: word for word, other in CONTRARY.items()}
_COMPARED = re.compile(r"(\w+) is (\w+) than (\w+)\.")


def _comparison(chance: Random) -> str:
    person, other = chance.sample(NAMES, 2)
    degree = chance.choice(tuple(_CONTRARY))
    contrary = _CONTRARY[degree]
    false = chance.choice(
        (f"{other} is {degree} than {person}", f"{person} is {contrary} than {other}")
    )
    conclusion = chance.choice((f"{other} is {contrary} than {person}", false))
    return f"Premise: {person} is {degree} than {other}.\nConclusion: {conclusion}."


def _follows(text: str) -> tuple[str, ...]:
    (person, degree, _), (first, again, _) = _COMPARED.findall(text)
    return ("true" if (person == first) == (degree == again) else "false",)


COMPARISON = TaskSpec(
    "comparison_follows_or_not",
    ENTAILMENT,
    "You are given a premise that compares two people, and a conclusion. If the conclusion follows"
    " from the premise, output true, otherwise output false.",
    (
        "See from the premise which of the two people has more of the quality.",
        "See the same from the conclusion, which may use the opposite word.",
        "Check whether both put the same person first.",
        "Output true if they agree, and false if they don't.",
    ),
    (
        Example(
            "Premise: Wendy is bigger than Max.\nConclusion: Max is smaller than Wendy.",
            "true",
            "Wendy is the bigger one in both sentences.",
        ),
        Example(
            "Premise: Zoe is heavier than Max.\nConclusion: Zoe is lighter than Max.",
            "false",
            "Who is heavier can't be lighter.",
        ),
    ),
    (
        Example(
            "Premise: Max is colder than Wendy.\nConclusion: Wendy is warmer than Max.",
            "false",
            "Wendy is the warmer one in both, so it is true.",
        ),
        Example(
            "Premise: Zoe is nicer than Wendy.\nConclusion: Wendy is nicer than Zoe.",
            "Zoe is nicer",
            "The answer has to be true or false; it is false.",
        ),
    ),
    computed(_comparison, _follows),
    ("true", "false"),
    _follows,
)

CAUSES = (
    ("the road was icy", "{name} slipped"),
    ("the alarm did not ring", "{name} overslept"),
    ("{name} left the tap running", "the bathroom was flooded"),
    ("the shop was closed", "{name} came home without bread"),
    ("a dog barked all night", "{name} could not sleep"),
    ("the battery was empty", "the {thing} stopped working"),
    ("{name} dropped the {thing}", "the {thing} got a crack"),
    ("the sun shone for weeks", "the grass turned brown"),
    ("{name} told a joke", "everybody laughed"),
    ("the bridge was damaged", "the trains to {city} were late"),
    ("{name} studied hard", "the exam was easy"),
    ("the wind was strong", "the ferry to {city} stayed in the harbour"),
)
_BECAUSE, _SO = " because ", ", so "


def _events(chance: Random) -> str:
    words = {"name": NAMES, "city": CITIES, "thing": ("radio", "phone", "torch", "toy robot")}
    pair = fill(chance, "|".join(chance.choice(CAUSES)), **words)
    cause, effect = pair.split("|")
    told = chance.choice((f"{effect}{_BECAUSE}{cause}", f"{cause}{_SO}{effect}"))
    sentence = told[0].upper() + told[1:]
    return f"Sentence: {sentence}.\nPart: {chance.choice((cause, effect))}"


def _role(text: str) -> tuple[str, ...]:
    sentence, _, part = text.removeprefix("Sentence: ").partition(".\nPart: ")
    is_first = sentence.lower().startswith(part.lower())
    return ("cause" if is_first == (_SO in sentence) else "effect",)


CAUSE = TaskSpec(
    "cause_or_effect",
    "Cause Effect Classification",
    "Given a sentence and a part of it, say whether the part is the cause or the effect in the"
    ' sentence. Output "cause" or "effect".',
    (
        "Find the linking word in the sentence: because or so.",
        "Remember that the reason follows because, and comes before so.",
        "Look on which side of the linking word the given part stands.",
        "Output cause if the part is the reason, and effect if it is the result.",
    ),
    (
        Example(
            "Sentence: Wendy yawned because the talk was long.\nPart: the talk was long",
            "cause",
            "What follows because is the reason.",
        ),
        Example(
            "Sentence: The milk was sour, so Max drank water.\nPart: Max drank water",
            "effect",
            "What follows so is the result.",
        ),
    ),
    (
        Example(
            "Sentence: Zoe was hungry, so she baked a cake.\nPart: Zoe was hungry",
            "effect",
            "The hunger is why she baked, so it is the cause.",
        ),
        Example(
            "Sentence: Max ran because it was late.\nPart: Max ran",
            "because",
            "One of the two labels is wanted: effect.",
        ),
    ),
    computed(_events, _role),
    ("cause", "effect"),
    _role,
)

KNOWN = {
    "age": ("is {age} years old", "How old is {name}?"),
    "city": ("lives in {city}", "Where does {name} live?"),
    "job": ("works as a {job}", "What is {name}'s job?"),
    "pet": ("has a {pet}", "Which pet does {name} have?"),
    "sport": ("plays {sport}", "Which sport does {name} play?"),
}


def _facts(chance: Random) -> DrawnInstance:
    label = chance.choice(("yes", "no"))
    first, second, missing = chance.sample(tuple(KNOWN), 3)
    asked = KNOWN[first if label == "yes" else missing][1]
    told = chance.sample((KNOWN[first][0], KNOWN[second][0]), 2)
    text = fill(
        chance,
        f"Text: {{name}} {told[0]} and {told[1]}.\nQuestion: {asked}",
        name=NAMES,
        age=tuple(map(str, range(20, 80))),
        city=CITIES,
        job=taking_a(JOBS),
        pet=("dog", "cat", "hamster", "parrot", "rabbit"),
        sport=("tennis", "football", "golf", "hockey", "rugby"),
    )
    return text, (label,)


ANSWERABLE = TaskSpec(
    "is_the_question_answerable",
    "Answerability Classification",
    "Given a text and a question, answer yes if the text contains the answer to the question, and"
    " no if it does not. Do not answer the question itself.",
    (
        "See what the question wants to know.",
        "Look for this piece of information in the text.",
        "Output yes if it is there, and no if the text does not tell it.",
        "Do not write the answer to the question itself.",
    ),
    (
        Example(
            "Text: Wendy collects stamps and speaks Greek.\nQuestion: What does Wendy collect?",
            "yes",
            "The text says that she collects stamps.",
        ),
        Example(
            "Text: Max drives a van and is left-handed.\nQuestion: Where was Max born?",
            "no",
            "Nothing is said about his birth.",
        ),
    ),
    (
        Example(
            "Text: Zoe has red hair and sings well.\nQuestion: What colour is Zoe's hair?",
            "red",
            "The question itself must not be answered; the output is yes.",
        ),
        Example(
            "Text: Max owns a boat and hates fish.\nQuestion: How long is Max's boat?",
            "yes",
            "The boat is mentioned, but not its length: no.",
        ),
    ),
    _facts,
    ("yes", "no"),
)

REASONING = (HYPOTHESIS, COMPARISON, CAUSE, ANSWERABLE)
