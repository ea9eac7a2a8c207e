"""Whose a container or network is, and removing what nobody owns any more. Labels decide, never names.

Every object carries the run it belongs to, the process that owns the run, and the user who began it. A run's owner is
alive, dead, on another machine (left alone), or `kept`: brought up to stay until its user ends it with `invoke down`.
"""

from __future__ import annotations

import os
import pwd
import re
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker.errors import APIError
from requests.exceptions import RequestException

from ..errors import SetupError
from . import signals
from .engine import Engine, reason
from .hands import hands

PROJECT, LAB, INSTANCE, RUN, OWNER, USER = (
    f"fourtuple.{word}" for word in ("project", "lab", "instance", "run", "owner", "user")
)  # fmt: skip
KEPT = "kept:"  # an owner that begins so wants its lab to stay
PATIENCE = 30.0  # seconds a removal may take
CALL = 5.0  # ... and one request of it; what the engine has begun it goes on with, and is asked for again
COMEBACK = 25.0  # ... and an engine that was started anew, until it answers
HURRY = 2.0  # ... and that one when somebody waits for an interrupted run to end
PAUSE = 0.1  # ... between two looks whether it answers
_PID = re.compile("[1-9][0-9]{0,8}")  # no system has longer ones


@dataclass(frozen=True, slots=True)
class Belongings:
    """The containers and networks of one run, by id."""

    run: str
    owner: str
    lab: str
    instance: str
    containers: tuple[str, ...]
    networks: tuple[str, ...]
    half_built: bool
    user: str = ""

    @property
    def kept(self) -> bool:
        """Was it brought up to stay?"""
        return f"{self.owner}:".startswith(KEPT)

    @property
    def own(self) -> bool:
        """Did this user bring it up, on this machine? That outlives a reboot, unlike the process."""
        return self.user == user_of_this_process()

    def as_dict(self) -> dict[str, str]:
        """For programs."""
        return {"run": self.run, "lab": self.lab, "instance": self.instance}


def owner_of_this_process() -> str:
    """`machine/pid/birth`: a later process with the same pid has another birth."""
    return f"{_machine()}/{os.getpid()}/{_birth(os.getpid())}"


def user_of_this_process() -> str:
    """`user@machine`, or the user's number where it has no name."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"


def is_dead(owner: str) -> bool:
    """True only where that can be known: the owner was a process of this machine and is not running."""
    if not (process := _process(owner)):
        return False
    pid, birth = process
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return _birth(pid) not in ("", birth)  # "": it is there, and may not be looked at


def _process(owner: str) -> tuple[int, str] | None:
    """Pid and birth of an owner that is a process of this machine; a label may hold anything."""
    machine, _, rest = owner.partition("/")
    pid, _, birth = rest.partition("/")
    return (int(pid), birth) if machine == _machine() and _PID.fullmatch(pid) else None


def _machine() -> str:
    """Host name, boot and pid namespace: where one of them differs, a pid means somebody else."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    namespace = Path("/proc/self/ns/pid")
    where = [socket.gethostname()]
    with suppress(OSError):
        where += [boot.read_text()[:8], str(namespace.stat().st_ino)]
    return "+".join(where)


def _birth(pid: int) -> str:
    """When a process began, in the system's own count; empty when that cannot be seen."""
    if Path("/proc/self/stat").exists():
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        except (OSError, IndexError):
            return ""
    asked = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return "-".join(asked.stdout.split())


def inventory(engine: Engine, run: str | None = None) -> list[Belongings]:
    """Everything of ours on the engine, by run; of one run only, when that is given."""
    wanted = {"label": f"{PROJECT}=fourtuple" if run is None else f"{RUN}={run}"}
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
            any(_not_started(it) for it in containers if it["Id"] in mine[0]),
            labels[name].get(USER, ""),
        )
        for name, mine in sorted(found.items())
    ]


def _not_started(container: dict[str, Any]) -> bool:
    """Is it a part of a lab that was created and not started? A capture, which joins a lab for a while, is no part."""
    return container["State"] == "created" and "com.docker.compose.service" in container["Labels"]


