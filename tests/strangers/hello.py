"""A stranger's lab: who is it that a server hears?

A client sends one datagram from a port it has chosen. On one network nothing is translated, so what the server hears,
what the wire shows and what the client bound are one and the same endpoint.
"""

from __future__ import annotations

from collections.abc import Iterator

from fourtuple import Check, Endpoint, Facts, Fence, Lab, Protocol, Scene, marked

WORD, LAST, PORT, SERVICE = "hello", "the end", 40000, 9000
lab = Lab("hello", "Who is it that a server hears?", "hosts", fences=(Fence(LAST, ("near",)),))


@lab.step
def say_hello(scene: Scene) -> None:
    """The client binds a port and sends a word to the server, then the last datagram of the lab."""
    server = scene.socket("srv", Protocol.UDP, "server")
    where = Endpoint(scene.address("srv", "near"), SERVICE)
    server.bind(where)
    client = scene.socket("c1", Protocol.UDP, "client")
    client.bind(Endpoint(scene.address("c1", "near"), PORT))
    for word in (WORD, LAST):
        client.sendto(marked(word), where)
        server.recvfrom()


@lab.claim
def the_server_hears_who_sent_it(facts: Facts) -> Iterator[Check]:
    """The endpoint the server hears from is the one the client bound."""
    heard = facts.read("server", WORD)
    bound = Endpoint(facts.topology.host("c1").address("near"), PORT)
    yield Check("heard from", bound, Endpoint(*heard.result[1]), (heard,))


@lab.claim
def the_wire_shows_the_same(facts: Facts) -> Iterator[Check]:
    """On the wire the datagram comes from there too."""
    sent = facts.at("near").only(WORD)
    bound = Endpoint(facts.topology.host("c1").address("near"), PORT)
    yield Check("source on the wire", bound, sent.flow.source, (sent,))
