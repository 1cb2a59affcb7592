"""References of the suite, worked out again in other ways than its generators do."""

import re
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from seedstep.data import Task, load_tasks

Right = Callable[[str, str], bool]
"""Whether an output is right for an input."""


def words(text: str) -> list[str]:
    return re.findall(r"[\w'-]+", text)


def fields(text: str) -> list[str]:
    """The lines of an input without their names."""
    return [line.partition(": ")[2] for line in text.split("\n")]


def is_sorted(text: str, output: str) -> bool:
    result = output.split(", ")
    in_order = all(word < following for word, following in pairwise(result))
    return in_order and set(result) == set(text.split(", "))


def is_distinct(text: str, output: str) -> bool:
    given, kept = text.split(", "), output.split(", ")
    places = [given.index(word) for word in kept]
    return places == sorted(set(places)) and set(given) == set(kept)


def is_count(text: str, output: str) -> bool:
    word, items = fields(text)
    return len(re.findall(rf"\b{word}\b", items)) == int(output)


def is_beginning(text: str, output: str) -> bool:
    letter, items = fields(text)
    return [word for word in words(items) if word[0] == letter] == words(output)


def is_date(text: str, output: str) -> bool:
    return datetime.strptime(text, "%d %B %Y") == datetime.strptime(output, "%Y-%m-%d")


def is_time(text: str, output: str) -> bool:
    said = datetime.strptime(output.upper(), "%I:%M %p")
    return datetime.strptime(text, "%H:%M") == said and not output.startswith("0")


STEMS = ("twen", "thir", "for", "fif", "six", "seven", "eigh", "nine")


def is_number(text: str, output: str) -> bool:
    small = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    teens = f"{small} fifteen sixteen seventeen eighteen nineteen".split()
    tens = dict(zip("23456789", STEMS, strict=True))
    if len(output) == 1 or output[0] == "1":
        return text == teens[int(output)]
    return text == tens[output[0]] + "ty" + (f"-{teens[int(output[1])]}" if output[1] > "0" else "")


def is_sum(text: str, output: str) -> bool:
    first, second = map(int, re.findall(r"\d+", text))
    more = any(cue in text for cue in ("more", "afternoon", "adds"))
    less = any(cue in text for cue in ("eats", "took", "gave"))
    return more != less and int(output) == (first + second if more else first - second)


def is_oldest(text: str, output: str) -> bool:
    ages = sorted(map(int, re.findall(r"\d+", text)))
    return f"{output} is {ages[-1]}" in text and ages[-2] < ages[-1]


def is_in_timetable(text: str, output: str) -> bool:
    table, question = text.split("\n")
    word = words(question)[-1]
    return f"{word}: {output}" in table or f"{output}: {word}" in table


def is_last_room(text: str, output: str) -> bool:
    *moves, question = re.split(r"(?<=\.) ", text)
    person = words(question)[-1]
    return next(words(move)[-1] for move in reversed(moves) if words(move)[0] == person) == output


def is_address(text: str, output: str) -> bool:
    return [word.strip(",.") for word in text.split() if "@" in word] == [output]


def is_initials(text: str, output: str) -> bool:
    return output == " ".join(f"{letter}." for letter in text if letter.isupper())


def is_shared(text: str, output: str) -> bool:
    first, second = ({*words(line)} - {"the", "and"} for line in fields(text))
    return first & second == {output}


def is_implied(text: str, output: str) -> bool:
    more = {"taller", "older", "faster", "richer", "louder", "stronger"}
    premise, conclusion = (words(line) for line in fields(text))
    on_top = [line[0] if line[2] in more else line[-1] for line in (premise, conclusion)]
    return output == ("true" if on_top[0] == on_top[1] else "false")


def is_role(text: str, output: str) -> bool:
    sentence, part = fields(text)
    if " because " in sentence:
        effect, cause = sentence.strip(".").split(" because ")
    else:
        cause, effect = sentence.strip(".").split(", so ")
    return {"cause": cause, "effect": effect}[output].casefold() == part.casefold()


def is_answerable(text: str, output: str) -> bool:
    told, question = fields(text)
    cues = {"old": "years", "live": "lives", "job": "works", "pet": "has", "sport": "plays"}
    (asked,) = (cue for cue in cues if re.search(rf"\b{cue}\b", question))
    return output == ("yes" if cues[asked] in words(told) else "no")


def is_negation(text: str, output: str) -> bool:
    full = output.replace("can't", "can not").replace("n't", " not").replace("cannot", "can not")
    said = words(full)
    place = said.index("not")
    return said[place - 1] in {"is", "was", "can"} and said[:place] + said[place + 1 :] == words(
        text
    )


