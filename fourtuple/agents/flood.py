"""Many first packets at one moment: sockets that are all opened before, and all written to in one go."""

from __future__ import annotations

import os
import socket
import time

from . import child

_children: list[int] = []


def start(mark: str, first: int, count: int, targets: list[tuple[str, int]], at_ns: int) -> int:
    """Fork a process that binds `count` UDP sockets from port `first` on, and at that moment of CLOCK_MONOTONIC writes
    from each to every target, `[mark n TARGET]`. Returns its pid; `wait` waits for it."""
    sockets = []
    for number in range(count):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("0.0.0.0", first + number))
        sockets.append(sock)

    def write() -> None:
        while time.monotonic_ns() < at_ns:
            pass  # both hosts share the clock, and begin together
        for number, sock in enumerate(sockets):
            for index, target in enumerate(targets):
                sock.sendto(f"[{mark} {number} {index}] ".encode(), tuple(target))

    started = child.begin(write)
    for sock in sockets:
        sock.close()
    _children.append(started)
    return started


def soon(milliseconds: int) -> int:
    """That much later, on CLOCK_MONOTONIC, in nanoseconds."""
    return time.monotonic_ns() + milliseconds * 1_000_000


def wait() -> None:
    """Wait until every process has written all it had to."""
    while _children:
        os.waitpid(_children.pop(), 0)
