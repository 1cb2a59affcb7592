"""Training tasks: words and sentences rewritten by a rule.

Example::

    REWRITING[0].solve("Anna Keller")  # ("A. K.",)
"""

import re
from random import Random

from seedstep.data import Example
from seedstep.suite.spec import (
    ANIMALS,
    CITIES,
    COLOURS,
    FRUITS,
    JOBS,
    NAMES,
    SURNAMES,
    THINGS,
    TaskSpec,
    computed,
    fill,
    split,
    taking_a,
)

__all__ = ["REWRITING"]

WORD = "Word Manipulation"
SENTENCE = "Sentence Perturbation"

MIDDLE = ("Blake", "Casey", "Jo", "Lee", "Quinn", "Robin", "Sky", "Taylor")


def _full_name(chance: Random) -> str:
    middle = chance.choice(("", f" {chance.choice(MIDDLE)}"))
    return f"{chance.choice(NAMES)}{middle} {chance.choice(SURNAMES)}"


def _initials(text: str) -> tuple[str, ...]:
    return (" ".join(f"{name[0]}." for name in text.split()),)


INITIALS = TaskSpec(
    "initials_of_a_name",
    WORD,
    "Given the full name of a person, write its initials, with a full stop after each and a space"
    " between them.",
    (
        "Split the full name into its parts.",
        "Take the first letter of each part as a capital.",
        "Add a full stop to each of these letters.",
        "Write the initials in the order of the parts, with spaces in between.",
    ),
    (
        Example("Wendy Flint", "W. F.", "The parts begin with W and F."),
        Example("Max Emil Young", "M. E. Y.", "Three parts give three initials."),
    ),
    (
        Example("Zoe Lind", "ZL", "Full stops and the space are missing: Z. L."),
        Example("Ada Joy Quist", "A. Q.", "The middle name has an initial too: A. J. Q."),
    ),
    computed(_full_name, _initials),
    solve=_initials,
)

NOUNS = split(
    "baby berry body boy bench box bus cat church city class country cow day dish dog dress fairy"
    " family fox girl glass inch kiss lady lamp lion monkey party peach puppy road story tax toy"
    " tree watch wish witch key bridge brush bush candle cherry copy daisy duty field garden guess"
    " hill island judge lorry match mirror pony queen ray river sandwich ship spy table"
)
_HISSING = ("s", "x", "ch", "sh")


def _noun(chance: Random) -> str:
    return chance.choice(NOUNS)


def _plural(text: str) -> tuple[str, ...]:
    if text.endswith(_HISSING):
        return (f"{text}es",)
    if text.endswith("y") and text[-2] not in "aeiou":
        return (f"{text[:-1]}ies",)
    return (f"{text}s",)


PLURAL = TaskSpec(
    "plural_by_rule",
    WORD,
    "Write the plural of the given noun. Nouns that end in s, x, ch or sh take es. In nouns that"
    " end in a consonant and y, ies takes the place of the y. All others take s.",
    (
        "Look at the last letters of the noun.",
        "If they are s, x, ch or sh, add es.",
        "If there is a y behind a consonant, drop the y and add ies.",
        "In all remaining cases, also for a y behind a vowel, add s.",
        "Write the resulting word.",
    ),
    (
        Example("city", "cities", "Before the y there is a t, so ies replaces it."),
        Example("church", "churches", "The noun ends in ch and takes es."),
    ),
    (
        Example("toy", "toies", "Before the y there is a vowel, so it is toys."),
        Example("glass", "glasss", "Nouns in s take es: glasses."),
    ),
    computed(_noun, _plural),
    solve=_plural,
)


def _listed_name(chance: Random) -> str:
    return f"{chance.choice(SURNAMES)}, {chance.choice(NAMES)} ({chance.choice(JOBS)})"


def _spoken_name(text: str) -> tuple[str, ...]:
    surname, first, _ = re.split(r", | \(", text)
    return (f"{first} {surname}",)


