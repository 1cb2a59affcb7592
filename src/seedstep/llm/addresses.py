"""Addresses of servers: what can be one, which is used, and whether it is of this machine.

Example::

    >>> server_address("http://127.0.0.1:8000/v1")
    'http://127.0.0.1:8000/v1'
"""

import ipaddress
import os
import re
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from yarl import URL

from seedstep.errors import InputError

__all__ = [
    "OPENAI_URL",
    "addresses_of",
    "first_address",
    "is_loopback_host",
    "require_address",
    "server_address",
]

OPENAI_URL = "https://api.openai.com/v1"


def addresses_of(base_url: str | Sequence[str] | None) -> tuple[str | None, ...]:
    """Return the addresses in the setting `base_url`: one, which may be None, or several.

    Example:
        >>> addresses_of("http://a/v1"), addresses_of(["http://a/v1", "http://b/v1"])
        (('http://a/v1',), ('http://a/v1', 'http://b/v1'))
    """
    if base_url is None or isinstance(base_url, str):
        return (base_url,)
    return tuple(base_url) or (None,)


def first_address(base_url: str | Sequence[str] | None) -> str | None:
    """Return the address under which replies are stored, where none is stored: the first."""
    return addresses_of(base_url)[0]


def server_address(base_url: str | None) -> str:
    """Return the address of a server: `base_url`, else OPENAI_BASE_URL, else OpenAI's own.

    Raises:
        InputError: it is not an address, or contains a password or parameters.
    """
    url = base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL
    require_address(url)
    return url


def require_address(url: str) -> None:
    """Check that a text is the address of a server, without a password or parameters.

    Raises:
        InputError: the text is no such address; the message has nothing that may be a password.
    """
    if not _is_address(url):
        shown = _MAY_BE_SECRET.sub("…", url)
        raise InputError(
            f"base URL '{shown}' is not an address", "give one such as http://127.0.0.1:8000/v1"
        )
    parts = urlsplit(url)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InputError(
            "the base URL carries a password or parameters", "put the key in OPENAI_API_KEY"
        )


_MAY_BE_SECRET = re.compile(r"^.*@|[?#].*$", re.DOTALL)
"""The parts of an address that may be a password: what is before an @, and parameters."""


def _is_address(url: str) -> bool:
    try:
        parts = URL(url)
        host = parts.raw_host or ""
        host.encode("idna")  # as it is looked up
        printable = url.isprintable() and " " not in url
        return printable and parts.scheme in ("http", "https") and bool(host) and parts.port != 0
    except ValueError:  # brackets, a port that is none, a name with an empty or too long part
        return False


LOOPBACK_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")


def is_loopback_host(host: str) -> bool:
    """Return whether a host, by name or address, is this machine and no other.

    Example:
        >>> [is_loopback_host(host) for host in ("localhost.", "::ffff:127.0.0.1", "a.org")]
        [True, True, False]
    """
    name = host.rstrip(".").lower()
    if name in LOOPBACK_NAMES or name.endswith(".localhost"):
        return True
    try:
        address: ipaddress.IPv4Address | ipaddress.IPv6Address
        if ":" in name:
            address = ipaddress.IPv6Address(name.partition("%")[0])
            address = address.ipv4_mapped or address
        else:
            address = ipaddress.IPv4Address(socket.inet_aton(name))  # 127.1 and 0x7f.1, too
    except (OSError, ValueError):
        return False
    return address.is_loopback or address.is_unspecified
