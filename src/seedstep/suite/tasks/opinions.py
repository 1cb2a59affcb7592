"""Training tasks: what a review or a diary says about how somebody feels.

Example::

    OPINIONS[0].draw(random.Random("1"))  # ("I love this lamp. Five stars from me.", ("positive",))
"""

from random import Random

from seedstep.data import Example
from seedstep.suite.spec import NAMES, DrawnInstance, TaskSpec, fill, labelled

__all__ = ["OPINIONS"]

CATEGORY = "Sentiment Analysis"

PRODUCTS = (
    *("kettle", "lamp", "backpack", "blender", "umbrella", "toaster", "desk chair", "radio"),
    *("alarm clock", "keyboard", "water bottle", "travel mug", "tent", "suitcase", "fan"),
)
OPENINGS = {
    "positive": (
        "I love this {product}.",
        "This {product} is worth every cent.",
        "The {product} is even better than I expected.",
        "Very happy with my new {product}.",
        "This is the best {product} I have ever owned.",
        "My {product} arrived early and in perfect shape.",
        "What a great {product}!",
    ),
    "negative": (
        "I regret buying this {product}.",
        "This {product} is a waste of money.",
        "The {product} is far worse than I expected.",
        "Very disappointed with my new {product}.",
        "This is the worst {product} I have ever owned.",
        "My {product} arrived late and with a crack.",
        "What an awful {product}!",
    ),
}
CLOSINGS = {
    "positive": (
        "It feels solid and is a joy to use.",
        "I would buy it again at once.",
        "My whole family wants one now.",
        "It does its job without any trouble.",
        "I use it every day and it still looks new.",
        "Five stars from me.",
        "The price was more than fair.",
    ),
    "negative": (
        "It broke after two days.",
        "I sent it back the same week.",
        "It feels cheap and smells of glue.",
        "Nothing about it works as promised.",
        "Save your money and look elsewhere.",
        "Even one star would be too many.",
        "The seller never answered my complaint.",
    ),
}


def _review(chance: Random) -> DrawnInstance:
    label = chance.choice(("positive", "negative"))
    opening = fill(chance, chance.choice(OPENINGS[label]), product=PRODUCTS)
    return f"{opening} {chance.choice(CLOSINGS[label])}", (label,)


REVIEW = TaskSpec(
    "product_review_sentiment",
    CATEGORY,
    'Given the review of a product, classify its sentiment as "positive" or "negative".',
    (
        "Read the whole review.",
        "Look for words of praise or joy, and for complaints, faults and disappointment.",
        "Decide whether the writer is glad to have bought the product.",
        "If so, output positive.",
        "If the writer is unhappy with it, output negative.",
    ),
    (
        Example(
            "These gloves keep my hands warm all day. I am so glad I bought them.",
            "positive",
            "The writer is glad about the gloves and praises how warm they are.",
        ),
        Example(
            "The zip of the jacket jammed the first time I wore it. Never again.",
            "negative",
            "The writer complains about the zip and does not want such a jacket again.",
        ),
    ),
    (
        Example(
            "The pan heats evenly and cleans in seconds. A real find.",
            "negative",
            "The writer only praises the pan, so the sentiment is positive.",
        ),
        Example(
            "The clip fell off on the first day.",
            "The writer is unhappy.",
            "The opinion is seen rightly, but the answer has to be one of the two labels.",
        ),
    ),
    _review,
    ("positive", "negative"),
)

DISHES = (
    *("soup", "pizza", "fish", "curry", "salad", "steak", "pasta", "lamb stew", "risotto"),
    *("apple pie", "chicken", "omelette"),
)
FOOD = {
    "good": ("was delicious", "was perfectly cooked", "tasted wonderful", "was fresh and tasty"),
    "bad": ("was cold", "was burnt", "tasted of nothing", "was far too salty"),
}
SERVICE = {
    "good": (
        "the waiter was friendly",
        "we were served quickly",
        "the staff took good care of us",
        "our table had a lovely view",
    ),
    "bad": (
        "the waiter was rude",
        "we had to wait for an hour",
        "the staff ignored us",
        "our table was dirty",
    ),
}


