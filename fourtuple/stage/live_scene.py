"""The living scene: socket calls of a step, made in the containers, each answered by an event that is recorded."""

from __future__ import annotations

import errno
import json
import os
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import DriveError
from ..evidence.topology import Topology
from ..net.endpoint import Endpoint, Protocol
from ..net.event import Event
from .engine import reason
from .stream import STDERR, Stream

PATIENCE = 15.0  # seconds a host may take to answer one request; its own socket timeout is two


class Node:
    """The program in one container, asked one request at a time."""

    def __init__(self, host: str, stream: Stream) -> None:
        self.host = host
        self.log = ""
        self._stream = stream

    def ask(self, request: dict[str, Any]) -> Event:
        """Send a request, wait for its event. DriveError when the program has ended or does not answer."""
        asked = f"{request['call']}({', '.join(map(str, request['args']))})"
        try:
            self._stream.send(json.dumps({"host": self.host, **request}).encode() + b"\n")
            answer = b""
            for kind, piece in self._stream.pieces(PATIENCE):
                if kind == STDERR:
                    self.log += piece.decode(errors="replace")
                    continue
                answer += piece
                if answer.endswith(b"\n"):
                    return Event.from_json(answer.decode())
        except TimeoutError:
            raise DriveError(f"{self.host} did not answer {asked} within {PATIENCE:.0f} s{self._said()}") from None
        except (OSError, ValueError) as error:
            raise DriveError(f"{self.host} could not be asked for {asked}: {reason(error)}{self._said()}") from None
        raise DriveError(f"the program in {self.host} ended while it was asked for {asked}{self._said()}")

    def run(self, *argv: str) -> str:
        """What a program of the host prints; DriveError when it fails."""
        event = self.ask({"step": "", "socket": "", "call": "run", "args": list(argv)})
        code, text = event.result if event.error is None else (1, event.error)
        if code:
            raise DriveError(f"`{' '.join(argv)}` failed in {self.host}: {text.strip()[-300:]}")
        return str(text)

    def _said(self) -> str:
        return f"; it said: {self.log.strip().splitlines()[-1]}" if self.log.strip() else ""


