"""Find replies that refuse, by how they begin, and notices of servers in the place of an answer.

A language is a row of `LANGUAGES`. A text refuses if it begins with an apology, or with what the
writer is, and says soon that it can't do what models are asked for; or if it says at once what it
can't do. "I'm afraid I can't swim" is none.

A notice of a server or a gateway, which comes with status 200, counts as a refusal. It is short,
and says why there is no answer: a filter of contents, or a fault. Texts about faults or moderation
that are answers name no such cause at their beginning.

Example::

    >>> is_refusal("I'm sorry, but I can't help with that."), is_refusal("Sorry sight.")
    (True, False)
    >>> is_refusal("Es tut mir leid, dabei kann ich nicht helfen.")
    True
    >>> is_notice("This response was blocked by our content policy.")
    True
    >>> is_notice("Error: the file could not be opened.")
    False
"""

import re
from collections.abc import Iterable
from functools import cache

from seedstep.text.cleaning import json_object
from seedstep.text.further_refusals import FURTHER
from seedstep.text.refusal_words import LARGER, Wording

__all__ = [
    "LANGUAGES",
    "REFUSED",
    "is_notice",
    "is_refusal",
    "is_unasked_refusal",
    "mentions_refusal",
]

_LONGEST = 400
"""A longer text is no notice, but for a page of HTML."""

_LONGEST_PAGE = 4000

_TAKEN = (
    r"(?:(?:blocked|removed|filtered|flagged|withheld|censored|redacted|rejected)\b[^.!?\n]{0,40}?"
    r"\b(?:by|due to|because|a result|for|under|per|violating)|violat(?:es|ed|ing))\b"
)
_WHY = (
    r"(?:polic(?:y|ies)\b|moderation\b|(?:content|safety)[ -](?:filter|manag|polic|guideline)\w*"
    r"|safety (?:system|settings|reasons)|guardrails?\b|usage guidelines"
    r"|terms of (?:use|service)|responsible ai\b)"
)
_WHAT = r"(?:content|request|response|prompt|output|completion|generation|query|input)s?"
_FAULT = (
    r"(?:rate.?limit|too many requests|internal (?:server )?error|bad gateway|gateway time-?out"
    r"|service (?:is )?(?:temporarily )?unavailable|upstream|overloaded|insufficient.?quota"
    r"|exceeded your (?:current )?quota|context.?length|invalid api key|model \S+ not found"
    r"|max retries exceeded|content.?filter|no healthy|(?:request|connection) (?:timed out|reset))"
)
_NOTICE = re.compile(
    rf"[\W_]*+(?:(?:this|the|your|all|some) )?(?:model{{a}}?s? )?{_WHAT}\b[^.!?\n]{{0,60}}?"
    rf"\b{_TAKEN}[^.!?\n]{{0,80}}?{_WHY}"
    rf"|[\W_]*+(?:{_WHAT} )?{_TAKEN}[^.!?\n]{{0,60}}?{_WHY}"
    rf"|[\W_]*+{_WHAT} (?:blocked|filtered|withheld)\b[^\n]{{0,100}}?{_WHY}"
    r"|[\W_]*+(?:(?:api|server|http|llm|model|openai|litellm|upstream)[ ._]?\w{0,20}?[ ]?)?"
    r"(?:error|exception)(?: code)?\b[^\w\n]{0,4}(?:\d{3}\b[^\w\n]{0,4})?"
    rf"[^.!?\n]{{0,80}}?{_FAULT}"
    r"|\W*(?:系统|系統|您|你|该|該|此|本|输入|輸入|由于|由於)[^。\n]{0,20}"
    r"(?:内容|內容|请求|請求|输入|輸入|输出|輸出|回复)[^。\n]{0,20}"
    r"(?:违规|違規|敏感|不安全|不合规|审核|審核|屏蔽|安全策略|违反)".replace("{a}", "['\u2019]"),
    re.IGNORECASE,
)
_PAGE = re.compile(r"\s*(?:<!doctype html|<html\b|<head\b|<title>)", re.IGNORECASE)
_TITLE = re.compile(
    r"<(?:title|h1)[^>]{0,80}>[^<]{0,60}?(?:\b5\d\d\b|bad gateway|gateway time-?out"
    r"|unavailable|internal server error|too many requests|just a moment|attention required"
    r"|access denied)",
    re.IGNORECASE,
)
_NAMES = {
    *("error", "errors", "message", "code", "status", "type", "param", "detail", "details"),
    *("request_id", "requestid", "success", "ok", "timestamp", "path", "object"),
}
_ANY_FAULT = re.compile(
    rf"{_FAULT}|{_WHY}|\b[45]\d\d\b|invalid_request|server.?error", re.IGNORECASE
)


