"""Read what a model says of an instruction: whether it is classification, and instances.

Instances (Self-Instruct, section 2.2) are input-first or output-first. Labels are those of
`seedstep.text.numbering`; a heading that is not known is one if it numbers blocks with an output
each. What can't be told apart is no instance. An answer about classification that says yes and no,
or denies what it says, says neither.

Example::

    >>> worked_examples("Sample 1\\nInput: 3, 1\\nOutput: 1, 3").instances
    (Instance(input='3, 1', outputs=('1, 3',), id=''),)
    >>> says_classification("Yes, it has two labels."), says_classification("Yes.\\nNo.")
    (True, None)
"""

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from seedstep.data import Instance
from seedstep.lazy import late_pattern
from seedstep.text import answer, is_refusal, json_object, plain_text
from seedstep.text.cleaning import json_list, without_talk_of_examples
from seedstep.text.numbering import label_at_line_start, label_pattern, value_of, words_for

__all__ = ["CandidateReply", "labeled_inputs", "says_classification", "worked_examples"]

_OUTPUT = label_at_line_start("output")
_INPUT = label_at_line_start("input")
_CLASS_LABEL = label_at_line_start("class label")
_NEXT_INPUT = late_pattern(
    rf"{label_pattern('input')}|^Input[ \t]++\d++[ \t]*+-", re.MULTILINE | re.IGNORECASE
)
_NUMBER_OF_INPUT = late_pattern(
    rf"^[ \t]{{0,9}}\d{{1,3}}[.)][ \t]{{1,9}}(?=(?:\*\*)?{words_for('input')}[ \t]{{0,9}}[:：])",
    re.MULTILINE | re.IGNORECASE,
)
_HEADING = late_pattern(
    rf"^(?:[\W_]{{0,6}}{words_for('input', 'output')}(?:[\W_]{{0,6}}$|[ \t]{{1,9}}[-=])"
    r"|[ \t]{0,9}(?:<|\|[ \t]{0,9}|(?:sample|test|given)[ \t]{1,9})\*{0,2}"
    rf"{words_for('input', 'output')}\*{{0,2}}[ \t]{{0,9}}[>|:：])",
    re.MULTILINE | re.IGNORECASE,
)
"""A field's name in a form that is not read, so that the text is no bare output."""

_EXAMPLE_END = r"[ \t*]*+[.:：-]?+[ \t*]*+(?:\n|\Z)"
_EXAMPLE = late_pattern(
    rf"^[ \t#*]*+{words_for('example')}(?:[ \t]*+\d*+{_EXAMPLE_END}"
    r"|[ \t]*+\d++[ \t]*+[.:：][ \t*]*+)",
    re.MULTILINE | re.IGNORECASE,
)
_EMPTY_INPUT = late_pattern(
    r"\s*+(?:[<(\[{]{0,2}(?:no[ _-]?(?:additional |further |specific )?input"
    r"(?: (?:is )?(?:needed|required|necessary|provided|given))?|none|n/a"
    r"|not (?:applicable|needed|required)|无需输入|无输入|入力なし|입력 없음|aucune entrée"
    r"|keine eingabe|sin entrada|sem entrada|nessun input|нет ввода)\.?[>)\]}]{0,2}"
    r"|[<(\[{](?:empty|blank|nothing|无|無|なし|없음|vide|leer|vacío|vazio|vuoto|пусто|нет)[>)\]}])"
    r"\s*+\Z",
    re.IGNORECASE,
)

_ANSWER = label_at_line_start("answer")
_NAME = r"[^\W\d_][\w ]{0,24}"
_BEGINS_WITH_FIELD = late_pattern(rf"\s*(?:\*\*)?{_NAME}(?:\*\*)?[:：]")
_KNOWN_FIELD = label_at_line_start("input", "output", "answer")
_NEXT_TASK = late_pattern(rf"\n[ \t]*+\n{label_pattern('task')}", re.MULTILINE | re.IGNORECASE)
_LETTERS = "abcdefgh"
_SPELT = ("one", "two", "three", "four", "five", "six", "seven", "eight")
_ANY_HEADING = late_pattern(
    r"^[ \t]{0,9}(?:[-*•>][ \t]{1,9})?(?:\#{1,6}[ \t]{1,9})?[*_\[【(（<]{0,4}"
    r"(?P<word>[^\W\d_]{1,20}(?:[ ][^\W\d_]{1,20})?)[ \t]{0,2}"
    r"(?:[#№_-]|no\.|n[°º]\.?)?[ \t]{0,2}"
    rf"(?P<n>\d{{1,2}}|(?<=[ #])(?:[{_LETTERS}]|{'|'.join(_SPELT)})|[一二三四五六七八九十])"
    r"[*_\]】)）>.:： \t-]{0,6}$",
    re.MULTILINE | re.IGNORECASE,
)
"""A line that may be the heading of an example: a word or two, and a number."""