def remove(engine: Engine, run: str) -> int:
    """Remove everything of one run; returns how many objects went. SetupError when the engine will not let go.

    Asked again until nothing is left: what was being created when the run was interrupted may still appear, and
    somebody else may be removing the same. An engine that went away is waited for.
    """
    gone, trouble = 0, "it gives no reason"
    _await_engine(engine, run)
    deadline = time.monotonic() + PATIENCE
    with engine.patience(CALL):
        while time.monotonic() < deadline:
            try:
                mine = inventory(engine, run)
                if not mine:
                    return gone
                gone += _remove_each(mine[0].containers, lambda it: _remove_container(engine.api, it))
                gone += _remove_each(mine[0].networks, lambda it: _tolerant(engine.api.remove_network, it))
            except RequestException as error:  # an engine's refusal is one, too
                trouble = reason(error)
                if _await_engine(engine, run):
                    deadline = time.monotonic() + PATIENCE
    raise SetupError(
        f"the engine did not remove everything of run {run} within {PATIENCE:.0f} s: {trouble}",
        "Try `invoke sweep`; see its log.",
    )


def _remove_each(identities: tuple[str, ...], remove_one: Callable[[str], bool]) -> int:
    """Remove all of them, several at once; returns how many went. One that is refused keeps no other."""
    with hands() as removing:
        removals = [removing.submit(remove_one, it) for it in identities]
    return sum(it.result() for it in removals)


def _await_engine(engine: Engine, run: str) -> bool:
    """Return when the engine answers, and whether it had to be waited for. SetupError when it does not in time."""
    began = time.monotonic()
    waited = False
    while why := engine.probe():
        if not waited:
            _tell(f"the engine does not answer ({why}); waiting up to {COMEBACK:.0f} s for it, to remove what run "
                  f"{run} made")  # fmt: skip
        waited = True
        if (passed := time.monotonic() - began) > (HURRY if signals.interrupted() else COMEBACK):
            raise SetupError(
                f"the engine did not answer within {passed:.0f} s ({why}); containers and networks of run {run} "
                "may be left",
                "When it answers again, `invoke sweep` removes them.",
            )
        threading.Event().wait(PAUSE)
    return waited


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 -- a removal has no audience, and this takes a while


def _remove_container(api: Any, identity: str) -> bool:
    """Remove a container; where somebody else is at it, wait until they are done."""
    if _tolerant(api.remove_container, identity, force=True, v=True):
        return True
    with suppress(RequestException):
        api.wait(identity, condition="removed", timeout=CALL)
    return False


def _tolerant(call: Callable[..., None], identity: str, **how: bool) -> bool:
    """Make a removal; one that somebody else makes, or that must wait for another, is not an error."""
    try:
        call(identity, **how)
        return True
    except APIError as error:
        if error.status_code in (403, 404, 409):
            return False
        raise


def sweep(engine: Engine, everything: bool = False) -> list[Belongings]:
    """Remove what runs left behind whose process is dead; returns what was removed.

    `everything` also takes labs that were left up and those of other machines, never those of a living process here.
    """
    found = inventory(engine)
    gone = [mine for mine in found if _is_abandoned(mine) or (everything and not _is_alive(mine.owner))]
    for mine in gone:
        remove(engine, mine.run)
    return gone


def _is_abandoned(mine: Belongings) -> bool:
    """Nobody will come back for it: its process is dead, and it was not to stay or had not come up yet."""
    if mine.kept:
        return mine.half_built and is_dead(mine.owner.removeprefix(KEPT))
    return is_dead(mine.owner)


def _is_alive(owner: str) -> bool:
    return _process(owner) is not None and not is_dead(owner)


def why_left(mine: Belongings) -> str:
    """Why a run was not swept."""
    if mine.kept:
        return "it was left up on purpose; `invoke down` ends it"
    if _is_alive(mine.owner):
        return "it is running"
    place = mine.owner.partition("/")[0]
    if place == _machine():
        return "its label does not say which process it belongs to; `invoke sweep --everything` takes it"
    machine = place.partition("+")[0] or "an unknown machine"
    return f"it belongs to {machine}; `invoke sweep --everything` takes it"