def has_right_article(text: str, output: str) -> bool:
    changed = [pair for pair in zip(text.split(), output.split(), strict=True) if len({*pair}) == 2]
    wrong = re.search(r"\ba [aeiou]|\ban [^aeiou]", output)
    return wrong is None and set(changed) <= {("a", "an"), ("an", "a")} and len(changed) == 1


def agrees(text: str, output: str) -> bool:
    (noun,) = (word for word in words(output) if re.search(rf"\b{word.rstrip('s')}s?\b", NOUNS))
    verb = "are" if noun.endswith("s") else "is"
    return verb in words(output) and verb not in words(text)


NOUNS = "lamp book cup hat map bottle kettle mirror plate spoon"


def is_polite(text: str, output: str) -> bool:
    whole = output.startswith("Could you tell me ") and output.endswith(" is?")
    return whole and sorted(words(output)[4:]) == sorted(words(text[0].lower() + text[1:]))


def has_no_pronoun(text: str, output: str) -> bool:
    context, question = fields(text)
    (name,) = {*words(output)} - {*words(question)}
    return name in words(context) and len(words(output)) == len(words(question))


def is_former_or_latter(text: str, output: str) -> bool:
    names = [word for word in words(text) if word[0].isupper()][:2]
    return output == names["latter" in words(text)]


def are_tags(text: str, output: str) -> bool:
    return [f"#{tag}" for tag in output.split(", ")] == re.findall(r"#\w+", text)


def is_there_twice(text: str, output: str) -> bool:
    return words(text).count(output) == 2


def tells_all(text: str, output: str) -> bool:
    values = [field.split(": ")[1] for field in text.split(" | ")]
    return output.endswith(".") and all(value in words(output) for value in values)


def is_exchange(text: str, output: str) -> bool:
    sentence, old, new = fields(text)
    pairs = set(zip(words(sentence), words(output), strict=True))
    return {pair for pair in pairs if len({*pair}) == 2} == {(old, new)}


RIGHT: dict[str, Right] = {
    "sort_words": is_sorted,
    "remove_repeated_words": is_distinct,
    "count_word_in_list": is_count,
    "words_with_first_letter": is_beginning,
    "date_to_numbers": is_date,
    "clock_with_am_or_pm": is_time,
    "number_words_to_digits": is_number,
    "fruit_story_sum": is_sum,
    "oldest_person": is_oldest,
    "timetable_lookup": is_in_timetable,
    "where_is_the_person": is_last_room,
    "email_address_extraction": is_address,
    "initials_of_a_name": is_initials,
    "replace_a_word": is_exchange,
    "negate_a_sentence": is_negation,
    "word_in_both_sentences": is_shared,
    "comparison_follows_or_not": is_implied,
    "cause_or_effect": is_role,
    "is_the_question_answerable": is_answerable,
    "former_or_latter": is_former_or_latter,
    "keywords_from_hashtags": are_tags,
    "keyword_named_twice": is_there_twice,
    "question_without_pronoun": has_no_pronoun,
    "polite_question": is_polite,
    "person_record_to_sentence": tells_all,
    "weather_record_to_sentence": tells_all,
    "correct_a_and_an": has_right_article,
    "correct_is_and_are": agrees,
}


@pytest.fixture(scope="module")
def tasks(suite: Path) -> dict[str, Task]:
    return {task.id.partition("_")[2]: task for task in load_tasks(suite).tasks}


@pytest.mark.parametrize("name", RIGHT)
def test_references_are_right(tasks: dict[str, Task], name: str) -> None:
    wrong = [
        (instance.input, output)
        for instance in tasks[name].instances
        for output in instance.outputs
        if not RIGHT[name](instance.input, output)
    ]
    assert wrong == []


@pytest.mark.parametrize("name", RIGHT)
def test_answers_to_other_instances_are_seen_to_be_wrong(tasks: dict[str, Task], name: str) -> None:
    instances = tasks[name].instances
    pairs = zip(instances, (*instances[1:], instances[0]), strict=True)
    wrong = sum(not holds(RIGHT[name], instance.input, other.output) for instance, other in pairs)
    assert wrong > 0


def holds(right: Right, text: str, output: str) -> bool:
    try:
        return right(text, output)
    except (ValueError, KeyError, IndexError, StopIteration):
        return False


def test_titles_keep_to_their_definition(tasks: dict[str, Task]) -> None:
    titles = [title for instance in tasks["title_for_news"].instances for title in instance.outputs]
    assert max(len(title.split()) for title in titles) <= 7
    assert all(title[0].isupper() and title[-1] != "." for title in titles)
