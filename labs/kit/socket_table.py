"""The kernel's table of TCP sockets, as `ss -tanHe` prints it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..net.endpoint import Endpoint
from ..net.event import Event

COMMAND = ("ss", "-tanHe")
_ROW = re.compile(r"(\S+)\s+(\d+)\s+(\d+)\s+(\S+):(\d+)\s+(\S+):(\S+)(.*)")


@dataclass(frozen=True, slots=True)
class Row:
    """One socket: its state, bytes (or connections) waiting, both ends, inode (0: no process has it) and SO_COOKIE.

    `remote` is None where the kernel shows a wildcard.
    """

    state: str
    waiting: int
    local: Endpoint
    remote: Endpoint | None
    inode: int
    cookie: int


def rows(event: Event) -> tuple[Row, ...]:
    """Read what the command printed; ValueError when it is not that."""
    return tuple(_row(line) for line in str(event.result[1]).splitlines())


def _row(line: str) -> Row:
    found = _ROW.match(line)
    if found is None:
        raise ValueError(f"not a row of the socket table: {line!r}")
    state, waiting, _, address, port, remote, remote_port, rest = found.groups()
    inode, cookie = re.search(r"ino:(\d+)", rest), re.search(r"sk:([0-9a-f]+)", rest)
    return Row(
        state,
        int(waiting),
        Endpoint(address, int(port)),
        None if remote_port == "*" else Endpoint(remote, int(remote_port)),
        int(inode[1]) if inode else 0,
        int(cookie[1], 16) if cookie else 0,
    )