class LiveScene:
    """The hosts of a running lab, as steps see them (`fourtuple.kit.scene.Scene`)."""

    def __init__(
        self,
        topology: Topology,
        nodes: dict[str, Node],
        record: Callable[[Event], None],
        full: bool = False,
        note: Callable[[str], None] = lambda _: None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.full = full
        self.options = options or {}
        self.note = note
        self._topology = topology
        self._nodes = nodes
        self._record = record
        self._sockets: dict[str, LiveSocket] = {}
        self.step = ""

    def socket(self, host: str, protocol: Protocol, name: str, family: str = "") -> LiveSocket:
        return self._open(host, name, f"{protocol.value}{family}")

    def unix_socket(self, host: str, name: str) -> LiveSocket:
        return self._open(host, name, "unix")

    def _open(self, host: str, name: str, kind: str) -> LiveSocket:
        if name in self._sockets:
            raise ValueError(f"there is a socket called {name!r} already")
        opened = LiveSocket(self, host, name)
        opened.call("socket", kind)
        return self.keep(opened)

    def fork(self, host: str, name: str) -> str:
        self._succeed(host, "fork", name)
        child = f"{host}/{name}"
        for opened in [it for it in self._sockets.values() if it.host == host]:
            self.keep(LiveSocket(self, child, f"{name}:{opened.name}"))
        return child

    def kill(self, child: str, number: int = 9) -> None:
        host, _, name = child.partition("/")
        self._succeed(host, "kill", name, number)

    def take_from(self, host: str, name: str, pid: int, descriptor: int) -> LiveSocket:
        taken = LiveSocket(self, host, name)
        taken.call("take_from", pid, descriptor)
        return self.keep(taken)

    def wait(self, seconds: int, why: str) -> None:
        for passed in range(seconds):
            self.note(f"{why}: {seconds - passed} s more")
            threading.Event().wait(1)

    def device(self, host: str, network: str) -> str:
        return str(self.act(host, "router.interface_carrying", self.address(host, network)))

    def act(self, host: str, function: str, *args: object) -> object:
        return self._succeed(host, "act", function, *args)

    def run(self, host: str, *argv: str) -> str:
        code, printed = self._succeed(host, "run", *argv)
        if code:
            raise DriveError(f"`{' '.join(argv)}` failed in {host}: {printed.strip()[-300:]}")
        return str(printed)

    def _succeed(self, host: str, call: str, *args: object) -> Any:
        event = self.call(host, "", call, args)
        if event.error is not None:
            raise _refusal(event, f"{host}: {call} {args[0]}")
        return event.result

    def keep(self, opened: LiveSocket) -> LiveSocket:
        self._sockets[opened.name] = opened
        return opened

    def __contains__(self, name: str) -> bool:
        return name in self._sockets

    def __getitem__(self, name: str) -> LiveSocket:
        return self._sockets[name]

    def address(self, host: str, network: str) -> str:
        return self._topology.host(host).address(network)

    def endpoint(self, host: str, port: int) -> Endpoint:
        return self._topology.endpoint(host, port)

    def call(self, host: str, socket: str, call: str, args: tuple[Any, ...]) -> Event:
        """Ask a host for one call and record what came of it."""
        node, _, child = host.partition("/")
        request = {"host": host, "step": self.step, "socket": socket, "call": call, "args": args}
        event = self._nodes[node].ask(request | ({"process": child} if child else {}))
        self._record(event)
        return event


def _refusal(event: Event, what: str) -> Exception:
    """What a call raises here: what the kernel said there, or DriveError where the program made no sense of it."""
    number = getattr(errno, event.error or "", None)
    if number is None:
        return DriveError(f"{what} is not understood: {event.error}")
    return OSError(number, f"{os.strerror(number)} ({what})")


class LiveSocket:
    """A socket in a container (`fourtuple.kit.scene.Socket`)."""

    def __init__(self, scene: LiveScene, host: str, name: str) -> None:
        self.name = name
        self.host = host
        self._scene = scene

    def call(self, call: str, *args: Any) -> Any:
        """Make the call over there; raises here what the kernel raised there."""
        event = self._scene.call(self.host, self.name, call, args)
        if event.error is None:
            return event.result
        raise _refusal(event, f"{self.host}: {call} on {self.name!r}")

    def bind(self, local: Endpoint | str) -> None:
        self.call("bind", _address(local))

    def listen(self, backlog: int = 8) -> None:
        self.call("listen", backlog)

    def connect(self, remote: Endpoint | str) -> None:
        self.call("connect", _address(remote))

    def accept(self, name: str) -> LiveSocket:
        self.call("accept", name)
        return self._scene.keep(LiveSocket(self._scene, self.host, name))

    def sendto(self, payload: bytes, remote: Endpoint) -> None:
        self.call("sendto", payload.decode("latin-1"), [remote.address, remote.port])

    def recvfrom(self) -> tuple[bytes, Endpoint]:
        payload, (address, port) = self.call("recvfrom", 65535)
        return payload.encode("latin-1"), Endpoint(address, port)

    def send(self, payload: bytes) -> None:
        self.call("send", payload.decode("latin-1"))

    def recv(self) -> bytes:
        return bytes(self.call("recv", 65535).encode("latin-1"))

    def peek(self) -> bytes:
        return bytes(self.call("recv", 65535, socket.MSG_PEEK.value).encode("latin-1"))

    def drain(self) -> None:
        self.call("drain")

    def setsockopt(self, level: str, option: str, value: int | str | tuple[int | str, int | str]) -> None:
        self.call("setsockopt", level, option, value)

    def settimeout(self, seconds: float) -> None:
        self.call("settimeout", seconds)

    def getsockname(self) -> Endpoint:
        return Endpoint(*self.call("getsockname"))

    def getpeername(self) -> Endpoint:
        return Endpoint(*self.call("getpeername"))

    def getsockopt(self, level: str, option: str) -> int:
        return int(self.call("getsockopt", level, option))

    def shutdown(self, how: str) -> None:
        self.call("shutdown", how)

    def close(self) -> None:
        self.call("close")

    def dup(self, name: str) -> LiveSocket:
        self.call("dup", name)
        return self._scene.keep(LiveSocket(self._scene, self.host, name))

    def give(self, other: str) -> None:
        self.call("give", other)

    def take(self, name: str) -> LiveSocket:
        self.call("take", name)
        return self._scene.keep(LiveSocket(self._scene, self.host, name))

    def identity(self) -> dict[str, Any]:
        return dict(self.call("identity"))


def _address(where: Endpoint | str) -> list[Any] | str:
    """An address as Python's socket module takes it: a pair, or the path of a Unix-domain socket."""
    return where if isinstance(where, str) else [where.address, where.port]
