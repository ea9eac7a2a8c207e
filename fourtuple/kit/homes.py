"""Two homes (`compose/homes.yml`): who lives where, and the last datagram of either side."""

from __future__ import annotations

from . import fences
from .lab import Fence
from .scene import Scene

PEERS = {"alice": "bob", "bob": "alice"}  # each, and whom it wants to meet
SIDE = {"alice": "a", "bob": "b"}  # whose router and networks
LAST = {"alice": "the end of alice", "bob": "the end of bob"}
FENCES = tuple(Fence(LAST[peer], (f"home-{side}", f"out-{side}", "wan")) for peer, side in SIDE.items())


def end(scene: Scene) -> None:
    """Both send the last datagram of the lab, and wait until it was read."""
    fences.end(scene, "alice", "server", "wan", LAST["alice"])
    fences.end(scene, "bob", "witness", "wan", LAST["bob"])
