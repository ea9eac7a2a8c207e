"""Two ways to serve TCP, each in a process of its own: one client after the other, and many in one event loop."""

from __future__ import annotations

import resource
import selectors
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from . import child

_children: dict[str, int] = {}


def sequential(name: str, port: int) -> None:
    """Echo what a client writes until it closes; only then accept the next one."""
    _start(name, port, _one_by_one)


def event_loop(name: str, port: int) -> None:
    """Echo to every client as it writes, all in one thread."""
    _start(name, port, _all_at_once)


def look(name: str) -> dict[str, Any]:
    """How many threads the server's process has, and the inodes of the sockets it holds."""
    home = Path("/proc") / str(_children[name])
    links = [str(entry.readlink()) for entry in (home / "fd").iterdir()]
    inodes = [int(link[8:-1]) for link in links if link.startswith("socket:[")]
    return {"threads": len(list((home / "task").iterdir())), "inodes": inodes}


def descriptors(limit: int) -> int:
    """From now on no descriptor of this process may have a number of `limit` or above; returns the limit before."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return before


def _start(name: str, port: int, serve: Callable[[socket.socket], None]) -> None:
    listener = socket.create_server(("0.0.0.0", port), backlog=64)
    _children[name] = child.begin(partial(serve, listener))
    listener.close()


def _one_by_one(listener: socket.socket) -> None:
    while True:
        client, _ = listener.accept()
        with client:
            while data := client.recv(4096):
                client.sendall(data)


def _all_at_once(listener: socket.socket) -> None:
    loop = selectors.DefaultSelector()
    loop.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in loop.select():
            ready = key.fileobj
            assert isinstance(ready, socket.socket)
            if ready is listener:
                loop.register(listener.accept()[0], selectors.EVENT_READ)
            elif data := ready.recv(4096):
                ready.sendall(data)
            else:
                loop.unregister(ready)
                ready.close()