SPOKEN = TaskSpec(
    "name_from_a_register",
    WORD,
    "You will be given an entry of a register: a surname, a first name, and a job in brackets."
    " Write the person's first name and surname, without comma and job.",
    (
        "Find the surname, which stands before the comma.",
        "Find the first name between the comma and the bracket.",
        "Leave out the job and both signs.",
        "Write the first name, a space, and the surname.",
    ),
    (
        Example("Flint, Wendy (tailor)", "Wendy Flint", "The names change places; the job goes."),
        Example("Young, Max (pilot)", "Max Young", "Max is the first name."),
    ),
    (
        Example("Lind, Zoe (nurse)", "Lind, Zoe", "The surname has to come last: Zoe Lind."),
        Example("Quist, Ada (cook)", "Ada Quist (cook)", "The job must be left out: Ada Quist."),
    ),
    computed(_listed_name, _spoken_name),
    solve=_spoken_name,
)

SCENES = (
    "{name} put a {colour} {thing} on the table.",
    "The {animal} slept next to the {colour} {thing}.",
    "In {city}, {name} found a {thing} and a {fruit}.",
    "{name} drew a {animal} with a {colour} {thing}.",
    "The {job} from {city} sold {name} a {colour} {thing}.",
)
KINDS = {
    "colour": COLOURS,
    "thing": THINGS,
    "animal": ANIMALS,
    "name": NAMES,
    "city": CITIES,
    "job": JOBS,
    "fruit": FRUITS,
}


def _exchange(chance: Random) -> str:
    scene = chance.choice(SCENES)
    kind = chance.choice([kind for kind in KINDS if f"{{{kind}}}" in scene])
    words = {kind_of_word: taking_a(KINDS[kind_of_word]) for kind_of_word in KINDS}
    old, new = chance.sample(words[kind], 2)
    sentence = fill(chance, scene, **{**words, kind: [old]})
    return f"Sentence: {sentence}\nReplace: {old}\nBy: {new}"


def _exchanged(text: str) -> tuple[str, ...]:
    sentence, old, new = re.split(r"\n\w+: ", text.removeprefix("Sentence: "))
    return (re.sub(rf"\b{old}\b", new, sentence),)


EXCHANGE = TaskSpec(
    "replace_a_word",
    SENTENCE,
    "Given a sentence and two words, replace the first word by the second one in the sentence."
    " Leave the rest unchanged.",
    (
        "Find the word to replace in the sentence.",
        "Put the new one in its place.",
        "Leave all other words and the punctuation unchanged.",
        "Write the whole sentence.",
    ),
    (
        Example(
            "Sentence: Wendy baked a cake.\nReplace: cake\nBy: pie",
            "Wendy baked a pie.",
            "Cake has become pie; the rest is unchanged.",
        ),
        Example(
            "Sentence: The tall man waved.\nReplace: man\nBy: girl",
            "The tall girl waved.",
            "Man has become girl.",
        ),
    ),
    (
        Example(
            "Sentence: Max lost a shoe.\nReplace: shoe\nBy: sock",
            "Max found a sock.",
            "Lost must not change: Max lost a sock.",
        ),
        Example(
            "Sentence: Zoe rides a pony.\nReplace: pony\nBy: bike",
            "bike",
            "The whole sentence is wanted: Zoe rides a bike.",
        ),
    ),
    computed(_exchange, _exchanged),
    solve=_exchanged,
)

FACTS = (
    "The {thing} is {colour}.",
    "{name} is a {job}.",
    "{name} was in {city}.",
    "The {animal} is under the table.",
    "The {fruit} was on the {colour} plate.",
    "{name} can see the {thing}.",
    "The {job} was late.",
)
_VERB = re.compile(r"\b(is|was|can)\b")


def _fact(chance: Random) -> str:
    kinds = {**KINDS, "job": taking_a(JOBS)}
    return fill(chance, chance.choice(FACTS), **kinds)


def _denied(text: str) -> tuple[str, ...]:
    denied = _VERB.sub(r"\1 not", text, count=1).replace("can not", "cannot")
    short = re.sub(r"cannot|\b(is|was) not", _short, denied)
    return denied, short


def _short(found: re.Match[str]) -> str:
    return f"{found[1]}n't" if found[1] else "can't"