_LABEL_AND_FIELD = late_pattern(
    r"(?P<label>[^\n:：]{1,60}?)(?:[ \t]{1,9}[-–—|][ \t]{0,9}|[ \t]{0,9}[;,.][ \t]{1,9}"
    rf"|[ \t]{{1,9}}(?={words_for('input')}[ ]?[:：]))(?P<rest>{_NAME}[:：][ \t].*)\Z",
    re.IGNORECASE,
)
"""A class label with the first field of its input on the same line."""

_PREFACE = late_pattern(
    r"(?:(?:sure|certainly|of course|absolutely|ok(?:ay)?|great)\b|here(?:['\u2019]s| is| are)\b"
    r"|below (?:is|are)\b)[^\n]{0,200}[:：][*]{0,2}\s*\n\s*",
    re.IGNORECASE,
)
"""A line before the first field of an instance that announces it."""

_END = late_pattern(r"[-*_#](?:[ \t]*+[-*_#]){2,}+|\[END\]|<END>|\#+[ ]?END[ ]?\#+", re.IGNORECASE)
"""A line across the page below an instance, or a mark of its end."""


@dataclass(frozen=True, eq=False)
class CandidateReply:
    """The instruction of a task, and the instances that a reply has for it.

    One that is `unfinished` was cut at its length limit, inside its last instance if it has one.
    Replies are compared by identity, so that rules can cache what they compute for a reply.
    """

    instruction: str
    instances: tuple[Instance, ...]
    unfinished: bool = False

    def with_only(self, places: Sequence[int]) -> "CandidateReply":
        """Return the reply with only the instances in these places, which are in order."""
        has_last = len(self.instances) - 1 in places
        found = tuple(self.instances[place] for place in places)
        return CandidateReply(self.instruction, found, self.unfinished and has_last)


def worked_examples(
    text: str, instruction: str = "", *, cut: bool = False, may_be_bare: bool = False
) -> CandidateReply:
    """Read an input-first reply: `Example N` blocks, one `Output:`, or JSON.

    With `may_be_bare`, a reply without any of these is the output for an empty input.
    """
    text = without_talk_of_examples(answer(text))
    found = _json_examples(text, "output")
    if found is not None:
        return CandidateReply(instruction, found)
    before, *blocks = _blocks(_NUMBER_OF_INPUT.sub("", _this_task(text, _OUTPUT)))
    is_bare = may_be_bare and not blocks and before.strip() and not _HEADING.search(before)
    if _OUTPUT.search(before) or is_bare:
        blocks = [before, *blocks]
    pairs = tuple(_input_and_output(block) for block in blocks if block.strip())
    return CandidateReply(instruction, pairs, cut and bool(pairs))


def labeled_inputs(
    text: str, instruction: str = "", *, cut: bool = False, keep_labels: bool = False
) -> CandidateReply:
    """Read an output-first reply: `Class label:` and the input below, or JSON.

    With `keep_labels`, as in the released code, `Input:` before an input is part of the input.
    """
    text = without_talk_of_examples(answer(text))
    found = _json_examples(text, "label")
    if found is not None:
        return CandidateReply(instruction, found)
    before, *blocks = _CLASS_LABEL.split(_this_task(text, _CLASS_LABEL))
    if keep_labels:
        parted = (block.strip().partition("\n") for block in blocks)
        pairs = [_pair(rest.strip(), label.strip()) for label, _, rest in parted]
    else:
        pairs = _in_order(before, [_label_and_input(block) for block in blocks])
    return CandidateReply(instruction, tuple(pairs), cut and bool(pairs))


def _pair(text: str, output: str) -> Instance:
    return Instance(text, (output,))


def _label_and_input(block: str) -> Instance:
    """Return the instance below a class label; one whose label is missing has no output."""
    label, _, rest = block.strip().partition("\n")
    if block.lstrip(" \t*").startswith("\n") and _BEGINS_WITH_FIELD.match(label):
        return _pair(_input(block), "")
    if inline := _LABEL_AND_FIELD.match(label):
        label, rest = inline["label"], f"{inline['rest']}\n{rest}"
    return _pair(_input(_without_end(rest)), label.strip())


