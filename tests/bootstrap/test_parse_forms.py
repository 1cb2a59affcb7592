"""The forms in which models write lists, fields and answers, in many scripts."""

import json

import pytest

from seedstep.bootstrap.instances import labeled_inputs, says_classification, worked_examples
from seedstep.bootstrap.parse import read_instructions, read_values
from support.read_replies import as_pairs, instructions

A_B = [("a", "b")]

LISTS: dict[str, str] = {
    "pipe": "Task {}| {}",
    "hash": "#{} {}",
    "ideographic-comma": "{}、{}",
    "full-width-colon": "任务{}：{}",
    "full-width-stop": "{}．{}",
    "ordinal": "第{}个：{}",
    "ordinal-of-a-task": "第{}个任务：{}",
    "danda": "{}। {}",
    "dash": "{}- {}",
    "brackets": "（{}）{}",
    "bold": "**{}. {}**",
    "bold-number": "**{}.** {}",
    "heading": "### Task {}: {}",
    "japanese": "タスク{}：{}",
    "korean": "작업 {}: {}",
    "spanish": "Tarea {}: {}",
    "french": "Tâche {} : {}",
    "german": "Aufgabe {}: {}",
    "portuguese": "Tarefa {}: {}",
    "italian": "Compito {}. {}",
    "russian": "Задача {}. {}",
    "arabic": "المهمة {}: {}",
    "hindi": "कार्य {}: {}",
    "turkish": "Görev {}: {}",
    "vietnamese": "Nhiệm vụ {}: {}",
    "indonesian": "Tugas {}: {}",
    "labelled": "{}. Instruction: {}",
    "letter": "Q{}. {}",
    "letter-of-a-task": "T{}: {}",
    "exercise": "Exercise {}: {}",
    "task-number": "Task number {}: {}",
    "spanish-dash": "{}.- {}",
    "spanish-ordinal": "{}º: {}",
    "spanish-question": "Pregunta n.º {}: {}",
    "portuguese-ordinal": "{}ª tarefa: {}",
    "french-ordinal": "{}e tâche : {}",
    "french-number": "Tâche numéro {} : {}",
    "german-exercise": "Übung Nr. {}: {}",
    "german-ordinal": "{}. Aufgabe: {}",
    "hungarian-ordinal": "{}. feladat: {}",
    "russian-number": "Вопрос № {}: {}",
    "russian-ordinal": "{}-я задача: {}",
    "chinese-question": "问题{}：{}",
    "chinese-instruction": "指令{}：{}",
    "chinese-question-old": "問題{}：{}",
    "japanese-question": "質問{}：{}",
    "korean-ordinal": "{}번 과제: {}",
    "korean-question": "질문 {}: {}",
    "arabic-number": "المهمة رقم {}: {}",
    "arabic-question": "السؤال {}: {}",
    "hindi-number": "कार्य संख्या {}: {}",
    "vietnamese-number": "Nhiệm vụ số {}: {}",
    "thai-question": "ข้อที่ {}. {}",
    "greek": "Εργασία {}: {}",
    "hebrew": "משימה {}: {}",
    "two-signs": "{}]: {}",
    "keys": "{}\ufe0f\u20e3 {}",
    "with-empty-input": "{}. {}\nInput: <noinput>",
    "with-output": "{}. Instruction: {}\nInput: x\nOutput: y",
}
DIGITS = (
    "0123456789",
    "٠١٢٣٤٥٦٧٨٩",
    "०१२३४५६७८९",
    "০১২৩৪৫৬৭৮৯",
    "๐๑๒๓๔๕๖๗๘๙",
    "０１２３４５６７８９",
)


@pytest.mark.parametrize("digits", DIGITS)
@pytest.mark.parametrize("shape", LISTS.values(), ids=LISTS)
def test_lists_are_numbered_in_many_ways_and_scripts(shape: str, digits: str) -> None:
    wanted = ["Name three rivers.", "说出三条河流。", "Nommez trois fleuves."]
    numbers = [str(n).translate(str.maketrans("0123456789", digits)) for n in (9, 10, 11)]
    items = [shape.format(*pair) for pair in zip(numbers, wanted, strict=True)]
    assert list(instructions("\n".join(items), continues=False)) == wanted
    if shape.startswith("{}"):  # the prompt holds the first number
        continued = "\n".join(["Sort it.", *items[1:]])
        assert list(instructions(continued, continues=True)) == ["Sort it.", *wanted[1:]]


