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

from ..evidence import pcapng, rundir
from ..evidence.topology import Topology
from ..kit.lab import Lab, Step
from ..net import presets
from . import foreign
from .hands import hands
from .live_scene import LiveScene, Node
from .recording import Recording
from .session import Session
from .signals import undisturbed
from .stage import Stage, new_run, version
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
    removal: Callable[[], None]


def run(session: Session, out: Path, audience: Audience, keep: bool = False, full: bool = False) -> Ran:
    """Bring the lab up, play its steps, record, take it down. Raises SetupError or DriveError, with nothing left.

    A step that does not go as written ends there, not the run: what was recorded is sealed like any other. The removal
    begins when the last packet is recorded and goes on while the caller judges; call `removal` to wait.
    """
    clock = Clock()
    lab, name = session.lab, new_run()
    recording = Recording(out / lab.name / name)
    file, image = (foreign.COMPOSE, session.box.image) if session.box else (lab.compose, "")
    nat = presets.text(session.nat)
    stage = Stage(session.engine, file, name, nat, session.image, keep, box=image, lab=lab.name)
    removal: Callable[[], None] = stage.remove
    try:
        meta = _play(stage, session, recording, audience, clock, full)
        if not keep:
            removal = _remove_meanwhile(stage)
        topology = stage.topology
        captures = {tap.name: recording.capture(tap.name) for tap in topology.taps}
        if captures:
            recording.file(rundir.MERGED, lambda target: pcapng.merge(topology, captures, target))
        clock.lap("record")
        path = recording.seal({"lab": lab.name, "title": lab.title, "run": name, **meta, "seconds": clock.parts})
    except BaseException:
        with undisturbed():
            try:
                removal()
                stage.remove()
            finally:
                recording.discard()
        raise
    return Ran(path, clock, stage.instance, _nothing if keep else removal)


def _play(
    stage: Stage, session: Session, recording: Recording, audience: Audience, clock: Clock, full: bool
) -> dict[str, Any]:
    """Everything that needs the containers; returns what the seal says of it."""
    lab = session.lab
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
    routers = [nodes[router.name] for router in topology.routers]
    before = [_table(router) for router in routers]
    for tap in taps:
        tap.ready()
    clock.lap("ready")
    scene = LiveScene(topology, nodes, recording.event, full, audience.note, session.options)
    if session.box:
        foreign.move_in(stage, scene, session.box)
    ended = _steps(lab, scene, audience)
    clock.lap("drive")
    if not ended:
        for tap in taps:
            tap.settled()
    with hands(len(taps) + 1) as ending:  # while tcpdump ends, the routers are asked
        counts = ending.map(lambda tap: tap.stop(stage.engine), taps)
        meta = _witnesses(stage, routers, before) | {"nat": presets.text(session.nat), "full": full, "ended": ended}
        meta["options"] = session.options
        meta["prepared"] = stage.prepared
        meta["box"] = session.box.image if session.box else ""
        meta["taps"] = dict(zip((tap.name for tap in taps), counts, strict=True))
    for name, log in [(n.host, n.log) for n in nodes.values()] + [(f"{t.name}-tap", t.log) for t in taps]:
        recording.text(f"{rundir.LOGS}/{name}.log", log)
    recording.text(rundir.COMPOSE, _json(stage.config))
    clock.lap("settle")
    return meta


def _steps(lab: Lab, scene: LiveScene, audience: Audience) -> str:
    """Play the steps; returns why one or more of them did not go as written, or nothing. The others are played."""
    troubles: list[str] = []
    for step in lab.steps:
        audience.step(step)
        scene.step = step.name
        try:
            step.play(scene)
        except OSError as error:
            troubles.append(f"the step {step.name} did not go as written: {error.strerror or error}")
        except KeyError as missing:
            if not troubles:
                raise
            troubles.append(f"the step {step.name} misses {missing}, which an earlier one would have left")
    return "\n".join(troubles)


def _witnesses(stage: Stage, routers: list[Node], before: list[str]) -> dict[str, Any]:
    """What the kernel and the engine say of the run."""
    engine = stage.engine
    said: dict[str, Any] = {
        "time": stage.began,
        "version": version(),
        "kernel": engine.kernel,
        "engine": {"version": engine.version, "api": engine.api_version},
        "image_ids": stage.images,
        "images": {name: spec["image"] for name, spec in sorted(stage.config["services"].items())},
        "conntrack": {"before": None, "after": None},
    }
    if routers:  # of several routers, one after the other
        said["rules"] = "\n".join(f"# {router.host}\n{router.run('nft', 'list', 'ruleset')}" for router in routers)
        said["conntrack"] = {"before": "".join(before), "after": "".join(map(_table, routers))}
        said["sysctls"] = routers[0].run("sysctl", "-e", *SYSCTLS)
        said["addresses"] = "\n".join(router.run("ip", "-br", "addr") for router in routers)
    return said


def _table(router: Node) -> str:
    return router.run("conntrack", "-L")


def _nothing() -> None:
    """Nothing is removed: the lab was to be left up."""


def _remove_meanwhile(stage: Stage) -> Callable[[], None]:
    """Begin removing in the background; returns how to wait for it, which raises what went wrong."""
    hand = ThreadPoolExecutor(1)
    removing: Future[None] = hand.submit(stage.remove)

    def wait() -> None:
        with undisturbed():
            hand.shutdown(wait=True)
        removing.result()

    return wait


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"
