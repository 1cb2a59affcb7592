"""Find notices of servers and gateways that stand where a model's answer should: with status 200.

Such a notice is short, and says why there is no answer: a filter of contents, or a fault. Texts
about faults or moderation that are answers name no such cause at their beginning.

Example::

    >>> is_notice("This response was blocked by our content policy.")
    True
    >>> is_notice("Error: the file could not be opened.")
    False
"""

import re

from seedstep.text.cleaning import json_object

__all__ = ["is_notice"]

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
