"""The Internet of a small lab: routes between its networks, and knows the way to what routers hide.

GATEWAYS   198.18.7.65/26,198.18.7.1/26       the addresses others have as their default route, claimed here
ROUTES     10.7.1.0/24 via 198.18.7.66,...    ways to networks behind a router, for when it translates nothing
"""

from __future__ import annotations

import os
import signal
import socket
import sys

from . import untracked
from .driver import serve
from .router import interface_towards, ip


def configure(environment: dict[str, str]) -> None:
    """Claim the gateways, add the routes, track no connection; SystemExit with a sentence where that cannot be."""
    if ip("-j", "route", "show", "default").strip() not in ("", "[]", "[ ]"):
        ip("route", "del", "default")  # Docker's own; without it the unknown is unreachable at once
    for gateway in map(str.strip, environment["GATEWAYS"].split(",")):
        ip("addr", "add", gateway, "dev", interface_towards(gateway))
    for route in map(str.strip, environment["ROUTES"].split(",")):
        ip("route", "add", *route.split())
    untracked.load()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    configure(dict(os.environ))
    serve(socket.gethostname(), sys.stdin, sys.stdout)