DENY = TaskSpec(
    "negate_a_sentence",
    SENTENCE,
    "In this task, you turn a sentence into its opposite by negating the verb is, was or can. Do"
    " not change anything else.",
    (
        "Find the verb of the sentence: is, was or can.",
        "Negate it by writing not behind it; can becomes cannot.",
        "Keep everything else as it was.",
        "Write the full negated sentence.",
    ),
    (
        Example(
            "The soup is salty.", "The soup is not salty.", "Is was negated; nothing else changed."
        ),
        Example("Max can hear the wind.", "Max cannot hear the wind.", "Can became cannot."),
    ),
    (
        Example(
            "Wendy was in Rome.",
            "Wendy was not in Paris.",
            "Another city has come in: Wendy was not in Rome.",
        ),
        Example("The door is open.", "The door is closed.", "The verb has to be negated."),
    ),
    computed(_fact, _denied),
    solve=_denied,
)

ACTS = (
    "{name} {verb}s the {job} in {city}.",
    "Every day, {name} {verb}s the {animal}.",
    "The {job} {verb}s {name}.",
    "The {job} from {city} {verb}s the {thing}.",
)
REGULAR = ("visit", "paint", "help", "follow", "clean", "call", "pull", "wash", "greet", "touch")


def _act(chance: Random) -> str:
    verb = chance.choice(REGULAR)
    ending = "es" if verb.endswith(_HISSING) else "s"
    act = chance.choice(ACTS).replace("{verb}s", verb + ending)
    return fill(chance, act, **KINDS)


def _past(text: str) -> tuple[str, ...]:
    forms = "|".join(REGULAR)
    return (re.sub(rf"\b({forms})e?s\b", r"\1ed", text),)


PAST = TaskSpec(
    "past_tense",
    SENTENCE,
    "Rewrite the given sentence in the past tense. All verbs in this task are regular.",
    (
        "Find the verb, which ends in s or es.",
        "Take this ending away.",
        "Add ed to form the past tense.",
        "Write the sentence with the new form, and with all other words as they were.",
    ),
    (
        Example("Wendy cleans the window.", "Wendy cleaned the window.", "Cleans becomes cleaned."),
        Example("The guard washes Max.", "The guard washed Max.", "Washes becomes washed."),
    ),
    (
        Example(
            "Zoe paints the fence.",
            "Zoe will paint the fence.",
            "That is the future; in the past tense it is painted.",
        ),
        Example("The coach calls Max.", "called", "The sentence is missing: The coach called Max."),
    ),
    computed(_act, _past),
    solve=_past,
)

CONTRACTED = {
    "don't": "do not",
    "can't": "cannot",
    "isn't": "is not",
    "I'm": "I am",
    "we're": "we are",
    "it's": "it is",
    "won't": "will not",
    "didn't": "did not",
    "they've": "they have",
}
CHATTY = (
    "I'm late, {name}.",
    "We don't know the {job}.",
    "I can't find the {thing}.",
    "{name} isn't in {city}.",
    "I think we're near {city}.",
    "The {job} says it's a {colour} {thing}.",
    "The {job} won't come to {city}.",
    "{name} didn't buy the {thing}.",
    "I hope they've met {name}.",
)
_CONTRACTION = re.compile("|".join(CONTRACTED))


def _chatty(chance: Random) -> str:
    kinds = {**KINDS, "colour": taking_a(COLOURS)}
    return fill(chance, chance.choice(CHATTY), **kinds)


def _expanded(text: str) -> tuple[str, ...]:
    return (_CONTRACTION.sub(lambda found: CONTRACTED[found[0]], text),)


EXPAND = TaskSpec(
    "expand_the_short_form",
    "Style Transfer",
    "Make the given sentence more formal: write the short form with the apostrophe as full words."
    " Change nothing else.",
    (
        "Find the short form in the sentence, which has an apostrophe.",
        "Think of the full words that it stands for.",
        "Put these in its place.",
        "Write the sentence, with nothing else changed.",
    ),
    (
        Example("I don't like rain.", "I do not like rain.", "Don't stands for do not."),
        Example("Max thinks it's cold.", "Max thinks it is cold.", "It's stands for it is."),
    ),
    (
        Example(
            "Wendy didn't sing.",
            "Wendy did sing.",
            "Didn't stands for did not; the not is missing.",
        ),
        Example(
            "I can't swim.",
            "It is impossible for me to swim.",
            "Only the short form may change: I cannot swim.",
        ),
    ),
    computed(_chatty, _expanded),
    solve=_expanded,
)

REWRITING = (INITIALS, PLURAL, SPOKEN, EXCHANGE, DENY, PAST, EXPAND)
