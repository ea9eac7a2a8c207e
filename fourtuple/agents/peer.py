"""One peer: its key, what it says to the rendezvous, and the checks by which it knows the other.

Who is to be met is known by key: a check that the peer did not sign is nobody's. Every wait is bounded.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from ..net import meeting
from ..net.endpoint import Endpoint
from ..net.meeting import Candidate, Kind, Message, Where
from .keys import Key, verify
from .waiting import until

ANSWER, TRIES = 0.3, 3  # seconds for an answer of the server, or of a peer that was met, and how often it is asked
PACE = 0.01  # seconds between two tries
LINGER = 0.03  # seconds that a side answers after it is done


@dataclass(slots=True)
class Plan:
    """Who meets whom, where and how; as it comes from the lab."""

    name: str
    wanted: str
    server: Endpoint
    port: int
    asks: bool  # this side asks, the other waits to be introduced
    hope: float = 3.0  # seconds to be introduced
    tries: int = 3  # how often the server is asked, each time for ANSWER seconds
    patience: float = 0.25  # seconds of checks, where nobody conducts
    hosts: tuple[Endpoint, ...] = ()  # its own endpoints that it tells
    observers: tuple[Endpoint, ...] = ()  # STUN servers, to guess from which port the next packet will come
    window: int = 0  # how many guesses it tells
    sockets: int = 0  # more sockets that write to the peer, where the own ports cannot be known
    probes: int = 0  # ports of the peer that are tried at random
    low: int = 1024  # from this one
    high: int = 65535  # to that
    relay: bool = False  # talk through the server where nothing else works
    stay: float = 0.0  # seconds until, over UDP and not by a birthday, the one that asked speaks once more
    keepalive: float = 0.0  # seconds between two keepalives meanwhile; 0: silence
    lifetime: int = 60  # seconds of the registration
    meeting: int = 0  # by which its checks can be told from those of other meetings, on the wire
    key: str = ""  # the word its key is made from, where that is not its name
    forges: str = ""  # what it signs with a key it does not show: "record" or "checks"

    @classmethod
    def read(cls, said: dict[str, Any]) -> Plan:
        """From JSON."""
        lists = {name: tuple(map(Endpoint.parse, said.pop(name, ()))) for name in ("hosts", "observers")}
        return cls(**said | lists | {"server": Endpoint.parse(said["server"])})


@dataclass(slots=True)
class Report:
    """What came of it: `direct` or `relayed`, and with whom; or `no answer`, and why."""

    outcome: str = "no answer"
    way: str = ""  # by which kind of endpoint: told, reflexive, guessed, peer-reflexive, birthday, relay
    why: str = ""
    seen: str = ""  # where the server saw this side
    peer: str = ""
    sent: int = 0
    heard: int = 0
    seconds: float = 0.0  # from when it began; 0 for who was met before
    introduced: bool = False  # was the peer told where the other one is?
    unsettled: bool = False  # was it, or the other one, held up so often that more might have come?
    late: float = 0.0  # seconds by which its slowest round took longer than planned
    local: str = ""
    tried: list[str] = field(default_factory=list)
    kept: int = 0  # keepalives of the peer that came
    still: bool | None = None  # was the peer heard once more at the end of the stay?

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


class RefusedError(Exception):
    """The server said no, or nothing."""


class Side:
    """One peer: its key, its socket to the server, and what it must say."""

    def __init__(self, plan: Plan, send: Callable[[bytes], None], receive: Callable[[float], bytes | None]) -> None:
        self.plan, self.key = plan, Key(plan.key or plan.name)
        self._no_key = Key("nobody's")
        self.send, self.receive = send, receive
        self._issued = time.time_ns() // 1000
        self._checks = 0
        self.seen: Endpoint | None = None
        self.cookie = b""
        self._early: Message | None = None  # an introduction that came before the answer that was waited for
        self.guesses: tuple[Endpoint, ...] = ()  # where it will be seen next, as far as that can be known

    def meet(self) -> Message:
        """Register and be introduced; RefusedError when that does not come about."""
        cookie = self.cookie = self._ask(Message(Kind.HELLO, os.urandom(8)), Kind.CHALLENGE).cookie
        mine = (*(Candidate(Where.HOST, it) for it in self.plan.hosts),
                *(Candidate(Where.GUESSED, it) for it in self.guesses))  # fmt: skip
        record = Message(
            Kind.REGISTER,
            os.urandom(8),
            cookie,
            (self.plan.name,),
            self.key.public,
            self._next(),
            self.plan.lifetime,
            mine,
        )
        self.seen = self._ask(self._signed(record, "record"), Kind.REGISTERED).candidates[0].endpoint
        if not self.plan.asks:
            return self._introduced()
        deadline = time.monotonic() + self.plan.hope
        while True:  # the other one may not have registered yet
            wish = Message(Kind.ASK, os.urandom(8), cookie, (self.plan.name, self.plan.wanted), issued=self._next())
            try:
                return self._ask(self._signed(wish), Kind.INTRODUCTION)
            except RefusedError as refused:
                if "UNKNOWN" not in str(refused) or time.monotonic() > deadline:
                    raise
                select.select([], [], [], PACE)

    def check(self, token: bytes, heard: bool) -> bytes:
        """A signed check; its transaction says whose it is and which, so that it can be followed on the wire."""
        self._checks += 1
        name = self.plan.name.partition("-")[0]
        name = name if len(name) <= 5 else name[:4] + name[-1]
        which = f"{name:<5}".encode() + bytes([self.plan.meeting]) + (self._checks % 2**16).to_bytes(2)
        return meeting.encode(
            self._signed(Message(Kind.CHECK, which, token=token, heard=heard, issued=self._next()), "checks")
        )

    def relayed(self, token: bytes, heard: bool) -> bytes:
        """A check that goes by the server."""
        data = self.check(token, heard)
        return meeting.encode(Message(Kind.RELAY, os.urandom(8), self.cookie, token=token, data=data))

    def _next(self) -> int:
        self._issued += 1
        return self._issued

    def _signed(self, message: Message, what: str = "") -> Message:
        key = self._no_key if what and what == self.plan.forges else self.key
        return replace(message, signature=key.sign(meeting.to_sign(message)))

    def _ask(self, message: Message, kind: Kind) -> Message:
        for _ in range(self.plan.tries):
            self.send(meeting.encode(message))
            for answer in self._read(time.monotonic() + ANSWER):
                if answer.transaction == message.transaction and answer.kind is Kind.REFUSED:
                    raise RefusedError(
                        f"the server refused {message.kind.name}: {answer.reason and answer.reason.name}"
                    )
                if answer.transaction == message.transaction and answer.kind is kind:
                    return answer
                if answer.kind is Kind.INTRODUCTION:
                    self._early = answer
        raise RefusedError(f"the server did not answer {message.kind.name}")

    def _introduced(self) -> Message:
        early = (self._early,) if self._early else ()
        for answer in chain(early, self._read(time.monotonic() + self.plan.hope)):
            if answer.kind is Kind.INTRODUCTION and answer.names == (self.plan.wanted,):
                return answer
        raise RefusedError(f"nobody introduced {self.plan.wanted}")

    def _read(self, deadline: float) -> Iterator[Message]:
        for data in until(deadline, self.receive):
            with suppress(ValueError):
                yield meeting.decode(data)


def kind_of(where: Endpoint, peer: Message) -> str:
    """What kind of endpoint of the peer this is: the first of those told is where the server saw it."""
    seen, *told = peer.candidates
    if where == seen.endpoint:
        return "told" if seen.where is Where.BOTH else "reflexive"
    kinds = {it.endpoint: "guessed" if it.where is Where.GUESSED else "told" for it in told}
    return kinds.get(where, "peer-reflexive")


def valid(data: bytes, peer: Message) -> Message | None:
    """A check of this introduction, signed by the peer; None for anything else."""
    try:
        check = meeting.decode(data)
    except ValueError:
        return None
    good = check.kind is Kind.CHECK and check.token == peer.token and verify(peer.key, check.signed, check.signature)
    return check if good else None
