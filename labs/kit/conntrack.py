"""The router's connection table: what the kernel itself says it translates, the second witness of every mapping."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..net.endpoint import Endpoint, FourTuple, Protocol

_TUPLE = re.compile(r"src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One flow: the 4-tuple of its first packet as it came in, and the 4-tuple its answers are expected with."""

    protocol: Protocol
    original: FourTuple
    reply: FourTuple

    def __str__(self) -> str:
        return f"conntrack {self.protocol.value} {self.original} | answers {self.reply}"


def parse(text: str) -> tuple[Entry, ...]:
    """Read what `conntrack -L` prints; lines about other protocols are left out."""
    entries = []
    for line in text.splitlines():
        tuples = [
            FourTuple(Endpoint(source, int(sport)), Endpoint(destination, int(dport)))
            for source, destination, sport, dport in _TUPLE.findall(line)
        ]
        if len(tuples) == 2 and line.startswith(("udp", "tcp")):
            entries.append(Entry(Protocol(line.split()[0]), *tuples))
    return tuple(entries)
