"""How fast the front door is, against the floor: the same containers and networks straight through the engine's API.

Both are measured in turn in one run on one machine, so the ratio holds where absolute times do not.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..errors import SetupError
from . import fleet, images, ownership
from .engine import Engine, connect
from .hands import Hands
from .progress import Progress
from .signals import undisturbed
from .stage import Stage, new_run


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians in seconds: the whole command from outside, its parts, the floor and its parts, judging a run."""

    runs: int
    whole: float
    floor: float
    judge: float
    ratio: float
    parts: dict[str, float]
    floor_parts: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def measure(runs: int, tell: Progress) -> Figures:
    """Measure `runs` times each, in turn, after one warm-up."""
    engine = connect()
    image = images.ensure(engine, tell)
    blueprint = Blueprint(engine, image)
    wholes: list[float] = []
    judges: list[float] = []
    parts: list[dict[str, float]] = []
    floors: list[dict[str, float]] = []
    with TemporaryDirectory(prefix="fourtuple-bench-") as out:
        for number in range(runs + 1):
            tell.note(f"run {number} of {runs}")
            whole, said = _timed("lab", "nat", "--json", "--out", out)
            bare = blueprint.play()
            judged, _ = _timed("judge", json.loads(said)["run"], "--json")
            if number:  # the first warms caches up
                wholes.append(whole)
                parts.append(json.loads(said)["seconds"])
                floors.append(bare)
                judges.append(judged)
    whole, floor = statistics.median(wholes), statistics.median(sum(floor.values()) for floor in floors)
    return Figures(runs, whole, floor, statistics.median(judges), whole / floor, _medians(parts), _medians(floors))


