"""Ports the kernel picks: many sockets at once, so that what it does can be seen."""

from __future__ import annotations

import socket


def connect(address: str, port: int, count: int) -> list[int]:
    """The local ports of `count` unbound sockets connected to one destination, all open at once, in order."""
    clients = [socket.create_connection((address, port)) for _ in range(count)]
    ports = [client.getsockname()[1] for client in clients]
    for client in clients:
        client.close()
    return ports


def bind(count: int) -> list[int]:
    """The ports that bind() picks for `count` sockets when it is asked for port 0, all open at once, in order."""
    bound = [socket.socket() for _ in range(count)]
    for sock in bound:
        sock.bind(("0.0.0.0", 0))
    ports = [sock.getsockname()[1] for sock in bound]
    for sock in bound:
        sock.close()
    return ports