def is_notice(text: str) -> bool:
    """Return whether a text is a server's notice in the place of an answer."""
    said = text.strip()
    if _PAGE.match(said):
        return len(said) <= _LONGEST_PAGE and _TITLE.search(said) is not None
    if not said or len(said) > _LONGEST:
        return False
    if said.startswith("{"):
        held = json_object(said) or {}
        is_error = bool(held.get("error") or held.get("errors"))
        names = {name.casefold() for name in held}
        return is_error and names <= _NAMES and _ANY_FAULT.search(said) is not None
    return _NOTICE.match(said) is not None


REFUSED = "worded as a refusal or as a server's notice"

LANGUAGES = {**LARGER, **FURTHER}
"""The languages in which refusals are known, beside English, and their words."""

_LOOKED_AT = 300
"""How many characters, from the start, are searched for a refusal."""

_A = "['\u2019]"
"""An apostrophe, straight or curly."""

_AM = rf"I(?:{_A}?m| am)"
_SELF = (
    rf"{_AM} (?:just |only |merely )?(?:an? )?(?:AI(?! (?:research|engineer|develop|scien|student"
    r"|expert|enthus|consult|profess))|artificial|(?:large |just a )?language model)"
    r"|as an? (?:(?:responsible|ethical|helpful|harmless) )?(?:(?:large )?language (?:model|AI)\b"
    r"|text-based\b|(?:AI|artificial intelligence)\b"
    r"(?:,|[ -](?:\w+[ -])?(?:model|assistant|chatbot|system)\b|\W{1,3}(?:I\b|\w+ed by\b)))"
    rf"(?=.{{0,120}}?(?:\b(?:I|cannot|unable|have no|no way)\b|\bcan{_A}t\b"
    r"|\b(?:is|are|am|be) not\b|\bmy (?:guid|progr|polic|purpose|capab|abilit|train|knowl|funct)))"
)
_DO = (
    r"(?:be able to )?(?:assist|help(?! (?:but|it if|\w+ing)\b)|fulfil+|comply|complete"
    r"|provide|create|generate|write|answer|respond|continue"
    r"|produce|do (?:that|this|it|so)|process|access|engage|discuss|perform|satisfy|support|offer"
    r"|share|participate|carry out|come up|proceed|accommodate|determine|translate|classify"
    r"|summari[sz]e|give you (?!up\b)"
    r"|(?:give|open|find|see|read|view|identify) (?:(?:this|that|any|your)\b|it\W*\Z))"
)
_SENSE = r"(?:give|see the|find (?:the|an?)\b|identify|read the|view|open)"
"""What people can't do, too: a refusal if one is unable to do it."""