def _medians(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def _timed(*words: str) -> tuple[float, str]:
    """One invoke command as a whole process. SetupError when it does not end well."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "fourtuple", *words],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )
    took = time.perf_counter() - began
    if done.returncode:
        raise SetupError(f"`invoke {' '.join(words)}` ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return took, done.stdout


class Blueprint:
    """The lab's containers and networks as the engine describes them, to be made again without anything else."""

    def __init__(self, engine: Engine, image: str) -> None:
        self._engine = engine
        stage = Stage(engine, "nat", new_run(), "masquerade", image)
        try:
            stage.build()
            self._topology = stage.topology
            self._containers = {name: engine.api.inspect_container(i) for name, i in stage.containers.items()}
            mine = {"label": f"{ownership.RUN}={stage.run}"}
            self._networks = [engine.api.inspect_network(n["Id"]) for n in engine.api.networks(filters=mine)]
        finally:
            stage.remove()

    def play(self) -> dict[str, float]:
        """Create, start and remove everything once, in parallel; the seconds of each part."""
        run, seconds = new_run(), {}
        with Hands() as hands:
            try:
                began = time.perf_counter()
                list(hands.map(lambda spec: self._network(spec, run), self._networks))
                hosts = [host.name for host in self._topology.hosts]
                made = dict(zip(hosts, hands.map(lambda name: self._container(name, run, {}), hosts), strict=True))
                taps = {tap.service: tap.host for tap in self._topology.taps}
                made |= zip(taps, hands.map(lambda name: self._container(name, run, made), taps), strict=True)
                seconds["create"] = -began + (began := time.perf_counter())

                def start(host: str) -> None:
                    for service in (host, *(service for service, owner in taps.items() if owner == host)):
                        self._engine.api.start(made[service])

                list(hands.map(start, hosts))
                seconds["start"] = -began + (began := time.perf_counter())
            finally:
                with undisturbed():
                    hands.shutdown(cancel_futures=True)
                    ownership.remove(self._engine, run)
            seconds["remove"] = time.perf_counter() - began
        return seconds

    def _network(self, spec: dict[str, Any], run: str) -> None:
        self._engine.api.create_network(
            spec["Name"] + run,
            spec["Driver"],
            spec["Options"],
            spec["IPAM"],
            labels=spec["Labels"] | {ownership.RUN: run},
        )

    def _container(self, name: str, run: str, made: dict[str, str]) -> str:
        """Create one container as Compose did; a tap joins the namespace of its new host."""
        spec = self._containers[name]
        host_config = dict(spec["HostConfig"])
        attached = spec["NetworkSettings"]["Networks"]
        config = spec["Config"] | {"Labels": spec["Config"]["Labels"] | {ownership.RUN: run}, "HostConfig": host_config}
        if host_config["NetworkMode"].startswith("container:"):
            owner = next(tap.host for tap in self._topology.taps if tap.service == name)
            host_config["NetworkMode"] = f"container:{made[owner]}"
            config |= {"Hostname": "", "ExposedPorts": None}  # its own namespace would have these
        else:
            first = next(iter(attached))
            host_config["NetworkMode"] = first + run
            config["NetworkingConfig"] = {
                "EndpointsConfig": {first + run: {"IPAMConfig": attached[first]["IPAMConfig"]}}
            }
        identity: str = self._engine.api.create_container_from_config(config)["Id"]
        for network in list(attached)[1:]:
            address = attached[network]["IPAMConfig"]["IPv4Address"]
            self._engine.api.connect_container_to_network(identity, network + run, ipv4_address=address)
        return identity


def table(figures: Figures) -> str:
    """The figures for a person, and what dominates."""
    largest = max(figures.parts, key=lambda name: figures.parts[name] if name not in ("verdict", "total") else 0)
    lines = [
        f"median of {figures.runs} runs, in seconds",
        f"  the lab nat, whole command      {figures.whole:6.2f}",
        *(f"      {name:<27} {seconds:6.2f}" for name, seconds in figures.parts.items()),
        f"  the floor                       {figures.floor:6.2f}",
        *(f"      {name:<27} {seconds:6.2f}" for name, seconds in figures.floor_parts.items()),
        f"  judging its run again           {figures.judge:6.2f}    (wanted: under 0.5)",
        f"  whole command / floor           {figures.ratio:6.2f}    (wanted: at most 1.5)",
        f"  start-up                        {figures.parts.get('startup', 0):6.2f}    (wanted: at most 0.4)",
        f"{largest!r} dominates: {figures.parts[largest] / figures.whole:.0%} of the whole command",
    ]
    return "\n".join(lines)


Figure = dict[str, float]


def labs(tell: Progress) -> tuple[str, dict[str, Figure]]:
    """Every lab with every NAT, one after the other and then several at once: what each costs and what dominates,
    in words and in numbers."""
    images.ensure(connect(), tell)
    with TemporaryDirectory(prefix="fourtuple-bench-") as out:
        alone = fleet.run(fleet.everything(), Path(out), tell, at_once=1)
        began = time.perf_counter()
        fleet.run(fleet.everything(), Path(out), tell)
        together = time.perf_counter() - began
    parts: Counter[str] = Counter()
    for sortie in alone:
        parts.update({name: took for name, took in sortie.parts.items() if name not in ("verdict", "total")})
    whole = sum(it.seconds for it in alone)
    largest, took = parts.most_common(1)[0]
    figures: dict[str, Figure] = {"labs": {f"{it.lab} {it.nat}": it.seconds for it in alone}, "parts": dict(parts),
               "all": {"one after the other": whole, "several at once": together}}  # fmt: skip
    return "\n".join([
        "every lab once, in seconds",
        *(f"  {it.lab + (' ' + it.nat if it.nat != 'none' else ''):<32} {it.seconds:6.2f}" for it in alone),
        f"  one after the other              {whole:6.2f}    (wanted: under 60)",
        f"  {fleet.AT_ONCE} at once                        {together:6.2f}",
        f"{largest!r} dominates: {took / whole:.0%} of them, one after the other",
    ]), figures  # fmt: skip
