"""A front process that hands each connection to the worker its request names."""

from __future__ import annotations

from collections.abc import Iterator

from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import marked
from fourtuple.evidence.socket_table import COMMAND
from fourtuple.kit.claim import Check
from fourtuple.kit.ports import ANY, claim_port
from fourtuple.kit.scene import Scene
from fourtuple.net.endpoint import Endpoint

from .plan import DISPATCHED, PATH, dial, who

SITES = ("alpha", "beta", "gamma")


def dispatch(scene: Scene) -> None:
    """Three workers wait; a front process accepts six requests, peeks at their Host header, and passes each connection
    to the worker of that name, which reads and answers."""
    courier = scene.unix_socket("srv", "post office")
    courier.bind(PATH)
    courier.listen()
    workers = {name: scene.fork("srv", name) for name in SITES}
    front = claim_port(scene, "srv", "front", Endpoint(ANY, DISPATCHED), listen=True)
    front.identity()
    for name, process in workers.items():
        scene.unix_socket(process, f"{name}'s post").connect(PATH)
        courier.accept(f"post to {name}")
    for number, name in enumerate(SITES * 2):
        client = dial(scene, f"request {number}", DISPATCHED)
        client.send(f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        taken = front.accept(f"connection {number}")
        host = taken.peek().decode().partition("Host: ")[2].split("\r\n")[0]
        scene[f"post to {host}"].give(f"connection {number}")
        served = scene[f"{host}'s post"].take(f"served {number}")
        taken.identity()
        served.identity()
        taken.close()
        served.recv()
        served.send(marked(f"{host} answers {number}"))
        client.recv()
    scene.run("srv", *COMMAND)


def connections_can_be_handed_out(facts: Facts) -> Iterator[Check]:
    """A front process alone listens; each connection goes to the worker its request names, and is answered from there
    on the original tuple. (C26, C94, C164)"""
    front = facts.call("front", "identity")
    pids: dict[str, set[object]] = {}
    for number, name in enumerate(SITES * 2):
        answer = facts.at("near").only(f"{name} answers {number}")
        handed, taken = facts.call(f"connection {number}", "identity"), facts.call(f"served {number}", "identity")
        client = facts.call(f"request {number}", "connect")
        same = handed.cookie == taken.cookie and who(handed)["inode"] == who(taken)["inode"]
        away = who(handed)["pid"] == who(front)["pid"] != who(taken)["pid"]
        on = answer.flow == client.flow.reversed()
        pids.setdefault(name, set()).add(who(taken)["pid"])
        ids = dict.fromkeys(("C26", "C94", "C164"), same and away and on)
        yield Check(f"request {number} is answered by {name}", (True, True, True), (same, away, on),
                    (handed, taken, answer, client, front), ids)  # fmt: skip
    takers = tuple(facts.call(f"served {number}", "identity") for number in range(6))
    three = all(len(it) == 1 for it in pids.values()) and len(set().union(*pids.values())) == len(SITES)
    yield Check("each name has its own process", True, three, takers, {"C94": three, "C164": three})
