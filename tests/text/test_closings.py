"""Words behind an answer are found in many languages, and texts that look alike stay."""

import time

import pytest

from seedstep.bootstrap.parse import read_instructions, read_values
from seedstep.data import Example
from seedstep.steps import parse, render
from seedstep.steps.examples import parse_examples
from seedstep.text.closings import closing_sentence, is_closing, is_note, speaks_to_asker

TALK = (
    "Let me know if you need anything else!",
    "I hope this helps!",
    "Hopefully this helps!",
    "Would you like me to generate more?",
    "If you need further assistance, just ask.",
    "I'd be happy to provide more tasks.",
    "Shall I continue?",
    "Want me to write more?",
    "😊 Let me know if you want more!",
    "(I can write more if you like.)",
    "_Hope this helps!_",
    "I remain at your disposal.",
    "Sag mir Bescheid, wenn du mehr brauchst!",
    "Bei weiteren Fragen stehe ich gerne zur Verfügung.",
    "J'espère que ces tâches vous conviennent.",
    "Si vous avez besoin d'autres tâches, dites-le-moi.",
    "Si necesitas más tareas, dímelo.",
    "¿Quieres que añada más?",
    "Se precisar de mais, é só pedir.",
    "Se hai bisogno di altro, chiedi pure.",
    "Если нужно больше заданий, скажите.",
    "Daj znać, jeśli potrzebujesz więcej.",
    "Laat me weten als je meer nodig hebt.",
    "Säg till om du vill ha fler.",
    "如果你需要更多任务，请告诉我。",
    "お役に立てば幸いです。",
    "더 필요하시면 말씀해 주세요.",
    "أخبرني إذا كنت تريد المزيد.",
    "यदि आपको और चाहिए तो बताएं।",
    "Umarım bu yardımcı olur!",
    "Hãy cho tôi biết nếu bạn cần thêm.",
    "Beri tahu saya jika Anda membutuhkan lebih banyak.",
    "หวังว่าจะเป็นประโยชน์",
)
"""Lines that speak to who asked."""

OF_THE_LIST = (
    "Enjoy!",
    "Done!",
    "Thank you!",
    "That's it!",
    "[End of list]",
    "--- End ---",
    "Best regards, your assistant",
    "These tasks cover a wide range of topics.",
    "All tasks are original and diverse.",
    "I've tried to make them diverse.",
    "Please note that the tasks vary in difficulty.",
    "Viel Spaß!",
    "Bonne chance !",
    "祝你好运！",
    "以上是一些多样化的任务。",
)
"""Lines that speak of the list, or end it."""

SIGN_OFFS = (
    "Enjoy!",
    "Good luck!",
    "Good luck with your work!",
    "Best of luck!",
    "Have fun!",
    "Have a great day!",
    "Happy writing!",
    "Enjoy your tasks!",
    "I wish you the best of luck!",
    "Take care!",
    "Good luck! Have fun!",
    "Viel Erfolg!",
    "Bon courage !",
    "¡Mucha suerte!",
    "Buona fortuna!",
    "Удачи!",
    "祝你好运！",
    "頑張ってください！",
)
"""Wishes that end a reply."""

GOOD = (
    "If you need a label, name it.",
    "If you have two cats and buy one, how many are there?",
    "If there is toxic language, tell me where it is.",
    "I hope that tomorrow is sunny.",
    "Important events should be in it.",
    "Done deals are marked as such.",
    "Thanks to the rain, the river rose.",
    "Let the reader know what happened.",
    "I can hear the sea from here.",
    "Enjoy the silence, and describe it.",
    "Do you like apples?",
    "This task is about translating a sentence.",
    "Here is an example:",
    "Ich hoffe auf Regen.",
    "Si tu es fatigué, dors.",
    "如果下雨，就写“雨”。",
    "もし雨が降ったら、傘をさす。",
    "Если идёт дождь, возьми зонт.",
)
"""Lines of tasks, steps and answers that begin alike."""


@pytest.mark.parametrize("line", [*TALK, *OF_THE_LIST])
def test_talk_ends_a_list_and_is_part_of_no_item(line: str) -> None:
    assert is_closing(line) or is_note(line)
    for between in ("\n", "\n\n", "\n- "):
        steps = parse(f"1. Read the review.\n2. Output good or bad.{between}{line}")
        assert steps.steps == ("Read the review.", "Output good or bad.")
        assert line in steps.epilogue
    found = read_instructions(f" Sort the words.\n10. Name a river.\n{line}", first=9)
    assert [item.text for item in found if not item.fault] == ["Sort the words.", "Name a river."][
        : 1 if is_note(line) and not is_closing(line) else 2
    ]
    assert read_values(f"1. law\n2. art\n\n{line}") == ("law", "art")


@pytest.mark.parametrize("line", TALK)
def test_talk_on_the_line_of_an_item_is_told(line: str) -> None:
    """An instruction with it is rejected by name; in steps it stands beside them for people."""
    found = read_instructions(f" Sort the words.\n10. Name a river. {line}", first=9)
    assert [item.fault for item in found] == ["", "unreadable_list"]
    steps = parse(f"1. Read the review.\n2. Output good or bad. {line}")
    assert (steps.steps[-1], steps.epilogue) == ("Output good or bad.", line)
    assert parse(render(steps.steps)).steps == steps.steps
    shown = parse_examples(f"Input: a b\nOutput: c\nExplanation: d.\n{line}")
    assert shown == (Example("a b", "c", "d."),)


