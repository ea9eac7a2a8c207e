"""What kind of NAT is this host behind? Asked as RFC 5780 says, of a STUN server with two addresses and two ports.

Over TCP, RFC 5780 asks about the mapping only; our server also calls back from where CHANGE-REQUEST says, so that a
client that listens on the port it connected from learns who is let in.

Nothing waits for an answer that a filter drops: a question that must be answered follows on the same path, and what had
not come by then is given a moment more, since it comes by another host.

docker compose -f compose/nat.yml exec client1 python3 -m labs.agents.classify 198.18.0.10
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from typing import Any

from ..net import stun
from ..net.endpoint import Endpoint

PATIENCE, MOMENT = 1.0, 0.05  # seconds: for an answer that must come; for one that comes by the partner
PADDING = 1600  # bytes: more than a link carries
INDEPENDENT, BY_ADDRESS, BY_PORT = "endpoint-independent", "address-dependent", "address and port-dependent"


def udp(server: str, port: int = 0) -> dict[str, Any]:
    """Mapping, filtering and fragments over UDP (RFC 5780 sections 4.3, 4.4 and 4.5), from two sockets.

    `port` and the one after it are bound; 0: any. TimeoutError when the server does not answer at all.
    """
    began = time.monotonic()
    first = Endpoint(server, stun.PORT)
    with _bound(socket.SOCK_DGRAM, port) as sock:
        mapped, other = _ask(sock, first)
        seen = [mapped, *(_ask(sock, where)[0] for where in (Endpoint(other.address, first.port), other))]
    with _bound(socket.SOCK_DGRAM, port + 1 if port else 0) as sock:
        _ask(sock, first)
        came = _changed(sock, first)
        whole = _padded(sock, first)
    filtering = INDEPENDENT if stun.CHANGE_ADDRESS | stun.CHANGE_PORT in came else BY_ADDRESS if came else BY_PORT
    return {**_result(seen, filtering, began), "fragments": whole}


def tcp(server: str, port: int) -> dict[str, Any]:
    """Mapping over TCP, by three connections from one port; filtering, by who calls back on the port after it."""
    began = time.monotonic()
    first = Endpoint(server, stun.PORT)
    seen, wheres, held = [], [first], []
    while wheres:
        where = wheres.pop(0)
        sock = _bound(socket.SOCK_STREAM, port)
        held.append(sock)
        sock.settimeout(PATIENCE)
        sock.connect((where.address, where.port))
        mapped, other = _ask(sock, where)
        seen.append(mapped)
        if where == first:
            wheres = [Endpoint(other.address, first.port), other]
    for sock in held:
        sock.close()
    return _result(seen, _callers(first, port + 1), began)


def _callers(server: Endpoint, port: int) -> str:
    """The filtering, from who gets through to a listener on a port that has called the server only."""
    with _bound(socket.SOCK_STREAM, port) as listener, _bound(socket.SOCK_STREAM, port) as sock:
        listener.listen()
        listener.settimeout(MOMENT)
        sock.settimeout(PATIENCE)
        sock.connect((server.address, server.port))
        for change in (stun.CHANGE_PORT, stun.CHANGE_ADDRESS | stun.CHANGE_PORT):
            _ask(sock, server, change)
        callers: set[str] = set()
        try:
            while len(callers) < 2:
                caller, (address, _) = listener.accept()
                caller.close()
                callers.add(address)
        except TimeoutError:
            pass
    return INDEPENDENT if callers - {server.address} else BY_ADDRESS if callers else BY_PORT


def _bound(kind: int, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, kind)
    if kind == socket.SOCK_STREAM:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # no TIME_WAIT
    sock.bind(("0.0.0.0", port))
    return sock


def _ask(sock: socket.socket, where: Endpoint, change: int = 0) -> tuple[Endpoint, Endpoint]:
    """One Binding request: where the server saw it come from, and its other endpoint."""
    asked = stun.request(CHANGE_REQUEST=change) if change else stun.request()
    _send(sock, stun.encode(asked), where)
    while answer := _heard(sock, PATIENCE):
        if answer.transaction == asked.transaction:
            said = answer.attributes
            mapped = said.get("XOR-MAPPED-ADDRESS") or said["MAPPED-ADDRESS"]
            return mapped, said.get("OTHER-ADDRESS") or said.get("CHANGED-ADDRESS") or where
    raise TimeoutError(f"{where} does not answer")


def _changed(sock: socket.socket, where: Endpoint) -> set[int]:
    """Which of the two changes of origin led to an answer that came in: a set of CHANGE-REQUEST values."""
    asked = {change: stun.request(CHANGE_REQUEST=change)
             for change in (stun.CHANGE_ADDRESS | stun.CHANGE_PORT, stun.CHANGE_PORT)}  # fmt: skip
    fence = stun.request()
    for request in (*asked.values(), fence):
        _send(sock, stun.encode(request), where)
    came = _collect(sock, where, len(asked) + 1, fence.transaction)
    return {change for change, request in asked.items() if request.transaction in came}


def _padded(sock: socket.socket, where: Endpoint) -> bool:
    """Do fragments pass in both directions? A question longer than a packet, answered with as much."""
    asked, fence = stun.request(PADDING=bytes(PADDING)), stun.request()
    for request in (asked, fence):
        _send(sock, stun.encode(request), where)
    return asked.transaction in _collect(sock, where, 2, fence.transaction)


def _collect(sock: socket.socket, where: Endpoint, most: int, fence: bytes) -> set[bytes]:
    """The transactions that were answered: all, or those that came until a moment after the fence's."""
    came: set[bytes] = set()
    patience = PATIENCE
    while len(came) < most and (answer := _heard(sock, patience)):
        came.add(answer.transaction)
        patience = MOMENT if fence in came else patience
    if fence not in came:
        raise TimeoutError(f"{where} does not answer any more")
    return came


def _send(sock: socket.socket, data: bytes, where: Endpoint) -> None:
    if sock.type == socket.SOCK_STREAM:
        sock.sendall(data)
    else:
        sock.sendto(data, (where.address, where.port))


def _heard(sock: socket.socket, patience: float) -> stun.Message | None:
    """The next STUN message, or None when none came in time."""
    deadline = time.monotonic() + patience
    while (left := deadline - time.monotonic()) > 0 and select.select([sock], [], [], left)[0]:
        try:
            return stun.decode(sock.recv(stun.LONGEST + 1))
        except ValueError:
            continue
    return None


def _result(seen: list[Endpoint], filtering: str, began: float) -> dict[str, Any]:
    first, second, third = seen
    mapping = INDEPENDENT if first == second == third else BY_ADDRESS if second == third else BY_PORT
    mapped = [str(it) for it in seen]
    return {"mapping": mapping, "filtering": filtering, "mapped": mapped, "seconds": round(time.monotonic() - began, 4)}


if __name__ == "__main__":
    print(json.dumps(udp(sys.argv[1]), indent=1))
