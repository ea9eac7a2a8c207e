"""What kind of NAT is this host behind? Asked as RFC 5780 says, of a STUN server with two addresses and two ports.

Over TCP, RFC 5780 asks about the mapping only; our server also calls back from where CHANGE-REQUEST says, so that a
client that listens on the port it connected from learns who is let in.

docker compose -f compose/nat.yml exec client1 python3 -m fourtuple.agents.classifier 198.18.0.10
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from ..net import classification, stun
from ..net.classification import Finding
from ..net.endpoint import Endpoint
from . import admission
from .questions import PATIENCE, Line, Refused, Silent, Untrue

PADDING = 1600  # bytes: more than a link carries
WORDS = {True: "pass", False: "do not pass", None: classification.CANNOT_TELL}


class Findings:
    """What was found so far; nothing, where the server contradicts itself, and no more, where it falls silent."""

    def __init__(self, first: Endpoint) -> None:
        self.began = time.monotonic()
        self.first = first
        self.mapping = self.filtering = Finding(None)
        self.seen: dict[Endpoint, Endpoint] = {}  # the external endpoint for each of the server's, in turn
        self.lines: list[Line] = []
        self.fragments: bool | None = None

    @contextmanager
    def believing(self) -> Iterator[None]:
        """Ask in here. Silent, a TimeoutError, leaves it when the server did not answer at all."""
        try:
            yield
        except Untrue as lie:
            self.mapping = self.filtering = Finding(None, str(lie))
        except (OSError, Refused) as none:
            if isinstance(none, OSError) and not self.seen:
                raise
            self.filtering = Finding(None, str(none))
            if self.mapping == Finding(None):
                self.mapping = self.filtering

    def line(self, sock: socket.socket) -> Line:
        """A socket that asks."""
        self.lines.append(Line(sock))
        return self.lines[-1]

    def as_dict(self) -> dict[str, Any]:
        """For events. `mapped` are the external endpoints in the order in which the server's own were asked."""
        own = Endpoint(_own_address(self.first), self.lines[0].sock.getsockname()[1])
        return {
            "mapping": self.mapping.word, "filtering": self.filtering.word, "mapped": [*map(str, self.seen.values())],
            "mapping_why": self.mapping.why, "filtering_why": self.filtering.why, "own": str(own),
            "questions": sum(it.questions for it in self.lines), "late": round(max(it.late for it in self.lines), 4),
            "seconds": round(time.monotonic() - self.began, 4),
        }  # fmt: skip


def udp(server: str, port: int = 0) -> dict[str, Any]:
    """Mapping, filtering and fragments over UDP (RFC 5780 sections 4.3, 4.4 and 4.5), from two sockets.

    `port` and the one after it are bound; 0: any. Silent, a TimeoutError, when the server does not answer at all.
    """
    found = Findings(Endpoint(server, stun.PORT))
    with _bound(socket.SOCK_DGRAM, port) as one, _bound(socket.SOCK_DGRAM, port + 1 if port else 0) as two:
        probe, line = found.line(one), found.line(two)
        found.seen = probe.mapped
        with found.believing():
            other, missing = _other(probe, found.first)
            for where in _corners(found.first, other):
                try:
                    probe.ask(where)
                except (Silent, Refused) as none:
                    missing = missing or str(none)
            found.mapping = classification.mapping(probe.mapped, missing)
            line.ask(found.first)
            found.fragments = _padded(line, found.first)
            changes = admission.telling(found.first, other, found.seen)
            found.filtering = admission.over_udp(line, probe, found.first, changes, missing)
        return {**found.as_dict(), "fragments": found.fragments}


