"""A program takes a port: what a step does to show it, and how a claim reads what the kernel said."""

from __future__ import annotations

from contextlib import suppress

from ..net.endpoint import Endpoint, Protocol
from ..net.event import Event
from .scene import Scene, Socket

ANY = "0.0.0.0"  # noqa: S104 -- the wildcard, in the containers
RA, RP = "SO_REUSEADDR", "SO_REUSEPORT"
OK = "ok"


def claim_port(
    scene: Scene,
    host: str,
    name: str,
    where: Endpoint,
    *options: str,
    listen: bool = False,
    protocol: Protocol = Protocol.TCP,
) -> Socket:
    """Open a socket, set options, bind and perhaps listen. What the kernel refuses stays in the record as an event."""
    sock = scene.socket(host, protocol, name)
    with suppress(OSError):
        for option in options:
            sock.setsockopt("SOL_SOCKET", option, 1)
        sock.bind(where)
        if listen:
            sock.listen()
    return sock


def outcome(event: Event) -> str:
    """`ok`, or the errno's name."""
    return event.error or OK
