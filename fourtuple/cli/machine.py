"""This machine: setup, doctor, images, bench."""

from __future__ import annotations

from invoke import Context, task

from ..stage.command import as_json, command
from .words import JSON

_BOX = "build this router that is not ours instead, for the task `audit --image`: a directory of images/"


@task
@command
def setup(_: Context) -> None:
    """Make this machine ready: engine, Compose v2, image. Does only what is missing; root on Debian and Ubuntu."""
    from ..stage import setup as machine
    from ..stage.narrator import Narrator

    tell = Narrator()
    with tell.working("looking at this machine"):
        lines = machine.setup(tell)
    for line in lines:
        tell.say(f"✓ {line}")


@task(help={"json": JSON})
@command
def doctor(_: Context, json: bool = False) -> int:
    """One line for each thing a lab needs, with what to do; the last is a real frame through a router."""
    from ..stage import doctor as examination
    from ..stage.narrator import Narrator

    tell = Narrator(quiet=json)
    findings = []
    with tell.working("examining"):
        for finding in examination.examine(tell):
            findings.append(finding)
            tell.say(str(finding))
    if json:
        as_json([finding.as_dict() for finding in findings])
    return 0 if all(finding.ok for finding in findings) else 2


@task(help={"box": _BOX})
@command
def images(_: Context, box: str = "") -> None:
    """Build the lab's image anew, whatever is there."""
    from ..stage import engine
    from ..stage import images as node
    from ..stage.narrator import Narrator

    tell = Narrator()
    with tell.working("building"):
        connected = engine.connect()
        name = node.build_box(connected, box, tell) if box else f"{node.NAME}:{node.build(connected, tell)}"
    tell.say(f"✓ {name}")


@task(help={"json": JSON, "runs": "how often each thing is measured", "labs": "measure every lab once instead",
            "routers": "measure what gets through the routers instead",
            "rendezvous": "measure how long a meeting takes, and what its server can take, instead"})  # fmt: skip
@command
def bench(_: Context, json: bool = False, runs: int = 5, labs: bool = False, routers: bool = False,
          rendezvous: bool = False) -> None:  # fmt: skip
    """Measure the lab nat against the floor: the same containers and networks, and nothing else."""
    from ..stage import bench as measuring
    from ..stage import throughput
    from ..stage.narrator import Narrator

    tell = Narrator(quiet=json)
    if labs or routers or rendezvous:
        with tell.working("measuring"):
            said, numbers = (measuring.labs(tell) if labs else throughput.routers(runs, tell) if routers
                             else throughput.rendezvous(tell))  # fmt: skip
        tell.say(said)
        if json:
            as_json(numbers)
        return
    with tell.working("measuring"):
        figures = measuring.measure(runs, tell)
    tell.say(measuring.table(figures))
    if json:
        as_json(figures.as_dict())
