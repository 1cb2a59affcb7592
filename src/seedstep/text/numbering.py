"""How models number and label what they write: one table, in many scripts and languages.

`NUMERALS` are the signs for numbers, `WORDS` what tasks, steps and the fields of examples are
called. Digits of every script count as digits. All patterns take time that grows with the length
of a line, whatever stands in it.

Example::

    >>> find_number("Task 10| Name a river.")
    ListNumber(number=10, text='Name a river.')
    >>> find_number("第10个：写一首诗。")
    ListNumber(number=10, text='写一首诗。')
    >>> without_labels("Instruction: Name a river.")
    'Name a river.'
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from seedstep.lazy import late_pattern

__all__ = [
    "CLOSERS",
    "HAN_NUMERALS",
    "NUMBER_WORDS",
    "WORDS",
    "ListNumber",
    "find_number",
    "inside_line",
    "label_at_line_start",
    "lettered",
    "looks_numbered",
    "on_lines",
    "unbolded",
    "value_of",
    "without_labels",
    "words_for",
]

HAN_NUMERALS = "一二三四五六七八九十"
"""Chinese and Japanese numerals from one to ten."""

CLOSERS = ".．。:：、)）\\]】|｜।"
"""What may stand between a number and its text. A dash may, too, with a space after it."""

WORDS: Mapping[str, str] = MappingProxyType(
    {
        "task": (
            "task|任务|任務|题目|題目|タスク|課題|작업|과제|태스크|tarea|tâche|tache|aufgabe|tarefa"
            "|compito|attività|задача|задание|завдання|المهمة|مهمة|وظیفه|कार्य"
            "|কাজ|টাস্ক|görev|nhiệm vụ|tác vụ|tugas|taak|zadanie|úkol|uppgift"
            "|งาน|ภารกิจ|feladat|úloha|tehtävä|εργασία|משימה|sarcină|sarcina|opdracht|opgave|oppgave|zadatak|задатак"
            "|کام|kazi|gawain|பணி|పని|ülesanne|uzdevums|užduotis|naloga|verkefni|detyrë|detyra|tasca"
            "|ariketa|ataza|tasc|tasg|tugasan|umsebenzi|aiki|iṣẹ́|iṣẹ|hawl|andraikitra|gorev|tapşırıq"
            "|tapşırma|topshiriq|vazifa|тапсырма|тапшырма|заданне|заданьне|даалгавар|առաջադրանք|დავალება"
            "|ተግባር|කාර්යය|കാര്യം|ടാസ്ക്|ಕಾರ್ಯ|ಕೆಲಸ|કાર્ય|ਕਾਰਜ|ਕੰਮ|काम|ଟାସ୍କ|လုပ်ငန်း|ភារកិច្ច"
            "|កិច្ចការ|ໜ້າວຽກ|ئەرک|אויפגאבע"
        ),
        "instruction": (
            "instructions?|指令|指示|说明|說明|命令|지시문|지시사항|지시|지침|instrucción"
            "|instrucciones|consigne|anweisung|anleitung|instrução|instruções"
            "|istruzione|istruzioni|инструкция|інструкція|التعليمات|تعليمات"
            "|التعليمة|دستورالعمل|निर्देश|নির্দেশ|talimat|yönerge|hướng dẫn"
            "|chỉ dẫn|yêu cầu|instruksi|perintah|instructie|polecenie|คำสั่ง"
            "|คำแนะนำ"
        ),
        "input": (
            "input|输入|輸入|入力|インプット|입력|entrada|entrée|entree|eingabe|ingresso"
            "|ввод|вход|входные данные|вхід|المدخلات|المدخل|الإدخال|إدخال|مدخل"
            "|ورودی|इनपुट|ইনপুট|girdi|giriş|đầu vào|masukan|invoer|wejście"
            "|ข้อมูลเข้า|อินพุต"
        ),
        "output": (
            "output|输出|輸出|出力|アウトプット|출력|salida|sortie|ausgabe|saída|uscita|вывод"
            "|выход|выходные данные|вихід|المخرجات|المخرج|الإخراج|إخراج|مخرج"
            "|خروجی|आउटपुट|আউটপুট|çıktı|đầu ra|keluaran|uitvoer|wyjście|ผลลัพธ์"
            "|เอาต์พุต"
        ),
        "example": (
            "example|示例|例子|样例|範例|例|예시|예제|예|ejemplo|exemple|beispiel|exemplo"
            "|esempio|пример|приклад|مثال|उदाहरण|উদাহরণ|örnek|ví dụ|contoh"
            "|voorbeeld|przykład|ตัวอย่าง"
        ),
        "class label": (
            "class label|类别标签|類別標籤|类标签|类别|類別|标签|標籤|クラスラベル|ラベル"
            "|클래스 레이블|클래스 라벨"
            "|레이블|라벨|etiqueta de clase|etiqueta|étiquette de classe|étiquette"
            "|klassenlabel|klassenbezeichnung|rótulo da classe|rótulo de classe"
            "|rótulo|etichetta di classe|etichetta|метка класса|метка"
            "|мітка класу|تسمية الفئة|الفئة|برچسب|वर्ग लेबल|लेबल|শ্রেণী লেবেল"
            "|sınıf etiketi|etiket|nhãn lớp|nhãn|label kelas|klasselabel"
            "|etykieta klasy|ป้ายกำกับ"
        ),
        "answer": (
            "(?:expected |correct |final )?(?:answer|response|result|reply|solution)|答案|回答|答え"
            "|답변|정답|réponse|résultat|respuesta|resultado|antwort|ergebnis|lösung|resposta|risposta"
            "|ответ|результат|відповідь|odpowiedź|cevap|yanıt|trả lời|jawaban|उत्तर|الجواب|الإجابة"
            "|پاسخ|উত্তর|คำตอบ|expected output"
        ),
        "question": (
            "question|exercise|problem|item|prompt|query|no|q|t|问题|問題|问|問|练习|練習|作业|作業"
            "|习题|質問|設問|演習|질문|문제|문항|연습|pregunta|ejercicio|problema|exercice"
            "|problème|frage|übung|nummer|pergunta|questão|exercício|domanda|esercizio|вопрос"
            "|упражнение|пункт|питання|вправа|السؤال|سؤال|تمرين|پرسش|تمرین|प्रश्न|सवाल|अभ्यास"
            "|প্রশ্ন|অনুশীলনী|soru|al\u0131şt\u0131rma|câu hỏi|câu|bài tập|bài|pertanyaan|soal"
            "|latihan|vraag|oefening|pytanie|ćwiczenie|otázka|fråga|คำถาม|ข้อที่|ข้อ"
            "|ερώτηση|שאלה"
            ""
        ),
        "step": (
            "step|étape|etape|schritt|paso|passo|passaggio|stap|steg|krok|шаг"
            "|крок|langkah|ステップ|手順|步骤|步驟|الخطوة|خطوة|مرحله|चरण|ধাপ|adım|bước"
            "|ขั้นตอน|ขั้น"
        ),
    }
)
"""What models call tasks, their fields and their steps; patterns, parted by `|`."""

_COUNTERS = "个任务|個任務|个|個|题|題|项|項|条|條|号|號|问|問|件|番目|番|つ目|번째|번"
_ORDINAL = (
    r"(?:[.]?[\u00ba\u00aa\u00b0\u03bf\u03b7]|번째|번|番目|番|(?:th|st|nd|rd|er|re|e|ème|eme)(?![^\W\d])"
    r"|-?(?:[йяеаº]|ая|ое|ый|ий|го|ше|га)(?![^\W\d]))"
)
"""What makes an ordinal of a number, as in `10º`, `10번` or `10-я`."""

_HASH = r"(?:#|№|n[°º]\.?|n\.[°º])"
_SIGN = (
    rf"(?:{_HASH}|nr\.?|n\.|no\.|č\.|ke-|نمبر|n[uú]mero|n[uú]m\.|numéro|number|nummer|nomor|numer|numara|номер|số|رقم"
    r"|شماره|संख्या|क्रमांक|সংখ্যা|番号|编号|編號|ที่)"
)


def words_for(*names: str) -> str:
    """Return a pattern for the words of these rows of `WORDS`, the longest first."""
    words = [word for name in names for word in WORDS[name].split("|")]
    return f"(?:{'|'.join(sorted(words, key=len, reverse=True))})"


_NUMBER = r"(?P<{0}>\d{{1,3}})(?!\d)"
_HAN = "(?P<{0}>[" + HAN_NUMERALS + "]{{1,3}})"


def _count(name: str) -> str:
    return rf"(?:{_NUMBER.format(name + 'd')}|{_HAN.format(name + 'h')})"


_TAG = r"<(?:br|li|p|div|ol|ul)[ \t]*/?>"
_TAGS_AT_END = late_pattern(r"(?:[ \t]*+(?:<br[ \t]*/?>|</(?:li|p|div|ol|ul)>))++\Z", re.IGNORECASE)
_BEFORE = (
    rf"(?:[ \t\u00a0\u200b\ufeff]|&nbsp;|{_TAG})*+"
    + r"(?:[-*•>][ \t]++)?+(?:\[[ xX✓✔]?\][ \t]++)?+(?:\#{1,6}[ \t]++)?+"
    + r"(?P<bold>\*\*|__|\*)?+[ \t]*+"
)
_CLOSE = (
    rf"[ \t]*+(?:\*\*|__)?+[ \t]*+(?:[{CLOSERS}]{{1,2}}+(?!\d)(?:[-–—](?=[ \t]))?+\)?+"
    r"|[-–—][ \t]++(?!\d)|(?=$))"
)
_TASK = words_for("task")
_ITEM = words_for("task", "question", "instruction")
_LIST_NUMBER = late_pattern(
    rf"{_BEFORE}(?:"
    rf"[(（\[【]?+{_ITEM}[ \t_-]*+{_SIGN}?+[ \t]*+{_count('a')}(?:{_CLOSE})"
    rf"|[(（\[【]?+第[ \t]*+{_count('b')}[ \t]*+(?:{_COUNTERS})?+(?:{_CLOSE}|[ \t]++)"
    rf"|제?[ \t]*+{_NUMBER.format('c')}[ \t]*+(?:번째|번|番目|番)(?:{_CLOSE})"
    rf"|제?[ \t]*+{_NUMBER.format('p')}[ \t]*+(?:{_ORDINAL}|[.])?+[ \t]*+{_TASK}(?:{_CLOSE})"
    rf"|{_SIGN}[ \t]*+{_NUMBER.format('d')}(?:{_CLOSE})"
    rf"|{_HASH}[ \t]*+{_NUMBER.format('m')}[ \t]++"
    rf"|[(（\[【][ \t]*+{_count('e')}[ \t]*+[)）\]】][.:：]?+"
    rf"|{_NUMBER.format('f')}{_ORDINAL}(?:{_CLOSE})"
    rf"|{_NUMBER.format('n')}(?:{_CLOSE})"
    rf"|{_HAN.format('g')}[ \t]*+[.．。:：、)）]"
    rf"|(?P<k>(?:\d{{1,3}}\ufe0f?\u20e3){{1,3}}+)|(?P<t>\U0001f51f)"
    r"|(?P<o>[\u2460-\u249b\u24eb-\u24ff\u2776-\u2793\u3220-\u3229\u3280-\u3289])"
    r")(?P<closed>[ \t]*+(?:\*\*|__)(?=[ \t]|$))?+[ \t]*+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ListNumber:
    """The number that a line of a list begins with, and the rest of the line."""

    number: int
    text: str


def find_number(line: str) -> ListNumber | None:
    """Return the number that a line begins with; None where it begins with none.

    Signs of bold type that belong to the number are taken off with it.
    """
    found = _LIST_NUMBER.match(line)
    if not found:
        return None
    rest = line[found.end() :]
    mark = found["bold"]
    if mark and found[0].count(mark) % 2 == 1:
        rest = rest.replace(mark, "", 1)
    sign = next(text for name, text in found.groupdict().items() if text and name not in _MARKS)
    end = _TAGS_AT_END.search(rest) if rest.endswith(">") else None
    rest = rest[: end.start()] if end else rest
    return ListNumber(value_of(sign), unbolded(rest.strip()))


_MARKS = ("bold", "closed")


def value_of(sign: str) -> int:
    """Return the number that decimal digits of any script, or Chinese numerals, stand for."""
    sign = sign.translate({0xFE0F: None, 0x20E3: None})  # of the signs of keys
    if sign.isdecimal():
        return int(sign)
    if sign == "\U0001f51f":
        return 10
    if sign[0] in HAN_NUMERALS:
        tens, ten, ones = sign.rpartition("十")
        first = (HAN_NUMERALS.find(tens[:1]) + 1 if tens else 1) if ten else 0
        return 10 * first + (HAN_NUMERALS.find(ones[:1]) + 1 if ones else 0)
    return int(unicodedata.numeric(sign, 0))


_BOLD = late_pattern(r"\A(?P<sign>\*\*|__)(?![*_\s])(?P<text>[^*_]++)(?P=sign)")


def unbolded(text: str) -> str:
    """Return a text without the signs of bold type around its beginning."""
    found = _BOLD.match(text)
    return f"{found['text'].strip()}{text[found.end() :]}" if found else text


_BREAK = late_pattern(r"(?:</?(?:br|li|p|div|ol|ul)[ \t]{0,9}/?>[ \t]*+)++", re.IGNORECASE)
_PART_END = late_pattern(
    r"(?:[.!?;|>。！？।؟۔…][\"'”’)\]]?|\\n|&#10;)(?:[ \t]|\*\*(?=\S))*+(?=[^\s.!?;|>…])",
    re.IGNORECASE,
)
_LONGEST_NUMBER = 60
"""How many characters are looked at for a number or a label in a line."""


def on_lines(text: str) -> str:
    """Return a text with a line break for those of HTML before the items of a list.

    Example::

        >>> on_lines("Sort it.<br>10 - Name it.")
        'Sort it.\\n10 - Name it.'
    """
    return _BREAK.sub(
        lambda tags: (
            "\n"
            if find_number(text[tags.end() : tags.end() + _LONGEST_NUMBER])
            and tags.start()
            and text[tags.start() - 1] != "\n"
            else tags[0]
        ),
        text,
    )


def inside_line(text: str, number: int) -> bool:
    """Return whether item `number` of a list begins inside a text, after a sentence.

    A text that numbers parts of its own, from 1 on, may have this number, too.
    """
    if number <= _FEW and _FIRST_INSIDE.search(text):
        return False
    for end in _PART_END.finditer(text):
        part = text[end.end() : end.end() + _LONGEST_NUMBER]
        found = find_number(part)
        if found and found.number == number and found.text and not found.text[0].islower():
            return True
    return False


_FEW = 8
_FIRST_INSIDE = late_pattern(r"(?<![\w.])1[.):]|[(\[]1[)\]]|[①一]")

_NEAR_NUMBER = late_pattern(
    r"(?:\W|_){0,4}+(?:(?:[^\W\d_]{1,20}+(?:\W|_){1,3}+){0,3}[^\W\d_]{0,12}+"
    r"|(?:[^\x00-\x7f\d]|[ \t#.:*_-]){0,30}+)"
    r"(?P<n>\d{1,3})(?!\d)(?=\W|_|$|[^\x00-\x7f]|(?:th|st|nd|rd|e|er)\b)"
)
NUMBER_WORDS = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    *("nineteen", "twenty"),
)
_SPELT = late_pattern(
    rf"\W{{0,4}}+(?:{_ITEM}[ \t]++)?(?:(?P<roman>[IVXL]{{1,8}})|(?P<word>[^\W\d_]{{2,12}}))"
    r"(?:[.):,]|[ \t]*+[-\u2013\u2014](?=[ \t]))",
    re.IGNORECASE,
)
_FORMAL = str.maketrans("壹贰叁肆伍陆柒捌玖拾貳參陸弐参拾", "一二三四五六七八九十二三六二三十")
"""Chinese numerals that are harder to forge, and the plain ones."""

_HAN_AT_START = late_pattern(rf"[ \t*]*+(?P<n>[{HAN_NUMERALS}]{{1,3}})[\W_]")
_TENS = {
    10: "ten tenth zehn zehntens dix dixième diez décimo dez dieci decimo tien tio ti десять",
    11: "eleven eleventh elf elftens onze once undici elva elleve одиннадцать",
    12: "twelve twelfth zwölf zwölftens douze doce doze dodici twaalf tolv двенадцать",
}
"""The numbers with which lists go on after the tasks of a prompt, as languages spell them."""


def _spelt(number: int) -> tuple[str, ...]:
    """Return the words for a number."""
    known = NUMBER_WORDS[number - 1 : number] if number > 0 else ()
    return (*known, *_TENS.get(number, "").split())


_LETTER = late_pattern(r"\W{0,4}+(?P<letter>[a-zA-Z])(?:\)|[.:](?=[ \t]))")
_ROMAN_SIGNS = (("X", 10), ("IX", 9), ("V", 5), ("IV", 4), ("I", 1))


def looks_numbered(line: str, number: int) -> bool:
    """Return whether a line begins like item `number` of a list, in a form that is not known."""
    line = line[:100]
    plain = unicodedata.normalize("NFKC", line).translate(_FORMAL)
    near = (_NEAR_NUMBER.match(form) for form in (line, plain))
    if any(found is not None and int(found["n"]) == number for found in near):
        return True
    line = plain
    han = _HAN_AT_START.match(line)
    if han is not None and value_of(han["n"]) == number:
        return True
    spelt = _SPELT.match(line)
    if spelt is None:
        return False
    said = (spelt["word"] or "").lower()
    return spelt["roman"] == _roman(number) or said in _spelt(number)


def lettered(lines: Iterable[str], number: int) -> bool:
    """Return whether the first of the lines that begin with a letter begins with the n-th one.

    Options below an item begin with `a)`; `j)` after item 9 is the next item.
    """
    found = next(filter(None, map(_LETTER.match, lines)), None)
    return found is not None and number == ord(found["letter"].lower()) - ord("a") + 1 > 1


def _roman(number: int) -> str:
    """Return the Roman numeral of a number below 40; empty for another."""
    text = ""
    for sign, value in _ROMAN_SIGNS if number < 40 else ():
        while number >= value:
            text, number = text + sign, number - value
    return text


def label_pattern(*names: str) -> str:
    """Return a pattern for `Name:` at a line's start, also numbered, bold or an item of a list."""
    name = rf"{words_for(*names)}[ \t]*+\d{{0,9}}+[ \t]*+"
    bold = rf"\*\*{name}(?:[:：][ \t]*+\*\*|\*\*[ \t]*+[:：])"
    bracketed = rf"[\[【]{name}[\]】][ \t]*+[:：]?+"
    any_form = f"(?:{bold}|{bracketed}|{name}[:：])"
    return rf"^[ \t]*+(?:[-*•][ \t]++)?+(?:\#{{1,6}}[ \t]++)?+{any_form}[ \t]*+"


def label_at_line_start(*names: str) -> re.Pattern[str]:
    """Return the compiled `label_pattern`; it matches at the start of each line."""
    return late_pattern(label_pattern(*names), re.MULTILINE | re.IGNORECASE)


_TASK_LABEL = late_pattern(label_pattern("task", "instruction"), re.IGNORECASE)
_MOST_LABELS = 3


def without_labels(text: str) -> str:
    """Return a text without `Task:` or `Instruction:` before it."""
    for _ in range(_MOST_LABELS):
        found = _TASK_LABEL.match(text)
        if not found:
            break
        text = text[found.end() :]
    return unbolded(text)
