"""The rendezvous server: UDP and TCP on one port, the state in `fourtuple.net.registry`, Ed25519 from libsodium.

By hand: docker compose -f compose/homes.yml exec -d server python3 -m fourtuple.agents.rendezvous_server 198.18.0.10
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
import time
from contextlib import suppress

from ..net import meeting
from ..net.endpoint import Endpoint, Protocol
from ..net.registry import Address, Limits, Rendezvous
from . import child, keys

_children: list[int] = []


class Server:
    """Sockets around a Rendezvous."""

    def __init__(self, own: str, port: int = meeting.PORT, limits: Limits | None = None) -> None:
        self.state = Rendezvous(keys.verify, limits or Limits())
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.udp.bind((own, port))
        self.listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((own, port))
        self.listener.listen(256)
        self.streams: dict[Endpoint, tuple[socket.socket, bytearray]] = {}
        self.selector = selectors.DefaultSelector()
        for opened in (self.udp, self.listener):
            self.selector.register(opened, selectors.EVENT_READ, None)

    def serve(self) -> None:
        """Answer until stopped."""
        while True:
            for key, _ in self.selector.select():
                with suppress(OSError):
                    if key.fileobj is self.udp:
                        self._datagrams()
                    elif key.fileobj is self.listener:
                        stream, peer = self.listener.accept()
                        stream.setblocking(False)
                        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # both are told at one moment
                        self.streams[Endpoint(*peer)] = (stream, bytearray())
                        self.selector.register(stream, selectors.EVENT_READ, Endpoint(*peer))
                    else:
                        self._segment(key.data)

    def _datagrams(self) -> None:
        """Some of what waits: streams have their turn in between."""
        for _ in range(64):
            try:
                data, peer = self.udp.recvfrom(meeting.LONGEST + 1, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            self._on(data, Address(Protocol.UDP, Endpoint(*peer)))

    def _segment(self, peer: Endpoint) -> None:
        """More of a stream: every message that is whole by now. One that sends nonsense, or ended, is closed."""
        stream, begun = self.streams[peer]
        try:
            begun += (piece := stream.recv(65536))
            while piece and (length := meeting.length(bytes(begun[:16]))) and len(begun) >= length:
                self._on(bytes(begun[:length]), Address(Protocol.TCP, peer))
                del begun[:length]
        except (OSError, ValueError):
            piece = b""
        if not piece:
            self.selector.unregister(stream)
            del self.streams[peer]
            stream.close()

    def _on(self, data: bytes, source: Address) -> None:
        for to, told in self.state.receive(data, source, time.monotonic()):
            with suppress(OSError):
                if to.transport is Protocol.UDP:
                    self.udp.sendto(told, (to.endpoint.address, to.endpoint.port))
                elif to.endpoint in self.streams:
                    self.streams[to.endpoint][0].send(told)


def start(own: str, port: int = meeting.PORT, names_of_address: int = Limits().names_of_address) -> int:
    """Serve in a forked process; returns its pid."""
    server = Server(own, port, Limits(names_of_address=names_of_address))
    serving = child.begin(server.serve)
    server.udp.close()
    server.listener.close()
    server.selector.close()
    _children.append(serving)
    return serving


def memory() -> int:
    """Bytes the server has in memory."""
    with open(f"/proc/{_children[-1]}/statm") as sizes:
        return int(sizes.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def stop() -> None:
    """End the server: from now on nobody answers."""
    while _children:
        serving = _children.pop()
        os.kill(serving, signal.SIGKILL)
        os.waitpid(serving, 0)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: rendezvous_server OWN-ADDRESS")
    Server(sys.argv[1]).serve()
