"""What routers and the rendezvous server can take, and how long a meeting takes, on hosts brought up for it."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from ..errors import DriveError
from ..kit import introduced
from ..kit.homes import PEERS
from ..net import meeting
from ..net.endpoint import Endpoint, Protocol
from . import images
from .bench import Figure
from .engine import connect
from .live_scene import LiveScene
from .progress import Progress
from .stage import Stage, new_run

PUNCHES, FIRST_PORT = 40, 20_000
CROWD, INTRODUCTIONS = 10_000, 3_000
HONEST, ABUSE_RATE, ABUSE_SECONDS = 50, 2_000, 3.0


def rendezvous(tell: Progress) -> tuple[str, dict[str, Figure]]:
    """How long a meeting takes behind two home routers; and what the rendezvous server can take: registrations, memory,
    introductions, and honest peers among others."""
    figures: Figure = {}
    with _up("homes", "home", tell) as scene:
        server = scene.endpoint("server", meeting.PORT)
        scene.act("server", "rendezvous_server.start", server.address, server.port, 2 * CROWD)
        for protocol in (Protocol.UDP, Protocol.TCP):
            tell.note(f"meetings over {protocol.value}")
            took = [1e3 * it for it in _punches(scene, server, protocol)]
            figures[f"punch {protocol.value}, median ms"] = statistics.median(took)
            figures[f"punch {protocol.value}, slowest ms"] = max(took)
        for router in ("router_a", "router_b"):
            scene.act(router, "router.become", "none")
        before = cast("int", scene.act("server", "rendezvous_server.memory"))
        tell.note("a crowd registers")
        rates = [cast("float", scene.act("alice", "meet_load.crowd", str(server), f"crowd-{part}", CROWD // 5))
                 for part in range(5)]  # fmt: skip
        figures["registrations a second"] = statistics.median(rates)
        figures["bytes a peer"] = (cast("int", scene.act("server", "rendezvous_server.memory")) - before) / CROWD
        tell.note("introductions")
        figures["introductions a second"] = cast(
            "float", scene.act("alice", "meet_load.introductions", str(server), INTRODUCTIONS)
        )
        for kind in ("malformed", "truncated", "replayed", "forged", "hellos"):
            tell.note(f"honest peers among {kind}")
            scene.act("bob", "meet_load.misbehave", str(server), kind, ABUSE_SECONDS, ABUSE_RATE)
            done = cast("int", scene.act("alice", "meet_load.honest", str(server), f"honest-{kind}", HONEST))
            figures[f"honest among {kind}"] = done / HONEST
    punches = [it for it in figures if it.startswith("punch")]
    lines = [f"{PUNCHES} meetings behind two home routers, from \"go\" until both have heard and were heard",
             *(f"  {name:<28} {figures[name]:10.2f}" for name in punches),
             "  (wanted: under 50 ms)",
             f"the rendezvous server, on one core, {CROWD} peers registered",
             *(f"  {name:<28} {value:10.2f}" for name, value in figures.items() if name not in punches),
             "  (wanted: 1000 introductions a second, every honest peer served)",
             "signatures dominate: one to verify for each registration and each question"]  # fmt: skip
    return "\n".join(lines), {"rendezvous": figures}


def _punches(scene: LiveScene, server: Endpoint, protocol: Protocol) -> Iterator[float]:
    """Seconds each of many meetings took, by the slower side; DriveError where one fails."""
    for number in range(PUNCHES):
        begun = introduced.begin(scene, server, PEERS, protocol, FIRST_PORT + number, again=True)
        (told,) = introduced.conduct(scene, [begun])
        reports = cast("dict[str, dict[str, Any]]", told).values()
        if failed := [it["why"] for it in reports if it["outcome"] != "direct"]:
            raise DriveError(f"a meeting behind two home routers failed: {failed[0]}")
        yield max(float(it["seconds"]) for it in reports)


@contextmanager
def _up(compose: str, nat: str, tell: Progress) -> Iterator[LiveScene]:
    """Hosts without taps, to be driven."""
    engine = connect()
    stage = Stage(engine, compose, new_run(), nat, images.ensure(engine, tell), taps=False)
    try:
        stage.build()
        stage.attach()
        stage.start()
        yield LiveScene(stage.topology, stage.nodes(), lambda _: None)
    finally:
        stage.remove()


LOADED = ("none", "masquerade", "eim/apdf", "apdm/eif")
LOAD_PORT, LOAD_SECONDS = 8000, 1.0


def routers(runs: int, tell: Progress) -> tuple[str, dict[str, Figure]]:
    """What one flow gets through each router, as a share of plain masquerade, measured in turn on one pair of hosts,
    in words and in numbers (datagrams and bytes a second)."""
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in LOADED}
    with _up("nat", "masquerade", tell) as scene:
        where = scene.endpoint("alice", LOAD_PORT)
        for number in range(runs):
            for name in LOADED:
                tell.note(f"run {number + 1} of {runs}: {name}")
                scene.act("router", "router.become", name)
                scene.act("alice", "traffic.count", LOAD_PORT)
                scene.act("client1", "traffic.send", where.address, where.port, LOAD_SECONDS)
                datagrams, size = cast("list[int]", scene.act("alice", "traffic.counted"))
                rates[name].append((datagrams / LOAD_SECONDS, size / LOAD_SECONDS))
    udp = {name: statistics.median(it[0] for it in seen) for name, seen in rates.items()}
    tcp = {name: statistics.median(it[1] for it in seen) for name, seen in rates.items()}
    return "\n".join([
        f"one flow through a router, median of {runs} runs          UDP 100 B   share       TCP   share",
        *(f"  {name:<40} {udp[name] / 1e3:12.0f} k/s {udp[name] / udp['masquerade']:7.2f} "
          f"{tcp[name] * 8 / 1e9:6.1f} Gb/s {tcp[name] / tcp['masquerade']:6.2f}" for name in LOADED),
        "  (wanted: exact rules at least 0.70 of masquerade)",
    ]), {"udp": udp, "tcp": tcp}  # fmt: skip
