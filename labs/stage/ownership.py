"""Whose a container or network is, and removing what nobody owns any more. Labels decide, never names.

Every object carries the run it belongs to and the process that owns the run. A run's owner is alive, dead, on another
machine (left alone), or `kept`: brought up to stay until `invoke down`.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker.errors import APIError, NotFound

from ..kit.errors import SetupError
from .engine import Engine

PROJECT, LAB, INSTANCE, RUN, OWNER = (
    f"fourtuple.{word}" for word in ("project", "lab", "instance", "run", "owner")
)  # fmt: skip
KEPT = "kept"
HANDS = 8  # parallel calls to the engine; more do not help on two cores


@dataclass(frozen=True, slots=True)
class Belongings:
    """The containers and networks of one run, by id."""

    run: str
    owner: str
    lab: str
    instance: str
    containers: tuple[str, ...]
    networks: tuple[str, ...]

    def as_dict(self) -> dict[str, str]:
        """For programs."""
        return {"run": self.run, "lab": self.lab, "instance": self.instance}


def owner_of_this_process() -> str:
    """`host/pid/birth`: a later process with the same pid has another birth."""
    return f"{socket.gethostname()}/{os.getpid()}/{_birth(os.getpid())}"


def is_dead(owner: str) -> bool:
    """True only where that can be known: the owner was a process of this machine and is not running."""
    host, _, rest = owner.partition("/")
    pid, _, birth = rest.partition("/")
    return host == socket.gethostname() and pid.isdecimal() and _birth(int(pid)) != birth


def _birth(pid: int) -> str:
    """When a process began, in the kernel's own count; empty when there is no such process."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.parent.parent.joinpath("self").exists():
        try:
            return stat.read_text().rpartition(")")[2].split()[19]
        except (OSError, IndexError):
            return ""
    asked = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return "-".join(asked.stdout.split())


def inventory(engine: Engine, run: str | None = None) -> list[Belongings]:
    """Everything of ours on the engine, by run; of one run only, when that is given."""
    wanted = {"label": f"{RUN}={run}" if run else f"{PROJECT}=fourtuple"}
    containers = engine.api.containers(all=True, filters=wanted)
    networks = engine.api.networks(filters=wanted)
    labels: dict[str, dict[str, str]] = {}
    found: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for kind, things in enumerate((containers, networks)):
        for thing in things:
            its = thing.get("Labels") or {}
            labels.setdefault(its.get(RUN, ""), {}).update(its)
            found[its.get(RUN, "")][kind].append(thing["Id"])
    return [
        Belongings(
            name,
            labels[name].get(OWNER, ""),
            labels[name].get(LAB, ""),
            labels[name].get(INSTANCE, ""),
            tuple(mine[0]),
            tuple(mine[1]),
        )
        for name, mine in sorted(found.items())
    ]


def remove(engine: Engine, run: str) -> int:
    """Remove everything of one run; returns how many objects went. SetupError when the engine will not let go.

    Asked again until nothing is left: what was being created when the run was interrupted may still appear.
    """
    gone = 0
    for _ in range(5):
        mine = inventory(engine, run)
        if not mine:
            return gone
        with ThreadPoolExecutor(HANDS) as hands:
            for things, call in ((mine[0].containers, _remove_container), (mine[0].networks, _remove_network)):
                gone += sum(hands.map(lambda thing, call=call: call(engine.api, thing), things))
    raise SetupError(f"the engine does not remove everything of run {run}", "Try `invoke sweep`; see the engine's log.")


def _remove_container(api: Any, name: str) -> bool:
    return _tolerant(lambda: api.remove_container(name, force=True, v=True))


def _remove_network(api: Any, name: str) -> bool:
    return _tolerant(lambda: api.remove_network(name))


def _tolerant(call: Callable[[], None]) -> bool:
    """Make a removal; one that somebody else is making, or that must wait for another, is not an error."""
    try:
        call()
        return True
    except NotFound:
        return False
    except APIError as error:
        if error.status_code in (403, 409):
            return False
        raise


def sweep(engine: Engine, everything: bool = False) -> list[Belongings]:
    """Remove what runs left behind whose process is dead; returns what was removed.

    `everything` also takes labs that were left up and those of other machines, never those of a living process here.
    """
    found = inventory(engine)
    gone = [mine for mine in found if is_dead(mine.owner) or (everything and not _is_alive(mine.owner))]
    for mine in gone:
        remove(engine, mine.run)
    return gone


def _is_alive(owner: str) -> bool:
    return owner.partition("/")[0] == socket.gethostname() and "/" in owner and not is_dead(owner)


def why_left(owner: str) -> str:
    """Why a run was not swept."""
    if owner == KEPT:
        return "it was left up on purpose; `invoke down` ends it"
    if _is_alive(owner):
        return "it is running"
    machine = owner.partition("/")[0] or "an unknown machine"
    return f"it belongs to {machine}; `invoke sweep --everything` takes it"


@contextmanager
def undisturbed() -> Iterator[None]:
    """While this lasts, Ctrl-C and SIGTERM wait: clearing away is bounded and must end."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
