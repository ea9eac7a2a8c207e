"""Children that share one socket of their parent: forked readers of one UDP port."""

from __future__ import annotations

import errno
import json
import os
import socket

_STOP = b"stop"


class _Readers:
    """The parent's side: the socket, and each child with the pipe it reports through."""

    socket: socket.socket
    children: list[tuple[int, int]]


_readers = _Readers()


def start_readers(port: int, count: int) -> str:
    """Bind one UDP socket, then fork `count` children that read from it; returns what listen() says of that socket."""
    _readers.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    _readers.socket.bind(("0.0.0.0", port))
    try:
        _readers.socket.listen()
        said = "ok"
    except OSError as error:
        said = "EOPNOTSUPP" if error.errno == errno.EOPNOTSUPP else str(errno.errorcode.get(error.errno or 0))
    _readers.children = []
    for _ in range(count):
        report, write = os.pipe()
        child = os.fork()
        if child == 0:
            _read(write)
        os.close(write)
        _readers.children.append((child, report))
    return said


def _read(report: int) -> None:
    """A child: read until told to stop, report, end."""
    read = []
    while (data := _readers.socket.recv(65535)) != _STOP:
        read.append(data.decode("latin-1"))
    os.write(report, json.dumps(read).encode())
    os._exit(0)


def collect_readers() -> list[list[str]]:
    """Stop the children and return what each of them read."""
    port = _readers.socket.getsockname()[1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stopper:
        for _ in _readers.children:
            stopper.sendto(_STOP, ("127.0.0.1", port))
    results = []
    for child, report in _readers.children:
        with os.fdopen(report) as pipe:
            results.append(json.loads(pipe.read()))
        os.waitpid(child, 0)
    _readers.socket.close()
    return results
