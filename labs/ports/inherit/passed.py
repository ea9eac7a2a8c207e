"""A listener in other processes' hands: inherited, given, or taken; and who may see whose it is."""

from __future__ import annotations

from collections.abc import Iterator

from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import Packet, marked
from fourtuple.kit.claim import Check
from fourtuple.kit.ports import ANY, claim_port
from fourtuple.kit.scene import Scene
from fourtuple.net.endpoint import Endpoint
from fourtuple.net.event import Event

from .plan import COPIED, PATH, SHARED, dial, who

PERSON = 1000  # the user id the guest takes before it takes the listener
LISTENERS, CONNECTIONS = ("ss", "-tlnpH"), ("ss", "-tnpH")
HOLDERS_OF_IT = ("listener", "heir:listener", "given")


def pass_a_listener(scene: Scene) -> None:
    """srv listens and forks a child. A guest, in another network namespace and as another user, is given the listener.
    Each of them accepts."""
    listener = claim_port(scene, "srv", "listener", Endpoint(ANY, SHARED), listen=True)
    scene.fork("srv", "heir")
    own = listener.identity()
    scene["heir:listener"].identity()
    scene.act("srv", "processes.reopen", own["pid"], own["descriptor"])
    claim_port(scene, "srv", "only bound", Endpoint(ANY, COPIED + 100)).identity()
    for host, command in (("srv", LISTENERS), ("stranger", LISTENERS), ("guest", LISTENERS)):
        scene.run(host, *command)
    person = scene.fork("guest", "person")
    post = scene.unix_socket(person, "guest's post")
    post.connect(f"/proc/{own['pid']}/root{PATH}")
    scene["post office"].accept("post to guest")
    scene.act(person, "processes.become", PERSON)
    scene["post to guest"].give("listener")
    post.take("given").identity()
    for holder in HOLDERS_OF_IT:
        serve_from(scene, holder)
    scene.run("c1", *CONNECTIONS)
    scene.run("guest", *CONNECTIONS)


def serve_from(scene: Scene, holder: str) -> None:
    """One client is accepted and answered by this holder of the listener."""
    client = dial(scene, f"client of {holder}", SHARED)
    accepted = scene[holder].accept(f"accepted by {holder}")
    client.send(marked(f"to {holder}"))
    accepted.recv()
    accepted.send(marked(f"from {holder}"))
    client.recv()


def take_a_listener(scene: Scene) -> None:
    """The guest copies the listener out of srv's process, which is not asked; and accepts."""
    own = scene["listener"].identity()
    scene.take_from("guest", "stolen", own["pid"], own["descriptor"]).identity()
    serve_from(scene, "stolen")


def one_socket(facts: Facts, holder: str) -> tuple[bool, tuple[Event | Packet, ...]]:
    """Is what this holder has the listener itself?"""
    own, other = facts.call("listener", "identity"), facts.call(holder, "identity")
    return who(other)["inode"] == who(own)["inode"] and other.cookie == own.cookie, (own, other)


def accepts(facts: Facts, holder: str) -> tuple[bool, tuple[Event | Packet, ...]]:
    """Did this holder serve its client, on the tuple the wire shows?"""
    read, wrote = facts.call(f"accepted by {holder}", "recv"), facts.at("near").only(f"to {holder}")
    return read.payload == wrote.payload and read.flow == wrote.flow.reversed(), (read, wrote)