@pytest.mark.parametrize("mark", ["**", "__"])
def test_bold_at_the_beginning_of_an_instruction_goes_as_a_pair(mark: str) -> None:
    text = f" {mark}Name{mark} a river.\n10. {mark}Name{mark} three rivers."
    assert list(instructions(text, continues=True)) == ["Name a river.", "Name three rivers."]


@pytest.mark.parametrize(
    "text",
    [
        "Sort it.\nÜlesanne 10 ~ Nimeta.\nÜlesanne 11 ~ Vali.",
        "Sort it.\nItem 10 ~ Name it.",
        "Sort it.\n10 ~ Name it.",
        "Sort it.\n10º Name it.",
        "Sort it.\nZ10 ~ Name it.",
        "Sort it.\n其10～Name it.",
        "Sort it.\nকাজের নম্বর 10 ~ Name it.",
        "Sort it.\n10번째 문장 ~ Name it.",
        "Sort it.\n10th, name it.",
        "Sort it.\n_10._ Name it.",
        "Sort it.\nX. Name it.",
        "Sort it.\nj) Name it.\nk) Say it.",
        "Sort it.\n(J) Name it.",
        "Sort it.\nTask X: Name it.",
        "Sort it.\nTask ten: Name it.",
        "Sort it.\nTen. Name it.",
        "Sort it.\nTask: Name it.\nTask: Say it.",
        "Sort it. Task 10: Name it.",
        "Sort it. 任务10：Name it.",
        "Sort it. 10. Name it. 11. Say it.",
        "Sort it. 10. Name it.",
        "Sort it. 10) Name it.",
        "Sort it! (10) Name it.",
        "Sort it. **10.** Name it.",
        "Sort it. | 10. Name it.",
        "Sort it.\\n10. Name it.\\n11. Say it.",
        "整理它。10、说出河流。",
        "Sort it.\n拾、Name it.",
        "Sort it.\nⅩ. Name it.",
        "Sort it.\nTenth: name it.",
        "Sort it.\nzehn. Nenne es.",
        "Sort it.</li>\n<li>Name it.</li>\n<li>Say it.</li>",
        "<ol><li>Sort it.</li><li>Name it.</li></ol>",
        "Input: only an input\nOutput: x",
        "Sort it.\nПример 10: Name it.\nПример 11: Say it.",
        "Sort it.\nExample 10: Name it.",
        "Type: creative\nInstruction: Write a poem.",
        "Write a poem.\nDifficulty: easy",
        "Write a poem.\n**Type:** open\n**Level:** hard",
        "写一首诗。\n类型：创作",
    ],
)
def test_a_list_that_is_not_understood_is_told_and_not_glued(text: str) -> None:
    (found,) = read_instructions(text, first=9)
    assert found.fault == "unreadable_list"


@pytest.mark.parametrize(
    "text",
    [
        "Sort it.\n<br>10. Name it.\n<br/>11. Say it.",
        "Sort it.<br>10. Name it.<br />11. Say it.",
        "Sort it.<br>10 - Name it.</p><p>Task 11: Say it.</p>",
        "Sort it.</li><li>10) Name it.</li><li>11) Say it.</li>",
        "Sort it.\u202810. Name it.\x0b11. Say it.",
        "Sort it.\n10. Name it.\n11. Say it.\nLet me know if you want more!",
        "Sort it.\n<li>10. Name it.</li>\n<li>11. Say it.</li></ol>",
        "Sort it.\n&nbsp;10. Name it.\n\u200b11. Say it.",
    ],
)
def test_a_list_with_marks_of_html_is_read(text: str) -> None:
    found = read_instructions(text, first=9)
    assert [item.text for item in found] == ["Sort it.", "Name it.", "Say it."]
    assert not any(item.fault for item in found)


@pytest.mark.parametrize("title", ["Here are more tasks", "*More tasks*", "MORE TASKS FOR YOU"])
def test_a_title_before_a_list_that_begins_again_is_no_item(title: str) -> None:
    found = read_instructions(f"{title}\n9. Sort it.\n10. Name it.", first=9)
    assert [item.fault for item in found] == ["unreadable_list", "", ""]
    found = read_instructions("Say it.\n1. Sort it.\n2. Name it.", first=9)
    assert [item.text for item in found if not item.fault] == ["Say it.", "Sort it.", "Name it."]


@pytest.mark.parametrize(
    "text",
    [
        "Write an essay.\nTopic: climate change",
        "Classify the text.\nLabels: good, bad",
        "Which is it?\nCategory: fruit or vegetable?",
        "Is it true?\nLevel: water boils at 100 degrees at the level of the sea.",
        "Describe the type of the text.",
        "Example of a river: name one.",
        "- 5 + 3 is what?",
    ],
)
def test_material_below_an_item_is_part_of_it(text: str) -> None:
    (found,) = read_instructions(text, first=9)
    assert (found.text, found.fault) == (text.replace("\n", " "), "")


