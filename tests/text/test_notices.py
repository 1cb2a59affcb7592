"""Notices of servers in the place of answers are told from answers about such things."""

import time

import pytest

from seedstep.text import is_refusal
from seedstep.text.refusals import is_notice

NOTICES = (
    "This content has been blocked by our moderation policy.",
    "[Content removed due to safety policy]",
    "**Request blocked**: the output was flagged by a content filter.",
    "Your request was rejected as a result of our safety system.",
    "The response was filtered due to the prompt triggering our content management policy.",
    "Your prompt was flagged as potentially violating our usage policy. Please try again.",
    "Response withheld: content policy.",
    "Blocked by guardrail.",
    "Error: rate limit exceeded. Please try again later.",
    "Error code: 429 - Too Many Requests",
    "API Error: 500 Internal Server Error",
    "litellm.APIError: upstream connect error",
    "[ERROR] Service temporarily unavailable",
    '{"error": "internal server error"}',
    '{"error": {"message": "Rate limit reached", "code": 429}}',
    '{"success": false, "error": "content_filter"}',
    "<html><head><title>502 Bad Gateway</title></head><body></body></html>",
    "<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>",
    "<html><body><h1>Gateway Time-out</h1></body></html>",
    "系统检测到输入或生成内容可能包含不安全或敏感内容，请您避免输入易产生敏感内容的提示语。",
    "您的输入包含敏感内容。",
)
ANSWERS = (
    "Error: the file could not be opened.",
    "The error was found in line 3.",
    "500 Internal Server Error",
    "Error messages tell users what went wrong.",
    "The post was removed by the forum's moderators.",
    "The road was blocked by a fallen tree.",
    "The request was for more bread.",
    "Content policies differ between platforms.",
    "Inputs are filtered through sand before the policy changes.",
    "A rate limit is the number of requests that a client may send.",
    '{"error": 3, "total": 10}',
    '{"name": "Ann", "error": "internal server error"}',
    "<html><head><title>My page</title></head><body>Hi</body></html>",
    "<html><head><title>Page not found (404)</title></head></html>",
    "<title>",
    "输入一个数字。",
    "你的请求已经收到。",
    "",
)


@pytest.mark.parametrize("text", NOTICES)
def test_a_notice_is_no_answer(text: str) -> None:
    assert is_notice(text)
    assert is_notice(f"\n{text} ")
    assert is_refusal(text)


@pytest.mark.parametrize("text", ANSWERS)
def test_an_answer_about_such_things_stays(text: str) -> None:
    assert not is_notice(text)


def test_a_long_text_is_none() -> None:
    assert not is_notice(f"{NOTICES[0]} {'It was a long day, and it rained. ' * 20}")


def test_notices_are_found_in_time() -> None:
    began = time.process_time()
    for piece in ("this content ", "error ", "<html", "{", "** ", "request blocked "):
        is_notice(piece * 400)
        is_notice(piece * 20)
        is_notice(piece * 100_000)
    assert time.process_time() - began < 1
