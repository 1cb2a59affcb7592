"""Keep the addresses of servers out of a report, which is shared.

A server may say its own address in the text of an error, and a model in a reply.

Example:
    >>> hidden(b"no route to 10.1.2.3:8000", ["http://10.1.2.3:8000/v1"])
    b'no route to [server]'
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from seedstep.llm.endpoints import OPENAI_URL
from seedstep.runs import PredictionRecords, Run

__all__ = ["addresses_in", "hidden"]

SERVER = b"[server]"


def addresses_in(run: Run[Any, Any, Any]) -> set[str]:
    """Return the addresses of the servers that a run asked."""
    found = set(_addresses(run.config))
    if isinstance(run.records, PredictionRecords):
        for name in run.records.names():
            if kept := run.records.kept(name):
                found |= {*_addresses(kept.settings), *_addresses({"": kept.identity_url})}
    return found


def _addresses(values: Mapping[str, Any]) -> Iterator[str]:
    for value in values.values():
        if isinstance(value, str) and value.startswith(("http://", "https://")):
            yield value


def hidden(page: bytes, addresses: Iterable[str]) -> bytes:
    """Return a page in which `[server]` stands in place of addresses and their hosts.

    The address of OpenAI's servers is known to all, and stays. A host of one word, and this
    machine, are hidden only where a port or slashes tell that they are meant.
    """
    known = urlsplit(OPENAI_URL).hostname
    for address in sorted(addresses, key=lambda each: (-len(each), each)):
        parts = urlsplit(address)
        host = parts.hostname or ""
        if not host or host == known:
            continue
        texts = [address.rstrip("/"), parts.netloc] if parts.port else [address.rstrip("/")]
        if "." in host or ":" in host:
            texts += [] if _is_this_machine(host) else [host]
        for text in (*texts, f"//{host}"):
            for form in {text, escape(text)}:
                whole = rb"(?<![\w.-])" + re.escape(form.encode()) + rb"(?![\w-])"
                page = re.sub(whole, SERVER, page, flags=re.IGNORECASE)
    return page


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
