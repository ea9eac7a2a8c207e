"""Socket calls asked for one line at a time, made on real sockets, each answered by its event.

    {"step": "greet", "socket": "greeter", "call": "socket", "args": ["udp"]}
    {"step": "greet", "socket": "greeter", "call": "sendto", "args": ["hello", ["198.18.0.10", 8000]]}

The conversation runs over standard input and output, which touch no lab network. By hand:
`docker compose -f compose/nat.yml exec client1 python3 -m fourtuple.agents.driver client1`, then type lines like these.
"""

from __future__ import annotations

import errno
import importlib
import json
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any

from ..net.endpoint import Endpoint
from ..net.event import Event
from . import processes

SO_COOKIE = 57  # linux/socket.h
_OPTIONS = {  # what Python's socket module has no name for (linux/socket.h, linux/in.h)
    "SO_COOKIE": SO_COOKIE,
    "IP_FREEBIND": 15,
    "IP_BIND_ADDRESS_NO_PORT": 24,
    "IP_LOCAL_PORT_RANGE": 51,
    "IP_MTU_DISCOVER": 10,
    "IP_MTU": 14,
}
PATIENCE = 2.0  # seconds a blocking call may take before it is reported as ETIMEDOUT
_KINDS = {
    "udp": (socket.AF_INET, socket.SOCK_DGRAM),
    "tcp": (socket.AF_INET, socket.SOCK_STREAM),
    "udp6": (socket.AF_INET6, socket.SOCK_DGRAM),
    "tcp6": (socket.AF_INET6, socket.SOCK_STREAM),
    "unix": (socket.AF_UNIX, socket.SOCK_STREAM),
}
_PLAIN = {"bind", "listen", "connect", "sendto", "send", "recvfrom", "recv", "shutdown", "setsockopt", "getsockopt",
          "getsockname", "getpeername", "settimeout"}  # fmt: skip


class Driver:
    """The sockets of one host, by the names the steps gave them."""

    def __init__(self, host: str) -> None:
        self.host = host
        self._sockets: dict[str, socket.socket] = {}
        self._children: dict[str, processes.Child] = {}

    def handle(self, line: str) -> Event:
        """Make the call a line asks for; whatever goes wrong is the event's `error`, never an exception."""
        request: dict[str, Any] = {}
        result: Any = None
        error: str | None = None
        try:
            request = json.loads(line)
            if (child := request.pop("process", "")) and request["call"] != "fork":
                return Event.from_json(self._children[child].ask(json.dumps(request)))
            call = self._meaning(request["call"])
            result = call(request.get("socket", ""), list(request.get("args", [])))
        except TimeoutError:
            error = "ETIMEDOUT"
        except OSError as refused:
            error = _name(refused)
        except subprocess.TimeoutExpired:
            error = "ETIMEDOUT"
        except Exception as wrong:  # noqa: BLE001 -- a request that makes no sense is answered, not died of
            error = f"EINVAL: {wrong!r}"
        said = request if isinstance(request, dict) else {}
        args = said.get("args", ())
        name = str(said.get("socket", ""))
        local, remote, cookie = self._identity(name)
        return Event(
            host=str(said.get("host", self.host)),
            step=str(said.get("step", "")),
            socket=name,
            call=str(said.get("call", line.strip())),
            args=tuple(args) if isinstance(args, list) else (args,),
            result=_outgoing(result),
            error=error,
            local=local,
            remote=remote,
            cookie=cookie,
            monotonic_ns=time.monotonic_ns(),
            wall_ns=time.time_ns(),
        )

    def _meaning(self, call: str) -> Callable[[str, list[Any]], Any]:
        if call in _PLAIN:
            return lambda name, args: _plain(call, self._sockets[name], args)
        return {"socket": self._open, "accept": self._accept, "close": self._close, "drain": self._drain, "run": _run,
                "act": _act, "fork": self._fork, "kill": self._kill, "identity": self._identify, "dup": self._dup,
                "give": self._give, "take": self._take, "take_from": self._take_from}[call]  # fmt: skip

    def _open(self, name: str, args: list[Any]) -> None:
        self._keep(name, socket.socket(*_KINDS[args[0]]))

    def _accept(self, name: str, args: list[Any]) -> Any:
        accepted, peer = self._sockets[name].accept()
        self._keep(args[0], accepted)
        return peer

    def _close(self, name: str, _: list[Any]) -> None:
        self._sockets.pop(name).close()

    def _drain(self, name: str, _: list[Any]) -> list[Any]:
        """Everything that waits to be read now, as recvfrom() returns it; never waits."""
        read, opened = [], self._sockets[name]
        opened.settimeout(0)
        with suppress(BlockingIOError):
            while True:
                read.append(opened.recvfrom(65535))
        opened.settimeout(PATIENCE)
        return read

    def _fork(self, _: str, args: list[Any]) -> int:
        """A child process with a copy of every descriptor; it calls them `child:name`. Returns its pid."""
        (name,) = args
        self._children[name] = processes.fork(lambda: self._as_child(name))
        return self._children[name].pid

    def _as_child(self, name: str) -> Callable[[str], str]:
        for other in self._children.values():
            other.forget()
        child = Driver(f"{self.host}/{name}")
        child._sockets = {f"{name}:{socket}": opened for socket, opened in self._sockets.items()}
        return lambda line: child.handle(line).to_json()

    def _kill(self, _: str, args: list[Any]) -> None:
        self._children[args[0]].signal(args[1])

    def _identify(self, name: str, _: list[Any]) -> dict[str, int | str]:
        return processes.identity(self._sockets[name])

    def _dup(self, name: str, args: list[Any]) -> None:
        self._sockets[args[0]] = self._sockets[name].dup()

    def _give(self, name: str, args: list[Any]) -> None:
        """Send a copy of another socket's descriptor over this Unix-domain socket (SCM_RIGHTS)."""
        socket.send_fds(self._sockets[name], [b"descriptor"], [self._sockets[args[0]].fileno()])

    def _take(self, name: str, args: list[Any]) -> None:
        """Receive a descriptor over this Unix-domain socket; the socket is called as `args` says from now on."""
        _, (descriptor,), _, _ = socket.recv_fds(self._sockets[name], 64, 1)
        self._keep(args[0], socket.socket(fileno=descriptor))

    def _take_from(self, name: str, args: list[Any]) -> None:
        self._keep(name, processes.take_from(*args))

    def _keep(self, name: str, opened: socket.socket) -> None:
        opened.settimeout(PATIENCE)
        self._sockets[name] = opened

    def _identity(self, name: str) -> tuple[Endpoint | None, Endpoint | None, int | None]:
        """What the kernel says of a socket: both ends, and its cookie."""
        if (opened := self._sockets.get(name)) is None:
            return None, None, None
        local = remote = cookie = None
        if opened.family != socket.AF_UNIX:
            with suppress(OSError):
                local = Endpoint(*opened.getsockname()[:2])
            with suppress(OSError):
                remote = Endpoint(*opened.getpeername()[:2])
        with suppress(OSError):
            (cookie,) = struct.unpack("=Q", opened.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8))
        return local, remote, cookie


