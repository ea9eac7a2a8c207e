"""The ports of the lab `backlog`, and what its stories have in common."""

from __future__ import annotations

from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet
from fourtuple.kit.ports import ANY
from fourtuple.kit.scene import Scene, Socket
from fourtuple.net.endpoint import Endpoint, Protocol
from fourtuple.net.event import Event

TCP, UDP = Protocol.TCP, Protocol.UDP
EARLY, SMALL, GROWING, HUGE, CLOSED, OPEN, QUEUED, ONE, MANY, FORKED, LOCAL, FULL = range(8080, 8092)
NINE = 9
SHORT = 0.5  # seconds: half the time until a SYN is sent again
BURST = "workers.burst"


def listener(scene: Scene, port: int, backlog: int, host: str = "srv") -> Socket:
    """A listener called after its port."""
    opened = scene.socket(host, TCP, f"{host}:{port}")
    opened.bind(Endpoint(ANY, port))
    opened.listen(backlog)
    return opened


def dial(scene: Scene, name: str, port: int, host: str = "c1") -> Socket:
    client = scene.socket(host, TCP, name)
    client.connect(Endpoint(scene.address("srv", "near"), port))
    return client


def burst(scene: Scene, port: int, first: int, server: str = "srv") -> None:
    """c2 makes nine connections at once and waits half a second."""
    sources = list(range(first, first + NINE))
    scene.act("c2", BURST, scene.address(server, "near"), port, sources, SHORT)


def of(facts: Facts, client: str) -> list[Packet]:
    """Every packet of a client's connection."""
    flow = facts.attempt(client, "connect").flow
    return [it for it in facts.at("near") if it.flow in (flow, flow.reversed())]


def accepted(facts: Facts, port: int) -> list[tuple[int, tuple[Packet, ...], Event]]:
    """Of each burst to a port: how many connections stood, the SYNs that nothing answered, and the call."""
    bursts = []
    for event in (it for it in facts.acts(BURST) if it.args[2] == port):
        mine = [it for it in facts.at("near") if port in (it.flow.source.port, it.flow.destination.port)]
        answered = {it.flow.reversed() for it in mine if it.flags == "SA"}
        syns = {it.flow: it for it in mine if it.flags == "S" and it.flow.source.port in event.args[3]}
        lost = tuple(it for flow, it in syns.items() if flow not in answered)
        bursts.append((event.result.count("connected"), lost, event))
    return bursts
