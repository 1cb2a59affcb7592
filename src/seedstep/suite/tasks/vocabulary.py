"""Training tasks: meanings of words, languages, and spelling.

Example::

    VOCABULARY[1].solve("owl, ship, wolf, goat")  # ("ship",)
"""

from collections import Counter
from random import Random

from seedstep.data import Example
from seedstep.suite.spec import (
    ANIMALS,
    FRUITS,
    NAMES,
    OPPOSITES,
    TOOLS,
    VEHICLES,
    DrawnInstance,
    TaskSpec,
    computed,
)

__all__ = ["VOCABULARY"]

SEMANTICS = "Word Semantics"

GROUPS = {"animal": ANIMALS, "fruit": FRUITS, "tool": TOOLS, "vehicle": VEHICLES}
_GROUP_OF = {word: group for group, words in GROUPS.items() for word in words}


def _word(chance: Random) -> str:
    return chance.choice(GROUPS[chance.choice(tuple(GROUPS))])


def _group(text: str) -> tuple[str, ...]:
    return (_GROUP_OF[text],)


GROUP = TaskSpec(
    "word_group",
    SEMANTICS,
    "Given a noun, classify it into one of these groups: animal, fruit, tool, vehicle.",
    (
        "Think of what the noun stands for.",
        "Ask whether it lives and moves (animal), grows on a plant and is sweet or sour to eat"
        " (fruit), is used to work with (tool), or carries people and goods (vehicle).",
        "Choose the group that describes it best.",
        "Output the name of this group: animal, fruit, tool or vehicle.",
    ),
    (
        Example("rabbit", "animal", "A rabbit lives and moves."),
        Example("pliers", "tool", "Pliers are used to work with."),
    ),
    (
        Example("plum", "animal", "A plum grows on a tree, so it is a fruit."),
        Example("tram", "machine", "Machine is none of the groups; a tram is a vehicle."),
    ),
    computed(_word, _group),
    tuple(GROUPS),
    _group,
)


def _three_and_one(chance: Random) -> str:
    many, few = chance.sample(tuple(GROUPS), 2)
    words = [*chance.sample(GROUPS[many], 3), chance.choice(GROUPS[few])]
    chance.shuffle(words)
    return ", ".join(words)


def _odd(text: str) -> tuple[str, ...]:
    words = text.split(", ")
    sizes = Counter(_GROUP_OF[word] for word in words)
    return (next(word for word in words if sizes[_GROUP_OF[word]] == 1),)


ODD = TaskSpec(
    "odd_one_out",
    SEMANTICS,
    "Three of the four given words name things of the same kind. Output the word that does not"
    " belong to them.",
    (
        "Think of what kind of thing each of the four words names.",
        "Find the kind that three of them share.",
        "Pick the one that is of a different kind.",
        "Write just that word, without a reason.",
    ),
    (
        Example("lion, cherry, camel, goat", "cherry", "A cherry is a fruit, the others animals."),
        Example("hammer, drill, file, bus", "bus", "A bus is a vehicle, the others are tools."),
    ),
    (
        Example("train, peach, taxi, ferry", "train", "Train, taxi and ferry are all vehicles."),
        Example(
            "lemon, melon, owl, grape", "animal", "The word itself is wanted, not its kind: owl."
        ),
    ),
    computed(_three_and_one, _odd),
    solve=_odd,
)

SYNONYMS = {
    "big": "large",
    "small": "little",
    "fast": "quick",
    "happy": "glad",
    "sad": "unhappy",
    "rich": "wealthy",
    "begin": "start",
    "end": "finish",
    "clever": "smart",
    "silent": "quiet",
    "ill": "sick",
    "angry": "furious",
    "buy": "purchase",
    "gift": "present",
    "shut": "close",
    "street": "road",
    "shout": "yell",
    "jump": "leap",
    "strange": "odd",
    "afraid": "scared",
    "choose": "pick",
    "error": "mistake",
    "tired": "weary",
    "correct": "right",
}
_PAIRS = {
    label: tuple(pairs.items()) + tuple((value, key) for key, value in pairs.items())
    for label, pairs in (("same", SYNONYMS), ("opposite", OPPOSITES))
}
_RELATIONS = {f"{word}, {other}": label for label in _PAIRS for word, other in _PAIRS[label]}


def _pair(chance: Random) -> str:
    return ", ".join(chance.choice(_PAIRS[chance.choice(tuple(_PAIRS))]))


def _relation(text: str) -> tuple[str, ...]:
    return (_RELATIONS[text],)


RELATION = TaskSpec(
    "same_or_opposite_meaning",
    "Word Relation Classification",
    'Given two words, decide how their meanings are related. Return "same" if they mean nearly the'
    ' same, and "opposite" if they are opposites.',
    (
        "Think of the meaning of the first word.",
        "Do likewise with the second one.",
        "Imagine a sentence with the first word, and put the second in its place.",
        "If the sentence says much the same as before, output same.",
        "If it now says the contrary, output opposite.",
    ),
    (
        Example("gift, present", "same", "What is a gift is a present too."),
        Example("wet, dry", "opposite", "What is wet is not dry."),
    ),
    (
        Example("full, empty", "same", "What is full is not empty: they are opposites."),
        Example("fast, quick", "synonyms", "Synonyms is no label; the answer is same."),
    ),
    computed(_pair, _relation),
    tuple(_PAIRS),
    _relation,
)

