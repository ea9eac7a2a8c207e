"""A lab's network that is up, to play with: up, shell, capture, down; and sweep."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from invoke import Context, task

from .. import program
from ..stage.command import as_json, command

if TYPE_CHECKING:
    from ..evidence.topology import Topology
from .words import INSTANCE, JSON, LABS, NAT

_FILE = "write a pcap here (default: text on a terminal, a pcap into a pipe)"

_LIVE = "open it in Wireshark while it is captured"


@task(help={"name": "which lab, or the path of its file", "nat": NAT, "labs": LABS})
@command
def up(_: Context, name: str, nat: str = "", labs: str = "") -> None:
    """Bring a lab's network up and leave it, to play with; the task `down` ends it."""
    from ..kit import catalog
    from ..stage import kept, session
    from ..stage.narrator import Narrator

    tell = Narrator()
    catalog.also(labs)
    ready = session.begin(name, nat, tell)
    with tell.working("bringing the lab up"):
        stage = kept.bring_up(ready)
    tell.picture(stage.topology, ready.nat)
    tell.say(up_says(stage.instance, stage.topology))


def up_says(instance: int, topology: Topology) -> str:
    """What can be done with a lab that is up."""
    host = next(it.name for it in topology.hosts if not it.router)
    ear = topology.taps[-1].name if topology.taps else host
    ways = [f"shell {host}", f"capture {ear}", "down"]
    does = " | ".join(f"{program.name()} {words} --instance {instance}" for words in ways)
    return f"  instance {instance} is up: {does}"


@task(help={"instance": INSTANCE, "everything": "all that are up on this engine", "json": JSON})
@command
def down(_: Context, instance: str = "", everything: bool = False, json: bool = False) -> None:
    """End the lab you left up; somebody else's only where --instance or --everything says so."""
    from ..stage import engine, kept
    from ..stage.narrator import Narrator

    tell = Narrator(quiet=json)
    with tell.working("taking down"):
        ended = kept.end(engine.connect(), instance, everything)
    for it in ended:
        tell.say(f"removed {it.lab} (instance {it.instance})")
    if not ended:
        tell.say("no lab was up")
    if json:
        as_json([it.as_dict() for it in ended])


@task(help={"host": "a host of the lab, as client1, router or alice", "instance": INSTANCE})
@command
def shell(_: Context, host: str, instance: str = "") -> None:
    """A shell in a host of the lab that is up."""
    from ..stage import engine, kept

    there = kept.choose(engine.connect(), instance).container(host)
    argv = ["docker", "exec", "-it" if sys.stdin.isatty() else "-i", there[:12], "bash"]
    print("+", *argv, file=sys.stderr, flush=True)
    os.execvp(argv[0], argv)


@task(
    help={
        "tap": "a tap of the lab, as lan or home-a, or a host",
        "wireshark": _LIVE,
        "file": _FILE,
        "instance": INSTANCE,
    }
)
@command
def capture(_: Context, tap: str, file: str = "", wireshark: bool = False, instance: str = "") -> None:
    """Capture in the lab that is up, until Ctrl-C; prints the exact command it runs."""
    from ..stage import engine, images, listen
    from ..stage.narrator import Narrator

    connected = engine.connect()
    image = images.ensure(connected, Narrator())
    listen.listen(listen.Request(connected, image, tap, instance), file, wireshark)


@task(help={"everything": "also what belongs to other machines, and labs that were left up", "json": JSON,
            "out": "where run directories are"})  # fmt: skip
@command
def sweep(_: Context, everything: bool = False, json: bool = False, out: str = "results") -> None:
    """Remove what runs have left behind whose process is dead; running labs are never touched."""
    from ..stage import engine, ownership, recording
    from ..stage.narrator import Narrator

    tell = Narrator(quiet=json)
    parts = recording.clear_dead(Path(out))
    for part in parts:
        tell.say(f"removed the unfinished run directory {part}")
    connected = engine.connect()
    swept = ownership.sweep(connected, everything)
    for it in swept:
        tell.say(f"removed {len(it.containers)} containers and {len(it.networks)} networks of run {it.run}")
    for it in ownership.inventory(connected):
        tell.say(f"left run {it.run} alone: {ownership.why_left(it)}")
    if not swept and not parts:
        tell.say("no dead run has left anything")
    if json:
        as_json([it.as_dict() for it in swept])
