"""Names and words that several tasks of the suite draw from, chosen for this project.

Example::

    chance.sample(NAMES, 2)  # two people
"""

from collections.abc import Iterable
from types import MappingProxyType

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
    "split",
    "taking_a",
]


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
