"""Training tasks: two sentences joined or compared, a gap filled, and a speaker found.

Example::

    SENTENCES[3].solve("Dialogue:\\nAnn: Hello.\\nBob: Bye.\\nLine: Bye.")  # ("Bob",)
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
    DrawnInstance,
    TaskSpec,
    computed,
    fill,
    taking_a,
)

__all__ = ["SENTENCES"]

LINKED = {
    "because": (
        ("{name} stayed at home", "The weather was bad"),
        ("{name} took a taxi", "The bus was late"),
        ("{name} opened the window", "It was hot in the room"),
        ("{name} called the {job}", "The pipe was leaking"),
    ),
    "but": (
        ("{name} searched the house", "The {thing} was gone"),
        ("{name} rang the bell", "Nobody was at home"),
        ("{name} wanted to visit {city}", "The trains were full"),
        ("{name} asked for a {thing}", "The shop had none"),
    ),
    "so": (
        ("{name} lost the key", "The {job} broke the lock"),
        ("{name} felt ill", "The trip to {city} was put off"),
        ("{name} shouted", "Everybody turned around"),
        ("{name} won the race", "The whole town celebrated"),
    ),
}


def _parts(chance: Random) -> str:
    link = chance.choice(tuple(LINKED))
    first, second = chance.choice(LINKED[link])
    return fill(
        chance,
        f"First: {first}.\nSecond: {second}.\nWord: {link}",
        name=NAMES,
        job=JOBS,
        thing=taking_a(THINGS),
        city=CITIES,
    )


def _joined(text: str) -> tuple[str, ...]:
    first, second, link = re.split(r"\n\w+: ", text.removeprefix("First: "))
    comma = "" if link == "because" else ","
    joined = f"{first[:-1]}{comma} {link} {second[0].lower()}{second[1:]}"
    return tuple(dict.fromkeys((joined, joined.replace(",", ""))))


JOIN = TaskSpec(
    "join_two_sentences",
    "Sentence Composition",
    "Given two sentences and a linking word, join the sentences with this word into a single"
    " sentence. Do not swap them.",
    (
        "Take the first of the two sentences without its full stop.",
        "Write the linking word behind it, after a comma unless the word is because.",
        "Append the second one, starting with a small letter; do not swap the two.",
        "End with one full stop, so that the result is a single sentence.",
    ),
    (
        Example(
            "First: Max was tired.\nSecond: The film was too loud.\nWord: but",
            "Max was tired, but the film was too loud.",
            "Both sentences are there, with but in between.",
        ),
        Example(
            "First: Wendy smiled.\nSecond: The sun came out.\nWord: because",
            "Wendy smiled because the sun came out.",
            "The word because takes no comma.",
        ),
    ),
    (
        Example(
            "First: Zoe fell.\nSecond: The ice broke.\nWord: because",
            "The ice broke because Zoe fell.",
            "The sentences are swapped.",
        ),
        Example(
            "First: Max sang.\nSecond: The dog ran away.\nWord: so",
            "Max sang. So. The dog ran away.",
            "These are still several sentences.",
        ),
    ),
    computed(_parts, _joined),
    solve=_joined,
)

GAPS = {
    "umbrella": "In the rain, {name} held the _ over the baby.",
    "key": "{name} could not unlock the door without the _.",
    "spoon": "{name} ate the soup with a _.",
    "pencil": "{name} drew a picture with a _.",
    "pillow": "{name} laid the head on the _ and fell asleep.",
    "ladder": "{name} climbed up the _ to the roof.",
    "broom": "{name} swept the kitchen floor with a _.",
    "scarf": "{name} wrapped a warm _ around the neck.",
    "candle": "The light went out, and {name} lit a _.",
    "map": "{name} looked for the street on the _.",
    "clock": "{name} saw on the _ that it was noon.",
    "vase": "{name} put the flowers into a _.",
    "ticket": "{name} showed the conductor the _.",
    "kettle": "{name} boiled water for tea in the _.",
}


def _gap(chance: Random) -> DrawnInstance:
    answer, other = chance.sample(tuple(GAPS), 2)
    options = chance.sample((answer, other), 2)
    sentence = GAPS[answer].format(name=chance.choice(NAMES))
    return f"Sentence: {sentence}\nOptions: {', '.join(options)}", (answer,)


GAP = TaskSpec(
    "fill_gap_from_two_options",
    "Fill in The Blank",
    "You are given a sentence in which an underscore (_) stands for a missing word, and two"
    " options. Output the option that fits.",
    (
        "Read the sentence and see what happens in it.",
        "Put the first option in place of the underscore, and then the second.",
        "Compare which of them makes more sense there.",
        "Output this option, without the rest of the sentence.",
    ),
    (
        Example(
            "Sentence: Max cut the bread with a _.\nOptions: pot, knife",
            "knife",
            "Bread is cut with a knife.",
        ),
        Example(
            "Sentence: Wendy cooked the rice in a _.\nOptions: pot, knife",
            "pot",
            "Rice is cooked in a pot.",
        ),
    ),
    (
        Example(
            "Sentence: Zoe hit the nail with a _.\nOptions: sponge, hammer",
            "sponge",
            "A sponge is too soft for a nail; hammer fits.",
        ),
        Example(
            "Sentence: Max locked the bike with a _.\nOptions: chain, cake",
            "lock",
            "Only the two options may be used: chain.",
        ),
    ),
    _gap,
)

TOLD = (
    ("{person} gave {other} a {thing}.", "{other} got a {thing} from {person}."),
    ("{person} sold a {thing} to {other}.", "{other} bought a {thing} from {person}."),
    ("{person} is the boss of {other}.", "{other} works for {person}."),
    (
        "{person} lent {other} a {colour} {thing}.",
        "{other} borrowed a {colour} {thing} from {person}.",
    ),
    ("{person} taught {other} how to cook.", "{other} learned how to cook from {person}."),
)


def _told_twice(chance: Random) -> DrawnInstance:
    label = chance.choice(("same", "different"))
    people = chance.sample(NAMES, 2)
    first, second = chance.choice(TOLD)
    colour = chance.choice(taking_a(COLOURS))
    thing = chance.choice(taking_a(THINGS))
    again = people if label == "same" else people[::-1]
    told = first.format(person=people[0], other=people[1], thing=thing, colour=colour)
    retold = second.format(person=again[0], other=again[1], thing=thing, colour=colour)
    return f"First: {told}\nSecond: {retold}", (label,)


RETOLD = TaskSpec(
    "same_event_or_not",
    "Text Matching",
    'Decide whether two sentences tell the same event in other words. Answer "same" if they do, and'
    ' "different" if not.',
    (
        "Find out who does what to whom in the first sentence.",
        "Find out the same about the second one, in which the roles may be swapped.",
        "Compare the roles of the two people.",
        "Output same if both people have the same roles, otherwise output different.",
    ),
    (
        Example(
            "First: Wendy followed Max.\nSecond: Max was followed by Wendy.",
            "same",
            "Wendy is behind Max in both sentences.",
        ),
        Example(
            "First: Zoe sent Max a card.\nSecond: Zoe received a card from Max.",
            "different",
            "First Zoe is the sender, then Max.",
        ),
    ),
    (
        Example(
            "First: Max taught Wendy Greek.\nSecond: Wendy taught Max Greek.",
            "same",
            "The teacher is Max first and then Wendy, so they are different.",
        ),
        Example(
            "First: Max paid Zoe ten dollars.\nSecond: Zoe got ten dollars from Max.",
            "Max paid",
            "One of the labels is wanted: same.",
        ),
    ),
    _told_twice,
    ("same", "different"),
)

LINES = (
    "I have to feed the cat.",
    "I can't find my {thing}.",
    "I would rather go to {city}.",
    "The {job} will be here soon.",
    "Let's paint the wall {colour}.",
    "I forgot my {thing} on the train.",
    "Dinner is ready.",
    "It snowed all night in {city}.",
)
_SAID = re.compile(r"^(\w+): (.+)$", re.MULTILINE)


def _dialogue(chance: Random) -> str:
    people = chance.sample(NAMES, 3)
    said = [
        fill(chance, line, thing=THINGS, city=CITIES, job=JOBS, colour=COLOURS)
        for line in chance.sample(LINES, 3)
    ]
    turns = [f"{who}: {what}" for who, what in zip(people, said, strict=True)]
    return "\n".join(("Dialogue:", *turns, f"Line: {chance.choice(said)}"))


def _speaker(text: str) -> tuple[str, ...]:
    turns, _, line = text.rpartition("\nLine: ")
    return (next(who for who, what in _SAID.findall(turns) if what == line),)


SPEAKER = TaskSpec(
    "who_said_the_line",
    "Speaker Identification",
    "Given a dialogue and one line of it, write the name of the person who says the line.",
    (
        "Read the line that is asked about.",
        "Look for the same words in the dialogue.",
        "Go to the beginning of that turn, before the colon.",
        "Write the name that stands there.",
    ),
    (
        Example(
            "Dialogue:\nWendy: Good night.\nMax: See you tomorrow.\nLine: See you tomorrow.",
            "Max",
            "See you tomorrow stands behind the name Max.",
        ),
        Example(
            "Dialogue:\nZoe: It's your turn.\nMax: I pass.\nWendy: Me too.\nLine: It's your turn.",
            "Zoe",
            "It's your turn stands behind the name Zoe.",
        ),
    ),
    (
        Example(
            "Dialogue:\nMax: I'm hungry.\nZoe: Have a pear.\nLine: Have a pear.",
            "Max",
            "Max says that he is hungry; the line is Zoe's.",
        ),
        Example(
            "Dialogue:\nWendy: The tap drips.\nZoe: I'll mend it.\nLine: The tap drips.",
            "The tap drips.",
            "Not the line, but the name of its speaker is wanted: Wendy.",
        ),
    ),
    computed(_dialogue, _speaker),
    solve=_speaker,
)

SENTENCES = (JOIN, GAP, RETOLD, SPEAKER)
