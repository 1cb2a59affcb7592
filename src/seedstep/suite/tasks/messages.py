"""Training tasks: what a message is about, and what its sender wants.

Example::

    MESSAGES[0].draw(random.Random("1"))  # (a message, ("spam",)) or (a message, ("normal",))
"""

from seedstep.data import Example
from seedstep.suite.spec import CITIES, NAMES, WEEKDAYS, TaskSpec, labelled

__all__ = ["MESSAGES"]

MAIL = {
    "spam": (
        "Congratulations! You have won a {prize}. Click the link to claim it now.",
        "Your account is locked. Send us your password before {day} to open it again.",
        "Earn {money} a day from home, no experience needed!!!",
        "LAST CHANCE: get a free {prize} today, just pay the postage.",
        "Dear friend, I have {money} for you and only need your bank details.",
        "Only until {day}: miracle pills at half price, order now!",
    ),
    "normal": (
        "Hi, it's {name}. Can we move our lunch to {day}?",
        "The meeting on {day} starts half an hour later. Best, {name}",
        "{name} left a scarf at your place. Could you bring it on {day}?",
        "Please find attached the minutes of {day}. Regards, {name}",
        "Thanks for the lovely evening! The children still talk about it. {name}",
        "Your library book is due on {day}.",
    ),
}
SPAM = TaskSpec(
    "spam_or_normal_message",
    "Spam Classification",
    'Read the message and decide whether it is unwanted advertising or fraud. Answer "spam" if it'
    ' is, otherwise "normal".',
    (
        "Read the message and find out what its sender wants.",
        "Look for signs of advertising or fraud: prizes, easy money, pressure to act at once, or"
        " requests for passwords and bank details.",
        "Check on the other hand whether it is an everyday note between people who know each other,"
        " or plain information.",
        "If the signs of advertising or fraud prevail, output spam.",
        "Otherwise, output normal.",
    ),
    (
        Example(
            "You are our millionth visitor! Collect your gold watch here.",
            "spam",
            "A prize for nothing, and a demand to collect it, are signs of fraud.",
        ),
        Example(
            "I'll be ten minutes late, the bus is stuck in traffic.",
            "normal",
            "Somebody only says that they will be late.",
        ),
    ),
    (
        Example(
            "Don't forget to water my plants while I'm away. See you soon!",
            "spam",
            "It is a request among people who know each other, so the answer is normal.",
        ),
        Example(
            "Double your money in one week, reply with your card number!",
            "fraud",
            "The message is fraud, but the label for that is spam.",
        ),
    ),
    labelled(
        MAIL,
        name=NAMES,
        day=WEEKDAYS,
        prize=("new car", "trip to Hawaii", "smartphone", "laptop", "gold coin", "luxury watch"),
        money=("$300", "$500", "$900", "$1,500", "$4,000", "$9,000", "$2 million"),
    ),
    tuple(MAIL),
)

COMMANDS = {
    "alarm": (
        "Wake me up at {hour} on {day}.",
        "Set an alarm for {hour}.",
        "I have to get up at {hour}, please make sure I do.",
        "Ring a bell at {hour} so that I don't oversleep.",
    ),
    "music": (
        "Play some {music} for me.",
        "I'd like to hear {music}.",
        "Put on a {music} playlist for {day} evening.",
        "Skip this song and find some {music}.",
    ),
    "weather": (
        "Will it rain in {city} on {day}?",
        "How warm is it in {city}?",
        "Do I need an umbrella in {city}?",
        "What will the sky be like on {day}?",
    ),
    "light": (
        "Switch on the lamp in the {room}.",
        "Make the {room} a bit darker, please.",
        "It is too bright in the {room}.",
        "Turn off every bulb in the {room}.",
    ),
}
INTENT = TaskSpec(
    "assistant_command_intent",
    "Intent Identification",
    "You will be given what a person says to a voice assistant. Your task is to name the function"
    " that the person needs. Output one of: alarm, music, weather, light.",
    (
        "Read what the person says.",
        "Work out what should happen: being woken, hearing songs, learning about rain or"
        " temperature, or changing how bright a room is.",
        "Choose the function for it: alarm for waking, music for songs, weather for the forecast,"
        " light for lamps.",
        "Output the name of this function: alarm, music, weather or light.",
    ),
    (
        Example("Get me out of bed by six.", "alarm", "The person wants to be woken at six."),
        Example("Is it going to snow tonight?", "weather", "Snow is a matter of the forecast."),
    ),
    (
        Example(
            "Dim the ceiling lamp.",
            "music",
            "Dimming a lamp has nothing to do with songs; the function is light.",
        ),
        Example(
            "Let's hear something by Mozart.",
            "Playing Mozart",
            "The answer has to be one of the four names; here it is music.",
        ),
    ),
    labelled(
        COMMANDS,
        hour=("5:30", "6 o'clock", "6:45", "7 o'clock", "7:15", "8 o'clock"),
        day=WEEKDAYS,
        city=CITIES,
        music=("jazz", "rock", "piano music", "opera", "folk music", "flute music"),
        room=("kitchen", "bedroom", "hall", "bathroom", "garage", "living room", "cellar"),
    ),
    tuple(COMMANDS),
)

