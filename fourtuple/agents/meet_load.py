"""Load for the rendezvous server: a crowd that registers, pairs that are introduced, and guests who misbehave."""

from __future__ import annotations

import os
import random
import select
import socket
import time
from collections.abc import Callable
from dataclasses import replace

from ..net import meeting
from ..net.endpoint import Endpoint
from ..net.meeting import Kind, Message
from . import child
from .keys import Key

WINDOW = 32  # questions on the way at a time
PATIENCE = 0.5  # seconds for an answer before it is asked again
ABUSES = ("malformed", "truncated", "replayed", "forged", "hellos")


class Guest:
    """One socket that speaks for as many names as it likes, with a key each."""

    def __init__(self, server: str) -> None:
        self.server = Endpoint.parse(server)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.sock.connect((self.server.address, self.server.port))
        self.cookie = b""
        self.issued = time.time_ns() // 1000

    def greet(self) -> None:
        """Get a cookie; TimeoutError when nobody gives one."""
        hello = Message(Kind.HELLO, os.urandom(8))
        self.cookie = self.converse([meeting.encode(hello)], Kind.CHALLENGE, 5.0)[0].cookie
        if not self.cookie:
            raise TimeoutError("the server gives no cookie")

    def registration(self, name: str) -> bytes:
        """A signed registration."""
        key = Key(name)
        return self._signed(
            Message(Kind.REGISTER, os.urandom(8), self.cookie, (name,), key.public, self._next(), 120), key
        )

    def question(self, own: str, wanted: str) -> bytes:
        """A signed question for a peer."""
        return self._signed(Message(Kind.ASK, os.urandom(8), self.cookie, (own, wanted), issued=self._next()), Key(own))

    def converse(self, asked: list[bytes], kind: Kind, seconds: float) -> list[Message]:
        """Ask all of it, a window at a time, lost ones again; the answers of that kind that came within the time."""
        waiting: dict[bytes, tuple[bytes, float]] = {}
        rest, answers, end = asked[::-1], [], time.monotonic() + seconds
        while (rest or waiting) and (now := time.monotonic()) < end:
            while rest and len(waiting) < WINDOW:
                data = rest.pop()
                waiting[data[8:16]] = (data, 0.0)
            for transaction, (data, sent) in waiting.items():
                if now - sent > PATIENCE:
                    self.sock.send(data)
                    waiting[transaction] = (data, now)
            while select.select([self.sock], [], [], 0 if len(waiting) < WINDOW and rest else 0.05)[0]:
                answer = meeting.decode(self.sock.recv(meeting.LONGEST + 1))
                if answer.kind is kind and answer.transaction in waiting:
                    del waiting[answer.transaction]
                    answers.append(answer)
                if not waiting:
                    break
        return answers

    def _next(self) -> int:
        self.issued += 1
        return self.issued

    def _signed(self, message: Message, key: Key) -> bytes:
        return meeting.encode(replace(message, signature=key.sign(meeting.to_sign(message))))


def crowd(server: str, prefix: str, count: int) -> float:
    """Register so many names; how many a second. TimeoutError when not all were."""
    guest = Guest(server)
    guest.greet()
    asked = [guest.registration(f"{prefix}-{number}") for number in range(count)]
    began = time.monotonic()
    if len(guest.converse(asked, Kind.REGISTERED, 25.0)) < count:
        raise TimeoutError("not everybody could register")
    return round(count / (time.monotonic() - began), 1)


def introductions(server: str, count: int) -> float:
    """Two peers ask for each other that often; introductions a second. Whoever asks signs before the clock starts."""
    guest = Guest(server)
    guest.greet()
    guest.converse([guest.registration(name) for name in ("one", "other")], Kind.REGISTERED, 5.0)
    asked = [guest.question("one", "other") for _ in range(count)]
    began = time.monotonic()
    done = 0
    for first in range(0, count, WINDOW):  # in order: a question that overtakes another makes that one stale
        for data in asked[first : first + WINDOW]:
            guest.sock.send(data)
        deadline = time.monotonic() + PATIENCE
        seen: set[bytes] = set()
        while len(seen) < len(asked[first : first + WINDOW]) and time.monotonic() < deadline:
            if select.select([guest.sock], [], [], 0.05)[0]:
                answer = meeting.decode(guest.sock.recv(meeting.LONGEST + 1))
                if answer.kind is Kind.INTRODUCTION:
                    seen.add(answer.transaction)
        done += len(seen)
    return round(done / (time.monotonic() - began), 1)


def honest(server: str, prefix: str, count: int) -> int:
    """How many of so many honest peers, one after the other, can register."""
    done = 0
    for number in range(count):
        guest = Guest(server)
        try:
            guest.greet()
            done += len(guest.converse([guest.registration(f"{prefix}-{number}")], Kind.REGISTERED, 2.0))
        except TimeoutError:
            continue
        finally:
            guest.sock.close()
    return done


def misbehave(server: str, kind: str, seconds: float, rate: int) -> int:
    """Send nonsense of one kind, so many a second at most, in a forked process; returns its pid."""
    guest = Guest(server)
    guest.greet()
    good = guest.registration("victim")
    guest.converse([good], Kind.REGISTERED, 2.0)

    def abuse() -> None:
        make = _abuse(kind, good)
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            for _ in range(rate // 100):
                try:
                    guest.sock.send(make())
                except OSError:
                    continue
            select.select([], [], [], max(0.0, 0.01 - (time.monotonic() - now)))

    return child.begin(abuse)


def _abuse(kind: str, good: bytes) -> Callable[[], bytes]:
    dice = random.Random(7)  # noqa: S311 -- repeatable nonsense
    forged = good[:-64] + bytes(64)
    return {
        "malformed": lambda: dice.randbytes(dice.randrange(1, 400)),
        "truncated": lambda: good[: dice.randrange(1, len(good))],
        "replayed": lambda: good,
        "forged": lambda: forged,
        "hellos": lambda: meeting.encode(Message(Kind.HELLO, dice.randbytes(8))),
    }[kind]
