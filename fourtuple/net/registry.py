"""A rendezvous server without a network: what comes in, from where and when, and what is to be sent to whom.

Peers register a name with their key and the endpoints they know; the server adds the one it saw. Who asks for a peer
by name is introduced to it, and it to them, at the same moment and with the same token. A peer registers for UDP and
for TCP, and is introduced for the one it is asked for over. Names belong to the key that registered them until that
registration expires. Over UDP nothing is answered with more than was asked, until the
source has repeated a cookie and so proven that it receives there; over TCP the handshake has proven it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import islice

from . import meeting
from .endpoint import Endpoint, Protocol
from .meeting import Candidate, Kind, Message, Reason, Where

Verify = Callable[[bytes, bytes, bytes], bool]  # key, what was signed, signature
COOKIE_LIFE = 30.0  # seconds; the one before is good as well


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one address, and all of them, may have."""

    lifetime: int = 120  # seconds a registration lives at most
    names_of_address: int = 1024
    names: int = 100_000
    introductions: int = 100_000  # that can be relayed for
    relayed: int = 1_000_000  # bytes of one introduction


@dataclass(frozen=True, slots=True)
class Address:
    """Where to send: an endpoint, by datagram or on the connection from there."""

    transport: Protocol
    endpoint: Endpoint


Sends = list[tuple[Address, bytes]]


@dataclass(slots=True)
class _Peer:
    key: bytes
    candidates: tuple[Candidate, ...]
    where: Address
    issued: int
    expires: float
    signature: bytes = b""  # of the last message that was signed,
    answer: Sends = field(default_factory=list)  # and what it led to: should that be lost, it is asked for again

    def asks_again(self, message: Message, source: Address) -> bool:
        """Is this the last signed message once more, from where it came from?"""
        return (message.issued, message.signature, source) == (self.issued, self.signature, self.where)


@dataclass(slots=True)
class _Pair:
    """Who was introduced, and how many bytes were relayed."""

    ends: tuple[Address, Address]
    relayed: int = 0


_Entry = tuple[str, Protocol]  # a name, for a transport