def tcp(server: str, port: int) -> dict[str, Any]:
    """Mapping over TCP, by connections from one port; filtering, by who calls back on the port after it."""
    found = Findings(Endpoint(server, stun.PORT))
    with ExitStack() as held:
        lines = {found.first: found.line(held.enter_context(_connected(port, found.first)))}
        with found.believing():
            other, missing = _other(lines[found.first], found.first)
            found.seen = dict(lines[found.first].mapped)
            for where in _corners(found.first, other):
                try:
                    lines[where] = found.line(held.enter_context(_connected(port, where)))
                    lines[where].ask(where)
                    found.seen[where] = lines[where].mapped[where]
                except (Silent, Refused) as none:
                    missing = missing or str(none)
                except OSError as none:
                    missing = missing or f"{where} cannot be connected to: {none.strerror or none}"
            found.mapping = classification.mapping(found.seen, missing)
            listener = held.enter_context(_bound(socket.SOCK_STREAM, port + 1))
            listener.listen(64)
            caller = found.line(held.enter_context(_connected(port + 1, found.first)))
            changes = admission.telling(found.first, other, found.seen)
            found.filtering = admission.over_tcp(listener, caller, lines, changes, missing)
        return found.as_dict()


def _other(line: Line, first: Endpoint) -> tuple[Endpoint | None, str]:
    """Ask the server; its other endpoint, or None and why there is none of use."""
    said = line.ask(first).attributes
    other = said.get("OTHER-ADDRESS") or said.get("CHANGED-ADDRESS")
    why = classification.unusable(first, line.mapped[first], other)
    return (None, why) if why else (other, "")


def _corners(first: Endpoint, other: Endpoint | None) -> list[Endpoint]:
    """The endpoints of a server beside the first: each of its two addresses with each of its two ports."""
    if other is None:
        return []
    every = (Endpoint(other.address, first.port), other, Endpoint(first.address, other.port))
    return [it for it in dict.fromkeys(every) if it != first]


def _padded(line: Line, where: Endpoint) -> bool | None:
    """Do fragments pass in both directions? A question longer than a packet, answered with as much. None where the
    server does not do that (RFC 5780 section 7.6)."""
    asked = []
    for _ in range(admission.ROUNDS):
        asked.append(line.send(stun.request(PADDING=bytes(PADDING)), where))
        line.ask(where)
        for answer, _origin in (it for transaction in asked for it in line.answers(transaction)):
            return True if "PADDING" in answer.attributes else None
    return False


def _bound(kind: int, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, kind)
    if kind == socket.SOCK_STREAM:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # no TIME_WAIT
    sock.bind(("0.0.0.0", port))
    return sock


def _connected(port: int, where: Endpoint) -> socket.socket:
    """A connection from that port; OSError where there is none."""
    sock = _bound(socket.SOCK_STREAM, port)
    sock.settimeout(PATIENCE)
    try:
        sock.connect((where.address, where.port))
    except OSError:
        sock.close()
        raise
    return sock


def _own_address(where: Endpoint) -> str:
    """The address of this host on its way there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((where.address, where.port))
        return str(sock.getsockname()[0])


def sentences(result: dict[str, Any], server: str) -> Iterator[str]:
    """A result over UDP, for a person."""
    if result["mapped"]:
        own, seen = (Endpoint.parse(it) for it in (result["own"], result["mapped"][0]))
        nat = "no NAT is between them" if own == seen else "a NAT is between them, which " + (
            "kept the port" if own.port == seen.port else "changed the port")  # fmt: skip
        yield f"this host: {own} is {seen} for {server}: {nat}"
    for part in ("mapping", "filtering"):
        yield f"{part}: {result[part]}" + (f" ({why})" if (why := result[f"{part}_why"]) else "")
    yield f"fragments: {WORDS[result['fragments']]}"


def main(words: list[str]) -> int:
    """Print what is found about this host; 2 where something cannot be told."""
    if len(words) != 1:
        print("usage: classifier SERVER: the address of a STUN server, at port 3478", file=sys.stderr)
        return 2
    (server,) = words
    try:
        result = udp(socket.gethostbyname(server))
    except OSError as error:
        print(f"no STUN server was reached at {server}: {error}", file=sys.stderr)
        return 2
    print("\n".join(sentences(result, server)))
    return 2 * (classification.CANNOT_TELL in (result["mapping"], result["filtering"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
