"""One socket's questions to STUN servers, and every answer to them, each checked against the endpoint it came from.

A question that must be answered is sent again (RFC 8489 section 6.2.1) until its answer is there. Whatever time it is
then, what lies in the socket is read before anything is concluded: a program that was frozen past its deadline looks
once more. How late it woke up is kept beside what it says.
"""

from __future__ import annotations

import select
import socket
import time

from ..net import stun
from ..net.classification import nonsense
from ..net.endpoint import Endpoint

PATIENCE = 3.0  # seconds for an answer that must come; a SYN is sent again after one second (RFC 6298)
AGAIN = 0.5  # seconds until a datagram is sent again; twice as many each time
SUCCESS, ERROR = stun.SUCCESS | stun.BINDING, stun.ERROR | stun.BINDING


class Silent(TimeoutError):
    """Who must answer did not."""


class Refused(Exception):
    """A server answered with an error."""


class Untrue(Exception):
    """What a server said contradicts what was seen, or what it said before: nothing it says is believed."""


class Line:
    """A socket that asks. Over TCP it is connected, and a message comes in one segment."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.late = 0.0  # seconds by which this program woke up late, at most
        self.mapped: dict[Endpoint, Endpoint] = {}  # where each server endpoint saw this socket
        self._asked: dict[bytes, Endpoint] = {}
        self._answers: dict[bytes, list[tuple[stun.Message, Endpoint]]] = {}

    @property
    def questions(self) -> int:
        """How many were asked; one that was sent again counts once."""
        return len(self._asked)

    def ask(self, where: Endpoint) -> stun.Message:
        """A plain question: its answer, which must come from where it was asked. Raises Silent, Refused or Untrue."""
        transaction = self.wait(stun.request(), where)
        answer, origin = self.answers(transaction)[0]
        if origin != where or _named(answer, origin) != where:
            raise Untrue(f"{where} was asked, and {_named(answer, origin)} answered")
        if answer.kind == ERROR:
            raise Refused(f"{where} answered with error {code(answer)}")
        return answer

    def wait(self, question: stun.Message, where: Endpoint) -> bytes:
        """Send a question until somebody has answered it; its transaction. Silent when nobody does."""
        data, pause = stun.encode(question), AGAIN
        deadline = time.monotonic() + PATIENCE
        while True:
            self.send(question, where, data)
            until = deadline if self.sock.type == socket.SOCK_STREAM else min(time.monotonic() + pause, deadline)
            while question.transaction not in self._answers:
                if not self._read(until):
                    break
            if question.transaction in self._answers:
                return question.transaction
            if until == deadline:
                late = f" (this program itself woke up {self.late:.1f} s late)" if self.late > AGAIN / 10 else ""
                raise Silent(f"{where} did not answer within {PATIENCE:.0f} s{late}")
            pause *= 2

    def send(self, question: stun.Message, where: Endpoint, data: bytes = b"") -> bytes:
        """Send a question whose answer may or may not come; its transaction. Silent where the kernel refuses."""
        self._asked[question.transaction] = where
        data = data or stun.encode(question)
        try:
            if self.sock.type == socket.SOCK_STREAM:
                self.sock.sendall(data)
            else:
                self.sock.sendto(data, (where.address, where.port))
        except OSError as error:
            raise Silent(f"{where} cannot be asked: {error.strerror or error}") from None
        return question.transaction

    def answers(self, transaction: bytes) -> list[tuple[stun.Message, Endpoint]]:
        """The answers to a question that have arrived by now, with the endpoints they came from."""
        while self._read(0.0):
            pass
        return self._answers.get(transaction, [])

    def _read(self, until: float) -> bool:
        """File the next answer; False where none has come by then. What is there is seen, however late it is."""
        ready = select.select([self.sock], [], [], max(0.0, until - time.monotonic()))[0]
        if until:
            self.late = max(self.late, time.monotonic() - until)
        if not ready:
            return False
        try:
            data, peer = self.sock.recvfrom(stun.LONGEST + 1)
            origin = Endpoint(*(peer or self.sock.getpeername()))
        except OSError as error:
            raise Silent(f"the connection ended: {error.strerror or error}") from None
        if not data and self.sock.type == socket.SOCK_STREAM:
            raise Silent(f"{origin} ended the connection")
        try:
            answer = stun.decode(data)
        except ValueError:
            return True
        if answer.transaction in self._asked and answer.kind in (SUCCESS, ERROR):
            self._file(answer, origin)
        return True

    def _file(self, answer: stun.Message, origin: Endpoint) -> None:
        """Keep an answer. Untrue where it names another origin than it has, or no or another external endpoint of ours.

        Over TCP an answer may name the endpoint that calls back.
        """
        where = self._asked[answer.transaction]
        self._answers.setdefault(answer.transaction, []).append((answer, origin))
        if answer.kind == ERROR:
            return
        if self.sock.type == socket.SOCK_DGRAM and _named(answer, origin) != origin:
            raise Untrue(f"{where} said that its answer came from {_named(answer, origin)}, and it came from {origin}")
        mapped = answer.attributes.get("XOR-MAPPED-ADDRESS") or answer.attributes.get("MAPPED-ADDRESS")
        if mapped is None or mapped == where or nonsense(mapped, mapped):
            raise Untrue(f"{where} said that it had seen this host as {mapped or 'nobody'}, which cannot be")
        if mapped != self.mapped.setdefault(where, mapped):
            raise Untrue(f"{where} said that one socket came from {self.mapped[where]}, and that it came from {mapped}")


def _named(answer: stun.Message, origin: Endpoint) -> Endpoint:
    """Where an answer says that it comes from; where it came from, if it says nothing of that."""
    said = answer.attributes
    named: Endpoint = said.get("RESPONSE-ORIGIN") or said.get("SOURCE-ADDRESS") or origin
    return named


def code(answer: stun.Message) -> str:
    """The number and the words of an error."""
    number, words = answer.attributes.get("ERROR-CODE", ("without a number", ""))
    return f"{number} {words}".strip()
