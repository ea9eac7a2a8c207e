"""SO_REUSEPORT: many sockets, one port.

Several processes may each have a listening socket of their own on one port, if all set SO_REUSEPORT and have one owner.
Which of them gets a connection is decided when its SYN arrives, by a hash of the two endpoints: not in turn, not by
chance, and without a look at who is busy. A program may be attached that decides instead.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from fourtuple.errors import EvidenceError
from fourtuple.evidence import counters
from fourtuple.evidence.facts import Facts
from fourtuple.evidence.packet import marked
from fourtuple.kit.claim import Check
from fourtuple.kit.lab import Fence, Lab
from fourtuple.kit.ports import ANY, OK, RA, RP, claim_port, outcome
from fourtuple.kit.scene import Scene
from fourtuple.net.bind_rule import ADDRESS_IN_USE
from fourtuple.net.endpoint import Endpoint, Protocol
from fourtuple.net.event import Event

START, BURST = "workers.start", "workers.burst"
FOUR, PAIR, PLAIN, STUCK, STEERED, BY_CPU, BY_ADDRESS, MIXED, USERS = range(9000, 9009)
WORKERS = tuple(f"{word} worker" for word in ("first", "second", "third", "fourth"))
MANY, FIXED, TURNS, JAMMED, SOME = 400, 60, 40, 60, 20
PATIENCE, SHORT = 3.0, 0.5  # seconds until a client believes that nobody will speak
SPREAD = list(range(20000, 20000 + MANY))
REPLAYED, SEQUENCE = list(range(21000, 21000 + FIXED)), list(range(22000, 22000 + TURNS))
SINCE = (3, 9)  # the kernel SO_REUSEPORT came with (socket(7))
LAST = "the end"
lab = Lab("reuseport", "SO_REUSEPORT: many sockets, one port", "hosts", fences=(Fence(LAST, ("near",)),))


def start(scene: Scene, names: tuple[str, ...], port: int, host: str = "srv", **options: Any) -> None:
    """Worker processes, each with a listener of its own on that port."""
    for name in names:
        scene.act(host, START, name, port, options)


def burst(
    scene: Scene, port: int, sources: list[int], patience: float = PATIENCE, cpu: int = -1, to: str = "near"
) -> None:
    """c2 connects from these source ports."""
    scene.act("c2", BURST, scene.address("srv", to), port, sources, patience, cpu)


@lab.step
def listen_four_times(scene: Scene) -> None:
    """Four processes listen on one port; c2 makes 400 connections. Then 60 from fixed source ports, and the same
    again."""
    start(scene, WORKERS, FOUR, reuseport=True)
    scene.run("srv", "ss", "-tlnH", "sport", "=", f":{FOUR}")
    burst(scene, FOUR, SPREAD)
    burst(scene, FOUR, REPLAYED)
    burst(scene, FOUR, REPLAYED)


@lab.step
def listen_twice(scene: Scene) -> None:
    """Two processes listen; c2 makes 40 connections in a row, and the same again."""
    start(scene, WORKERS[:2], PAIR, reuseport=True)
    burst(scene, PAIR, SEQUENCE)
    burst(scene, PAIR, SEQUENCE)


@lab.step
def leave_out_a_permission(scene: Scene) -> None:
    """Without the option; with it, but under another user; over UDP with SO_REUSEADDR under another user; mixed with
    SO_REUSEADDR; and on two addresses with the option on one only."""
    start(scene, WORKERS[:2], PLAIN)
    start(scene, WORKERS[:1], USERS, reuseport=True)
    scene.act("other", START, "another user's", USERS, {"reuseport": True})
    for name, host in (("root's", "srv"), ("another's", "other")):
        claim_port(scene, host, f"udp, {name}", Endpoint(ANY, USERS), RA, protocol=Protocol.UDP)
    claim_port(scene, "srv", "both options", Endpoint(ANY, MIXED), RA, RP)
    scene["both options"].getsockname()
    scene["both options"].getsockopt("SOL_SOCKET", RP)
    claim_port(scene, "srv", "one option", Endpoint(ANY, MIXED), RA)
    scene.act("srv", START, "near worker", BY_ADDRESS, {"reuseport": True, "address": scene.address("srv", "near")})
    scene.act("srv", START, "far worker", BY_ADDRESS, {"address": scene.address("srv", "far")})
    burst(scene, BY_ADDRESS, [23000])
    burst(scene, BY_ADDRESS, [23001], to="far")


@lab.step
def stop_one_worker(scene: Scene) -> None:
    """Of two workers the one with a short queue is stopped; c2 makes 60 connections."""
    start(scene, WORKERS[:1], STUCK, reuseport=True, backlog=1)
    start(scene, WORKERS[1:2], STUCK, reuseport=True, backlog=JAMMED)
    scene.act("srv", "workers.tell", WORKERS[0], int(signal.SIGSTOP))
    scene.run("srv", *counters.COMMAND)
    burst(scene, STUCK, list(range(24000, 24000 + JAMMED)), SHORT)
    scene.run("srv", *counters.COMMAND)


@lab.step
def steer(scene: Scene) -> None:
    """A program that always answers 2 is attached to four listeners; c2 makes 20 connections. Then two listeners are
    each tied to a CPU, and c2 makes 20 connections on one CPU, and 20 on the other."""
    for name in WORKERS:
        scene.act("srv", START, name, STEERED, {"reuseport": True} | ({"select": 2} if name == WORKERS[-1] else {}))
    burst(scene, STEERED, list(range(25000, 25000 + SOME)))
    cpus = (0, 1) if int(scene.run("srv", "nproc")) > 1 else ()
    for cpu in cpus:
        scene.act("srv", START, WORKERS[cpu], BY_CPU, {"reuseport": True, "cpu": cpu})
    for cpu in cpus:
        burst(scene, BY_CPU, list(range(26000 + 100 * cpu, 26000 + 100 * cpu + SOME)), cpu=cpu)


@lab.step
def end(scene: Scene) -> None:
    """One last datagram, so that the captures are known to be complete."""
    scene.socket("srv", Protocol.UDP, "fence").bind(Endpoint(ANY, 9999))
    sender = scene.socket("c2", Protocol.UDP, "fence sender")
    sender.sendto(marked(LAST), scene_endpoint(scene))
    scene["fence"].recvfrom()
    scene.run("srv", "uname", "-r")


def scene_endpoint(scene: Scene) -> Endpoint:
    return Endpoint(scene.address("srv", "near"), 9999)


def started(facts: Facts, port: int) -> dict[str, tuple[dict[str, Any], Event]]:
    """The workers that were started on a port, by name, with the call that says so."""
    return {it.args[1]: (it.result, it) for it in facts.acts(START) if it.args[2] == port}


def served(facts: Facts, port: int) -> list[tuple[list[str], Event]]:
    """Who served each connection of each burst to that port, in order."""
    return [(it.result, it) for it in facts.acts(BURST) if it.args[2] == port]


def listening(facts: Facts, port: int) -> tuple[int, bool, tuple[Event, ...]]:
    """How many sockets listen on a port, whether all are different, and the calls that say so."""
    workers = started(facts, port)
    heard = [said for said, _ in workers.values() if said["said"] == OK]
    distinct = len({it["inode"] for it in heard}) == len({it["pid"] for it in heard}) == len(heard)
    return len(heard), distinct, tuple(event for _, event in workers.values())


@lab.claim
def one_port_has_many_listeners(facts: Facts) -> Iterator[Check]:
    """Four processes listen on one port with four sockets; the kernel lists four rows with one local and one wildcard
    remote endpoint. (C03, C35, C96, C102, C104, C107, C114, C142)"""
    count, distinct, events = listening(facts, FOUR)
    alone = count < 2 or not distinct
    answers = dict.fromkeys(("C03", "C35", "C96", "C102", "C107"), alone)
    answers |= dict.fromkeys(("C104", "C114", "C142"), not alone)
    yield Check("sockets that listen", len(WORKERS), count, events, answers)
    yield Check("each of its own process and inode", True, distinct, events)
    table = facts.ran("ss", "-tlnH", "sport", "=", f":{FOUR}")
    rows = [tuple(line.split()[3:5]) for line in str(table.result[1]).splitlines()]
    single = rows.count((f"{ANY}:{FOUR}", f"{ANY}:*")) < 2
    yield Check("rows of the kernel's table", [(f"{ANY}:{FOUR}", f"{ANY}:*")] * len(WORKERS), rows, (table,),
                {"C35": single, "C96": single})  # fmt: skip


@lab.claim
def the_kernel_has_it(facts: Facts) -> Iterator[Check]:
    """A kernel of 3.9 or newer takes SO_REUSEPORT and reads it back as set; a second listener is let in with it and
    refused without. (C75)"""
    kernel = facts.ran("uname", "-r")
    release = str(kernel.result[1]).strip()
    if tuple(int(part) for part in release.split("-")[0].split(".")[:2]) < SINCE:
        raise EvidenceError(f"this kernel is {release}, and the saying is about those from 3.9 on")
    read = facts.attempt("both options", "getsockopt")
    yield Check("SO_REUSEPORT, read back", 1, read.result, (read, kernel), {"C75": read.result == 1})
    for port, want in ((FOUR, OK), (PLAIN, ADDRESS_IN_USE)):
        second, event = started(facts, port)[WORKERS[1]]
        about = f"the second listener {'with' if port == FOUR else 'without'} it"
        yield Check(about, want, second["said"], (event, kernel), {"C75": (second["said"] == OK) == (port == FOUR)})


@lab.claim
def every_listener_gets_some(facts: Facts) -> Iterator[Check]:
    """Of 400 connections every worker serves some, and together they serve all. (C96, C102, C104, C116, C146)"""
    names, event = served(facts, FOUR)[0]
    shares = Counter(names)
    everybody = set(shares) == set(WORKERS)
    answers = dict.fromkeys(("C104", "C116", "C146"), everybody) | dict.fromkeys(("C96", "C102"), not everybody)
    yield Check("workers that served", sorted(WORKERS), sorted(shares), (event,), answers)
    yield Check("connections served", MANY, sum(shares[name] for name in WORKERS), (event,))


@lab.claim
def a_hash_decides(facts: Facts) -> Iterator[Check]:
    """The same source ports reach the same workers again; different ones are spread. (C105, C129, C143)"""
    (_, _), (first, one), (again, other) = served(facts, FOUR)
    same = first == again
    spread = len(set(first)) == len(WORKERS)
    answers = dict.fromkeys(("C105", "C129"), not (same and spread)) | {"C143": same and spread}
    yield Check("the second time", first, again, (one, other), answers)
    yield Check("workers that served", len(WORKERS), len(set(first)), (one,))


@lab.claim
def they_do_not_take_turns(facts: Facts) -> Iterator[Check]:
    """Two listeners are not served in turn, and the same sequence comes again. (C144)"""
    (first, one), (again, other) = served(facts, PAIR)
    in_turn = all(here != there for here, there in pairwise(first))
    yield Check("first, second, first, second", False, in_turn, (one,), {"C144": in_turn})
    yield Check("the second time", first, again, (one, other))


@lab.claim
def everybody_must_agree(facts: Facts) -> Iterator[Check]:
    """Without the option the second listener is refused; with it, so is another user's. UDP sockets of two users
    share a port by SO_REUSEADDR instead. (C104, C147)"""
    second, event = started(facts, PLAIN)[WORKERS[1]]
    yield Check("without the option", ADDRESS_IN_USE, second["said"], (event,), {"C104": second["said"] != OK})
    stranger, event = started(facts, USERS)["another user's"]
    refused = stranger["said"] == ADDRESS_IN_USE
    yield Check("under another user", ADDRESS_IN_USE, stranger["said"], (event,), {"C147": refused})
    udp = facts.attempt("udp, another's", "bind")
    yield Check("over UDP, another user, SO_REUSEADDR", OK, outcome(udp), (udp,), {"C147": outcome(udp) != OK})


@lab.claim
def not_every_socket_on_a_port_needs_it(facts: Facts) -> Iterator[Check]:
    """A socket with both options and one with SO_REUSEADDR alone share an endpoint; and on two addresses, one
    listener has SO_REUSEPORT and the other has not. (C148)"""
    mixed = facts.attempt("one option", "bind")
    yield Check("both options beside one", OK, outcome(mixed), (mixed,), {"C148": outcome(mixed) != OK})
    (near, one), (far, other) = served(facts, BY_ADDRESS)
    answers = {"C148": [near, far] != [["near worker"], ["far worker"]]}
    yield Check("each address has its listener", [["near worker"], ["far worker"]], [near, far], (one, other), answers)


@lab.claim
def nobody_looks_who_is_busy(facts: Facts) -> Iterator[Check]:
    """A stopped worker keeps its share: what its queue cannot hold is dropped, while the other worker has room.
    (C88, C149)"""
    ((names, event),) = served(facts, STUCK)
    shares = Counter(names)
    dropped = shares["ETIMEDOUT"]
    before, after = (counters.counter(it, "ListenOverflows") for it in counters.readings(facts, "srv"))
    events = (event, *counters.readings(facts, "srv"))
    lost = dropped > 0 and shares[WORKERS[1]] > 0  # while a worker is free
    yield Check("some are dropped", True, dropped > 0, events, {"C88": not lost, "C149": lost})
    yield Check("the kernel counts overflows of a queue", True, after > before, events)
    yield Check("its queue is full", True, shares["connected"] >= 2, events)
    yield Check("the other worker serves its own", True, shares[WORKERS[1]] > 0, events)
    yield Check("connections", JAMMED, dropped + shares[WORKERS[1]] + shares["connected"], events)


@lab.claim
def a_program_may_decide(facts: Facts) -> Iterator[Check]:
    """A BPF program that answers 2 sends every connection to the third listener. (C163)"""
    ((names, event),) = served(facts, STEERED)
    steered = names == [WORKERS[2]] * SOME
    yield Check("who serves", [WORKERS[2]] * SOME, names, (event,), {"C163": not steered})


@lab.claim
def a_cpu_may_decide(facts: Facts) -> Iterator[Check]:
    """Listeners tied to a CPU serve what that CPU receives: 20 connections on one CPU reach one worker, 20 on the
    other the other. (C167)"""
    split = served(facts, BY_CPU)
    if not split:
        raise EvidenceError("this machine has one CPU, so nothing can be split by it")
    for cpu, (names, event) in enumerate(split):
        mine = names == [WORKERS[cpu]] * SOME
        yield Check(f"on CPU {cpu}", [WORKERS[cpu]] * SOME, names, (event,), {"C167": mine})
