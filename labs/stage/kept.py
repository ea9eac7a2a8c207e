"""Labs that were left up to be played with: bringing one up, looking into it, ending it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ..kit.errors import SetupError, UsageError
from ..net import presets
from . import ownership
from .engine import Engine
from .ownership import Belongings
from .session import Session
from .stage import Stage, new_run


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a kept lab."""

    service: str
    id: str
    lab: Belongings


def bring_up(session: Session) -> Stage:
    """Start a lab's containers, without taps, and leave them. SetupError when that cannot be; then nothing is left."""
    lab, nat = session.lab, session.nat
    stage = Stage(session.engine, lab.compose, new_run(), presets.text(nat), session.image, keep=True, taps=False)
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
    """Remove the only kept lab, the one of that instance number, or all; returns them. UsageError lists what is up."""
    ended = [mine for mine in labs(engine) if everything or instance in ("", mine.instance)]
    if instance and not ended:
        raise UsageError(f"no lab with instance {instance} is up", _which(engine))
    if len(ended) > 1 and not everything:
        raise UsageError(f"{len(ended)} labs are up", f"{_which(engine)} Or end them all with --everything.")
    for mine in ended:
        ownership.remove(engine, mine.run)
    return ended


def container(engine: Engine, host: str, instance: str = "") -> Container:
    """The container of `host` in the only kept lab, or in that instance. UsageError lists what there is."""
    kept = [mine for mine in labs(engine) if instance in ("", mine.instance)]
    if not kept:
        raise UsageError(f"no lab with instance {instance} is up" if instance else "no lab is up", _which(engine))
    if len(kept) > 1:
        raise UsageError(f"{len(kept)} labs are up, and one was wanted", _which(engine))
    found = {
        it["Labels"].get("com.docker.compose.service", ""): it["Id"]
        for it in engine.api.containers(filters={"label": f"{ownership.RUN}={kept[0].run}"})
    }
    if host not in found:
        raise UsageError(
            f"the lab has no running host {host!r}; it has: {', '.join(sorted(found))}",
            "A capture may also name a network of the router: lan or wan.",
        )
    return Container(host, found[host], kept[0])


def become(engine: Engine, router: str, behaviour: str, instance: str = "") -> float:
    """Change the behaviour of a router that is up, every mapping forgotten; returns the seconds it took."""
    there = container(engine, router, instance)
    began = time.perf_counter()
    job = engine.api.exec_create(there.id, ["python3", "-S", "-m", "labs.agents.router", behaviour])["Id"]
    said = engine.api.exec_start(job)
    took = time.perf_counter() - began
    if engine.api.exec_inspect(job)["ExitCode"]:
        raise SetupError(f"{router} could not become {behaviour}: {said.decode(errors='replace').strip()[-300:]}")
    return took


def _which(engine: Engine) -> str:
    up = [f"instance {mine.instance} ({mine.lab})" for mine in labs(engine)]
    if not up:
        return "None is up; `invoke up nat` brings one up."
    return f"Up: {', '.join(up)}. Choose with --instance."
