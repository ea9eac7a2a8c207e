"""The ports and clients of the lab `conversations`, and what its stories have in common."""

from __future__ import annotations

import re

from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet
from fourtuple.kit.scene import Scene
from fourtuple.net.endpoint import Endpoint, Protocol

TCP, UDP = Protocol.TCP, Protocol.UDP
WEB, THREADED, SHARED, FROZEN, UDP_PORT, FENCE_PORT = 80, 81, 82, 85, 5300, 9999
CLIENTS = tuple(f"{host} {number}" for number in range(25) for host in ("c1", "c2"))
LATE = tuple(f"late {number}" for number in range(5))
LAST = "the end"
HOLDERS = ("ss", "-tnpH", "sport", "=", f":{WEB}")  # each connection with its processes and descriptors
HOLDER = re.compile(r"pid=(\d+),fd=(\d+)")


def server(client: str) -> str:
    """The name of the server's socket for a client."""
    return f"server of {client}"


def dial(scene: Scene, name: str) -> None:
    scene.socket("c2" if name.startswith("c2") else "c1", TCP, name)
    scene[name].connect(Endpoint(scene.address("srv", "near"), WEB))


def syns(facts: Facts, port: int) -> list[Packet]:
    """The first segment of each connection to a port (one that was sent again counts once)."""
    found = {p.flow: p for p in facts.at("near") if p.flags == "S" and p.flow.destination.port == port}
    return list(found.values())
