"""A STUN server with two addresses and two ports each: two hosts that answer for each other (RFC 5780).

By hand, one on each host, told its own address and its partner's:
docker compose -f compose/nat.yml exec -d alice python3 -m labs.agents.stun_server 198.18.0.10 198.18.0.11
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import sys
from contextlib import suppress

from ..net import stun
from ..net.endpoint import Endpoint

PORTS = (stun.PORT, stun.PORT + 1)
PARTNERS = stun.PORT - 1  # where a partner asks for an answer to be sent from here
_children: list[int] = []


class Server:
    """One host's half: its sockets, and its partner's address."""

    def __init__(self, own: str, partner: str) -> None:
        self.own, self.partner = own, partner
        self.selector = selectors.DefaultSelector()
        self.udp = {port: self._open(socket.SOCK_DGRAM, port) for port in (*PORTS, PARTNERS)}
        self.listeners = {port: self._open(socket.SOCK_STREAM, port) for port in PORTS}

    def _open(self, kind: int, port: int) -> socket.socket:
        opened = socket.socket(socket.AF_INET, kind)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((self.own, port))
        if kind == socket.SOCK_STREAM:
            opened.listen(64)
        self.selector.register(opened, selectors.EVENT_READ)
        return opened

    def serve(self) -> None:
        """Answer until stopped."""
        while True:
            for key, _ in self.selector.select():
                ready = key.fileobj
                assert isinstance(ready, socket.socket)
                with suppress(OSError):
                    self._on(ready)

    def _on(self, ready: socket.socket) -> None:
        if ready in self.listeners.values():
            self.selector.register(ready.accept()[0], selectors.EVENT_READ)
        elif ready.type == socket.SOCK_STREAM:
            self._segment(ready)
        elif ready is self.udp[PARTNERS]:
            self._for_partner(*ready.recvfrom(2 * stun.LONGEST + 200))
        else:
            self._datagram(ready, *ready.recvfrom(stun.LONGEST + 1))

    def _datagram(self, ready: socket.socket, data: bytes, peer: tuple[str, int]) -> None:
        here = Endpoint(*ready.getsockname())
        answered = stun.answer(data, Endpoint(*peer), here, self._other(here))
        if answered is None:
            return
        reply, origin = answered
        if origin.address == self.own:
            self.udp[origin.port].sendto(reply, peer)
        else:
            line = json.dumps([origin.port, peer, reply.decode("latin-1")])
            self.udp[PARTNERS].sendto(line.encode(), (self.partner, PARTNERS))

    def _for_partner(self, line: bytes, sender: tuple[str, int]) -> None:
        """The partner wants an answer sent from here; nobody else is listened to."""
        if sender == (self.partner, PARTNERS):
            port, peer, reply = json.loads(line)
            self.udp[port].sendto(reply.encode("latin-1"), tuple(peer))

    def _segment(self, ready: socket.socket) -> None:
        """A request over TCP, in one segment: answered from where it came, as RFC 5780 wants it."""
        try:
            data = ready.recv(stun.LONGEST)
        except OSError:
            data = b""
        if not data:
            self.selector.unregister(ready)
            ready.close()
            return
        here = Endpoint(*ready.getsockname())
        if answered := stun.answer(data, Endpoint(*ready.getpeername()), here, self._other(here)):
            ready.sendall(answered[0])

    def _other(self, here: Endpoint) -> Endpoint:
        (port,) = set(PORTS) - {here.port}
        return Endpoint(self.partner, port)


def start(own: str, partner: str) -> int:
    """Serve in a forked process; returns its pid."""
    server = Server(own, partner)
    child = os.fork()
    if child == 0:
        server.serve()
    for opened in (*server.udp.values(), *server.listeners.values()):
        opened.close()
    server.selector.close()
    _children.append(child)
    return child


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: stun_server OWN-ADDRESS PARTNERS-ADDRESS")
    Server(*sys.argv[1:]).serve()
