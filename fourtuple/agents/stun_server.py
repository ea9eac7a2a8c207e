"""A STUN server with two addresses and two ports each: two hosts that answer for each other (RFC 5780).

Over TCP a CHANGE-REQUEST is answered where it was asked, and the client is called back from where it says, until it
ends the connection it asked on. That is not in RFC 5780; the handshake has proven that the client can be called there.

Whoever asks may rely on the order: what was asked for before has been sent, by this host and, once the partner has
answered a question too, by the partner. So what the partner wants comes before everything else, and an answer leaves
after the calls it announces.

By hand, one on each host, told its own address and its partner's:
docker compose -f compose/nat.yml exec -d alice python3 -m fourtuple.agents.stun_server 198.18.0.10 198.18.0.11

Without a partner it is a server with one address, as most are, which refuses CHANGE-REQUEST.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
from contextlib import suppress
from typing import Any

from ..net import stun
from ..net.endpoint import Endpoint
from . import child

PORTS = (stun.PORT, stun.PORT + 1)
PARTNERS = stun.PORT - 1  # where a partner asks for an answer to be sent from here
_children: list[int] = []


class Server:
    """One host's half: its sockets, and its partner's address; empty where it has none."""

    def __init__(self, own: str, partner: str = "") -> None:
        self.own, self.partner = own, partner
        self.selector = selectors.DefaultSelector()
        self.udp = {port: self._open(socket.SOCK_DGRAM, port) for port in (*PORTS, PARTNERS)}
        self.udp[PARTNERS].setblocking(False)
        self.calls: dict[socket.socket, tuple[str, int]] = {}  # that are being made, to whom
        self.askers: dict[socket.socket, tuple[str, int]] = {}  # who wanted to be called
        self.listeners = {port: self._open(socket.SOCK_STREAM, port) for port in PORTS}

    def _open(self, kind: int, port: int) -> socket.socket:
        opened = socket.socket(socket.AF_INET, kind)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if kind == socket.SOCK_STREAM:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
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
                self._for_partner()
                if ready.fileno() >= 0:  # one before it may have closed it
                    with suppress(OSError):
                        self._on(ready)

    def _on(self, ready: socket.socket) -> None:
        if ready in self.calls:
            self._end(ready)  # it got through or was refused: either way it has been made
        elif ready in self.listeners.values():
            self.selector.register(ready.accept()[0], selectors.EVENT_READ)
        elif ready.type == socket.SOCK_STREAM:
            self._segment(ready)
        elif ready is not self.udp[PARTNERS]:
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
            self._ask_partner(origin.port, peer, reply.decode("latin-1"))

    def _ask_partner(self, port: int, peer: tuple[str, int], reply: str) -> None:
        """Have the partner answer from that port of its own; call, where there is no answer to give; else hang up."""
        self.udp[PARTNERS].sendto(json.dumps([port, peer, reply]).encode(), (self.partner, PARTNERS))

    def _for_partner(self) -> None:
        """Everything that the partner wants sent from here by now; nobody else is listened to."""
        while True:
            try:
                line, sender = self.udp[PARTNERS].recvfrom(2 * stun.LONGEST + 200)
            except BlockingIOError:
                return
            if sender == (self.partner, PARTNERS):
                with suppress(OSError):  # one that cannot be sent is no reason to leave the next
                    self._send(*json.loads(line))

    def _send(self, port: int, peer: list[Any], reply: str) -> None:
        """An answer from that port; without one, a call; without a port, no call any more."""
        to = (peer[0], peer[1])
        if reply:
            self.udp[port].sendto(reply.encode("latin-1"), to)
        elif port:
            self._call(port, to)
        else:
            self._hang_up(to)

    def _call(self, port: int, peer: tuple[str, int]) -> None:
        """Call from a port of ours, anew where a call from there was not answered yet; nothing waits for it."""
        for caller in [it for it, whom in self.calls.items() if whom == peer and it.getsockname()[1] == port]:
            self._end(caller)
        caller = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            caller.setsockopt(socket.SOL_SOCKET, option, 1)
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # no TIME_WAIT
        caller.bind((self.own, port))
        caller.setblocking(False)
        caller.connect_ex(peer)
        self.calls[caller] = peer
        self.selector.register(caller, selectors.EVENT_WRITE)

    def _hang_up(self, peer: tuple[str, int]) -> None:
        """End the calls to a client that were not answered: their ports are wanted."""
        for caller in [it for it, whom in self.calls.items() if whom == peer]:
            self._end(caller)

    def _end(self, caller: socket.socket) -> None:
        self.selector.unregister(caller)
        del self.calls[caller]
        caller.close()

    def _segment(self, ready: socket.socket) -> None:
        """A request over TCP, in one segment: answered from where it came, as RFC 5780 wants it."""
        try:
            data = ready.recv(stun.LONGEST)
        except OSError:
            data = b""
        if not data:
            self.selector.unregister(ready)
            ready.close()
            if peer := self.askers.pop(ready, None):
                self._hang_up(peer)
                self._ask_partner(0, peer, "")
            return
        here = Endpoint(*ready.getsockname())
        peer = ready.getpeername()
        if answered := stun.answer(data, Endpoint(*peer), here, self._other(here)):
            reply, origin = answered
            if origin.address != here.address:
                self._ask_partner(origin.port, peer, "")
            elif origin != here:
                self._call(origin.port, peer)
            if origin != here:
                self.askers[ready] = peer
            ready.sendall(reply)

    def _other(self, here: Endpoint) -> Endpoint | None:
        (port,) = set(PORTS) - {here.port}
        return Endpoint(self.partner, port) if self.partner else None


def start(own: str, partner: str = "") -> int:
    """Serve in a forked process; returns its pid."""
    server = Server(own, partner)
    serving = child.begin(server.serve)
    for opened in (*server.udp.values(), *server.listeners.values()):
        opened.close()
    server.selector.close()
    _children.append(serving)
    return serving


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        raise SystemExit("usage: stun_server OWN-ADDRESS [PARTNERS-ADDRESS]")
    Server(*sys.argv[1:]).serve()
