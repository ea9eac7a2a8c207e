"""Rules that do exactly what a behaviour says: nftables, section by section in the order a packet meets them.

Kernel NAT keeps tuples unique, not external ports, so the rules keep a few small tables of their own: `bind` says which
external port an inside endpoint has (its key is what the mapping depends on), `used` which ports are taken, `inside`
whose an external port is, `permit` who may come in. An element with a limit of one packet matches once only: that is
how a port is claimed by one of two packets that race for it. A router with several external addresses has these tables
and their chains once for each, and a table that says which address is whose.

What nobody asked for is dropped before conntrack confirms it: a packet that INPUT accepts would occupy the external
port, and the inside host's next packet to that peer would leave from another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..behaviour import NatBehaviour
from . import inbound, outbound, records, tables
from .keys import PROTOCOLS, Keys


def lines(behaviour: NatBehaviour, outside: str, addresses: Sequence[str]) -> Iterator[str]:
    """The whole table of one behaviour, on an interface `outside` with these external addresses."""
    keys = Keys(behaviour, outside, tuple(addresses))
    yield from tables.timers(keys)
    yield from tables.tables(keys)
    if keys.pure:
        yield from inbound.foreign(keys)
    if not behaviour.lifetimes.inbound_refresh:
        yield from inbound.expired(keys)
    yield from inbound.dstnat(keys)
    yield from inbound.admitted(keys)
    yield from outbound.srcnat(keys)
    for place in keys.places:
        for protocol in PROTOCOLS:
            yield from outbound.bind(keys, protocol, place)
    yield from records.after(keys)
    for place in keys.places:
        yield from records.refresh(keys, place)
    yield from tables.numbered(keys)