def _in_order(before: str, pairs: list[Instance]) -> list[Instance]:
    """Return pairs with the inputs before their labels, if the reply has them in that order."""
    first = _EXAMPLE.sub("", before).strip().rpartition("\n\n")[2]
    inputs = [pair.input for pair in pairs]
    is_turned = bool(pairs) and not inputs[-1] and all(inputs[:-1])
    if not is_turned or not _BEGINS_WITH_FIELD.match(first) or first.endswith((":", "：")):
        return pairs
    before_them = map(_input, (first, *inputs[:-1]))
    return [replace(pair, input=text) for pair, text in zip(pairs, before_them, strict=True)]


def _this_task(text: str, label: re.Pattern[str]) -> str:
    """Return a reply up to a next task, with which a model went on, and which has a label, too."""
    found = _NEXT_TASK.search(text)
    if not found or not label.search(text, found.end()):
        return text
    this = text[: found.start()]
    return this if label.search(this) else text


def _blocks(text: str) -> list[str]:
    """Return what stands before the headings of examples, and the text below each."""
    if _EXAMPLE.search(text):
        return _EXAMPLE.split(text)
    groups: dict[str, list[re.Match[str]]] = defaultdict(list)
    for found in _ANY_HEADING.finditer(text):
        group = groups[found["word"].casefold()]
        if _number(found["n"]) == len(group) + 1:
            group.append(found)
    for group in filter(None, groups.values()):
        ends = [*(found.start() for found in group[1:]), len(text)]
        blocks = [text[found.end() : end] for found, end in zip(group, ends, strict=True)]
        known = len(group) > 1 or _KNOWN_FIELD.match(blocks[0].lstrip())
        if known and all(len(_OUTPUT.findall(block)) == 1 for block in blocks):
            return [text[: group[0].start()], *blocks]
    return [text]


def _number(sign: str) -> int:
    """Return the number of a heading: digits, a letter, or a word."""
    sign = sign.casefold()
    if sign in _SPELT:
        return _SPELT.index(sign) + 1
    return _LETTERS.index(sign) + 1 if sign in _LETTERS else value_of(sign)


def _input_and_output(block: str) -> Instance:
    before, *after = _OUTPUT.split(block)
    if not after and _BEGINS_WITH_FIELD.match(block):
        before, *after = _ANSWER.split(block)
    if not after:
        return _pair("", _without_end(_NEXT_INPUT.split(block)[0]))
    return _pair(_input(before), _without_end(_NEXT_INPUT.split(after[0])[0]))


def _without_end(text: str) -> str:
    """Return a text without rules, marks of an end, and headings of examples below it."""
    lines = text.strip().split("\n")
    while len(lines) > 1 and (
        not lines[-1].strip() or _END.fullmatch(lines[-1].strip()) or _EXAMPLE.fullmatch(lines[-1])
    ):
        lines.pop()
    return "\n".join(lines).rstrip()


def _input(text: str) -> str:
    """Return an input without `Input:` before it, but with other labels; `<noinput>` is empty."""
    text = text.strip()
    preface = _PREFACE.match(text)
    if preface and _BEGINS_WITH_FIELD.match(text, preface.end()):
        text = text[preface.end() :]
    label = _INPUT.match(text)
    text = text[label.end() :].strip() if label else text
    return "" if label and _EMPTY_INPUT.match(text) else text


_FIELDS_OF_REPLIES = frozenset(("input", "output", "label", "examples", "instances"))


def _json_examples(text: str, output: str) -> tuple[Instance, ...] | None:
    """Return the instances of a reply that is JSON: a list of objects, or one object; else None.

    An object of another shape, with a name of a field that was asked for, holds no instance.
    """
    listed = json_list(text, "examples", "{")
    if listed is None:
        value = json_object(text)
        fields = {name.casefold() for name in value or ()}
        if value is None or not fields & _FIELDS_OF_REPLIES:
            return None
        values: list[Any] = [value] if output in fields else []
    else:
        values = listed[0]
    found = (
        {name.casefold(): part for name, part in it.items()}
        for it in values
        if isinstance(it, dict)
    )
    return tuple(_pair(_as_text(it.get("input")), _as_text(it.get(output))) for it in found)


def _as_text(value: Any) -> str:
    """Return a JSON value as text, as models write numbers, lists and objects instead of text."""
    if value is None:
        return ""
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return ""
    return plain_text(text).strip()


_JSON_ANSWER = re.compile(r'"is_classification"\s*+:\s*+"?(?P<said>true|false|yes|no)\b', re.I)
_YES_OR_NO = (
    r"(?P<said>yes(?!\w)|no(?!\w)(?![ ](?!(?:it|this|that|the|because|since|I)\b)\w))"
    r"(?![ ]?(?:/|or\b|and\b)|['\u2019-]\w)"
)
"""Matches a yes or a no, but not "yes or no", and not the no of "no labels"."""

