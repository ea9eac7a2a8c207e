"""Within one machine: both ends of a connection, and a UDP socket nobody reads from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import marked
from fourtuple.evidence.socket_table import COMMAND, UDP_COMMAND, on_port, tables
from fourtuple.kit import fences
from fourtuple.kit.claim import Check
from fourtuple.kit.ports import ANY, outcome
from fourtuple.kit.scene import Scene
from fourtuple.net.endpoint import Endpoint

from .plan import LOCAL, TCP, UDP


def stay_at_home(scene: Scene) -> None:
    """A client connects to a server on its own machine. A datagram reaches a UDP socket that nobody reads from. And the
    last packet of the lab."""
    here = Endpoint("127.0.0.1", LOCAL)
    local = scene.socket("srv", TCP, "at home")
    local.bind(here)
    local.listen()
    scene.socket("srv", TCP, "home client").connect(here)
    local.accept("home accepted")
    scene.run("srv", *COMMAND)
    udp = scene.socket("srv", UDP, "unread")
    udp.bind(Endpoint(ANY, LOCAL))
    scene.socket("c1", UDP, "writer").sendto(marked("unread"), Endpoint(scene.address("srv", "near"), LOCAL))
    fences.end(scene, "c1", "srv", "near")
    scene.run("srv", *UDP_COMMAND)
    with suppress(OSError):
        udp.listen()


def client_and_server_at_home_are_three_sockets(facts: Facts) -> Iterator[Check]:
    """A connection within one machine is a listener and two ends that mirror each other. (C53)"""
    table, event = tables(facts, "srv")[-1]
    mine = [row for row in table if row.remote and LOCAL in (row.local.port, row.remote.port)]
    listening = on_port(table, LOCAL, "LISTEN")
    ends = {(row.local, row.remote) for row in mine if row.state == "ESTAB"}
    three = len(listening) == 1 and len(ends) == 2 and ends == {(remote, local) for local, remote in ends}
    yield Check("a listener and two mirrored ends", True, three, (event,), {"C53": three})


def udp_does_not_listen(facts: Facts) -> Iterator[Check]:
    """A UDP socket is ready from bind() on: what arrives waits in it, and listen() is refused. (C14)"""
    refused = facts.attempt("unread", "listen")
    yield Check("listen()", "EOPNOTSUPP", outcome(refused), (refused,), {"C14": outcome(refused) == "EOPNOTSUPP"})
    sent = facts.at("near").only("unread")
    ((table, event),) = tables(facts, "srv", UDP_COMMAND)
    (row,) = on_port(table, LOCAL)
    ready = row.state == "UNCONN" and row.waiting > 0
    yield Check("unconnected, with something to read", True, ready, (sent, event), {"C14": ready})