def a_listener_can_be_passed(facts: Facts) -> Iterator[Check]:
    """The owner, a forked child, and a guest of another user and namespace who was given the listener hold one socket;
    each of them accepts, in the namespace it was born in. (C83, C100)"""
    own, guest = facts.call("listener", "identity"), facts.call("given", "identity")
    for holder, ids in (("listener", ()), ("heir:listener", ("C100",)), ("given", ("C83", "C100"))):
        if holder != "listener":
            same, seen = one_socket(facts, holder)
            yield Check(f"{holder}: the same socket", True, same, seen, dict.fromkeys(ids, same))
        serves, seen = accepts(facts, holder)
        yield Check(f"{holder}: accepts", True, serves, seen, dict.fromkeys(ids, serves))
    foreign = who(guest)["namespace"] != who(own)["namespace"] and who(guest)["uid"] == PERSON
    yield Check("the guest is of another user and namespace", True, foreign, (guest, own), {"C83": foreign})
    holders_of_it = tuple(facts.call(name, "identity") for name in HOLDERS_OF_IT)
    pids = len({who(it)["pid"] for it in holders_of_it})
    yield Check("processes", 3, pids, holders_of_it, {"C100": pids == 3})


def a_listener_can_be_taken(facts: Facts) -> Iterator[Check]:
    """With the right to trace a process, another one copies the listener out of it and accepts. Opening its file in
    /proc does not do. (C82)"""
    taken = facts.call("stolen", "take_from")
    same, seen = one_socket(facts, "stolen")
    yield Check("the same socket", True, same, (taken, *seen), {"C82": not same})
    serves, seen = accepts(facts, "stolen")
    yield Check("it accepts", True, serves, seen, {"C82": not serves})
    own, thief = facts.call("listener", "identity"), facts.call("stolen", "identity")
    unrelated = who(thief)["namespace"] != who(own)["namespace"] and who(thief)["pid"] != who(own)["pid"]
    yield Check("the thief is another process in another namespace", True, unrelated, (thief, own),
                {"C82": not unrelated})  # fmt: skip
    (reopened,) = facts.acts("processes.reopen")
    yield Check("opening its file in /proc", "ENXIO", reopened.result, (reopened,))


def who_may_see_whose_it_is(facts: Facts) -> Iterator[Check]:
    """ss names the process of a listener or a connection to root in its namespace; another user sees the row without
    the process, another namespace no row, and a socket that is only bound is listed to nobody. (C42, C159)"""
    own = facts.call("listener", "identity")
    lines = {host: _lines(facts, host, LISTENERS, SHARED) for host in ("srv", "stranger", "guest")}
    named = f"pid={who(own)['pid']}," in lines["srv"][0]
    yield Check("root sees the process", True, named, (own, lines["srv"][1]), {"C159": named})
    row = f":{SHARED}" in lines["stranger"][0]
    blind = row and "pid=" not in lines["stranger"][0]
    yield Check("another user sees the row only", True, blind, (lines["stranger"][1],), {"C159": not blind})
    nothing = not lines["guest"][0]
    yield Check("another namespace sees nothing", True, nothing, (lines["guest"][1],), {"C159": not nothing})
    bound = facts.call("only bound", "identity").local
    unlisted = bool(bound) and not _lines(facts, "srv", LISTENERS, bound.port if bound else 0)[0]
    yield Check("only bound: not listed", True, unlisted, (facts.call("only bound", "identity"), lines["srv"][1]),
                {"C159": not unlisted})  # fmt: skip
    clients = [facts.call(f"client of {holder}", "connect") for holder in HOLDERS_OF_IT]
    text, seen = _lines(facts, "c1", CONNECTIONS, SHARED)
    mine = all(str(it.local) in text for it in clients) and text.count("pid=") == len(clients)
    yield Check("a client's own connections, with its process", True, mine, (*clients, seen), {"C42": mine})
    hidden, other = _lines(facts, "guest", CONNECTIONS, SHARED)
    yield Check("in another namespace", "", hidden, (other,), {"C42": bool(hidden)})


def _lines(facts: Facts, host: str, command: tuple[str, ...], port: int) -> tuple[str, Event]:
    """What ss printed about a port in a host, and the event."""
    event = next(it for it in reversed(facts.events) if it.call == "run" and it.args == command and it.host == host)
    return "\n".join(it for it in str(event.result[1]).splitlines() if f":{port} " in it), event
