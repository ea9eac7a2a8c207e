"""STUN messages, byte by byte: RFC 8489, with the attributes of RFC 5780 for finding out what a NAT does.

A message is a header of twenty bytes (type, length, cookie, transaction) and attributes of type, length and value,
each padded to four bytes. MESSAGE-INTEGRITY and FINGERPRINT cover what stands before them, with the header's length set
as if the message ended with them.
"""

from __future__ import annotations

import hmac
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from .endpoint import Endpoint

COOKIE = 0x2112A442
PORT = 3478
BINDING = 0x0001
REQUEST, INDICATION, SUCCESS, ERROR = 0x0000, 0x0010, 0x0100, 0x0110
LONGEST = 2048  # bytes: PADDING makes a message longer than a packet (RFC 5780 section 7.6), and nothing needs more
CHANGE_ADDRESS, CHANGE_PORT = 0x4, 0x2  # bits of CHANGE-REQUEST (RFC 5780 section 7.2)
_HEADER = struct.Struct("!HHI12s")
_FINGERPRINT_XOR = 0x5354554E


@dataclass(frozen=True, slots=True)
class Message:
    """Class and method (as `SUCCESS | BINDING`), transaction, and attributes by their RFC names, in order."""

    kind: int
    transaction: bytes
    attributes: dict[str, Any] = field(default_factory=dict)
    unknown: tuple[int, ...] = ()  # types this codec has no name for, that must be understood


def request(**attributes: Any) -> Message:
    """A Binding request with a transaction of its own; attributes by name, `_` for `-`."""
    return Message(REQUEST | BINDING, os.urandom(12), {name.replace("_", "-"): it for name, it in attributes.items()})


def _pack_address(value: Endpoint, _: bytes) -> bytes:
    packed = ip_address(value.address).packed
    return struct.pack("!BBH", 0, 1 if len(packed) == 4 else 2, value.port) + packed


def _unpack_address(value: bytes, _: bytes) -> Endpoint:
    if len(value) < 4 or (value[1], len(value)) not in ((1, 8), (2, 20)):
        raise ValueError(f"an address of {len(value)} bytes and family {value[1] if len(value) > 1 else '?'}")
    return Endpoint(str(ip_address(value[4:])), struct.unpack("!H", value[2:4])[0])


def _xor(value: bytes, transaction: bytes) -> bytes:
    """Port and address, each xored with the cookie, and with the transaction where they are longer."""
    mask = struct.pack("!I", COOKIE) + transaction
    port = bytes(a ^ b for a, b in zip(value[2:4], mask, strict=False))
    return value[:2] + port + bytes(a ^ b for a, b in zip(value[4:], mask, strict=False))


def _pack_xor(value: Endpoint, transaction: bytes) -> bytes:
    return _xor(_pack_address(value, transaction), transaction)


def _unpack_xor(value: bytes, transaction: bytes) -> Endpoint:
    return _unpack_address(_xor(value, transaction), transaction)


def _pack_number(value: int, _: bytes) -> bytes:
    return struct.pack("!I", value)


def _unpack_number(value: bytes, _: bytes) -> int:
    if len(value) != 4:
        raise ValueError(f"a number of {len(value)} bytes")
    return int.from_bytes(value)


