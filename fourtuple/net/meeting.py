"""How peers and a rendezvous server talk, byte by byte; version 1, over UDP or TCP. All numbers are big-endian.

    header   0  4  magic "4tup"          every message begins so; over TCP they follow one another
             4  1  version, 1
             5  1  kind, see below
             6  2  length of the body
             8  8  transaction, drawn by who asks; an answer repeats it, an introduction has the asker's

    HELLO        1   24 zeros: as long as the answer, so that a forged source gains nothing
    CHALLENGE    2   cookie 16, endpoint 7 (where the server saw it come from), a zero
    REGISTER     3   cookie 16, name, key 32, issued 8, lifetime 2 (seconds), endpoints, signature 64
    REGISTERED   4   endpoint 7, lifetime 2
    ASK          5   cookie 16, name (own), name (wanted), issued 8, signature 64
    INTRODUCTION 6   token 16, name, key 32, endpoints: where the peer may be reached; the same token goes to both
    REFUSED      7   reason 1
    RELAY        8   cookie 16, token 16, data: for the peer of that introduction
    RELAYED      9   token 16, data
    CHECK       10   token 16, heard 1, issued 8, signature 64: from peer to peer, to see whether it arrives;
                     heard is 1 when the sender has had one of the receiver's

    name       length 1, then 1-32 bytes of a-z, 0-9 and "-"
    endpoint   kind 1 (1 host, 2 reflexive, 3 both, 4 guessed), IPv4 address 4, port 2
    endpoints  count 1 (at most 8), then as many
    issued     a number that grows with every signed message of a key; its clock in milliseconds will do
    signature  Ed25519 (RFC 8032) over the header and everything of the body before it

A cookie is what the server makes of the source endpoint and a secret: who repeats it receives at that address.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address

from .endpoint import Endpoint

MAGIC, VERSION = b"4tup", 1
PORT = 4747
LONGEST = 1200  # bytes of a message: one packet on every path
MOST_ENDPOINTS = 8
COOKIE, KEY, SIGNATURE, TOKEN = 16, 32, 64, 16
_HEADER = struct.Struct("!4sBBH8s")
_NAME = re.compile(rb"[a-z0-9-]{1,32}")


class Kind(IntEnum):
    """What a message is."""

    HELLO = 1
    CHALLENGE = 2
    REGISTER = 3
    REGISTERED = 4
    ASK = 5
    INTRODUCTION = 6
    REFUSED = 7
    RELAY = 8
    RELAYED = 9
    CHECK = 10


class Reason(IntEnum):
    """Why the server refused."""

    COOKIE = 1  # missing, of another endpoint, or too old: say HELLO again
    SIGNATURE = 2
    STALE = 3  # issued no later than what the server has of that key
    TAKEN = 4  # the name is another key's
    UNKNOWN = 5  # nobody of that name is registered
    LIMIT = 6  # too many of that address


class Where(IntEnum):
    """How an endpoint is known."""

    HOST = 1
    REFLEXIVE = 2
    BOTH = 3
    GUESSED = 4  # where the peer expects to be seen next


@dataclass(frozen=True, slots=True)
class Candidate:
    """An endpoint a peer may be reached at."""

    where: Where
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Message:
    """One message; what its kind does not have is empty. `signed` is what a signature covers, as it was received."""

    kind: Kind
    transaction: bytes
    cookie: bytes = b""
    names: tuple[str, ...] = ()
    key: bytes = b""
    issued: int = 0
    lifetime: int = 0
    candidates: tuple[Candidate, ...] = ()
    token: bytes = b""
    data: bytes = b""
    reason: Reason | None = None
    heard: bool = False
    signature: bytes = b""
    signed: bytes = b""


class _Reader:
    """The body of a message, taken piece by piece; ValueError when it ends too early."""

    def __init__(self, body: bytes) -> None:
        self.body, self.at = body, 0

    def take(self, length: int) -> bytes:
        piece = self.body[self.at : self.at + length]
        if len(piece) < length:
            raise ValueError(f"{length} bytes were wanted at {self.at} of the body, and {len(piece)} are left")
        self.at += length
        return piece

    def number(self, length: int) -> int:
        return int.from_bytes(self.take(length))

    def name(self) -> str:
        name = self.take(self.number(1))
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name")
        return name.decode()

    def candidate(self) -> Candidate:
        where = Where(self.number(1))
        return Candidate(where, Endpoint(str(IPv4Address(self.take(4))), self.number(2)))

    def candidates(self) -> tuple[Candidate, ...]:
        count = self.number(1)
        if count > MOST_ENDPOINTS:
            raise ValueError(f"{count} endpoints, at most {MOST_ENDPOINTS} were wanted")
        return tuple(self.candidate() for _ in range(count))

    def rest(self) -> bytes:
        return self.take(len(self.body) - self.at)


def length(head: bytes) -> int | None:
    """How long the message is that a stream begins with; None while that is not known. ValueError for no message."""
    if not MAGIC.startswith(head[: len(MAGIC)]) and not head.startswith(MAGIC):
        raise ValueError("no message: it does not begin with the magic")
    if len(head) < _HEADER.size:
        return None
    whole = _HEADER.size + int(_HEADER.unpack_from(head)[3])
    if whole > LONGEST:
        raise ValueError(f"a message of {whole} bytes; at most {LONGEST} were wanted")
    return whole


def decode(data: bytes) -> Message:
    """Read a message; ValueError says what is wrong with it."""
    if length(data) != len(data):
        raise ValueError(f"{len(data)} bytes are not one message")
    _, version, number, _, transaction = _HEADER.unpack_from(data)
    if version != VERSION:
        raise ValueError(f"version {version}; {VERSION} was wanted")
    kind = Kind(number)
    reader = _Reader(data[_HEADER.size :])
    message = _BODIES[kind](reader, kind, transaction, data)
    if reader.at != len(reader.body):
        raise ValueError(f"{len(reader.body) - reader.at} bytes too many")
    return message


def _hello(reader: _Reader, kind: Kind, transaction: bytes, _: bytes) -> Message:
    if reader.take(24) != bytes(24):
        raise ValueError("HELLO is 24 zeros")
    return Message(kind, transaction)


def _challenge(reader: _Reader, kind: Kind, transaction: bytes, _: bytes) -> Message:
    cookie, seen = reader.take(COOKIE), reader.candidate()
    if reader.number(1):
        raise ValueError("CHALLENGE ends with a zero")
    return Message(kind, transaction, cookie, candidates=(seen,))


def _register(reader: _Reader, kind: Kind, transaction: bytes, data: bytes) -> Message:
    cookie, name, key, issued = reader.take(COOKIE), reader.name(), reader.take(KEY), reader.number(8)
    lifetime, candidates = reader.number(2), reader.candidates()
    return Message(kind, transaction, cookie, (name,), key, issued, lifetime, candidates,
                   signature=reader.take(SIGNATURE), signed=data[:-SIGNATURE])  # fmt: skip


def _registered(reader: _Reader, kind: Kind, transaction: bytes, _: bytes) -> Message:
    seen = reader.candidate()
    return Message(kind, transaction, lifetime=reader.number(2), candidates=(seen,))


def _ask(reader: _Reader, kind: Kind, transaction: bytes, data: bytes) -> Message:
    cookie, own, wanted = reader.take(COOKIE), reader.name(), reader.name()
    return Message(kind, transaction, cookie, (own, wanted), issued=reader.number(8),
                   signature=reader.take(SIGNATURE), signed=data[:-SIGNATURE])  # fmt: skip


def _introduction(reader: _Reader, kind: Kind, transaction: bytes, _: bytes) -> Message:
    token, name, key = reader.take(TOKEN), reader.name(), reader.take(KEY)
    return Message(kind, transaction, names=(name,), key=key, candidates=reader.candidates(), token=token)


def _refused(reader: _Reader, kind: Kind, transaction: bytes, _: bytes) -> Message:
    return Message(kind, transaction, reason=Reason(reader.number(1)))


def _relay(reader: _Reader, kind: Kind, transaction: bytes, _: bytes) -> Message:
    cookie = reader.take(COOKIE) if kind is Kind.RELAY else b""
    return Message(kind, transaction, cookie, token=reader.take(TOKEN), data=reader.rest())


def _check(reader: _Reader, kind: Kind, transaction: bytes, data: bytes) -> Message:
    token, heard = reader.take(TOKEN), reader.number(1)
    if heard > 1:
        raise ValueError(f"heard is 0 or 1, not {heard}")
    return Message(kind, transaction, token=token, heard=bool(heard), issued=reader.number(8),
                   signature=reader.take(SIGNATURE), signed=data[:-SIGNATURE])  # fmt: skip


_BODIES = {
    Kind.HELLO: _hello, Kind.CHALLENGE: _challenge, Kind.REGISTER: _register, Kind.REGISTERED: _registered,
    Kind.ASK: _ask, Kind.INTRODUCTION: _introduction, Kind.REFUSED: _refused, Kind.RELAY: _relay, Kind.RELAYED: _relay,
    Kind.CHECK: _check,
}  # fmt: skip


def encode(message: Message) -> bytes:
    """The message as bytes, its signature included; what `signed` says is not looked at."""
    body = _body(message) + message.signature
    data = _HEADER.pack(MAGIC, VERSION, message.kind, len(body), message.transaction) + body
    if len(data) > LONGEST:
        raise ValueError(f"a message of {len(data)} bytes; at most {LONGEST} were wanted")
    return data


def to_sign(message: Message) -> bytes:
    """What the signature of a message covers: everything before it, the length in the header being the final one."""
    body = _body(message)
    return _HEADER.pack(MAGIC, VERSION, message.kind, len(body) + SIGNATURE, message.transaction) + body


def _body(message: Message) -> bytes:
    return b"".join(_PACKED[part](message) for part in _PARTS[message.kind])


def _packed(candidate: Candidate) -> bytes:
    endpoint = candidate.endpoint
    return bytes([candidate.where]) + IPv4Address(endpoint.address).packed + endpoint.port.to_bytes(2)


_PACKED: dict[str, Callable[[Message], bytes]] = {
    "zeros": lambda _: bytes(24),
    "zero": lambda _: b"\0",
    "cookie": lambda it: it.cookie,
    "token": lambda it: it.token,
    "names": lambda it: b"".join(bytes([len(name)]) + name.encode() for name in it.names),
    "key": lambda it: it.key,
    "issued": lambda it: it.issued.to_bytes(8),
    "lifetime": lambda it: it.lifetime.to_bytes(2),
    "endpoint": lambda it: _packed(it.candidates[0]),
    "endpoints": lambda it: bytes([len(it.candidates)]) + b"".join(map(_packed, it.candidates)),
    "reason": lambda it: bytes([it.reason or 0]),
    "data": lambda it: it.data,
    "heard": lambda it: bytes([it.heard]),
}
_PARTS = {
    Kind.HELLO: ("zeros",),
    Kind.CHALLENGE: ("cookie", "endpoint", "zero"),
    Kind.REGISTER: ("cookie", "names", "key", "issued", "lifetime", "endpoints"),
    Kind.REGISTERED: ("endpoint", "lifetime"),
    Kind.ASK: ("cookie", "names", "issued"),
    Kind.INTRODUCTION: ("token", "names", "key", "endpoints"),
    Kind.REFUSED: ("reason",),
    Kind.RELAY: ("cookie", "token", "data"),
    Kind.RELAYED: ("token", "data"),
    Kind.CHECK: ("token", "heard", "issued"),
}