_CANNOT = (
    rf"(?:cannot|can{_A}?t|can not|won{_A}?t|will not|am (?:unable|not able|not allowed) to"
    rf"|{_A}?m (?:unable|not able|not allowed) to|must decline to|am not going to"
    rf"|{_A}m not going to)"
)
_DO_AFTER_AN_APOLOGY = (
    rf"(?:\w+ly )?(?:{_DO}|be of\b|tell\b|say (?:for|what|who|which|when|where|if|any|anything)\b"
    r"|(?:find|see|read|view|have|make|identify|open|check|use|run|play|show|send|take)"
    r" (?:any\w*|this|that|an? (?:opinion|judg|determ|link|text)"
    r"|your (?:request|question|text|link|message|prompt)|the (?:text|link|content|input|attach"
    r"|request|question|image|document|file|article|passage|answer|review|sentence"
    r"|examples?))\b"
    r"|verify|browse|recommend|advise|predict|comment|judge|evaluate|recogni[sz]e|understand"
    r"|think of|express|form an|reply|talk about|speak (?:about|on|to)|execute|display|recall"
    r"|confirm|diagnose|prescribe|endorse|promote|encourage|condone|edit|list|describe|explain"
    r"|calculate|compute|solve"
    r"|work (?:with|on)|search|look up|retrieve|fetch|pretend|role-?play|reveal|disclose|go into"
    r"|follow|agree to|act as|analy[sz]e|interpret|rank|rate|sort|convert|extract|paraphrase"
    r"|rewrite|suggest|name|have (?:opinions|feelings|beliefs))"
)
"""What models say that they can't do. Whoever apologises for what people can't do answers."""

_LACKS = (
    r"(?:access|(?:the|an?|any) (?:\w+ )?(?:abilit|capabilit|info|opinion|answer|context|text"
    r"|knowledge|record|data)\w*|enough|sufficient|personal|information|opinions?|feelings"
    r"|knowledge|way|record)"
)
_DO_NOT = (
    rf"(?:have {_LACKS}\b|know|understand|feel comfortable|provide|engage|support|discuss|write"
    r"|create|generate|see (?:any|the|an?)\b|respond|answer|participate|condone|possess)"
)
_CANNOT_DO = (
    rf"(?:(?:I ?{_CANNOT}|(?:un|not )able to) {_DO_AFTER_AN_APOLOGY}|I ?{_CANNOT}(?:[^\w\s]|\Z)"
    rf"|I (?:do not|don{_A}?t) {_DO_NOT}|I have no {_LACKS})"
)
_SOON = (
    rf".{{0,100}}?\b(?:{_CANNOT_DO}|as an AI\b"
    r"|I (?:would )?need (?:more|the|some|additional|further|you to)\b"
    r"|I (?:must|have to) (?:\w+ly )?(?:decline|refuse|stop|insist|point out|inform|ask)\b"
    r"|(?:something|anything) (?:that )?I\b|language model|possible for me"
    rf"|you (?:have(?:n{_A}t| not| provided)|did(?:n{_A}t| not)|provided)"
    r"|(?:this|that|your|the) (?:request|question|prompt|input|instruction|task|text)\b)"
)
"""What follows an apology in a refusal."""

_MATERIAL = (
    r"(?:text|sentence|passage|article|paragraph|input|question|document|review|content|list"
    r"|message|context|details)s?\b"
)
_ASKS_FOR_MATERIAL = (
    (
        r"(?:I(?:{a}m| am) ready to help\W+)?(?:it (?:seems|looks like|appears)(?: that)?,? )?"
        r"(?:(?:please|(?:could|can) you(?: please)?) (?:provide|share|paste|send|give)"
        r"(?: me)?(?: with)? (?:the|your|a|some|an?y?) (?:\w+ )?{m}"
        r"(?: (?:that )?you(?:{a}d| would| want)\b.{0,20}\bme to\b| for me to\b|\W{0,3}\Z)"
        r"|(?:there (?:is|was) )?no {m} (?:was |were |is |has been )?(?:provided|given|included)"
        r"(?:\s*(?:[^\w\s]|\Z)"
        r"| (?:in|with|by) (?:you|your|the (?:message|prompt|question|request))\b)"
        r"|(?:you|your (?:message|request)) (?:forgot to|(?:have|has|did|do)(?: not|n{a}t)|has no)"
        r" (?:(?:yet )?(?:include|provide|share|attach|paste|specif|give)\w*|any)\b.{0,20}{m}"
        r"|(?:you )?forgot to include (?:the|your|an?|any) {m}|your message was cut off"
        r"|I (?:don{a}t|do not) see (?:any|an?|the) {m}.{0,20}\b(?:your|you)\b"
        r"|I need (?:more|the|some) (?:information|context|details|text|input)\b"
        r".{0,10}\b(?:to (?:answer|help|assist|give|provide|do|complete))\b)"
    )
    .replace("{a}", _A)
    .replace("{m}", _MATERIAL)
)
"""What models write where a task lacks what it speaks of."""