def _pack_error(value: tuple[int, str], _: bytes) -> bytes:
    code, reason = value
    return struct.pack("!HBB", 0, code // 100, code % 100) + reason.encode()


def _unpack_error(value: bytes, _: bytes) -> tuple[int, str]:
    if len(value) < 4 or not 3 <= value[2] <= 6 or value[3] > 99:
        raise ValueError("an error code that is none")
    return value[2] * 100 + value[3], value[4:].decode(errors="replace")


def _pack_types(value: tuple[int, ...], _: bytes) -> bytes:
    return b"".join(struct.pack("!H", it) for it in value)


def _unpack_types(value: bytes, _: bytes) -> tuple[int, ...]:
    if len(value) % 2:
        raise ValueError("half a type")
    return tuple(it for (it,) in struct.iter_unpack("!H", value))


def _raw(value: bytes, _: bytes) -> bytes:
    return value


def _pack_text(value: str, _: bytes) -> bytes:
    return value.encode()


def _unpack_text(value: bytes, _: bytes) -> str:
    return value.decode(errors="replace")


_Pack = Callable[[Any, bytes], bytes]
_Unpack = Callable[[bytes, bytes], Any]
ATTRIBUTES: tuple[tuple[int, str, _Pack, _Unpack], ...] = (
    (0x0001, "MAPPED-ADDRESS", _pack_address, _unpack_address),
    (0x0003, "CHANGE-REQUEST", _pack_number, _unpack_number),
    (0x0004, "SOURCE-ADDRESS", _pack_address, _unpack_address),  # RFC 3489
    (0x0005, "CHANGED-ADDRESS", _pack_address, _unpack_address),  # RFC 3489
    (0x0006, "USERNAME", _pack_text, _unpack_text),
    (0x0008, "MESSAGE-INTEGRITY", _raw, _raw),
    (0x0009, "ERROR-CODE", _pack_error, _unpack_error),
    (0x000A, "UNKNOWN-ATTRIBUTES", _pack_types, _unpack_types),
    (0x0020, "XOR-MAPPED-ADDRESS", _pack_xor, _unpack_xor),
    (0x0024, "PRIORITY", _pack_number, _unpack_number),
    (0x0026, "PADDING", _raw, _raw),
    (0x8022, "SOFTWARE", _pack_text, _unpack_text),
    (0x8028, "FINGERPRINT", _pack_number, _unpack_number),
    (0x8029, "ICE-CONTROLLED", _raw, _raw),
    (0x802B, "RESPONSE-ORIGIN", _pack_address, _unpack_address),
    (0x802C, "OTHER-ADDRESS", _pack_address, _unpack_address),
)
_BY_NAME = {name: (number, pack) for number, name, pack, _ in ATTRIBUTES}
_BY_NUMBER = {number: (name, unpack) for number, name, _, unpack in ATTRIBUTES}


def encode(message: Message, password: bytes = b"", fingerprint: bool = False) -> bytes:
    """The message as bytes; with MESSAGE-INTEGRITY under `password`, and FINGERPRINT, where asked for."""
    body = b""
    for name, value in message.attributes.items():
        number, pack = _BY_NAME[name]
        body += _attribute(number, pack(value, message.transaction))
    if password:
        body += _attribute(0x0008, integrity(_headed(message, body, 24), password))
    if fingerprint:
        body += _attribute(0x8028, struct.pack("!I", checksum(_headed(message, body, 8))))
    return _headed(message, body)


def _headed(message: Message, body: bytes, more: int = 0) -> bytes:
    return _HEADER.pack(message.kind, len(body) + more, COOKIE, message.transaction) + body


def _attribute(number: int, value: bytes) -> bytes:
    return struct.pack("!HH", number, len(value)) + value + bytes(-len(value) % 4)


def integrity(covered: bytes, password: bytes) -> bytes:
    """HMAC-SHA1 over the message up to the attribute (RFC 8489 section 14.5); the password is a short-term one."""
    return hmac.digest(password, covered, "sha1")


def checksum(covered: bytes) -> int:
    """CRC-32 over the message up to the attribute, xored with `STUN` (RFC 8489 section 14.7)."""
    return zlib.crc32(covered) ^ _FINGERPRINT_XOR


def decode(data: bytes, password: bytes = b"") -> Message:
    """Read a message; ValueError says what is wrong with it. With a password, a wrong MESSAGE-INTEGRITY is an error."""
    if len(data) < _HEADER.size:
        raise ValueError(f"{len(data)} bytes are no STUN message: its header has {_HEADER.size}")
    kind, length, cookie, transaction = _HEADER.unpack_from(data)
    if kind & 0xC000 or cookie != COOKIE:
        raise ValueError("not a STUN message: it does not begin with two zero bits and the magic cookie")
    if length % 4 or length != len(data) - _HEADER.size or len(data) > LONGEST:
        raise ValueError(f"a STUN message of {len(data)} bytes that says its attributes have {length}")
    attributes: dict[str, Any] = {}
    unknown = []
    for number, value, offset in _values(data):
        if "FINGERPRINT" in attributes:
            break  # nothing may follow it
        if number not in _BY_NUMBER:
            if number < 0x8000:
                unknown.append(number)
            continue
        name, unpack = _BY_NUMBER[number]
        if name in attributes or ("MESSAGE-INTEGRITY" in attributes and name != "FINGERPRINT"):
            continue  # only the first counts, and nothing between integrity and fingerprint
        _verify(name, value, data[:offset], password)
        attributes[name] = unpack(value, transaction)
    return Message(kind, transaction, attributes, tuple(unknown))


def _values(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Type, value and offset of each attribute; ValueError where one is longer than the message."""
    offset = _HEADER.size
    while offset < len(data):
        number, length = struct.unpack_from("!HH", data, offset)
        if offset + 4 + length > len(data):
            raise ValueError(f"attribute {number:#06x} says {length} bytes, and {len(data) - offset - 4} are left")
        yield number, data[offset + 4 : offset + 4 + length], offset
        offset += 4 + length + -length % 4


def _verify(name: str, value: bytes, before: bytes, password: bytes) -> None:
    """Is the integrity or the fingerprint right? As if the message ended with it."""
    if name == "FINGERPRINT":
        if value != struct.pack("!I", checksum(_cut(before, 8))):
            raise ValueError("the FINGERPRINT does not match the message")
    elif (
        name == "MESSAGE-INTEGRITY"
        and password
        and not hmac.compare_digest(value, integrity(_cut(before, 24), password))
    ):
        raise ValueError("the MESSAGE-INTEGRITY does not match the message and the password")


def _cut(before: bytes, more: int) -> bytes:
    return before[:2] + struct.pack("!H", len(before) - _HEADER.size + more) + before[4:]


def answer(data: bytes, peer: Endpoint, arrived_at: Endpoint, other: Endpoint | None) -> tuple[bytes, Endpoint] | None:
    """What a server with two addresses and two ports answers, and from which of its endpoints; None: nothing.

    `other` differs from `arrived_at` in both address and port (RFC 5780 section 6). One with a single address has None:
    it refuses CHANGE-REQUEST (section 6.1). The answer is never longer than three times the question: what is padded is
    answered with as much padding.
    """
    classic = _classic(data)
    try:
        asked = decode(data[:4] + struct.pack("!I", COOKIE) + data[8:] if classic else data)
    except ValueError:
        return None
    if asked.kind != REQUEST | BINDING:
        return None
    change = asked.attributes.get("CHANGE-REQUEST", 0)
    unknown = (*asked.unknown, *((0x0003,) if change and not other else ()))
    if unknown:
        refusal = Message(ERROR | BINDING, asked.transaction,
                          {"ERROR-CODE": (420, ""), "UNKNOWN-ATTRIBUTES": unknown[:2]})  # fmt: skip
        return encode(refusal), arrived_at
    origin = Endpoint(
        other.address if other and change & CHANGE_ADDRESS else arrived_at.address,
        other.port if other and change & CHANGE_PORT else arrived_at.port,
    )
    attributes: dict[str, Any]
    if classic:
        attributes = {"MAPPED-ADDRESS": peer, "SOURCE-ADDRESS": origin}
        attributes |= {"CHANGED-ADDRESS": other} if other else {}
        reply = encode(Message(SUCCESS | BINDING, asked.transaction, attributes))
        return reply[:4] + data[4:8] + reply[8:], origin  # its transaction begins where the cookie is now
    attributes = {"XOR-MAPPED-ADDRESS": peer, "RESPONSE-ORIGIN": origin}
    attributes |= {"OTHER-ADDRESS": other} if other else {}
    if padding := asked.attributes.get("PADDING"):
        attributes["PADDING"] = bytes(len(padding))  # as long as the question's, so that nobody can amplify
    modern = Message(SUCCESS | BINDING, asked.transaction, attributes)
    return encode(modern, fingerprint="FINGERPRINT" in asked.attributes), origin


def _classic(data: bytes) -> bool:
    """Is this a request of RFC 3489, which knew no cookie? It is answered as RFC 8489 section 11 asks."""
    return len(data) >= _HEADER.size and data[:2] == b"\0\1" and data[4:8] != struct.pack("!I", COOKIE)