@pytest.mark.parametrize("line", SIGN_OFFS)
def test_a_wish_is_no_item_and_no_part_of_one(line: str) -> None:
    for reply in (
        f"1. Read the review.\n2. Output good or bad. {line}",
        f"1. Read the review.\n2. Output good or bad.\n3. {line}",
        f"- Read the review.\n- Output good or bad.\n- {line}",
        f"1. Read the review.\n2. Output good or bad.\n{line}",
    ):
        steps = parse(reply)
        assert steps.steps == ("Read the review.", "Output good or bad.")
        assert line in " ".join(steps.epilogue.split())
    for reply in (f"9. Sort the words.\n10. {line}", f"9. Sort the words.\n10. Name it. {line}"):
        assert [item.fault for item in read_instructions(reply)] == ["", "unreadable_list"]
    assert read_values(f"1. law\n2. art\n3. {line}") == ("law", "art")


@pytest.mark.parametrize("line", ["3. {}", "3. (If you like, I can write more.)", "- {}"])
def test_talk_that_is_the_last_item_is_none(line: str) -> None:
    line = line.format("Let me know if you need anything else!")
    bullet = "- " if line.startswith("-") else "2. "
    reply = f"{bullet.replace('2', '1')}Read the review.\n{bullet}Output good or bad.\n{line}"
    assert parse(reply).steps == ("Read the review.", "Output good or bad.")
    assert [item.fault for item in read_instructions(reply)][-1] == "unreadable_list"


@pytest.mark.parametrize(
    "steps",
    [
        ("Read the letter.", "End it with a wish:\n- Good luck!\n- Have a nice day!"),
        ("Read the letter.", 'Write "Be well. Good luck!"'),
        ("Read the letter.", "End with: All is well. Good luck!"),
        ("Write the last line, which is:", "Good luck!"),
        ("Write a wish. Good luck! is one.", "Output it."),
        ("Wish good luck!", "Write it down."),
        ("Read it.", "If you need more than one label, separate them by commas."),
        ("Read it.", "If you have any doubts, ask for more."),
        ("Read it.", "Name the tools at your disposal."),
        ("Enjoy the silence, and describe it.", "Happy people are named first."),
    ],
)
def test_wishes_that_steps_speak_of_stay(steps: tuple[str, ...]) -> None:
    assert parse(render(steps)).steps == steps


@pytest.mark.parametrize("line", GOOD)
def test_lines_that_look_alike_stay(line: str) -> None:
    assert not is_closing(line)
    assert not is_note(line)
    assert not closing_sentence(f"Read the text. {line}")
    steps = parse(f"1. Read it.\n2. Decide:\n- {line}\n- Else say no.")
    assert steps.steps[-1] == f"Decide:\n- {line}\n- Else say no."
    (found,) = read_instructions(f"1. Answer this question, please.\n{line}")[-1:]
    assert found.fault or found.text.endswith(line)


@pytest.mark.parametrize(
    "text",
    [
        "Decide:\n- If you have doubts, output no.\n- Otherwise output yes.",
        "Answer:\n- Note the date.\n- Remember the name.",
        "Answer:\n- Important words come first.\n- Others follow.",
        "Write the end:\n- Let me know if it fits.\n- Best regards, and a name.",
        "End the e-mail with: Let me know if you need more.",
        'End it with "Let me know if you need more."',
    ],
)
def test_what_a_step_announces_is_part_of_it(text: str) -> None:
    assert parse(f"1. Read it.\n2. {text}").steps == ("Read it.", text)


@pytest.mark.parametrize("form", ["- {}. {}", "• {}) {}", "- [ ] {}. {}", "{}) - {}", "{}.、{}"])
def test_numbers_behind_bullets_are_no_part_of_steps(form: str) -> None:
    wanted = ("Read the review.", "Find its mood.", "Output it.")
    text = "\n".join(form.format(at, step) for at, step in enumerate(wanted, start=1))
    assert parse(text).steps == wanted
    assert parse("- Read 2. Samuel.\n- 2. Weltkrieg: name its end.").steps == (
        "Read 2. Samuel.",
        "2. Weltkrieg: name its end.",
    )


def test_a_note_below_the_last_instruction_is_told() -> None:
    found = read_instructions(" Sort it.\n10. Name it.\nNote: keep the case.", first=9)
    assert [item.fault for item in found] == ["", "unreadable_list"]


def test_a_letter_in_an_example_is_whole() -> None:
    letter = "Dear Ann,\n\nLet me know if you have questions.\n\nBest, Bob"
    others = "Input: x\nOutput: y\nExplanation: z"
    for text in (
        f"Input: a\nOutput: {letter}\n\n{others}",
        f"{others}\n\nInput: a\nOutput: {letter}",
    ):
        assert Example("a", letter) in parse_examples(text)
    explained = f"Input: a\nOutput: {letter}\nExplanation: b\n\n{others}"
    assert parse_examples(explained)[0] == Example("a", letter, "b")


def test_who_is_spoken_to_is_found_in_time() -> None:
    began = time.process_time()
    for text in ("if you " * 50_000, "I can " * 50_000, "* " * 100_000, "I hope this " * 30_000):
        speaks_to_asker(text)
        closing_sentence(text)
    assert time.process_time() - began < 1
