"""Labs that were left up to be played with: bringing one up, looking into it, ending it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from ..errors import SetupError, UsageError
from ..evidence.topology import Topology
from ..net import presets
from . import compose, ownership
from .engine import Engine
from .ownership import Belongings
from .session import Session
from .stage import Stage, new_run


@dataclass(frozen=True, slots=True)
class Kept:
    """A lab that is up: what belongs to it, its running containers by service, and the compose file it was made of."""

    lab: Belongings
    containers: dict[str, str]
    file: str

    def container(self, host: str) -> str:
        """The id of a host's container; UsageError lists the hosts there are."""
        if host not in self.containers:
            there = ", ".join(sorted(self.containers)) or "none"
            raise UsageError(f"the lab {self.lab.lab} has no running host {host!r}; it has: {there}")
        return self.containers[host]

    def topology(self) -> Topology:
        """Its network, as its compose file has it; UsageError where that is a file this fourtuple does not have."""
        if not (compose.FILES / f"{self.file}.yml").is_file():
            raise UsageError(
                f"the lab {self.lab.lab} was made of {self.file}.yml, which this fourtuple does not have",
                "Use the one that brought it up.",
            )
        return Topology.from_compose(compose.Call(self.file, (("FOURTUPLE_INSTANCE", self.lab.instance),)).resolve())


def bring_up(session: Session) -> Stage:
    """Start a lab's containers, without taps, and leave them. SetupError when that cannot be; then nothing is left."""
    lab, nat = session.lab, session.nat
    behaviour = presets.text(nat)
    stage = Stage(session.engine, lab.compose, new_run(), behaviour, session.image, keep=True, taps=False, lab=lab.name)
    try:
        stage.build()
        stage.start()
    except BaseException:
        stage.remove()
        raise
    return stage


def labs(engine: Engine) -> list[Belongings]:
    """Every lab on the engine that was left up."""
    return [mine for mine in ownership.inventory(engine) if mine.kept]


def end(engine: Engine, instance: str, everything: bool = False) -> list[Belongings]:
    """Remove one's only kept lab, that of the instance number, or all; returns them. UsageError lists what is up."""
    up = labs(engine)
    if not everything and (up or instance):
        up = [chosen(up, instance, " Or end them all with --everything.")]
    for mine in up:
        ownership.remove(engine, mine.run)
    return up


def choose(engine: Engine, instance: str) -> Kept:
    """One's only kept lab, or that of the instance number. UsageError lists what is up."""
    mine = chosen(labs(engine), instance)
    containers, file = {}, ""
    for it in engine.api.containers(filters={"label": f"{ownership.RUN}={mine.run}"}):
        if service := it["Labels"].get("com.docker.compose.service"):  # a capture has none
            containers[service] = it["Id"]
            file = Path(it["Labels"]["com.docker.compose.project.config_files"]).stem
    if not containers:
        number = mine.instance
        raise UsageError(f"no host of instance {number} is running", f"`invoke down --instance {number}` ends it.")
    return Kept(mine, containers, file)


def become(engine: Engine, router: str, behaviour: str, instance: str = "") -> tuple[str, float]:
    """Change the behaviour of a router that is up, every mapping forgotten; returns its name and the seconds it took.

    Without a name it is the only router. UsageError says which there are.
    """
    there = choose(engine, instance)
    name = _router(there, router)
    container = there.container(name)
    began = time.perf_counter()
    job = engine.api.exec_create(container, ["python3", "-S", "-m", "fourtuple.agents.router", behaviour])["Id"]
    said = engine.api.exec_start(job)
    took = time.perf_counter() - began
    if engine.api.exec_inspect(job)["ExitCode"]:
        raise SetupError(f"{name} could not become {behaviour}: {said.decode(errors='replace').strip()[-300:]}")
    return name, took


def _router(there: Kept, name: str) -> str:
    """The router of that name, or the only one."""
    routers = [it.name for it in there.topology().routers]
    if not routers:
        raise UsageError(f"the lab {there.lab.lab} has no router")
    if not name and len(routers) > 1:
        raise UsageError(
            f"the lab {there.lab.lab} has {len(routers)} routers: {', '.join(routers)}", "Choose with --host."
        )
    if name and name not in routers:
        raise UsageError(f"{name!r} is no router of the lab {there.lab.lab}; its routers: {', '.join(routers)}")
    return name or routers[0]


def chosen(up: list[Belongings], instance: str, more: str = "") -> Belongings:
    """The lab of that instance number, or one's only one: nobody else's is chosen unless its number says so."""
    found = [mine for mine in up if (mine.instance == instance if instance else mine.own)]
    if len(found) == 1:
        return found[0]
    if not up:
        hint = "`invoke up nat` brings one up."
        raise UsageError(f"no lab with instance {instance} is up, nor any other" if instance else "no lab is up", hint)
    hint = f"Up: {', '.join(map(_named, up))}. Choose with --instance.{more}"
    if found:
        whose = "with that instance number" if instance else "of yours"
        raise UsageError(f"{len(found)} labs {whose} are up, and one was wanted", hint)
    raise UsageError(f"no lab with instance {instance} is up" if instance else "no lab of yours is up", hint)


def _named(mine: Belongings) -> str:
    whose = "yours" if mine.own else f"of {mine.user}" if mine.user else "whose is not known"
    return f"instance {mine.instance} ({mine.lab}, {whose})"