@dataclass(slots=True)
class Rendezvous:
    """The state of the server; every call is given the time, in seconds."""

    verify: Verify
    limits: Limits = field(default_factory=Limits)
    secret: bytes = field(default_factory=lambda: os.urandom(32))
    _peers: OrderedDict[_Entry, _Peer] = field(default_factory=OrderedDict)  # the next to expire first, nearly
    _names: dict[str, int] = field(default_factory=dict)  # of an address
    _pairs: OrderedDict[bytes, _Pair] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self._peers)

    def receive(self, data: bytes, source: Address, now: float) -> Sends:
        """What to send because of this message; nothing for what is none."""
        try:
            message = meeting.decode(data)
        except ValueError:
            return []
        self._expire(now)
        if message.kind is Kind.HELLO:
            seen = (Candidate(Where.REFLEXIVE, source.endpoint),)
            cookie = self.cookie(source.endpoint, now)
            return [(source, meeting.encode(Message(Kind.CHALLENGE, message.transaction, cookie, candidates=seen)))]
        answer = {Kind.REGISTER: self._register, Kind.ASK: self._ask, Kind.RELAY: self._relay}.get(message.kind)
        if answer is None:
            return []
        if not self._proven(message.cookie, source, now):
            return self._refuse(message, source, Reason.COOKIE)
        return answer(message, source, now)

    def cookie(self, endpoint: Endpoint, now: float) -> bytes:
        """What who receives at `endpoint` can repeat."""
        told = f"{endpoint} {int(now / COOKIE_LIFE)}".encode()
        return hmac.digest(self.secret, told, hashlib.sha256)[: meeting.COOKIE]

    def _proven(self, cookie: bytes, source: Address, now: float) -> bool:
        good = (self.cookie(source.endpoint, now - age) for age in (0, COOKIE_LIFE))
        return source.transport is Protocol.TCP or any(hmac.compare_digest(cookie, it) for it in good)

    def _refuse(self, message: Message, source: Address, reason: Reason) -> Sends:
        return [(source, meeting.encode(Message(Kind.REFUSED, message.transaction, reason=reason)))]

    def _register(self, message: Message, source: Address, now: float) -> Sends:
        (name,) = message.names
        entry = (name, source.transport)
        known = self._registered(entry, now)
        owners = [it for transport in Protocol if (it := self._registered((name, transport), now))]
        if any(it.key != message.key for it in owners):
            return self._refuse(message, source, Reason.TAKEN)
        if known and known.asks_again(message, source):
            return known.answer
        if known and message.issued <= known.issued:
            return self._refuse(message, source, Reason.STALE)
        held = self._names.get(source.endpoint.address, 0)
        if entry not in self._peers and (held >= self.limits.names_of_address or len(self._peers) >= self.limits.names):
            return self._refuse(message, source, Reason.LIMIT)
        if not self.verify(message.key, message.signed, message.signature):
            return self._refuse(message, source, Reason.SIGNATURE)
        if entry in self._peers:
            self._forget(entry)
        lifetime = min(message.lifetime, self.limits.lifetime)
        candidates = _with_reflexive(message.candidates, source.endpoint)
        address = source.endpoint.address
        self._names[address] = self._names.get(address, 0) + 1
        seen = (Candidate(Where.REFLEXIVE, source.endpoint),)
        told = Message(Kind.REGISTERED, message.transaction, lifetime=lifetime, candidates=seen)
        answer = [(source, meeting.encode(told))]
        self._peers[entry] = _Peer(message.key, candidates, source, message.issued, now + lifetime, message.signature,
                                   answer)  # fmt: skip
        return answer

    def _ask(self, message: Message, source: Address, now: float) -> Sends:
        own, wanted = message.names
        asker, peer = (self._registered((name, source.transport), now) for name in message.names)
        if asker is None:
            return self._refuse(message, source, Reason.UNKNOWN)
        if asker.asks_again(message, source):
            return asker.answer
        if message.issued <= asker.issued:
            return self._refuse(message, source, Reason.STALE)
        if not self.verify(asker.key, message.signed, message.signature):
            return self._refuse(message, source, Reason.SIGNATURE)
        asker.issued, asker.signature = message.issued, message.signature
        asker.answer = self._introduce(message, asker, peer) if peer and wanted != own else self._refuse(
            message, source, Reason.UNKNOWN)  # fmt: skip
        return asker.answer

    def _introduce(self, message: Message, asker: _Peer, peer: _Peer) -> Sends:
        """Tell both of the other, with one token."""
        own, wanted = message.names
        token = os.urandom(meeting.TOKEN)
        self._pairs[token] = _Pair((asker.where, peer.where))
        if len(self._pairs) > self.limits.introductions:
            self._pairs.popitem(last=False)
        told = Message(Kind.INTRODUCTION, message.transaction, token=token)
        return [
            (asker.where, meeting.encode(replace(told, names=(wanted,), key=peer.key, candidates=peer.candidates))),
            (peer.where, meeting.encode(replace(told, names=(own,), key=asker.key, candidates=asker.candidates))),
        ]

    def _registered(self, entry: _Entry, now: float) -> _Peer | None:
        peer = self._peers.get(entry)
        return peer if peer and peer.expires > now else None

    def _relay(self, message: Message, source: Address, _: float) -> Sends:
        pair = self._pairs.get(message.token)
        if pair is None or source not in pair.ends:
            return self._refuse(message, source, Reason.UNKNOWN)
        pair.relayed += len(message.data)
        if pair.relayed > self.limits.relayed:
            return self._refuse(message, source, Reason.LIMIT)
        other = pair.ends[source == pair.ends[0]]
        relayed = Message(Kind.RELAYED, message.transaction, token=message.token, data=message.data)
        return [(other, meeting.encode(relayed))]

    def _expire(self, now: float) -> None:
        """Forget who did not come again: each call looks at the oldest few, so that none takes long."""
        for entry in list(islice(self._peers, 3)):
            if self._peers[entry].expires <= now:
                self._forget(entry)

    def _forget(self, entry: _Entry) -> None:
        address = self._peers.pop(entry).where.endpoint.address
        self._names[address] -= 1
        if not self._names[address]:
            del self._names[address]


def _with_reflexive(known: tuple[Candidate, ...], seen: Endpoint) -> tuple[Candidate, ...]:
    """The endpoints a peer named as its own, and the one it was seen at: first, or marked where it is one of them."""
    others = [it for it in known if it.endpoint != seen][: meeting.MOST_ENDPOINTS - 1]
    own = any(it.endpoint == seen for it in known)
    first = Candidate(Where.BOTH if own else Where.REFLEXIVE, seen)
    return (first, *(replace(it, where=Where.HOST) if it.where is not Where.GUESSED else it for it in others))
