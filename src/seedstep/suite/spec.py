"""What the tasks of the suite are made of: their parts, helpers of generators, names and words.

A task has fixed texts, written by hand, and a function `draw` that makes an instance. Where a rule
gives the answer, `solve` finds it from the input alone, so that it can be checked.

Example::

    text, outputs = spec.draw(random.Random("1"))

Example::

    chance.sample(NAMES, 2)  # two people
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType

from seedstep.data import Example

__all__ = [
    "ANIMALS",
    "CAPITALS",
    "CITIES",
    "COLOURS",
    "FEMALE",
    "FRUITS",
    "JOBS",
    "MALE",
    "MONTHS",
    "NAMES",
    "NUMBER_WORDS",
    "OPPOSITES",
    "SURNAMES",
    "THINGS",
    "TOOLS",
    "VEHICLES",
    "WEEKDAYS",
    "DrawnInstance",
    "Solve",
    "TaskSpec",
    "computed",
    "fill",
    "labelled",
    "split",
    "taking_a",
    "with_article",
]


DrawnInstance = tuple[str, tuple[str, ...]]
"""An input with its reference outputs."""

Solve = Callable[[str], tuple[str, ...]]
"""A function from an input to its reference outputs."""


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A task as it was written: its texts, and how its instances are made.

    `labels` are all outputs of a classification task. `solve` is the rule behind the outputs, where
    there is one; the first output that it returns is the best.
    """

    name: str
    category: str
    definition: str
    steps: tuple[str, ...]
    positive: tuple[Example, ...]
    negative: tuple[Example, ...]
    draw: Callable[[Random], DrawnInstance]
    labels: tuple[str, ...] = ()
    solve: Solve | None = None


def computed(
    draw_input: Callable[[Random], str], solve: Solve
) -> Callable[[Random], DrawnInstance]:
    """Return a function that draws an input and computes its outputs."""

    def draw(chance: Random) -> DrawnInstance:
        text = draw_input(chance)
        return text, solve(text)

    return draw


def labelled(
    templates: Mapping[str, Sequence[str]], **words: Sequence[str]
) -> Callable[[Random], DrawnInstance]:
    """Return a function that draws a label, one of its templates, and a word for each slot."""
    labels = tuple(templates)

    def draw(chance: Random) -> DrawnInstance:
        label = chance.choice(labels)
        return fill(chance, chance.choice(templates[label]), **words), (label,)

    return draw


def fill(chance: Random, template: str, **words: Sequence[str]) -> str:
    """Return the template with a word drawn for each slot."""
    return template.format(**{slot: chance.choice(choices) for slot, choices in words.items()})


def with_article(noun: str) -> str:
    """Return the noun with "a" or "an", by its first letter."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def split(words: str) -> tuple[str, ...]:
    """Return the words of a text."""
    return tuple(words.split())


def taking_a(nouns: Iterable[str]) -> tuple[str, ...]:
    """Return the nouns that take the article a, not an."""
    return tuple(noun for noun in nouns if noun[0] not in "aeiou")


FEMALE = split(
    "Anna Clara Dora Elena Freya Greta Helen Ines Julia Karin Laura Maria Nadia Olga Paula Rosa"
    " Sofia Tessa Vera Yasmin"
)
MALE = split(
    "Adam Boris Carl David Erik Felix George Henry Ivan Jonas Karim Louis Mario Nils Oscar Peter"
    " Robert Simon Tomas Viktor"
)
NAMES = FEMALE + MALE
SURNAMES = split(
    "Adler Baker Costa Dupont Evans Fischer Garcia Hansen Ibsen Jansen Keller Lopez Moreau Nowak"
    " Olsen Parker Rossi Silva Turner Weber"
)
CITIES = split(
    "Amsterdam Athens Barcelona Bergen Boston Chicago Dublin Florence Geneva Hamburg Istanbul"
    " Leeds Lisbon Madrid Montreal Naples Oslo Porto Prague Seattle Sydney Toronto Vienna"
    " Zurich"
)
CAPITALS = MappingProxyType(
    {
        "Argentina": "Buenos Aires",
        "Austria": "Vienna",
        "Belgium": "Brussels",
        "Canada": "Ottawa",
        "Chile": "Santiago",
        "China": "Beijing",
        "Cuba": "Havana",
        "Denmark": "Copenhagen",
        "Egypt": "Cairo",
        "England": "London",
        "Finland": "Helsinki",
        "France": "Paris",
        "Germany": "Berlin",
        "Greece": "Athens",
        "Hungary": "Budapest",
        "Ireland": "Dublin",
        "Italy": "Rome",
        "Japan": "Tokyo",
        "Kenya": "Nairobi",
        "Norway": "Oslo",
        "Peru": "Lima",
        "Poland": "Warsaw",
        "Portugal": "Lisbon",
        "Russia": "Moscow",
        "Spain": "Madrid",
        "Sweden": "Stockholm",
        "Thailand": "Bangkok",
        "Turkey": "Ankara",
    }
)
COLOURS = ("black", "blue", "brown", "green", "grey", "orange", "pink", "red", "white", "yellow")
ANIMALS = split(
    "bear camel cat cow deer dog donkey elephant fox frog giraffe goat horse lion monkey mouse"
    " owl pig rabbit sheep snake tiger whale wolf zebra"
)
FRUITS = split(
    "apple apricot banana cherry fig grape grapefruit lemon lime mango melon orange papaya"
    " peach pear pineapple plum quince raspberry strawberry"
)
TOOLS = split(
    "axe chisel crowbar drill file hammer pliers rake sander saw screwdriver shovel spade"
    " spanner wrench"
)
VEHICLES = split(
    "ambulance bicycle boat bus canoe car ferry helicopter lorry motorbike plane scooter ship taxi"
    " train tram truck van"
)
THINGS = split(
    "basket blanket book bottle bowl bucket candle clock coat compass cup hat kettle key lamp"
    " ladder map mirror notebook painting pencil pillow plate ring rope scarf spoon suitcase ticket"
    " towel umbrella vase"
)
JOBS = split(
    "actor architect baker butcher carpenter cook dentist engineer farmer gardener journalist"
    " lawyer librarian mechanic musician nurse painter pilot plumber teacher"
)
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
NUMBER_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
)
"""The words of the numbers from 0; a word's place is its number."""

OPPOSITES = MappingProxyType(
    {
        "big": "small",
        "hot": "cold",
        "high": "low",
        "fast": "slow",
        "happy": "sad",
        "rich": "poor",
        "alive": "dead",
        "early": "late",
        "full": "empty",
        "open": "closed",
        "clean": "dirty",
        "smooth": "rough",
        "bright": "dark",
        "loud": "quiet",
        "strong": "weak",
        "wet": "dry",
        "wide": "narrow",
        "cheap": "expensive",
        "safe": "dangerous",
        "first": "last",
        "thick": "thin",
        "deep": "shallow",
        "sharp": "blunt",
        "brave": "cowardly",
    }
)
