"""The kernel's table of sockets, as `ss -tanHe` (and `ss -uanHe`, of UDP) prints it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from ..net.endpoint import Endpoint
from ..net.event import Event
from .facts import Facts

COMMAND, UDP_COMMAND = ("ss", "-tanHe"), ("ss", "-uanHe")
_ROW = re.compile(r"(\S+)\s+(\d+)\s+(\d+)\s+([^\s%]+)(?:%\S+?)?:(\d+)\s+([^\s%]+)(?:%\S+?)?:(\S+)(.*)")
_LONG = 1000  # characters of a row; the pattern takes the square of the time of what is not one


@dataclass(frozen=True, slots=True)
class Row:
    """One socket: its state, what waits in it, both ends, inode (0: no process has it) and SO_COOKIE.

    `waiting` is bytes, of a listener connections; `room` is how many connections a listener lets wait (its backlog).
    `remote` is None where the kernel shows a wildcard.
    """

    state: str
    waiting: int
    room: int
    local: Endpoint
    remote: Endpoint | None
    inode: int
    cookie: int


def rows(event: Event) -> tuple[Row, ...]:
    """Read what the command printed; ValueError when it is not that."""
    return _read(str(event.result[1]))


@lru_cache(maxsize=512)
def _read(text: str) -> tuple[Row, ...]:
    return tuple(_row(line) for line in text.splitlines())


def tables(facts: Facts, host: str, command: tuple[str, ...] = COMMAND) -> list[tuple[tuple[Row, ...], Event]]:
    """The table of a host each time a step asked for it, with the event that holds it."""
    return [(rows(it), it) for it in facts.events if it.call == "run" and it.args == command and it.host == host]


def on_port(table: tuple[Row, ...], port: int, state: str = "") -> list[Row]:
    """The rows whose local port it is, of one state or of all."""
    return [row for row in table if row.local.port == port and state in ("", row.state)]


def _row(line: str) -> Row:
    found = _ROW.match(line) if len(line) <= _LONG else None
    if found is None:
        raise ValueError(f"not a row of the socket table: {line[:_LONG]!r}")
    state, waiting, room, address, port, remote, remote_port, rest = found.groups()
    inode, cookie = re.search(r"ino:(\d+)", rest), re.search(r"sk:([0-9a-f]+)", rest)
    return Row(
        state,
        int(waiting),
        int(room),
        Endpoint(address, int(port)),
        None if remote_port == "*" else Endpoint(remote, int(remote_port)),
        int(inode[1]) if inode else 0,
        int(cookie[1], 16) if cookie else 0,
    )
