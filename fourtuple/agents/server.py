"""An echo server that tells every client which endpoint it is seen as, over UDP and TCP on one port.

docker compose -f compose/nat.yml exec alice python3 -m fourtuple.agents.server 8000
"""

from __future__ import annotations

import selectors
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

from ..net.endpoint import Endpoint


def answer(data: bytes, peer: tuple[str, int]) -> bytes:
    """What a client is told: the endpoint the server sees, and its own words."""
    return f"you are {Endpoint(*peer[:2])}: ".encode() + data


def serve(port: int) -> None:
    """Answer until stopped."""
    selector = selectors.DefaultSelector()

    def on_datagram(sock: socket.socket) -> None:
        data, peer = sock.recvfrom(65535)
        print("udp", Endpoint(*peer[:2]), data, flush=True)
        with suppress(OSError):  # an answer that would be too long for a datagram
            sock.sendto(answer(data, peer), peer)

    def on_connection(sock: socket.socket) -> None:
        accepted, peer = sock.accept()
        print("tcp", Endpoint(*peer[:2]), "connected", flush=True)
        selector.register(accepted, selectors.EVENT_READ, on_segment)

    def on_segment(sock: socket.socket) -> None:
        try:
            if data := sock.recv(65535):
                sock.sendall(answer(data, sock.getpeername()))
                return
        except OSError as error:
            print("tcp", error, flush=True)
        selector.unregister(sock)
        sock.close()

    handlers: list[tuple[int, Callable[[socket.socket], None]]] = [
        (socket.SOCK_DGRAM, on_datagram),
        (socket.SOCK_STREAM, on_connection),
    ]
    for kind, handler in handlers:
        listener = socket.socket(socket.AF_INET, kind)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("0.0.0.0", port))
        if kind == socket.SOCK_STREAM:
            listener.listen()
        selector.register(listener, selectors.EVENT_READ, handler)
    print(f"echoing UDP and TCP on port {port}", flush=True)
    while True:
        for key, _ in selector.select():
            key.data(key.fileobj)


if __name__ == "__main__":
    try:
        serve(int(sys.argv[1]) if len(sys.argv) > 1 else 8000)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
