"""Endpoints and 4-tuples: who speaks to whom, and which fields a translator rewrote.

The two ends of a conversation are transport addresses (RFC 4787 section 2: an address and a port). A packet
carries two of them, a connected socket knows two of them; written source first, they are the 4-tuple.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address


class Protocol(Enum):
    """The transports a lab speaks, by the word the kernel and conntrack use for them."""

    UDP = "udp"
    TCP = "tcp"
    ICMP = "icmp"


class Field(Enum):
    """The four parts of a 4-tuple, in the order they are written."""

    SOURCE_ADDRESS = "source address"
    SOURCE_PORT = "source port"
    DESTINATION_ADDRESS = "destination address"
    DESTINATION_PORT = "destination port"


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """An address and a port: one end of a conversation.

    Raises ValueError when the address is not IPv4 or IPv6, or the port is outside 0-65535.
    """

    address: str
    port: int

    def __post_init__(self) -> None:
        ip_address(self.address)
        if not 0 <= self.port <= 65535:
            raise ValueError(f"a port is a number from 0 to 65535, not {self.port}")

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Read `10.0.0.1:80` or `[::1]:80`; ValueError says what was wrong."""
        address, colon, port = text.rpartition(":")
        if not colon or not port.isdecimal():
            raise ValueError(f"an endpoint is ADDRESS:PORT, not {text!r}")
        return cls(address.removeprefix("[").removesuffix("]"), int(port))


@dataclass(frozen=True, slots=True, order=True)
class FourTuple:
    """Source and destination endpoint of a packet, or local and remote endpoint of a connected socket."""

    source: Endpoint
    destination: Endpoint

    def __str__(self) -> str:
        return f"{self.source} > {self.destination}"

    def reversed(self) -> FourTuple:
        """The 4-tuple of the answer: the ends change places."""
        return FourTuple(self.destination, self.source)

    def rewritten(self, other: FourTuple) -> frozenset[Field]:
        """The fields in which `other`, the same packet seen further on, differs from this one."""
        pairs = {
            Field.SOURCE_ADDRESS: (self.source.address, other.source.address),
            Field.SOURCE_PORT: (self.source.port, other.source.port),
            Field.DESTINATION_ADDRESS: (self.destination.address, other.destination.address),
            Field.DESTINATION_PORT: (self.destination.port, other.destination.port),
        }
        return frozenset(field for field, (before, after) in pairs.items() if before != after)
