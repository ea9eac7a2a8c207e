"""One port of a client with connections to three ports of a server."""

from __future__ import annotations

from collections.abc import Iterator

from fourtuple.evidence.facts import Facts
from fourtuple.evidence.socket_table import COMMAND, on_port, tables
from fourtuple.kit.claim import Check
from fourtuple.kit.ports import ANY
from fourtuple.kit.scene import Scene
from fourtuple.net.endpoint import Endpoint

from .plan import TCP, WEB

SITES, SOURCE = (WEB, 83, 84), 31000


def go_three_ways(scene: Scene) -> None:
    """c1 connects three sockets from one port to three ports of srv."""
    for port in SITES:
        if port != WEB:
            other = scene.socket("srv", TCP, f"listener {port}")
            other.bind(Endpoint(ANY, port))
            other.listen()
        client = scene.socket("c1", TCP, f"way to {port}")
        client.setsockopt("SOL_SOCKET", "SO_REUSEADDR", 1)
        client.bind(Endpoint(scene.address("c1", "near"), SOURCE))
        client.connect(Endpoint(scene.address("srv", "near"), port))
    scene.run("c1", *COMMAND)


def one_client_port_goes_three_ways(facts: Facts) -> Iterator[Check]:
    """A client's port carries three connections whose tuples differ only in the remote endpoint. (C50)"""
    ways = [facts.call(f"way to {port}", "connect") for port in SITES]
    table, event = tables(facts, "c1")[-1]
    rows = {(row.local, row.remote) for row in on_port(table, SOURCE, "ESTAB")}
    three = len(rows) == len(SITES) and rows == {(it.local, it.remote) for it in ways}
    yield Check("three rows", True, three, (*ways, event), {"C50": three})
    local = {str(it.local) for it in ways}
    yield Check("their local endpoint", 1, len(local), tuple(ways), {"C50": len(local) == 1})
