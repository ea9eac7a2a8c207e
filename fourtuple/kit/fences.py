"""The last datagram of a lab: what a tap on its path had not seen by then did not come."""

from __future__ import annotations

from ..evidence.packet import marked
from ..net.endpoint import Endpoint, Protocol
from .scene import Scene

LAST = "the end"
PORT = 9999


def end(scene: Scene, sender: str, receiver: str, network: str, mark: str = LAST) -> None:
    """Send the fence from one host to another and wait until it was read."""
    where = Endpoint(scene.address(receiver, network), PORT)
    scene.socket(receiver, Protocol.UDP, f"fence at {receiver}").bind(where)
    scene.socket(sender, Protocol.UDP, f"fence for {receiver}").sendto(marked(mark), where)
    scene[f"fence at {receiver}"].recvfrom()