LANGUAGES = {
    "English": (
        ("my sister", "our neighbour", "the old teacher", "her best friend"),
        ("lives in a small village.", "reads a book.", "drinks coffee every morning."),
        ("Today", "On Sundays", "As you know,"),
    ),
    "French": (
        ("ma sœur", "notre voisin", "le vieux professeur", "son meilleur ami"),
        ("habite dans un petit village.", "lit un livre.", "boit du café tous les matins."),
        ("Aujourd'hui,", "Le dimanche,", "Comme vous savez,"),
    ),
    "German": (
        ("meine Schwester", "unser Nachbar", "der alte Lehrer", "ihr bester Freund"),
        ("in einem kleinen Dorf wohnt.", "ein Buch liest.", "jeden Morgen Kaffee trinkt."),
        ("Ich weiß, dass", "Man sagt, dass", "Es stimmt, dass"),
    ),
    "Spanish": (
        ("mi hermana", "nuestro vecino", "el viejo profesor", "su mejor amigo"),
        ("vive en un pueblo pequeño.", "lee un libro.", "bebe café todas las mañanas."),
        ("Hoy", "Los domingos", "Como usted sabe,"),
    ),
}


def _sentence(chance: Random) -> DrawnInstance:
    language = chance.choice(tuple(LANGUAGES))
    subjects, verbs, openings = LANGUAGES[language]
    text = f"{chance.choice(openings)} {chance.choice(subjects)} {chance.choice(verbs)}"
    return text, (language,)


LANGUAGE = TaskSpec(
    "language_of_sentence",
    "Language Identification",
    "Identify the language of the given sentence. It is one of English, French, German or Spanish.",
    (
        "Read the sentence and look at its short words, such as articles.",
        "Note letters and accents that only some languages have.",
        "Compare these signs with English, French, German and Spanish.",
        "Output the name of the language that they point to.",
    ),
    (
        Example(
            "Das Wasser ist heute sehr kalt.",
            "German",
            "Das, ist and sehr are German words.",
        ),
        Example("¿Dónde está la estación?", "Spanish", "The mark ¿ is only used in Spanish."),
    ),
    (
        Example("Il pleut depuis trois jours.", "Spanish", "Il pleut is French."),
        Example(
            "The soup is too hot to eat.",
            "The soup is too hot to eat.",
            "The name of the language is wanted, which is English.",
        ),
    ),
    _sentence,
    tuple(LANGUAGES),
)

MISSPELT = {
    "recieved": "{name} recieved a long letter this morning.",
    "freind": "A freind of {name} lives next door.",
    "tommorow": "{name} will call you back tommorow.",
    "seperate": "We keep the papers of {name} in a seperate box.",
    "definately": "{name} will definately win the race.",
    "adress": "Do you know the new adress of {name}?",
    "begining": "At the begining, {name} was quite shy.",
    "beleive": "I can hardly beleive what {name} told me.",
    "calender": "{name} marked the day in the calender.",
    "neccessary": "{name} bought only what was neccessary.",
    "occured": "The accident occured in front of {name}.",
    "suprise": "The party was a big suprise for {name}.",
    "untill": "{name} has to wait untill noon.",
    "wierd": "{name} heard a wierd noise in the cellar.",
    "writting": "{name} is writting a story about a whale.",
    "goverment": "{name} works for the goverment.",
    "libary": "The libary lent {name} four books.",
    "restarant": "{name} chose a quiet restarant by the sea.",
    "becuase": "{name} stayed at home becuase of the rain.",
    "intresting": "{name} told us an intresting story.",
}


def _misspelt(chance: Random) -> str:
    return chance.choice(tuple(MISSPELT.values())).format(name=chance.choice(NAMES))


def _wrong_word(text: str) -> tuple[str, ...]:
    words = (word.strip(".,?") for word in text.split())
    return (next(word for word in words if word in MISSPELT),)


SPELLING = TaskSpec(
    "misspelled_word",
    "Spelling Error Detection",
    "One word of the given sentence is misspelled. Output that word as it stands in the sentence."
    " Do not correct it.",
    (
        "Read the sentence slowly, word by word.",
        "Compare the spelling of each word with the usual one.",
        "Stop at the word whose letters are wrong, missing or doubled.",
        "Output this word with its mistake; do not correct it.",
    ),
    (
        Example(
            "The libary is closed for two weeks.",
            "libary",
            "The usual spelling is library, with another r.",
        ),
        Example(
            "You will definately like this cake.",
            "definately",
            "The usual spelling is definitely.",
        ),
    ),
    (
        Example(
            "It is wierd that nobody came.",
            "weird",
            "The word was corrected; as it stands, it is wierd.",
        ),
        Example("My freind plays the trumpet.", "trumpet", "Trumpet is right; freind is wrong."),
    ),
    computed(_misspelt, _wrong_word),
    solve=_wrong_word,
)

VOCABULARY = (GROUP, ODD, RELATION, LANGUAGE, SPELLING)