def _run(_: str, argv: list[Any]) -> list[Any]:
    """Run a program of this host (`ip`, `nft`, `conntrack`, `ss`): its exit code and what it printed."""
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, timeout=5 * PATIENCE, check=False)
    return [done.returncode, done.stdout or done.stderr]


def _act(_: str, args: list[Any]) -> Any:
    """A function of a program here, by `module.function`: what a single call cannot do, or not fast enough."""
    module, _, function = args[0].partition(".")
    return getattr(importlib.import_module(f"{__package__}.{module}"), function)(*args[1:])


def _plain(call: str, sock: socket.socket, args: list[Any]) -> Any:
    """A method of the socket itself, its arguments turned from JSON into what Python wants."""
    if call in ("send", "sendto"):
        args = [args[0].encode("latin-1"), *args[1:]]
    if call == "setsockopt" and args[1] == "SO_LINGER":  # on or off, and seconds
        args[2] = struct.pack("ii", *args[2])
    if call == "setsockopt" and args[1] == "IP_LOCAL_PORT_RANGE":  # the lowest port and the highest
        args[2] = struct.pack("=HH", *args[2])
    if call == "setsockopt" and args[1] == "SO_BINDTODEVICE":
        args[2] = args[2].encode()
    if call == "setsockopt" and args[1] == "IP_ADD_MEMBERSHIP":  # group and the address of the interface
        args[2] = b"".join(map(socket.inet_aton, args[2]))
    if call == "shutdown":
        args = [getattr(socket, args[0])]
    if call in ("setsockopt", "getsockopt"):
        names = [_OPTIONS.get(arg) or getattr(socket, arg) if isinstance(arg, str) else arg for arg in args[:2]]
        args = [*names, *args[2:]]
    return getattr(sock, call)(*(tuple(arg) if isinstance(arg, list) else arg for arg in args))


def _outgoing(value: Any) -> Any:
    """Python to JSON, the same way back."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, tuple | list):
        return [_outgoing(part) for part in value]
    return value


def _name(error: OSError) -> str:
    return "EOPNOTSUPP" if error.errno == errno.EOPNOTSUPP else errno.errorcode.get(error.errno or 0, str(error))


def serve(host: str, requests: IO[str], replies: IO[str]) -> None:
    """Answer requests until there are no more."""
    driver = Driver(host)
    for line in requests:
        if line.strip():
            replies.write(driver.handle(line).to_json() + "\n")
            replies.flush()


if __name__ == "__main__":
    serve(sys.argv[1] if len(sys.argv) > 1 else socket.gethostname(), sys.stdin, sys.stdout)
