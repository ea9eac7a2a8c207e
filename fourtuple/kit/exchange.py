"""A question and its answer between a client and a server, and how the two crossed a router."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..evidence.facts import Facts
from ..evidence.packet import Packet, marked
from ..net.endpoint import Endpoint, Protocol
from .scene import Scene, Socket

QUESTION = "who am I?"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question from a client's source port to a port of a server, and its answer, each with a mark of its own."""

    protocol: Protocol
    client: str
    port: int
    server: str
    service: int

    def __str__(self) -> str:
        return f"{self.protocol.value} {self.client}:{self.port} {self.server}:{self.service}"

    @property
    def question(self) -> str:
        return f"{self} asks"

    @property
    def answer(self) -> str:
        return f"{self} answer"

    @property
    def client_socket(self) -> str:
        """A UDP client asks every server from one socket; TCP needs a socket for each connection."""
        return f"udp {self.client}:{self.port}" if self.protocol is Protocol.UDP else f"{self}"

    @property
    def server_socket(self) -> str:
        return f"udp {self.server}:{self.service}" if self.protocol is Protocol.UDP else f"{self} accepted"


@dataclass(frozen=True, slots=True)
class Crossing:
    """An exchange as it was seen on both sides of the router."""

    exchange: Exchange
    asked: Packet
    asked_outside: Packet
    answered_outside: Packet
    answered: Packet


def crossings(facts: Facts, exchanges: tuple[Exchange, ...]) -> Iterator[Crossing]:
    """How each exchange crossed between the taps `lan` and `wan`; EvidenceError when a packet of it is missing."""
    lan, wan = facts.at("lan"), facts.at("wan")
    for it in exchanges:
        yield Crossing(it, lan.only(it.question), wan.only(it.question), wan.only(it.answer), lan.only(it.answer))


def ask(scene: Scene, exchange: Exchange) -> Endpoint:
    """Play question and answer; returns the endpoint the server saw the client as."""
    return (_ask_udp if exchange.protocol is Protocol.UDP else _ask_tcp)(scene, exchange)


def bound(scene: Scene, host: str, port: int) -> Socket:
    """The host's UDP socket on that port of its own address; opened and bound the first time."""
    name = f"udp {host}:{port}"
    if name not in scene:
        scene.socket(host, Protocol.UDP, name).bind(scene.endpoint(host, port))
    return scene[name]


def listening(scene: Scene, host: str, port: int) -> Socket:
    """The host's TCP listener on that port of its own address; opened, bound and listening the first time."""
    name = f"tcp {host}:{port}"
    if name not in scene:
        listener = scene.socket(host, Protocol.TCP, name)
        listener.bind(scene.endpoint(host, port))
        listener.listen()
    return scene[name]


def _ask_udp(scene: Scene, exchange: Exchange) -> Endpoint:
    server = bound(scene, exchange.server, exchange.service)
    client = bound(scene, exchange.client, exchange.port)
    client.sendto(marked(exchange.question, QUESTION), scene.endpoint(exchange.server, exchange.service))
    _, seen = server.recvfrom()
    server.sendto(marked(exchange.answer, f"you are {seen}"), seen)
    client.recvfrom()
    client.getsockname()
    return seen


def _ask_tcp(scene: Scene, exchange: Exchange) -> Endpoint:
    listener = listening(scene, exchange.server, exchange.service)
    client = scene.socket(exchange.client, Protocol.TCP, exchange.client_socket)
    client.setsockopt("SOL_SOCKET", "SO_REUSEADDR", 1)  # one source port may lead to several servers
    client.bind(scene.endpoint(exchange.client, exchange.port))
    client.connect(scene.endpoint(exchange.server, exchange.service))
    server = listener.accept(exchange.server_socket)
    client.send(marked(exchange.question, QUESTION))
    server.recv()
    seen = server.getpeername()
    server.send(marked(exchange.answer, f"you are {seen}"))
    client.recv()
    client.getsockname()
    return seen
