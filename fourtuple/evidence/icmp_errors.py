"""ICMP: errors, with the packet they carry, which a NAT must rewrite too; and queries (RFC 792, 5508)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address

from ..net.endpoint import Endpoint, FourTuple, Protocol
from .packet import Packet

PORT_UNREACHABLE, FRAGMENTATION_NEEDED, TTL_EXCEEDED = (3, 3), (3, 4), (11, 0)  # type and code

_ERRORS = (3, 11, 12)
REPLY, REQUEST = 0, 8  # types of an echo


@dataclass(frozen=True, slots=True)
class Error:
    """Type and code, the tuple of the packet it is about, and the MTU it asks for (0 where it asks for none)."""

    kind: tuple[int, int]
    about: FourTuple
    mtu: int


@dataclass(frozen=True, slots=True)
class Echo:
    """Type, and the identifier that stands for a port."""

    kind: int
    identifier: int


def is_error(packet: Packet) -> bool:
    """Is it of a type that reports an error?"""
    return packet.payload[:1] in [bytes([kind]) for kind in _ERRORS]


def errors(packets: Iterable[Packet]) -> list[tuple[Packet, Error]]:
    """Those of the packets that report an error, and what they say."""
    return [(it, error(it)) for it in packets if it.protocol is Protocol.ICMP and is_error(it)]


def is_echo(packet: Packet) -> bool:
    """Is it an echo request, or its reply?"""
    return packet.payload[:1] in (bytes([REPLY]), bytes([REQUEST]))


def echo(packet: Packet) -> Echo:
    """Read an echo; ValueError for any other packet."""
    if len(packet.payload) < 8 or not is_echo(packet):
        raise ValueError(f"not an echo: {packet}")
    return Echo(packet.payload[0], struct.unpack_from("!H", packet.payload, 4)[0])


def error(packet: Packet) -> Error:
    """Read an ICMP error; ValueError for any other packet."""
    message = packet.payload
    if len(message) < 8 + 20 + 4 or message[0] not in _ERRORS:
        raise ValueError(f"not an ICMP error: {packet}")
    inner = message[8:]
    header = (inner[0] & 0x0F) * 4
    ports = struct.unpack_from("!HH", inner, header)
    source, destination = IPv4Address(inner[12:16]), IPv4Address(inner[16:20])
    kind = (message[0], message[1])
    mtu = struct.unpack_from("!H", message, 6)[0] if kind == FRAGMENTATION_NEEDED else 0
    return Error(kind, FourTuple(Endpoint(str(source), ports[0]), Endpoint(str(destination), ports[1])), mtu)