def _meal(chance: Random) -> DrawnInstance:
    label = chance.choice(("good", "bad", "mixed"))
    food, service = {"mixed": chance.choice((("good", "bad"), ("bad", "good")))}.get(
        label, (label, label)
    )
    link = ", but" if food != service else " and"
    dish = f"The {chance.choice(DISHES)} {chance.choice(FOOD[food])}"
    return f"{dish}{link} {chance.choice(SERVICE[service])}.", (label,)


MEAL = TaskSpec(
    "restaurant_visit_rating",
    CATEGORY,
    "You are given a sentence about a visit to a restaurant. It speaks of the food and of"
    ' something else. Answer "good" if both were liked, "bad" if neither was liked, and "mixed" if'
    " only one of them was.",
    (
        "Find the part of the sentence that is about the food, and judge whether it is praise.",
        "Find the other part, and judge it in the same way.",
        "If the two judgements differ, output mixed.",
        "If both parts praise, output good.",
        "If both parts complain, output bad.",
    ),
    (
        Example(
            "The noodles were excellent and the music was lovely.",
            "good",
            "Noodles and music are both praised.",
        ),
        Example(
            "The rice was dry, but the cook came out to apologise and gave us free drinks.",
            "mixed",
            "The food was poor, but the cook was kind.",
        ),
    ),
    (
        Example(
            "The bread was stale and the room was freezing.",
            "mixed",
            "Both the bread and the room are complained about, so the answer is bad.",
        ),
        Example(
            "The tacos were great, but the bill was wrong.",
            "good",
            "Only the tacos are praised; with the wrong bill the visit is mixed.",
        ),
    ),
    _meal,
    ("good", "bad", "mixed"),
)

DIARY = {
    "joy": (
        "{name} called to say that I got the job, and I danced around the kitchen.",
        "We laughed the whole evening at {name}'s party.",
        "What a wonderful day at the lake with {name}!",
        "{name} gave me the present I had always wished for, and I could not stop smiling.",
        "I passed the exam at last and celebrated with {name}.",
    ),
    "sadness": (
        "{name} is moving far away, and I cried all evening.",
        "I miss {name} so much that I could not eat today.",
        "We buried the old dog today; {name} and I stood there in tears.",
        "The house feels so empty since {name} left.",
        "I looked at old photos of {name} and felt terribly lonely.",
    ),
    "anger": (
        "{name} lied to me again, and I slammed the door.",
        "How dare {name} read my letters!",
        "I shouted at {name} for scratching my new car.",
        "{name} blamed me for everything once more; I was furious.",
        "I am still boiling because {name} broke the promise.",
    ),
    "fear": (
        "I trembled when {name} and I heard steps in the dark cellar.",
        "My heart raced as {name} drove us along the cliff.",
        "I am so scared of the operation that {name} has to stay with me.",
        "{name} and I hid under the table during the storm, shaking.",
        "I did not dare to open my eyes until {name} said the spider was gone.",
    ),
}

EMOTION = TaskSpec(
    "diary_emotion",
    CATEGORY,
    "In this task, you are given a line from a diary. Say which emotion the writer feels most: joy,"
    " sadness, anger or fear.",
    (
        "Read the line and imagine the situation of its writer.",
        "Look for what the writer does or feels, such as laughing, crying, shouting or shaking.",
        "Match it with one emotion: joy for something pleasant, sadness for a loss, anger for an"
        " injustice, fear for a danger.",
        "Output joy, sadness, anger or fear.",
    ),
    (
        Example(
            "The baby smiled at me for the first time, and I am over the moon.",
            "joy",
            "Being over the moon means being very happy.",
        ),
        Example(
            "Somebody cut the queue and then laughed at me; I could have screamed.",
            "anger",
            "The writer was treated unfairly and is close to screaming.",
        ),
    ),
    (
        Example(
            "The plane shook so hard that I held on to a stranger.",
            "anger",
            "Nobody did the writer wrong. A shaking plane is frightening, so it is fear.",
        ),
        Example(
            "Grandfather's chair is empty this Christmas.",
            "loss",
            "The answer has to be one of the four emotions; here it is sadness.",
        ),
    ),
    labelled(DIARY, name=NAMES),
    tuple(DIARY),
)

OPINIONS = (REVIEW, MEAL, EMOTION)
