"""What a step may do: ordinary socket calls on the hosts of the lab. The stage provides the living thing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from typing import Protocol as Interface

from ..net.endpoint import Endpoint, Protocol


class Socket(Interface):
    """A socket of a host, called as Python's own is; every call becomes an event under the socket's name.

    A call the kernel refuses raises the OSError it would raise at home (TimeoutError after two seconds).
    """

    name: str

    def bind(self, local: Endpoint | str) -> None: ...
    def listen(self, backlog: int = 8) -> None: ...
    def connect(self, remote: Endpoint | str) -> None: ...
    def accept(self, name: str) -> Socket: ...
    def sendto(self, payload: bytes, remote: Endpoint) -> None: ...
    def recvfrom(self) -> tuple[bytes, Endpoint]: ...
    def send(self, payload: bytes) -> None: ...
    def recv(self) -> bytes: ...
    def peek(self) -> bytes:
        """What recv() would return, which is left where it is (MSG_PEEK)."""
        ...

    def drain(self) -> None:
        """Read everything that waits to be read, without waiting; the event says what it was."""
        ...

    def setsockopt(self, level: str, option: str, value: int | str | tuple[int | str, int | str]) -> None: ...
    def settimeout(self, seconds: float) -> None:
        """How long a call may wait; 0: it asks the kernel and takes its first word."""
        ...

    def getsockname(self) -> Endpoint: ...
    def getpeername(self) -> Endpoint: ...
    def getsockopt(self, level: str, option: str) -> int: ...
    def shutdown(self, how: str) -> None:
        """`SHUT_RD`, `SHUT_WR` or `SHUT_RDWR`."""
        ...

    def close(self) -> None: ...
    def dup(self, name: str) -> Socket:
        """Another descriptor of the same socket."""
        ...

    def give(self, other: str) -> None:
        """Send a descriptor of another socket over this one of the Unix domain (SCM_RIGHTS)."""
        ...

    def take(self, name: str) -> Socket:
        """Receive a descriptor over this socket of the Unix domain."""
        ...

    def identity(self) -> dict[str, Any]:
        """Who holds it and what it refers to: pid, uid, namespace, descriptor, inode."""
        ...


class Scene(Interface):
    """The hosts of a running lab."""

    options: Mapping[str, str]  # what a person chose for this run
    full: bool  # was the whole of something asked for, where everyday runs take a sample?

    def socket(self, host: str, protocol: Protocol, name: str, family: str = "") -> Socket:
        """A new socket on `host`; `name` is unique in the lab. `family` is empty for IPv4, or `6`."""
        ...

    def unix_socket(self, host: str, name: str) -> Socket:
        """A new stream socket of the Unix domain."""
        ...

    def fork(self, host: str, name: str) -> str:
        """A child of the host's process, with a descriptor of every socket its parent has.

        The result, `host/name`, is a host like any other; the child's descriptors are called `name:socket`.
        """
        ...

    def kill(self, child: str, number: int = 9) -> None:
        """Send a signal to a forked child, and wait for its end if it is SIGKILL."""
        ...

    def take_from(self, host: str, name: str, pid: int, descriptor: int) -> Socket:
        """Copy a descriptor out of another process (pidfd_getfd), which is not asked."""
        ...

    def wait(self, seconds: int, why: str) -> None:
        """Let time pass, and tell whoever watches what for."""
        ...

    def device(self, host: str, network: str) -> str:
        """The name of the interface of `host` in that network, as the host itself calls it."""
        ...

    def act(self, host: str, function: str, *args: object) -> object:
        """Call `module.function` of the programs in the container; what it returned is the event's result."""
        ...

    def run(self, host: str, *argv: str) -> str:
        """Run a program in the container; what it printed. One that fails ends the run with DriveError."""
        ...

    def __contains__(self, name: str) -> bool:
        """Was a socket of that name opened, or accepted?"""
        ...

    def __getitem__(self, name: str) -> Socket:
        """The socket of that name."""
        ...

    def address(self, host: str, network: str) -> str:
        """The address of `host` in that network."""
        ...

    def endpoint(self, host: str, port: int) -> Endpoint:
        """Port `port` on the address of `host`."""
        ...
