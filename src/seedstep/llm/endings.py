"""How replies end: the finish reasons of servers, where they stand, and what they mean.

Servers have many words for the same end. Known words stand in a table. A word that is not in it is
known by its parts, such as `filter` or `length`; one without such a part is `unknown`.

Example::

    >>> ending_of("MAX_TOKENS"), ending_of("stop"), ending_of("something_new")
    ('cut', 'finished', 'unknown')
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal

__all__ = ["ENDINGS", "Ending", "ending_of", "reason_in"]

Ending = Literal["finished", "cut", "broken_off", "withheld", "unknown"]
"""How a reply ended. A reply that broke off is requested again; one withheld is a failure."""

_WORDS: Mapping[Ending, str] = MappingProxyType(
    {
        "finished": "stop stopped stop_sequence stop_str stop_word stop_token eos eos_token "
        "eos_found eot eog im_end end end_turn end_of_text endoftext completed complete done "
        "finish finished natural succeeded success",
        "cut": "length limit length_limit max_length max_tokens max_new_tokens max_output "
        "max_output_tokens max_completion_tokens token_limit tokens truncated model_length "
        "model_context_window_exceeded context_length_exceeded error_limit",
        "broken_off": "abort aborted cancel canceled cancelled user_cancel disconnect error failed "
        "incomplete insufficient_system_resource internal internal_error interrupted load unload "
        "killed malformed_function_call malformed_response model_error network_error overloaded "
        "preempted rate_limit server_error shutdown terminated timeout time_limit",
        "withheld": "blacklist blocked blocklist censored content_filter content_filtered "
        "error_toxic flagged guardrail_intervened image_safety language moderation "
        "prohibited_content recitation refusal safety sensitive spii",
    }
)

ENDINGS: Mapping[str, Ending] = MappingProxyType(
    {word: ending for ending, words in _WORDS.items() for word in words.split()}
)
"""The finish reasons of servers, in lower case, and what they mean."""

_PARTS: tuple[tuple[Ending, str], ...] = (
    (
        "withheld",
        r"filter|safety|unsafe|policy|moderat|flagged|guardrail|block|refus|toxic|censor|prohibit"
        r"|jailbreak|harm|hate|violence|copyright|sexual|denied|redact|nsfw|\bpii|abus|inapprop"
        r"|responsible_ai|risk_?control|inspect|complian|security|illegal|offensive",
    ),
    (
        "broken_off",
        r"error|abort|cancel|disconnect|interrupt|preempt|overload|rate_?limit|time_?(?:d_?)?out"
        r"|time_?limit|deadline|exception|crash|killed|shut_?down|out_of_mem|malformed|unavailable"
        r"|incomplete|died|\boom\b|reset|throttl|quota|unexpected_e|capacity|in_progress|queued"
        r"|by_user|fail|lost|\bdead|_dead|evict|panic|retry|^finished_ignored$|^5(?:xx|\d\d)$|disrupt",
    ),
    (
        "cut",
        r"length|truncat|max(?:imum)?_.*(?:token|len|output|seq)|token.*(?:limit|max|budget)"
        r"|context_(?:window|size|limit|exceed|full)|out_of_(?:tokens|context|budget)|exceeded"
        r"|cut_?off|^cut$|trimm|limit_reach|(?:stop|hit)_(?:limit|max)|^max$|budget|exhaust"
        r"|limit|overflow|too_long|num_predict|_cap(?:ped)?$|(?:ran|run)_out|no_more_tokens|^partial|max_time|repetition|loop_detect|degenerat|cache_full",
    ),
    (
        "finished",
        r"\bstop_(?:str|word|token|seq)|end_of_(?:turn|text|seq|message)|^(?:eos|eot)_|turn_end"
        r"|(?:^|_)(?:eos|eot)$|^(?:natural|normal|finished|stopped|hit|reached)_(?:stop|end|word|eos)"
        r"|^(?:completed|finished|ended|stopped)_(?:normal|natural|success)",
    ),
)
"""Parts of words that are not in the table, by which they are known. The first one found counts."""

_SQUEEZED = {word.replace("_", ""): ending for word, ending in ENDINGS.items()}
_PREFIX = re.compile(r"^(?:finish|stop|done|end)?_?(?:reason|status)_|^incomplete_")

_FIELDS = (
    "finish_reason",
    "finishReason",
    "native_finish_reason",
    "done_reason",
    "completion_reason",
    "completionReason",
    "finish_details",
    "incomplete_details",
)
_HOLDERS = ("details", "meta", "meta_info", "metadata")
"""The records beside a text in which some servers tell how it ended."""

_FLAGS: tuple[tuple[str, bool, str], ...] = (
    ("truncated", True, "truncated"),
    ("stopped_limit", True, "stopped_limit"),
    ("done", False, "incomplete"),
)
"""Fields that tell of an end by a value, and the word for that end."""

_OTHER_FIELDS = ("stop_reason", "stopReason")
"""Read where the others say nothing: vLLM writes the stop string of the request there."""


def ending_of(finish_reason: str) -> Ending:
    """Return how a reply ended by its finish reason; `unknown` for an unknown one.

    Case, spaces, hyphens and the prefixes of enumerations are ignored. A reply without a finish
    reason counts as `finished`.

    Example::

        >>> ending_of("FINISH_REASON_MAX_TOKENS"), ending_of("maxtokens")
        ('cut', 'cut')
    """
    return _ending_of(finish_reason.strip()[:200])


@lru_cache(maxsize=256)  # it is asked for several times for each reply
def _ending_of(reason: str) -> Ending:
    if not reason:
        return "finished"
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", reason)
    word = re.sub(r"[^a-z0-9]+", "_", parted.lower()).strip("_")
    for form in (word, _PREFIX.sub("", word)):
        if ending := _SQUEEZED.get(form.replace("_", "")):
            return ending
    return next((ending for ending, part in _PARTS if re.search(part, word)), "unknown")


def reason_in(*records: Mapping[str, Any]) -> str:
    """Return the finish reason in a choice, or in the body around it; empty if there is none.

    Gateways say `stop` beside the word of the server behind them: if that is another, it counts.
    """
    words = [*_words(records, _FIELDS)] or [*_words(records, _OTHER_FIELDS)]
    told = [word for word in words if ending_of(word) not in ("finished", "unknown")]
    inner = (record.get(name) for record in records for name in _HOLDERS)
    for record in (*records, *(each for each in inner if isinstance(each, dict))):
        told += [word for field, value, word in _FLAGS if record.get(field) is value]
        if record in records:
            continue
        told += [word for word in _words((record,), _FIELDS) if ending_of(word) != "finished"]
    return next(iter([*told, *words]), "")


def _words(records: tuple[Mapping[str, Any], ...], fields: tuple[str, ...]) -> Iterator[str]:
    """Yield the values of fields but blank texts. One that is no text is written as JSON."""
    for record in records:
        for name in fields:
            value = record.get(name)
            if isinstance(value, dict):
                value = value.get("type") or value.get("reason") or value
            if isinstance(value, str):
                if value.strip():
                    yield value
            elif value is not None:
                yield json.dumps(value)
