"""The addresses of servers in a run's configuration, and those under which replies are kept.

A run keeps the address of each server that it asks, also where only the environment named it, so
that it goes on at the same one. Replies are kept under the address that a run was begun with, which
`--same-model` leaves as it was.

Example::

    config.update(identities(settings.ADDRESSES, entries, stored, config))
"""

from collections.abc import Mapping
from typing import Any

__all__ = ["identities", "with_unknown"]


def identities(
    addresses: Mapping[str, str],
    entries: Mapping[str, Any],
    stored: Mapping[str, Any],
    now: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the addresses under which the replies of a run are kept, by their entries.

    `addresses` has the names of these entries by the settings that they belong to. `entries` are
    those of the configuration, `stored` the settings there, and `now` those to go on with. A judge
    has an entry only where it is asked at another address than the one that its replies are kept
    under.
    """
    found = {}
    for address, identity in addresses.items():
        url = entries.get(identity) or stored.get(address) or now[address]
        if identity in _ALWAYS or url != now[address]:
            found[identity] = url
    return found


_ALWAYS = ("identity_url",)
"""Entries that every configuration of a stage has which asks a model."""


def with_unknown(
    addresses: Mapping[str, str], stored: Mapping[str, Any], now: Mapping[str, Any]
) -> dict[str, Any]:
    """Return stored settings with the addresses that they do not know, as they are `now`.

    Version 0.1.0 did not keep a judge's address that only the environment named.
    """
    unknown = [address for address in addresses if stored.get(address) is None]
    return {**stored, **{address: now[address] for address in unknown}}
