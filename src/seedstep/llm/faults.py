"""What can go wrong with a request to a server, and what a server says of it.

Example::

    raise Refused("too_large", "the reply is larger than 16 MiB")
"""

import email.utils
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from seedstep.errors import DeniedError

__all__ = [
    "OVERLOADED",
    "Refused",
    "Retryable",
    "ServerError",
    "cleaned",
    "retry_after",
    "storable",
    "without_key",
]

SHORTEST_KEY = 8
"""The fewest characters of a key; shorter texts are placeholders for servers without keys."""

OVERLOADED = "overloaded"
"""The reason of a fault after which a request only has to wait."""


@dataclass(eq=False)
class _Fault(Exception):  # noqa: N818 - a signal inside this room, users never see it
    """A fault of a request. `tokens` are those of prompt and reply that it cost nevertheless."""

    reason: str
    detail: str
    status: int = 0
    tokens: tuple[int, int] = (0, 0)

    def __str__(self) -> str:
        return self.detail


@dataclass(eq=False)
class Retryable(_Fault):
    """A fault after which the same request may succeed.

    `after` is the number of seconds that the server asks to wait.
    """

    after: float | None = None


@dataclass(eq=False)
class Refused(_Fault):
    """A fault after which the same request can't succeed, but others may.

    `denial` is the error that ends the run, unless the server has answered other requests.
    """

    denial: DeniedError | None = None


@dataclass(frozen=True, slots=True)
class ServerError:
    """The body of an error, cut, and without the key."""

    status: int
    detail: str
    code: str
    param: str

    @classmethod
    def read(cls, status: int, data: bytes, key: str) -> "ServerError":
        """Read the body of an error."""
        text = data[:20_000].decode("utf-8", "replace")
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            body = None
        if isinstance(body, list) and body and isinstance(body[0], dict):
            body = body[0]  # as Gemini's servers wrap their errors
        error = body.get("error", body) if isinstance(body, dict) else text
        fields = error if isinstance(error, dict) else {"message": str(error)}
        said = str(fields.get("message", fields))
        further = [fields[name] for name in ("details", "errors", "metadata") if fields.get(name)]
        if "message" in fields and further:
            said = f"{said} {json.dumps(further[0], ensure_ascii=False)}"
        detail = cleaned(" ".join(said.split()) or "no explanation", key)
        return cls(status, detail, str(fields.get("code", "")), str(fields.get("param", "")))


def cleaned(text: str, key: str) -> str:
    """Return a server's explanation, cleaned and cut, so that it may be shown and stored."""
    text = storable(without_key(text, key))
    return text if len(text) <= 300 else text[:300] + "…"


def storable(text: str) -> str:
    """Return a text without lone surrogates, which UTF-8 can't represent."""
    return text.encode("utf-8", "replace").decode("utf-8")


def without_key(text: str, key: str) -> str:
    """Remove the key from a server's text about an error, as some servers repeat it.

    A placeholder for a server without keys, such as `none`, is not removed.
    """
    if len(key) >= SHORTEST_KEY:
        text = text.replace("\0", "")  # between the characters of UTF-16
        for form in {key, repr(key)[1:-1], json.dumps(key)[1:-1], quote(key), quote(key, safe="")}:
            text = text.replace(form, "[key]")
        return text
    return text.replace(f"Bearer {key}", "Bearer [key]") if key else text


def retry_after(headers: Any) -> float | None:
    """Return the seconds that a server asks to wait, from a number or a date, or None."""
    value = headers.get("Retry-After", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(seconds, 0.0), 300.0) if seconds == seconds else None
