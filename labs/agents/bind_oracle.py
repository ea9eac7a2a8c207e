"""Asks this kernel what bind() and listen() say: builds the first socket's state for real, then lets the second try.

    docker compose -f compose/single.yml exec srv python3 -m labs.agents.bind_oracle \\
        'tcp 0.0.0.0:8080 listening reuseaddr' 'tcp 127.0.0.1:8080 reuseaddr'

Each case takes a port of its own, outside the range of ephemeral ports, since TIME_WAIT outlives the case. Another
owner is another effective user at socket(); that takes CAP_SETUID.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import cycle

from ..net.bind_case import Case, parse
from ..net.bind_rule import Claimant, State
from ..net.endpoint import Protocol

SO_BINDTODEVICE, IP_FREEBIND, IPV6_FREEBIND = 25, 15, 78  # linux: bind to what is not (yet) an address of ours
_PORTS = cycle(range(1024, 32768))
_PATIENCE = 5.0


def ask(cases: list[list[str]]) -> list[str]:
    """For each (first, second) in words: `BIND LISTEN FIRST-LISTEN`, each `ok`, an errno's name or `-` (not called)."""
    return [" ".join(answer(parse(*case))) for case in cases]


def answer(case: Case) -> tuple[str, str, str]:
    """What the kernel says of one case. A state that cannot be built is `cannot:ERRNO` instead."""
    port = next(_PORTS)
    with ExitStack() as stack:
        try:
            first = _build(case, port, stack)
        except OSError as error:
            return f"cannot:{_name(error)}", "-", "-"
        try:
            second = stack.enter_context(_socket(case.second))
        except OSError as error:
            return f"cannot:{_name(error)}", "-", "-"
        bound = _says(lambda: second.bind((case.second.address, port)))
        if bound != "ok" or case.second.protocol is not Protocol.TCP:
            return bound, "-", "-"
        listens = _says(lambda: second.listen(8))
        later = first is not None and case.state is State.BOUND and case.first.protocol is Protocol.TCP
        return bound, listens, _says(lambda: first.listen(8)) if later and first is not None else "-"


def _build(case: Case, port: int, stack: ExitStack) -> socket.socket | None:
    """Bring the first socket into its state; what must stay open is left to `stack`."""
    first = _socket(case.first)
    stack.callback(first.close)
    first.bind((case.first.address, port))
    match case.state:
        case State.BOUND:
            return first
        case State.CLOSED:
            first.close()
            return None
        case State.CONNECTED:
            _connect_out(first, case, stack)
            return first
    first.listen(8)
    if case.state is State.LISTENING:
        return first
    client = stack.enter_context(_plain(case.connected_to))
    client.connect((case.connected_to, port))
    child, _ = first.accept()
    stack.callback(child.close)
    if case.state is not State.LISTENING_WITH_CHILD:
        first.close()
    if case.state in (State.FIN_WAIT2, State.TIME_WAIT):
        child.close()
        client.recv(1)  # its FIN is here, and our ACK of it is on the way back
    if case.state in (State.CLOSE_WAIT, State.TIME_WAIT):
        client.close()
    if case.state is State.CLOSE_WAIT:
        child.recv(1)
    return first


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


def _says(call: object) -> str:
    assert callable(call)
    try:
        call()
        return "ok"
    except OSError as error:
        return _name(error)


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, type(error).__name__)


def _lines(words: list[str]) -> Iterator[str]:
    case = parse(*words)
    yield f"the rule:   {case.explain()}"
    bind, listen, later = answer(case)
    yield f"the kernel: bind() {bind}, listen() {listen}, the first one's listen() {later}"


if __name__ == "__main__":
    try:
        print(*_lines(sys.argv[1:]), sep="\n")
    except (ValueError, TypeError) as error:
        raise SystemExit(f"usage: bind_oracle FIRST SECOND ({error})") from None
