"""ICMP errors: what they report, and the packet they carry (RFC 792). A NAT must rewrite that one too (RFC 5508)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address

from ..net.endpoint import Endpoint, FourTuple
from .packet import Packet

PORT_UNREACHABLE, FRAGMENTATION_NEEDED, TTL_EXCEEDED = (3, 3), (3, 4), (11, 0)  # type and code


@dataclass(frozen=True, slots=True)
class Error:
    """Type and code, the tuple of the packet it is about, and the MTU it asks for (0 where it asks for none)."""

    kind: tuple[int, int]
    about: FourTuple
    mtu: int


def error(packet: Packet) -> Error:
    """Read an ICMP error; ValueError for any other packet."""
    message = packet.payload
    if len(message) < 8 + 20 + 4 or message[0] not in (3, 11, 12):
        raise ValueError(f"not an ICMP error: {packet}")
    inner = message[8:]
    header = (inner[0] & 0x0F) * 4
    ports = struct.unpack_from("!HH", inner, header)
    source, destination = IPv4Address(inner[12:16]), IPv4Address(inner[16:20])
    kind = (message[0], message[1])
    mtu = struct.unpack_from("!H", message, 6)[0] if kind == FRAGMENTATION_NEEDED else 0
    return Error(kind, FourTuple(Endpoint(str(source), ports[0]), Endpoint(str(destination), ports[1])), mtu)