def test_options_below_an_item_are_part_of_it() -> None:
    found = read_instructions("1. Pick the best.\nA) one\nB) two\n2. Sort it.")
    assert [item.text for item in found] == ["Pick the best. A) one B) two", "Sort it."]
    assert not any(item.fault for item in found)


def test_fields_with_full_width_colons_are_fields() -> None:
    assert as_pairs(worked_examples("示例1：\n输入：甲\n输出：乙")) == [("甲", "乙")]
    assert as_pairs(worked_examples("Exemple 1\nEntrée : a\nSortie : b")) == A_B
    assert as_pairs(labeled_inputs("类别标签：好\n输入：甲")) == [("甲", "好")]
    assert as_pairs(labeled_inputs("Class label：Good\nInput：a")) == [("a", "Good")]


def test_the_released_code_keeps_the_label_of_an_input() -> None:
    text = "Class label: Good\nInput: a"
    assert as_pairs(labeled_inputs(text, keep_labels=True)) == [("Input: a", "Good")]


@pytest.mark.parametrize(
    "text",
    [
        "Round 9.5 to 10. Say why.",
        "Name the year. 10. is prime?",
        "Choose. 1. Red. 2. Blue.",
    ],
)
def test_a_number_that_is_not_the_next_item_is_part_of_an_instruction(text: str) -> None:
    assert [item.text for item in read_instructions(text, first=9)] == [text]


@pytest.mark.parametrize(
    "item",
    [
        "1. Sort it. 2. Name it.",
        "Sort it.\n10. Name it.\n11. Say it.",
        "Sort it.\nTask 2: Name it.",
        ["Sort it."],
        7,
    ],
    ids=str,
)
def test_an_item_of_json_that_is_no_single_instruction_is_told(item: object) -> None:
    found = read_instructions(json.dumps({"tasks": [item, "Say it."]}))
    assert [each.fault for each in found] == ["unreadable_list", ""]


def test_a_list_inside_an_item_of_json_is_part_of_it() -> None:
    (found,) = read_instructions(json.dumps({"tasks": ["Do both:\n1. Sort.\n2. Name."]}))
    assert (found.fault, found.text) == ("", "Do both: 1. Sort. 2. Name.")


@pytest.mark.parametrize(
    "text",
    [
        "Yes.\nNo.",
        "Yes, no",
        "No, wait, yes.",
        "Yes. On second thought, no.",
        "Answer: Yes\nAnswer: No",
        "1. Yes\n2. No",
        "Is it? Yes. Is it? No.",
        "(Yes) (No)",
        "Yes (classification) / No (not)",
        "Yes? I don't know",
        "Yes, it is not.",
        "Can't say yes",
        "I would not say no",
        '{"is_classification": true} {"is_classification": false}',
    ],
)
def test_a_reply_that_also_says_the_opposite_says_neither(text: str) -> None:
    assert says_classification(text) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Yes, the labels are yes and no.", True),
        ('Yes. The output is "yes" or "no".', True),
        ("Yes, the output is yes/no.", True),
        ("No. There are no labels, yes or no.", False),
        ("Yes.\n\nExplanation: no other label applies.", True),
        ("Yes\nTask: Write a poem.\nIs it classification? No", True),
        ("No, it is not.", False),
        ("Yes.\nYes.", True),
    ],
)
def test_labels_in_a_reason_are_not_the_opposite(text: str, said: bool) -> None:
    assert says_classification(text) is said


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1. law\n2. art\nLet me know if you want more!", ("law", "art")),
        ("1. law 2. Art\n3. sport\n4. food", ("sport", "food")),
        ('{"values": ["law", "...", "N/A", "string", "art"]}', ("law", "art")),
        ("1. law\n2. I'm sorry, I can't list more.", ("law",)),
    ],
)
def test_what_is_no_value_becomes_none(text: str, values: tuple[str, ...]) -> None:
    assert read_values(text) == values


def test_numbers_before_inputs_are_no_part_of_the_instances() -> None:
    found = worked_examples("1. Input: a\nOutput: b\n\n2. Input: c\nOutput: d")
    assert as_pairs(found)[0] == ("a", "b")


@pytest.mark.parametrize(
    "text", ["**Input**\na\n**Output**\nb", "### Input\na\n### Output\nb", "Input = a\nOutput = b"]
)
def test_fields_of_a_form_that_is_not_read_are_no_bare_output(text: str) -> None:
    assert worked_examples(text, may_be_bare=True).instances == ()
