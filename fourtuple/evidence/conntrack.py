"""The router's connection table: what the kernel itself says it translates, the second witness of every mapping."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..net.endpoint import Endpoint, FourTuple, Protocol

_TUPLE = re.compile(r"src=([\da-f.:]{2,45}) dst=([\da-f.:]{2,45}) sport=(\d{1,5}) dport=(\d{1,5})", re.ASCII)
_PROTOCOLS = {"udp": Protocol.UDP, "tcp": Protocol.TCP}


@dataclass(frozen=True, slots=True)
class Entry:
    """One flow: the 4-tuple of its first packet as it came in, and the 4-tuple its answers are expected with."""

    protocol: Protocol
    original: FourTuple
    reply: FourTuple

    def __str__(self) -> str:
        return f"conntrack {self.protocol.value} {self.original} | answers {self.reply}"


def parse(text: str) -> tuple[Entry, ...]:
    """Read what `conntrack -L` prints; lines about other protocols are left out. ValueError for a line about UDP or TCP
    that has not two tuples."""
    entries = []
    for line in text.splitlines():
        protocol = _PROTOCOLS.get(line.partition(" ")[0])
        if protocol is None:
            continue
        tuples = [
            FourTuple(Endpoint(source, int(sport)), Endpoint(destination, int(dport)))
            for source, destination, sport, dport in _TUPLE.findall(line)
        ]
        if len(tuples) != 2:
            raise ValueError(f"not an entry of the connection table: {line[:80]!r}")
        entries.append(Entry(protocol, *tuples))
    return tuple(entries)
