"""As much as goes: a sender, and a child process that counts what arrives. For measuring, never for judging."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from functools import partial

from . import child

SMALL, LARGE = b"x" * 100, b"x" * 65536
_counting: list[tuple[int, int]] = []


def count(port: int) -> None:
    """From now on a child counts the datagrams, and another one the TCP bytes, that come to this port."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        sock = socket.socket(socket.AF_INET, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        sock.bind(("0.0.0.0", port))
        if kind == socket.SOCK_STREAM:
            sock.listen()
        report, write = os.pipe()
        counting = child.begin(partial(_count, sock, kind, write))
        os.close(write)
        sock.close()
        _counting.append((counting, report))


def _count(sock: socket.socket, kind: int, report: int) -> None:
    total = 0

    def end(*_: object) -> None:
        os.write(report, json.dumps(total).encode())
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    if kind == socket.SOCK_STREAM:
        sock, _ = sock.accept()
    buffer = bytearray(1 << 18)
    while True:
        size = sock.recv_into(buffer)
        if not size:
            signal.pause()
        total += 1 if kind == socket.SOCK_DGRAM else size


def counted() -> list[int]:
    """End both children: how many datagrams, and how many bytes over TCP."""
    totals = []
    for counting, report in _counting:
        os.kill(counting, signal.SIGTERM)
        with os.fdopen(report) as pipe:
            totals.append(json.loads(pipe.read()))
        os.waitpid(counting, 0)
    _counting.clear()
    return totals


def send(address: str, port: int, seconds: float) -> None:
    """Send small datagrams for so long, then bytes over one TCP connection for as long."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((address, port))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for _ in range(64):
                sock.send(SMALL)
    with socket.create_connection((address, port)) as stream:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            stream.sendall(LARGE)
