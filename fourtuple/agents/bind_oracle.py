"""Asks this kernel what bind() and listen() say: builds the first socket's state for real, then lets the second try.

    docker compose -f compose/single.yml exec srv python3 -m fourtuple.agents.bind_oracle \\
        'tcp 0.0.0.0:8080 listening reuseaddr' 'tcp 127.0.0.1:8080 reuseaddr'

The sockets have the addresses and the port of the question; who asks twice about TIME_WAIT, which outlives the case,
takes another port. Another owner is another effective user at socket(); that takes CAP_SETUID.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path

from ..net.bind_answer import Answer
from ..net.bind_case import Case, parse
from ..net.bind_rule import Claimant, State
from ..net.endpoint import Endpoint, Protocol

SO_BINDTODEVICE, IP_FREEBIND, IPV6_FREEBIND = 25, 15, 78  # linux: bind to what is not (yet) an address of ours
IP_LOCAL_PORT_RANGE = 51  # linux 6.3: the lowest and the highest port that this socket may draw
_UNPRIVILEGED = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
_PATIENCE = 5.0
_LINGER = 120  # seconds; up to 60 the kernel makes FIN-WAIT-2 a TIME_WAIT at once, unless the ACK came during close()


def ask(cases: list[list[str]]) -> list[str]:
    """For each (first, second) in words: `BIND LISTEN FIRST-LISTEN`, see `Answer`."""
    return [str(answer(parse(*case))) for case in cases]


def tell(first: str, second: str) -> dict[str, object]:
    """The same for one question, as the fields of an `Answer`."""
    return asdict(answer(parse(first, second)))


def answer(case: Case) -> Answer:
    """What the kernel says of one case. A socket that cannot be built is `cannot:ERRNO` instead."""
    one, other = case.spelled()
    with ExitStack() as stack:
        words = one
        try:
            first, port, where = _build(case, stack)
            words = other
            second = stack.enter_context(_socket(case.second))
        except OSError as error:
            return Answer(f"cannot:{_name(error)}", tried=(f"{words}: {_name(error)} ({error.strerror or error})",))
        taken = "-" if case.port else _draws(case.second, port)
        bound = _says(lambda: second.bind((case.second.address, case.port)))
        got = [f"which got port {second.getsockname()[1]}"] if bound == "ok" and not case.port else []
        tried = (", ".join([one, *where]), ", ".join([other, *got, *_foreign(case.second)]), *_privilege(case.port))
        if bound != "ok" or case.second.protocol is not Protocol.TCP:
            return Answer(bound, taken_port=taken, tried=tried)
        listens = _says(lambda: second.listen(8))
        later = case.state is State.BOUND and case.first.protocol is Protocol.TCP
        return Answer(bound, listens, _says(lambda: first.listen(8)) if later else "-", taken, tried)


def _build(case: Case, stack: ExitStack) -> tuple[socket.socket, int, list[str]]:
    """Bring the first socket into its state; what must stay open is left to `stack`. Returns it, its port, and what
    its words do not say of where it is."""
    first = _socket(case.first)
    stack.callback(first.close)
    first.bind((case.first.address, case.port))
    port = first.getsockname()[1]
    where = [*([] if case.port else [f"which got port {port}"]), *_foreign(case.first)]
    match case.state:
        case State.BOUND:
            return first, port, where
        case State.CLOSED:
            first.close()
            return first, port, where
        case State.CONNECTED:
            _connect_out(first, case, stack)
            return first, port, [*where, _connection(first, case)]
    first.listen(8)
    if case.state is State.LISTENING:
        return first, port, where
    client = stack.enter_context(_plain(case.connected_to))
    client.connect((case.connected_to, port))
    child, _ = first.accept()
    stack.callback(child.close)
    where.append(_connection(child, case))
    if case.state is not State.LISTENING_WITH_CHILD:
        first.close()
    if case.state is State.FIN_WAIT2:
        child.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, _LINGER)
    if case.state in (State.FIN_WAIT2, State.TIME_WAIT):
        child.close()
        client.recv(1)  # its FIN is here, and our ACK of it is on the way back
    if case.state in (State.CLOSE_WAIT, State.TIME_WAIT):
        client.close()
    if case.state is State.CLOSE_WAIT:
        child.recv(1)
    return first, port, where


def _connect_out(first: socket.socket, case: Case, stack: ExitStack) -> None:
    """Connect the first socket to somebody else, from the address it is to be narrowed to."""
    kind = socket.SOCK_STREAM if case.first.protocol is Protocol.TCP else socket.SOCK_DGRAM
    there = stack.enter_context(_plain(case.connected_to, kind))
    there.bind((case.connected_to, 0))
    if kind == socket.SOCK_STREAM:
        there.listen(1)
    address = there.getsockname()[0]
    if first.family == socket.AF_INET6 and "." in address and ":" not in address:
        address = f"::ffff:{address}"
    first.connect((address, there.getsockname()[1]))


def _connection(sock: socket.socket, case: Case) -> str:
    """Both ends of a connection; OSError where it has not the local address the question is about."""
    local, peer = (Endpoint(*end[:2]) for end in (sock.getsockname(), sock.getpeername()))
    if local.address.removeprefix("::ffff:") != case.connected_to.removeprefix("::ffff:"):
        raise OSError(errno.EADDRNOTAVAIL, f"its connection has the local address {local.address}")
    return f"its connection {local} with {peer}"


def _draws(who: Claimant, port: int) -> str:
    """What bind() to port 0 says where it can draw this port only; `-` where the kernel cannot be told so."""
    with _socket(who) as sock:
        try:
            sock.setsockopt(socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, struct.pack("=HH", port, port))
        except OSError:
            return "-"
        return _says(lambda: sock.bind((who.address, 0)))


def _foreign(who: Claimant) -> list[str]:
    """What to say of a socket whose address this host has not."""
    with _plain(who.address, socket.SOCK_DGRAM) as sock:
        if _says(lambda: sock.bind((who.address, 0))) != "EADDRNOTAVAIL":
            return []
    return [f"bound with IP_FREEBIND, since this host has no {who.address} (without it: EADDRNOTAVAIL)"]


def _privilege(port: int) -> list[str]:
    """What to say of a port that is privileged elsewhere."""
    first = int(_UNPRIVILEGED.read_text()) if _UNPRIVILEGED.exists() else 1024
    if port == 0 or not first <= port < 1024:
        return []
    return [
        f"here everybody may bind to ports from {first} on (ip_unprivileged_port_start); where that is 1024, bind() to "
        f"port {port} fails with EACCES unless the program has CAP_NET_BIND_SERVICE"
    ]


def _plain(address: str, kind: int = socket.SOCK_STREAM) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    made.settimeout(_PATIENCE)
    return made


def _socket(who: Claimant) -> socket.socket:
    """A socket with its options, opened by its owner: the kernel remembers who called socket(), not who binds."""
    kind = socket.SOCK_STREAM if who.protocol is Protocol.TCP else socket.SOCK_DGRAM
    if who.owner:
        os.seteuid(who.owner)
    try:
        made = _plain(who.address, kind)
    finally:
        if who.owner:
            os.seteuid(0)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, who.reuseaddr)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, who.reuseport)
    if who.device:
        made.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, who.device.encode())
    if made.family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, who.only_v6)
        with suppress(OSError):
            made.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
    else:
        made.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
    return made


def _says(call: Callable[[], object]) -> str:
    try:
        call()
        return "ok"
    except OSError as error:
        return _name(error)


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, type(error).__name__)


def _lines(words: list[str]) -> Iterator[str]:
    case = parse(*words)
    said = answer(case)
    yield f"the rule:   {case.explain()}"
    yield from (f"assumed:    {sentence}" for sentence in case.assumed())
    yield from (f"tried:      {sentence}" for sentence in said.tried)
    yield f"the kernel: {said.sentence}"


if __name__ == "__main__":
    try:
        print(*_lines(sys.argv[1:]), sep="\n")
    except (ValueError, TypeError) as error:
        raise SystemExit(f"usage: bind_oracle FIRST SECOND ({error})") from None
