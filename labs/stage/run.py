"""One run of a lab, from bare engine to sealed directory; containers live only while packets flow."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..kit import pcapng, rundir
from ..kit.errors import DriveError
from ..kit.lab import Lab, Step
from ..kit.topology import Topology
from ..net.behaviour import NatBehaviour
from . import ownership
from .engine import Engine
from .recording import Recording
from .scene import LiveScene, Node
from .stage import Stage, new_run
from .taps import LiveTap

SYSCTLS = (
    "net.ipv4.ip_forward",
    "net.ipv4.icmp_ratelimit",
    "net.netfilter.nf_conntrack_udp_timeout",
    "net.netfilter.nf_conntrack_tcp_loose",
    "net.netfilter.nf_conntrack_max",
)


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told what happens while it happens."""

    topology: Callable[[Topology], None] = lambda _: None
    step: Callable[[Step], None] = lambda _: None
    note: Callable[[str], None] = lambda _: None


@dataclass(slots=True)
class Clock:
    """How long each part took, in seconds, by the part's name."""

    parts: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        self.parts["startup"] = round(_age_of_this_process(), 4)

    def lap(self, part: str) -> None:
        """What happened since the last lap was `part`."""
        now = time.perf_counter()
        self.parts[part] = round(now - self._last, 4)
        self._last = now

    def total(self, name: str) -> None:
        """Everything since the process began, under this name."""
        self.parts[name] = round(_age_of_this_process(), 4)


def _age_of_this_process() -> float:
    """Seconds since this process began; 0 where the system does not say."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Ran:
    """A finished run: its directory, and the removal that is still going on."""

    path: Path
    clock: Clock
    instance: int
    removal: Callable[[], float]


def run(
    engine: Engine,
    lab: Lab,
    nat: NatBehaviour,
    image: str,
    out: Path,
    audience: Audience,
    keep: bool = False,
) -> Ran:
    """Bring the lab up, play its steps, record, take it down. Raises SetupError or DriveError, with nothing left.

    The removal begins when the last packet is recorded and goes on while the caller judges; call `removal` to wait.
    """
    clock = Clock()
    name = new_run()
    recording = Recording(out / lab.name / name)
    stage = Stage(engine, lab.compose, name, nat.name, image, keep)
    try:
        meta = _play(stage, lab, nat, recording, audience, clock)
        removal = _remove_meanwhile(stage) if not keep else lambda: 0.0
    except BaseException:
        with ownership.undisturbed():
            recording.discard()
            stage.remove()
        raise
    try:
        topology = stage.topology
        pcapng.merge(
            topology, {t.name: recording.capture(t.name) for t in topology.taps}, recording.part / rundir.MERGED
        )
        clock.lap("record")
        path = recording.seal({"lab": lab.name, "title": lab.title, "run": name, **meta, "seconds": clock.parts})
    except BaseException:
        removal()
        recording.discard()
        raise
    return Ran(path, clock, stage.instance, removal)


def _play(
    stage: Stage, lab: Lab, nat: NatBehaviour, recording: Recording, audience: Audience, clock: Clock
) -> dict[str, Any]:
    """Everything that needs the containers; returns what the seal says of it."""
    stage.build()
    clock.lap("create")
    stage.attach()
    topology = stage.topology
    taps = [
        LiveTap(tap.name, stage.containers[tap.service], stage.streams[tap.service], recording.capture(tap.name))
        for tap in topology.taps
    ]
    for tap in taps:
        tap.expect(fence.mark for fence in lab.fences if tap.name in fence.taps)
    stage.start()
    clock.lap("start")
    nodes = stage.nodes()
    audience.topology(topology)
    router = nodes[topology.router.name]
    before = _table(router)
    for tap in taps:
        tap.ready()
    clock.lap("ready")
    scene = LiveScene(topology, nodes, recording.event)
    for step in lab.steps:
        audience.step(step)
        scene.step = step.name
        try:
            step.play(scene)
        except OSError as error:
            raise DriveError(f"the step {step.name} did not go as written: {error}") from None
    clock.lap("drive")
    for tap in taps:
        tap.settled()
    with ThreadPoolExecutor(len(taps)) as hands:  # while tcpdump ends, the router is asked
        counts = hands.map(lambda tap: tap.stop(stage.engine), taps)
        meta = _witnesses(stage, router, before) | {"nat": nat.name}
        meta["taps"] = dict(zip((tap.name for tap in taps), counts, strict=True))
    for name, log in [(n.host, n.log) for n in nodes.values()] + [(f"{t.name}-tap", t.log) for t in taps]:
        recording.text(f"{rundir.LOGS}/{name}.log", log)
    recording.text(rundir.COMPOSE, _json(stage.config))
    clock.lap("settle")
    return meta


def _witnesses(stage: Stage, router: Node, before: str) -> dict[str, Any]:
    """What the kernel and the engine say of the run."""
    engine = stage.engine
    return {
        "kernel": engine.kernel,
        "engine": {"version": engine.version, "api": engine.api_version},
        "images": {name: spec["image"] for name, spec in sorted(stage.config["services"].items())},
        "rules": router.run("nft", "list", "ruleset"),
        "conntrack": {"before": before, "after": _table(router)},
        "sysctls": router.run("sysctl", "-e", *SYSCTLS),
        "addresses": router.run("ip", "-br", "addr"),
    }


def _table(router: Node) -> str:
    return router.run("conntrack", "-L")


def _remove_meanwhile(stage: Stage) -> Callable[[], float]:
    """Begin removing in the background; returns how to wait for it: the seconds it took, or its error."""
    hand = ThreadPoolExecutor(1)
    began = time.perf_counter()

    def remove() -> float:
        for stream in stage.streams.values():
            stream.close()
        ownership.remove(stage.engine, stage.run)
        return time.perf_counter() - began

    removing: Future[float] = hand.submit(remove)

    def wait() -> float:
        with ownership.undisturbed():
            hand.shutdown(wait=True)
        return removing.result()

    return wait


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"