HEADLINES = {
    "sports": (
        "{city} wins the cup final after extra time",
        "Young runner from {city} breaks the national record",
        "Goalkeeper leaves {city} for a rival club",
        "{city} loses third match in a row",
    ),
    "business": (
        "Bank in {city} raises its interest rates",
        "Car maker closes its factory in {city}",
        "Shares of {city} airline fall after poor sales",
        "Two large supermarkets in {city} plan to merge",
    ),
    "science": (
        "Researchers in {city} discover a new kind of beetle",
        "Telescope near {city} finds a distant planet",
        "Physicists from {city} cool atoms to a new low",
        "Study from {city} explains how bees find their way",
    ),
    "weather": (
        "Heavy snow expected in {city} tonight",
        "{city} sweats through the hottest day of the year",
        "Storm leaves streets of {city} under water",
        "Thick fog in {city}, sun by the afternoon",
    ),
}
HEADLINE = TaskSpec(
    "headline_topic",
    "Text Categorization",
    "Given a news headline, generate its topic. The topics are sports, business, science and"
    " weather.",
    (
        "Read the headline and note who or what it speaks of.",
        "Compare that with the four topics: sports is about matches and athletes, business about"
        " companies and money, science about research, weather about sun, rain and storms.",
        "Ignore the name of the city, which may appear in any topic.",
        "Output the topic that fits: sports, business, science or weather.",
    ),
    (
        Example(
            "Tennis star retires at the age of 30",
            "sports",
            "A tennis star is an athlete, so this is about sports.",
        ),
        Example(
            "Laboratory grows skin from a few cells",
            "science",
            "Growing skin in a laboratory is research.",
        ),
    ),
    (
        Example(
            "Bakery chain doubles its profit",
            "sports",
            "Profit is about a company's money, so the topic is business.",
        ),
        Example(
            "First frost of the year ruins grapes",
            "farming",
            "Farming is none of the four topics; frost belongs to weather.",
        ),
    ),
    labelled(HEADLINES, city=CITIES),
    tuple(HEADLINES),
)

TONES = {
    "formal": (
        "Dear {title} {surname}, I am writing to apply for the position of clerk.",
        "I would be most grateful if you could reply by {day}.",
        "We regret to inform you that the office will be closed on {day}.",
        "Please accept our sincere apologies for the delay, {title} {surname}.",
        "It is with great pleasure that we invite you to the ceremony on {day}.",
        "Kindly confirm your attendance at the conference on {day}.",
    ),
    "informal": (
        "Hey {name}, wanna grab a bite on {day}?",
        "Gotta run, see ya {day}!",
        "No way, {name}, that's so cool!",
        "Sorry {name}, my bad, totally forgot about {day}.",
        "What's up, {name}? Long time no see!",
        "Can't make it {day}, I'm dead tired lol",
    ),
}
FORMALITY = TaskSpec(
    "formal_or_informal",
    "Text Categorization",
    'You are given a sentence from a letter or a chat. Classify its style as "formal" or'
    ' "informal".',
    (
        "Read the sentence and pay attention to its tone.",
        "Look for polite, complete phrases and titles, which are formal.",
        "Look for slang, short forms and chatty exclamations, which are informal.",
        "Output formal or informal, whichever fits better.",
    ),
    (
        Example(
            "We kindly request that all guests remain seated.",
            "formal",
            "It is a complete and very polite phrase.",
        ),
        Example("Yeah, dunno, maybe later?", "informal", "Yeah and dunno are slang."),
    ),
    (
        Example(
            "I hereby resign from my post as treasurer.",
            "informal",
            "Hereby and the complete phrase make it formal.",
        ),
        Example(
            "Gimme a sec, I'm on the phone.",
            "casual",
            "Casual means the right thing, but the label is informal.",
        ),
    ),
    labelled(
        TONES,
        name=NAMES,
        day=WEEKDAYS,
        title=("Mr", "Mrs", "Dr", "Professor"),
        surname=("Adler", "Baker", "Evans", "Garcia", "Parker", "Turner", "Weber"),
    ),
    tuple(TONES),
)

SHELVES = {
    "kitchen": ("frying pan", "bread knife", "teapot", "mixing bowl", "cake tin", "whisk"),
    "garden": ("flower pot", "lawn mower", "watering can", "tulip bulb", "hedge trimmer", "hose"),
    "clothing": ("wool sweater", "raincoat", "pair of jeans", "silk blouse", "belt", "winter coat"),
    "toys": ("teddy bear", "doll's house", "jigsaw puzzle", "toy train", "kite", "rag doll"),
}
ORDERS = (
    "Where can I find a {thing}?",
    "I am looking for a cheap {thing}.",
    "Do you have this {thing} in green?",
    "How much is the {thing} in the window?",
    "The {thing} I bought here last week is damaged.",
)
DEPARTMENT = TaskSpec(
    "shop_department",
    "Text Categorization",
    "Given what a customer of a department store says, name the department that sells the thing:"
    " kitchen, garden, clothing or toys.",
    (
        "Find the thing that the customer speaks of.",
        "Think of what it is used for: cooking, growing plants, wearing, or playing.",
        "Pick the matching department: kitchen for cooking, garden for plants, clothing for"
        " wearing, toys for playing.",
        "Output kitchen, garden, clothing or toys.",
    ),
    (
        Example("Which soup ladle would you take?", "kitchen", "A ladle is used for cooking."),
        Example("My son wants a red fire engine to push around.", "toys", "He wants to play."),
    ),
    (
        Example("I need soil for my roses.", "toys", "Soil and roses belong to the garden."),
        Example(
            "Can I try these socks on?",
            "socks",
            "The department is asked for, not the thing; it is clothing.",
        ),
    ),
    labelled(
        {
            shelf: tuple(order.format(thing=thing) for order in ORDERS for thing in things)
            for shelf, things in SHELVES.items()
        }
    ),
    tuple(SHELVES),
)

MESSAGES = (SPAM, INTENT, HEADLINE, FORMALITY, DEPARTMENT)
