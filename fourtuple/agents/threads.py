"""Two threads of one process: one accepts a connection, the other one serves it."""

from __future__ import annotations

import socket
import struct
import threading
from queue import Queue
from typing import Any

SO_COOKIE = 57  # asm-generic/socket.h
_handed: Queue[tuple[socket.socket, dict[str, Any]]] = Queue()
_done: Queue[dict[str, Any]] = Queue()


def start(port: int) -> None:
    """Listen; one thread will accept, another one answer what is read."""
    listener = socket.create_server(("0.0.0.0", port))
    threading.Thread(target=_accept, args=(listener,), daemon=True).start()
    threading.Thread(target=_reply, daemon=True).start()


def _accept(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    _handed.put((connection, _identity(connection)))
    listener.close()


def _reply() -> None:
    connection, accepted = _handed.get()
    data = connection.recv(4096)
    connection.sendall(data + b" served")
    _done.put({"accepted": accepted, "served": _identity(connection)})


def _identity(connection: socket.socket) -> dict[str, Any]:
    (cookie,) = struct.unpack("=Q", connection.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8))
    return {"thread": threading.get_native_id(), "descriptor": connection.fileno(), "cookie": cookie}


def collect() -> dict[str, Any]:
    """What both threads saw of the connection."""
    return _done.get(timeout=5)