_KINDLY = (
    r"(?:(?:thank(?: you|s) for|I (?:understand|appreciate)"
    r"|I(?:{a}d| would) (?:be happy|love) to|while I)\b[^.!?]{0,60}?,? but,? )"
).replace("{a}", _A)
_SHORT = r"(?:assist|help|comply|fulfil+|process)"
_ENGLISH = (
    r"\s*+[\"'\u201c*\[(]*+"
    r"(?:(?:unfortunately|regrettably|sure|no(?= ?[,.!])|hi|hello|well|thank you(?! for))"
    r"[,.!]*+\s++){0,3}+(?:"
    rf"(?:{_SELF})|{_ASKS_FOR_MATERIAL}"
    rf"|{_KINDLY}{_CANNOT_DO}"
    rf"|I ?{_CANNOT}(?:,? in good \w+,?| and (?:will|can)(?: not|not|{_A}t)) {_DO}"
    r"|(?:it (?:is|would be) (?:not appropriate|inappropriate|unethical|irresponsible)) for me to\b"
    rf"|(?:(?:{_AM} )?(?:(?:very|so|really|truly|terribly) )?sorry,? ?(?:but|however)?,? "
    rf"|{_AM} afraid (?:that )?|I regret that )(?:{_CANNOT_DO}"
    rf"|(?:that|this|it)(?:{_A}s| is) (?:not (?:something|possible)|beyond|outside)"
    r"|(?:as an AI|this request|that request|your request)\b[ ]?"
    rf"(?:{_CANNOT}|I\b|don{_A}?t|do not|can be|have no|is|goes))"
    rf"|{_AM} afraid not\W*\Z"
    r"|sorry,? no\b\W*\Z"
    rf"|(?:{_AM} (?:very |so |really )?sorry,? but|I (?:do )?apologi[sz]e,? (?:but|for)"
    rf"|(?:my )?apologies(?=[\W_])(?:,? but|[.,])){_SOON}"
    rf"|I ?(?:just |really |simply )?{_CANNOT} (?:\w+ly )?{_DO}"
    rf"|(?:I|we)(?: am| are|{_A}m|{_A}re) (?:unable|not able|not allowed) to (?:\w+ly )?{_SENSE}"
    rf"|I ?{_CANNOT}\W*\Z"
    rf"|I (?:do not|don{_A}?t) have (?:the (?:ability|capability)|access to|enough info"
    r"|personal (?:opinion|belief|feeling|experience|preference)"
    r"|enough context)"
    r"|I (?:must|have to|need to|will have to) (?:\w+ly )?(?:decline|refuse)\b"
    r"(?: to\b| \w+ing\b| (?:this|that|your|the|any|such) (?:request|question|prompt|task)"
    r"| (?:this|that|it)\b|\s*(?:[^\w\s]|\Z))"
    rf"|I(?:{_A}d| would) (?:rather|prefer to|prefer) not (?:to )?(?:answer|discuss|respond|engage)"
    rf"|{_AM} going to have to (?:pass|decline)\b"
    rf"|{_AM} (?:programmed|designed|trained)\b.{{0,80}}?(?:cannot|can{_A}t|unable)\b"
    r"|my (?:guidelines|programming|policies|instructions|training)"
    rf" (?:do(?:es)?(?:n{_A}t| not) (?:allow|permit)|prevents?|prohibits?|forbids?)\b"
    rf"|(?:that|this|it)(?:{_A}s| is) (?:beyond|outside) (?:of )?my (?:capab|abilit|scope|progr)"
    rf"|(?:I (?:do not|don{_A}?t) feel|{_AM} (?:really |just )?not) comfortable"
    r" (?:with )?(?:\w+ing|this|that)\b"
    rf"|(?:it is|it{_A}s) not possible for me to\b"
    rf"|(?:sorry,? )?(?:that|this)(?:{_A}s not| is not| isn{_A}t) something"
    rf" (?:that )?I (?:can|am|{_A}m)\b"
    rf"|we(?:{_A}re| are) unable to {_DO}"
    rf"|(?:unable to|cannot) {_SHORT}\b(?: with|\W*\Z)"
    rf"|(?:your|this|the) request (?:cannot|can{_A}t|could not) be (?:ful|compl|proc|answ)"
    r"|this request (?:violates|goes against)\b"
    r"|request (?:declined|denied|refused)\b"
    r")"
)