_FIRST_WORD = re.compile(rf"[^\w]*+{_YES_OR_NO}(?!\W{{0,3}}\?)", re.IGNORECASE)
_ASKED_AGAIN = re.compile(
    r"(?:is it (?:a )?classification(?: task)?[ ]?\?|\b(?:answer|classification)\b[ ]?(?:is\b|:))"
    rf"[\s*:\"']*+{_YES_OR_NO}",
    re.IGNORECASE,
)
_BOTH = re.compile(r"\byes\W+(?:\w+\W+)?no\b|\bno\W+(?:\w+\W+)?yes\b", re.IGNORECASE)
_LAST_WORD = re.compile(
    r"(?<![\w/])(?<!\bor )(?<!maybe )(?<!perhaps )(?P<said>yes|no)[^\w?]{0,9}\Z", re.IGNORECASE
)
_GOES_ON = re.compile(r"\W*\w|[.!\u3002\uff01]")
_PAIR = re.compile(
    r"\byes\W{1,4}(?:(?:or|and|nor)\W{1,3})?no\b|\bno\W{1,4}(?:(?:or|and|nor)\W{1,3})?yes\b"
    r"|[\"'\u201c\u2018`](?:yes|no)\b",
    re.IGNORECASE,
)
"""Both words as labels, or one as a label in quotation marks, in the reason for an answer."""

_WORD_ALONE = re.compile(
    r"(?:^|[\n.!?;:,/|(\[\u2013\u2014-])[ \t*]*+"
    r"(?:(?:\w+[ ](?:thought|reflection)|actually|rather|wait|hmm+|(?:or )?(?:maybe|perhaps|better)"
    r"|but|sorry|so|or|and)[ ,.]{1,3}){0,3}"
    r"(?P<said>yes|no)(?=[ \t*]*+(?:[^\w\s'\u2019-]|\n|\Z))",
    re.IGNORECASE,
)
"""A yes or a no that answers: it stands alone in its part of a sentence."""

_DENIED = re.compile(
    r"(?:yes\W{1,3}(?:it|this|that)(?:[ ]is|['\u2019]s)?(?:[ ]not|n['\u2019]t)"
    r"|no\W{1,3}(?:it|this|that) is(?= (?:a )?classif|\W*\Z))\b",
    re.IGNORECASE,
)
_NOT_SAID = re.compile(r"(?:n['\u2019]t|\bnot|\bcannot|\bnever)[ ](?:\w+[ ]){0,2}\Z", re.IGNORECASE)
_ANOTHER_TASK = re.compile(r"\n[ \t]*+Task\b", re.IGNORECASE)
_LOOKED_AT = 2000
"""How many characters, from the start, are read of a reply about classification."""

RELEASED_YES = ("Yes", "yes", "YES")
"""The only replies that the released code takes for a yes."""


def says_classification(text: str, *, cut: bool = False, released: bool = False) -> bool | None:
    """Return whether a reply says that a task is a classification task; None if it says neither.

    A reply may be `{"is_classification": true}`, have a yes or no as its first or last word, or
    repeat the question and answer it. One that also says the opposite says neither, as does a
    refusal. The last word of a reply that was `cut` is not read: a "No" may have gone on as "No
    problem". With `released`, as in the released code, Yes, yes and YES are a yes, and all other
    text is a no; an empty reply says neither.
    """
    said = answer(text)[:_LOOKED_AT].strip()
    signs = {sign["said"].lower() in ("true", "yes") for sign in _JSON_ANSWER.finditer(said)}
    if signs:
        return signs.pop() if len(signs) == 1 else None
    if released:
        return said in RELEASED_YES if said else None
    if is_refusal(said):
        return None
    said = _ANOTHER_TASK.split(said, maxsplit=1)[0]
    found = _FIRST_WORD.match(said) or _ASKED_AGAIN.search(said)
    if cut and found and not _GOES_ON.match(said, found.end()):
        found = None
    if not found and not cut and not _BOTH.match(said):
        found = _LAST_WORD.search(said)
    if not found or _contradicts(said, found):
        return None
    return found["said"].lower() == "yes"


def _contradicts(said: str, found: re.Match[str]) -> bool:
    """Return whether a reply also says the opposite of a word in it, or denies the word."""
    start = found.start("said")
    if _DENIED.match(said, start) or _NOT_SAID.search(said[max(0, start - 60) : start]):
        return True
    before, after = said[:start], said[found.end("said") :]
    signs = (
        sign for part in (before, after) for sign in _WORD_ALONE.finditer(_PAIR.sub("both", part))
    )
    return any(sign["said"].lower() != found["said"].lower() for sign in signs)