def _pattern(words: Wording) -> str:
    """Return a pattern for the beginning of a refusal."""
    found = [
        rf"(?:{words.sorry}|{words.self}).{{0,80}}?(?:{words.cannot})",
        rf"{words.before}(?:{words.cannot}).{{0,60}}?(?:{words.do})",
    ]
    if words.verb_last:
        found.append(rf"{words.before}(?:{words.do}).{{0,30}}?(?:{words.cannot})")
    return "|".join(found)


_NO = (
    r"(?:no|nein|non|não|nee|нет|ні|nie|hay\u0131r|لا|نه|नहीं|না|不|不行|いいえ|아니요|không|tidak"
    r"|ไม่)"
)
_OTHERS = (
    rf"[\W_]*+(?:{_NO}[,.!\uff0c\u3001\u3002:;]\W*+)?+"
    rf"(?:{'|'.join(f'({_pattern(words)})' for words in LANGUAGES.values())})"
)
"""How other languages refuse: each is a group, in the order of the table."""

_SENTENCE = re.compile(r"[^.!?。！？।؟۔\n]*+")
_MENTION = re.compile(
    rf"\b(?:sorry|apologi[sz]e|as an? (?:ai|language model)"
    rf"|I(?: am|{_A}m)? (?:unable to|not able to|cannot|can{_A}t|won{_A}t))\b",
    re.IGNORECASE,
)


_EVERYDAY = re.compile(
    r"\b(?:(?:answer|open|read|write|complete|perform|support|share|do|continue|give|translate"
    r"|engage|create|provide) (?:(?:on|with|for|like|you|it|this|that|the|my|your|without) ?)*"
    r"(?:phone|door(?:bell)?|jar|bottle|window|lid|left hand|right hand|handwriting|marathon|race"
    r"|tonight|weight|famil(?:y|ies)|toys?|lunch|clutch|silence|walls?|any ?more|again|any longer"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)days?|refund|(?:phone )?number|two families)"
    r"|see any difference)\b",
    re.IGNORECASE,
)
"""What people say that they can't do, and models are not asked for."""


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return how English and other languages refuse; to make these takes a while."""
    return (
        re.compile(_ENGLISH, re.IGNORECASE),
        re.compile(_OTHERS, re.IGNORECASE | re.DOTALL),
    )


def is_refusal(text: str) -> bool:
    """Return whether a text begins as a model's refusal does, or is a server's notice."""
    if is_notice(text):
        return True
    english, others = _patterns()
    start = text[:_LOOKED_AT]
    if found := english.match(start):
        rest = _SENTENCE.match(start, found.end())
        return not _EVERYDAY.search(start[: rest.end() if rest else found.end()])
    found = others.match(start)
    if found is None or found.lastindex is None:
        return False
    everyday = tuple(LANGUAGES.values())[found.lastindex - 1].everyday
    rest = _SENTENCE.match(start, found.end())
    said = start[: rest.end() if rest else found.end()]
    return not (everyday and re.search(everyday, said, re.IGNORECASE))


def is_unasked_refusal(text: str, references: Iterable[str]) -> bool:
    """Return whether a prediction is a refusal, or a server's notice, though no reference is.

    It is scored as any other prediction.
    """
    return is_refusal(text) and not any(map(is_refusal, references))


def mentions_refusal(text: str) -> bool:
    """Return whether the beginning of a text has words of refusals, in a reply of no other form."""
    return is_refusal(text) or _MENTION.search(text[:_LOOKED_AT]) is not None
